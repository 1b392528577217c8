"""A replacement for time.lua, so that a test sets the server's clock."""

CLOCK = """
return { server_ms = function() return tonumber(redis.call('GET', KEYS[1] .. 'test-clock')) end }
"""
"""Replaces time.lua: the server's clock is a key that the test sets."""
