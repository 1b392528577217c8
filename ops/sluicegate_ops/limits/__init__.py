"""How well the rate limit is used: the real drains and scripts against providers of three kinds.

Everything is as shipped but the clock, the network and the provider: real ``Drain`` objects call
the real scripts on a real Valkey, in a world whose time passes only when all of them wait.
"""
