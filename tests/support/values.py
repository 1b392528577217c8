"""Reads the values of keys of any type."""

from collections.abc import Sequence
from typing import Any


def values_of(store: Any, keys: Sequence[bytes]) -> dict[bytes, Any]:
    """The values of ``keys``, in two round trips."""
    pipeline = store.pipeline(transaction=False)
    for key in keys:
        pipeline.type(key)
    kinds = pipeline.execute()
    for key, kind in zip(keys, kinds, strict=True):
        match kind:
            case b"hash":
                pipeline.hgetall(key)
            case b"list":
                pipeline.lrange(key, 0, -1)
            case b"zset":
                pipeline.zrange(key, 0, -1, withscores=True)
            case b"set":
                pipeline.smembers(key)
            case _:
                pipeline.get(key)
    values = zip(keys, pipeline.execute(), strict=True)
    return {key: value for key, value in values if value is not None}  # expired in between
