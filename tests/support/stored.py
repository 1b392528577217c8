"""An account that version 0.1 stored, and how it is put into a server.

``stored_0_1.json`` was written by that version's scripts, driven on a test's clock: its moment,
the state of each id (null where a recipient has no record), the tokens of its leases, and every
key by its type.
"""

import json
from pathlib import Path
from typing import Any, Final

import redis

from .bench import Bench

STORED: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "stored_0_1.json").read_text(encoding="utf-8")
)


def restore(store: redis.Redis) -> Bench:
    """Put the account in place of whatever is there; its bench stands at the account's moment."""
    bench = Bench(store)
    store.delete(*store.scan_iter(f"{bench.keys.prefix}*"))
    for name, (kind, value) in STORED["keys"].items():
        _put(bench.store, bench.keys(name), kind, value)
    bench.at(STORED["now_ms"])
    return bench


def _put(store: Any, key: str, kind: str, value: Any) -> None:
    if kind == "string":
        store.set(key, value)
    elif kind == "hash":
        store.hset(key, mapping=value)
    elif kind == "set":
        store.sadd(key, *value)
    elif kind == "list":
        store.rpush(key, *value)
    else:
        store.zadd(key, {member: float(score) for member, score in value})
