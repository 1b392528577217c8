"""Deafness: a worker's signals start no drain, since nobody takes them from its queue."""

from collections.abc import Callable

DEAF_SECONDS = 8.0
"""Signals that are unanswered for so long are not on their way any more."""

_MOST_CHARACTERS = 300


class Deafness:
    """Of one account in one worker; times are seconds of a monotonic clock.

    ``diagnose()`` says why signals start no drain, as Celery knows it; "" where it can't tell.
    """

    def __init__(self, diagnose: Callable[[], str] = str) -> None:
        self._diagnose = diagnose
        self._unanswered_since: float | None = None
        self._last = 0.0
        self._failure = ""

    def note_signal(self, now: float, failure: str = "") -> None:
        """A signal was sent, or could not be."""
        if self._unanswered_since is None:
            self._unanswered_since = now
        self._last, self._failure = now, failure

    def note_drain(self) -> None:
        """A signal was heard."""
        self._unanswered_since = None

    def reason(self) -> str:
        """Why no drain has begun since the last signals were sent; "" where one has."""
        since = self._unanswered_since
        if since is None or self._last - since < DEAF_SECONDS:
            return ""
        why = self._failure or self._diagnose() or "its signals start no drain"
        return " ".join(why.split())[:_MOST_CHARACTERS]
