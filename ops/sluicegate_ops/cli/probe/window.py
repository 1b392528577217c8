"""How long the provider's window is: as its policy says, or at least as ``reset`` shows."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from .calls import Call
from .skew import Skew

USUAL_SECONDS = (1, 2, 5, 10, 15, 30, 60, 300, 3600, 86_400)

_ROUNDING_SECONDS = 1.0
"""``reset`` is in whole seconds, rounded up: the true time may be shorter by as much."""


class Window(msgspec.Struct, frozen=True):
    """A window of ``seconds``; 0 if nothing shows it.

    ``source`` is ``policy`` if the provider says so, and ``count`` if its counts of requests show
    it, as workers learn it. It is ``reset`` for the shortest usual window that fits the time left;
    the true one may be longer, unless its end was ``passed``.
    """

    seconds: float = 0.0
    source: Literal["policy", "count", "reset", "nothing"] = "nothing"
    passed: bool = False


def window(calls: Sequence[Call], skew: Skew | None, *, counts_down: bool) -> Window:
    """The window that the answers show; ``counts_down`` is whether ``remaining`` ever fell."""
    stated_ms = max((call.rate.window_ms for call in calls), default=-1.0)
    if stated_ms > 0:
        return Window(stated_ms / 1000, "policy", passed=True)
    left = [(call, seconds) for call in calls if (seconds := _left(call, skew)) is not None]
    # For a token bucket, ``reset`` is when it will be full, which says nothing about a window.
    if not left or not counts_down or _fills(left):
        return Window()
    blur = _ROUNDING_SECONDS + (skew.error_seconds if skew else 0.0)
    least = max(seconds for _, seconds in left) - blur
    seconds = next((usual for usual in USUAL_SECONDS if usual > least), USUAL_SECONDS[-1])
    return Window(float(seconds), "reset", passed=_passed(left))


def reset_value(call: Call) -> float | None:
    """The number in a plain reset header, unconverted; None if it makes no sense."""
    text = call.headers.get("x-ratelimit-reset") or call.headers.get("ratelimit-reset")
    if not text or call.rate.reset_ms < 0:
        return None
    return float(text.partition(",")[0].partition(";")[0])


def _left(call: Call, skew: Skew | None) -> float | None:
    """Seconds until the window ends, more precisely than by the answer's own date."""
    reset_ms, value = call.rate.reset_ms, reset_value(call)
    if reset_ms < 0:
        return None
    if value is None or value <= 1e9 or skew is None:
        return reset_ms / 1000
    there = call.at + call.took_ms / 2000 + skew.seconds
    return max(0.0, (value / 1000 if value > 1e12 else value) - there)


def _fills(left: Sequence[tuple[Call, float]]) -> bool:
    """Whether less remaining means more time left, as for a bucket that is filling up."""
    known = [(call.rate.remaining, seconds) for call, seconds in left if call.rate.remaining >= 0]
    emptiest = min(known, key=lambda pair: (pair[0], -pair[1]), default=(0, 0.0))
    fullest = max(known, default=(0, 0.0))
    return emptiest[1] > fullest[1] + _ROUNDING_SECONDS


def _passed(left: Sequence[tuple[Call, float]]) -> bool:
    """Whether the first window that an answer named had ended before the last call."""
    return left[-1][0].since_ms / 1000 > _end(*left[0])


def _end(call: Call, left_seconds: float) -> float:
    return call.since_ms / 1000 + left_seconds
