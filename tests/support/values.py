"""Reads the values of keys of any type, in one step of the server.

Tests compare all that is stored before and behind each script, so this is most of what they do.
"""

from typing import Any, cast

import fakeredis
from fakeredis.model import ExpiringMembersSet, Hash, ZSet

_READ = """
local read = {
  hash = 'HGETALL', set = 'SMEMBERS', string = 'GET',
  list = {'LRANGE', 0, -1}, zset = {'ZRANGE', 0, -1, 'WITHSCORES'},
}
local found = {}
for place, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local kind = redis.call('TYPE', key).ok
  local how = read[kind]
  if type(how) == 'table' then
    found[place] = {key, kind, redis.call(how[1], key, unpack(how, 2))}
  else
    found[place] = {key, kind, redis.call(how, key)}
  end
end
return found
"""
_DUMP = """
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  found[#found + 1] = key
  found[#found + 1] = redis.call('DUMP', key)
end
return found
"""


def values_of(store: Any, pattern: str = "*") -> dict[bytes, Any]:
    """The values of all keys of that ``pattern``: all at one moment, and copied."""
    if isinstance(store, fakeredis.FakeRedis):
        database = store.connection_pool.connection_kwargs["server"].dbs[0]
        keys = store.scan_iter(match=pattern, count=1000)
        return {key: _copied(database[key].value) for key in keys if key in database}
    found = cast("list[list[Any]]", store.eval(_READ, 0, pattern))
    return {key: _value(kind, told) for key, kind, told in found}


def image_of(store: Any) -> dict[bytes, Any]:
    """All that is stored, in the form that is read fastest; see ``changes``."""
    if isinstance(store, fakeredis.FakeRedis):
        return values_of(store)
    found = cast("list[bytes]", store.eval(_DUMP, 0))
    return dict(zip(found[::2], found[1::2], strict=True))


def changes(
    store: Any, before: dict[bytes, Any], after: dict[bytes, Any]
) -> dict[bytes, tuple[Any, Any]]:
    """What differs between two images: key -> the values before and after, None for no key."""
    differ = [key for key in before.keys() | after.keys() if before.get(key) != after.get(key)]
    pairs = ((key, [_seen(store, image.get(key)) for image in (before, after)]) for key in differ)
    return {key: (one, other) for key, (one, other) in pairs if one != other}


def _seen(store: Any, image: Any) -> Any:
    """The value of which this is the image: equal ones may have several."""
    if image is None or isinstance(store, fakeredis.FakeRedis):
        return image
    store.restore("an image", 0, image, replace=True)
    value = values_of(store, "an image")[b"an image"]
    store.delete("an image")
    return value


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
