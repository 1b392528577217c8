"""How well workers use the rate limit, and what a claim costs.

Most cases simulate only the clock, the network and the provider: real ``Drain`` objects call the
real scripts on a real Valkey, in a world whose time passes only when all of them wait. The other
cases use real worker processes against the HTTP simulator, or claim from long queues.
"""
