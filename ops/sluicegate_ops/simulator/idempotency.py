"""Idempotency keys: what was answered under which, and which are in progress."""

from re import compile as pattern

#: What the provider publishes: a stored success is replayed for 24 hours.
KEPT_SECONDS = 24 * 3600.0

#: What the provider publishes: 1 to 255 letters, digits, hyphens and underscores.
VALID = pattern(rb"[A-Za-z0-9_-]{1,255}\Z")

Scoped = tuple[str, str]


class IdempotencyKeys:
    """One credential's keys, each in the scope of a path.

    Only successes are stored, so a key whose request failed is free again, for any body.
    """

    def __init__(self) -> None:
        self._stored: dict[Scoped, tuple[int, float]] = {}
        self.busy: set[Scoped] = set()

    def find(self, key: Scoped, now: float) -> int | None:
        """The number of the message accepted under this key in the last 24 h, or None."""
        found = self._stored.get(key)
        if found is None or found[1] <= now - KEPT_SECONDS:
            return None
        return found[0]

    def store(self, key: Scoped, message: int, now: float) -> None:
        """Remember an acceptance at ``now`` (seconds), and forget those of over 24 h ago."""
        stored = self._stored
        stored.pop(key, None)
        stored[key] = (message, now)
        oldest = next(iter(stored))
        while stored[oldest][1] <= now - KEPT_SECONDS:
            del stored[oldest]
            oldest = next(iter(stored))
