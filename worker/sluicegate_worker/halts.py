"""Halts: an account stopped for a cause that every further message would hit too."""

from contextlib import suppress
from typing import Any

import msgspec
import redis

from sluicegate.keys import Keys


class HaltInfo(msgspec.Struct, frozen=True):
    """A level's halt: why, and until when (wall ms); None means until it is cleared."""

    level: str
    why: str
    until_ms: int | None = None


class Halts:
    """The halts of one account, on a synchronous client."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._key, self._wake = keys("halts"), keys("wake")

    def list(self) -> list[HaltInfo]:
        """Every halt in force or waiting to clear itself."""
        return [_read(level, text) for level, text in self._client.hgetall(self._key).items()]

    def clear(self, level: str = "account") -> bool:
        """Lift a halt and wake the workers; False where there was none."""
        cleared = bool(self._client.hdel(self._key, level))
        if cleared:
            with suppress(redis.OutOfMemoryError):  # then the sweep wakes them
                self._client.lpush(self._wake, "1")
        return cleared


def _read(level: bytes, text: bytes) -> HaltInfo:
    until, _, why = text.decode().partition("|")
    return HaltInfo(level.decode(), why, int(float(until)) if until else None)
