"""A line for each attempt at a message, and for each wait between two."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import zip_longest

import msgspec

from sluicegate.stored import History, PastAttempt
from sluicegate_worker.provider.codes import advice_for

from ..words import clean, lasting

_OUTCOMES = {
    "accepted": "accepted",
    "retry": "failed, to be retried",
    "back": "refused, returned to its lane",
    "dead": "refused for good",
    "doubt": "in doubt",
    "lost": "in doubt: its worker fell silent",
}


_ENDLESS = ("accepted", "dead")
"""Outcomes after which only a person can have a message sent again."""


COLUMNS = ("ATTEMPT", "STARTED", "LATE", "TOOK", "WORKER", "CODE", "OUTCOME")


def attempt_rows(history: History, workers: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """One row under ``COLUMNS`` for each attempt, and one for those that were not kept."""
    if not history.attempts:
        return
    named = [
        msgspec.structs.replace(attempt, worker=workers.get(attempt.worker, attempt.worker))
        for attempt in history.attempts
    ]
    first, *rest = named
    left_out = history.left_out
    follows = None if left_out else next(iter(rest), None)
    yield _row(1, first, follows)
    if left_out:
        yield ("",) * (len(COLUMNS) - 1) + (f"{left_out} more, not kept",)
    for number, (attempt, follows) in enumerate(zip_longest(rest, rest[1:]), 2 + left_out):
        yield _row(number, attempt, follows)


def _row(number: int, attempt: PastAttempt, follows: PastAttempt | None) -> tuple[str, ...]:
    return (
        str(number),
        precise(attempt.began_ms),
        f"{attempt.late_ms} ms",
        f"{attempt.took_ms:,} ms",
        clean(attempt.worker),
        clean(attempt.code),
        clean(_outcome(attempt) + _waited(attempt, follows)),
    )


def _outcome(attempt: PastAttempt) -> str:
    known = _OUTCOMES.get(attempt.outcome, attempt.outcome)
    advice = advice_for(attempt.code) if attempt.outcome != "accepted" else None
    return f"{known}: {advice.means}" if advice else known


def _waited(attempt: PastAttempt, follows: PastAttempt | None) -> str:
    """How long the message then waited for its next attempt."""
    if follows is None:
        return ""
    waited = lasting((follows.began_ms - attempt.began_ms - attempt.took_ms) / 1000)
    again = " until it was sent again" if attempt.outcome in _ENDLESS else ""
    return f"; waited {waited}{again}"


def precise(wall_ms: float) -> str:
    """A wall time in UTC, to the millisecond."""
    time = datetime.fromtimestamp(wall_ms / 1000, UTC)
    return time.isoformat(sep=" ", timespec="milliseconds").replace("+00:00", "Z")
