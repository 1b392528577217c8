"""Idempotency keys: the message accepted under each, and the keys in progress."""

from re import compile as pattern

#: As published: a stored success is replayed for 24 hours.
KEPT_SECONDS = 24 * 3600.0

#: As published: 1 to 255 letters, digits, hyphens and underscores.
VALID = pattern(rb"[A-Za-z0-9_-]{1,255}\Z")

Scoped = tuple[str, str]


class IdempotencyKeys:
    """One credential's keys, each scoped to a path.

    Only successes are stored, so after a failure the key can be used again, with any body.
    """

    def __init__(self) -> None:
        self._stored: dict[Scoped, tuple[int, float]] = {}
        self.busy: set[Scoped] = set()

    def find(self, key: Scoped, now: float) -> int | None:
        """The number of the message accepted under this key in the last 24 h, or None."""
        number, accepted_at = self._stored.get(key, (None, 0.0))
        return None if accepted_at <= now - KEPT_SECONDS else number

    def store(self, key: Scoped, message: int, now: float) -> None:
        """Remember an acceptance at ``now`` (seconds), and forget those older than 24 h."""
        stored = self._stored
        stored.pop(key, None)
        stored[key] = (message, now)
        oldest = next(iter(stored))
        while stored[oldest][1] <= now - KEPT_SECONDS:
            del stored[oldest]
            oldest = next(iter(stored))
