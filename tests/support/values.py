"""Reads the values of keys of any type, in as few steps as each kind of store allows.

Tests read all that is stored before and behind each script, so this is most of what they do.
"""

from collections.abc import Sequence
from typing import Any, cast

import fakeredis
from fakeredis.model import ExpiringMembersSet, Hash, ZSet

_READ = """
local read = {
  hash = 'HGETALL', set = 'SMEMBERS', string = 'GET',
  list = {'LRANGE', 0, -1}, zset = {'ZRANGE', 0, -1, 'WITHSCORES'},
}
local found = {}
for place, key in ipairs(ARGV) do
  local kind = redis.call('TYPE', key).ok
  local how = read[kind]
  if type(how) == 'table' then
    found[place] = {kind, redis.call(how[1], key, unpack(how, 2))}
  elseif how then
    found[place] = {kind, redis.call(how, key)}
  else
    found[place] = {kind}
  end
end
return found
"""


def values_of(store: Any, keys: Sequence[bytes]) -> dict[bytes, Any]:
    """The values of those ``keys`` that are there: all at one moment, and copied."""
    if isinstance(store, fakeredis.FakeRedis):
        database = store.connection_pool.connection_kwargs["server"].dbs[0]
        return {key: _copied(database[key].value) for key in keys if key in database}
    found = cast("list[list[Any]]", store.eval(_READ, 0, *keys))
    values = zip(keys, found, strict=True)
    return {key: _value(*read) for key, read in values if read[0] != b"none"}


def _value(kind: bytes, told: Any) -> Any:
    """What a client's own commands would return."""
    match kind:
        case b"hash":
            return dict(zip(told[::2], told[1::2], strict=True))
        case b"zset":
            return [
                (member, float(score)) for member, score in zip(told[::2], told[1::2], strict=True)
            ]
        case b"set":
            return set(told)
    return told


def _copied(value: Any) -> Any:
    """The same, of what the fake holds."""
    match value:
        case Hash():
            return value.getall()
        case ZSet():
            return [(member, value[member]) for member in value]
        case ExpiringMembersSet():
            return set(value)
    return value.copy() if isinstance(value, list) else value
