"""How well the rate limit is used, and what a claim costs.

Most cases run as shipped but for the clock, the network and the provider: real ``Drain`` objects
call the real scripts on a real Valkey, in a world whose time passes only when all of them wait.
Then come real worker processes against the HTTP simulator, and claims on long queues.
"""
