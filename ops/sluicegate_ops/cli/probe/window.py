"""How long the provider's window is: as a policy says, or at least as long as ``reset`` shows."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from .calls import Call
from .skew import Skew

USUAL_SECONDS = (1, 2, 5, 10, 15, 30, 60, 300, 3600, 86_400)

_ROUNDING_SECONDS = 1.0
"""``reset`` names whole seconds, rounded up: as much may be missing from what it says."""


class Window(msgspec.Struct, frozen=True):
    """A window of ``seconds``, 0 where nothing shows it.

    ``source``: ``policy``, where the provider says so; ``reset``, where it is the shortest usual
    window that the time left allows, so that it may be longer, unless its end was ``passed``.
    """

    seconds: float = 0.0
    source: Literal["policy", "reset", "nothing"] = "nothing"
    passed: bool = False


def window(calls: Sequence[Call], skew: Skew | None, *, counts_down: bool) -> Window:
    """The window that answers show; ``counts_down`` is whether ``remaining`` ever fell."""
    told_ms = max((call.told.window_ms for call in calls), default=-1.0)
    if told_ms > 0:
        return Window(told_ms / 1000, "policy", passed=True)
    left = [(call, seconds) for call in calls if (seconds := _left(call, skew)) is not None]
    # Of a token bucket ``reset`` says when it will be full: nothing of a window.
    if not left or not counts_down or _fills(left):
        return Window()
    blur = _ROUNDING_SECONDS + (skew.error_seconds if skew else 0.0)
    least = max(seconds for _, seconds in left) - blur
    seconds = next((usual for usual in USUAL_SECONDS if usual > least), USUAL_SECONDS[-1])
    return Window(float(seconds), "reset", passed=_passed(left))


def reset_value(call: Call) -> float | None:
    """What a plain reset header holds, as it stands there; None where that makes no sense."""
    text = call.headers.get("x-ratelimit-reset") or call.headers.get("ratelimit-reset")
    if not text or call.told.reset_ms < 0:
        return None
    return float(text.partition(",")[0].partition(";")[0])


def _left(call: Call, skew: Skew | None) -> float | None:
    """Seconds until the window ended, closer than the answer's own date can say it."""
    told_ms, value = call.told.reset_ms, reset_value(call)
    if told_ms < 0:
        return None
    if value is None or value <= 1e9 or skew is None:
        return told_ms / 1000
    there = call.at + call.took_ms / 2000 + skew.seconds
    return max(0.0, (value / 1000 if value > 1e12 else value) - there)


def _fills(left: Sequence[tuple[Call, float]]) -> bool:
    """Whether the end is the further away the less remains, as a bucket's is when it is full."""
    known = [(call.told.remaining, seconds) for call, seconds in left if call.told.remaining >= 0]
    emptiest = min(known, key=lambda one: (one[0], -one[1]), default=(0, 0.0))
    fullest = max(known, default=(0, 0.0))
    return emptiest[1] > fullest[1] + _ROUNDING_SECONDS


def _passed(left: Sequence[tuple[Call, float]]) -> bool:
    """Whether the first window that was told of had ended before the last call."""
    return left[-1][0].since_ms / 1000 > _end(*left[0])


def _end(call: Call, left_seconds: float) -> float:
    return call.since_ms / 1000 + left_seconds
