"""Whether people are being told: when ``sluicegate notify`` looked last, and what still waits."""

from collections.abc import Mapping
from typing import Any

import msgspec
import redis

from sluicegate.keys import Keys

_RECEIVERS = ("webhook", "mail")


class NotifyingState(msgspec.Struct, frozen=True):
    """The last look (wall ms), None where there was none, and how many wait by receiver."""

    looked_ms: float | None
    waiting: Mapping[str, int]


def read_notifying(client: redis.Redis, keys: Keys) -> NotifyingState:
    """Read it."""
    store: Any = client
    pipeline = store.pipeline(transaction=False)
    pipeline.hget(keys("told"), "looked")
    for receiver in _RECEIVERS:
        pipeline.llen(keys(f"notices:{receiver}"))
    looked, *lengths = pipeline.execute()
    waiting = {name: n for name, n in zip(_RECEIVERS, lengths, strict=True) if n}
    return NotifyingState(float(looked) if looked else None, waiting)
