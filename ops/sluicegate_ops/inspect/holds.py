"""What is under a legal hold, and why."""

from typing import Any

import msgspec
import redis

from sluicegate.keys import Keys


class HoldState(msgspec.Struct, frozen=True):
    """One hold: of a ``number`` or a ``campaign`` called ``name``, since ``at_ms`` (wall)."""

    kind: str
    name: str
    at_ms: int = 0
    who: str = ""
    why: str = ""


def read_holds(client: redis.Redis, keys: Keys) -> list[HoldState]:
    """All of them, the longest first."""
    store: Any = client
    found = []
    for what, stored in store.hgetall(keys("holds")).items():
        kind, _, name = what.decode().partition(":")
        about = msgspec.json.decode(stored, type=dict[str, Any])
        found.append(HoldState(kind, name, **about))
    return sorted(found, key=lambda hold: (hold.at_ms, hold.name))
