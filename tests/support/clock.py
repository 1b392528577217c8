"""The part that stands in for time.lua, so that a test moves the server's clock."""

CLOCK = """
return { server_ms = function() return tonumber(redis.call('GET', KEYS[1] .. 'test-clock')) end }
"""
"""Stands in for time.lua: the server's clock is a key that the test sets."""
