"""What a probe concludes from its calls: only as much as the answers show."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from .calls import Call
from .rehearsal import Learned
from .skew import Skew, common, skew_of
from .window import Window, reset_value, window

Counting = Literal["alone", "others", "still", "untold"]
"""How ``remaining`` moves: down by one with each call, by more, or not at all."""

Reading = Literal["seconds from now", "Unix time in s", "Unix time in ms"]


class Latency(msgspec.Struct, frozen=True):
    """How long answers took; the first is separate, since it opens the connection."""

    first_ms: float
    p50_ms: float
    p90_ms: float
    highest_ms: float


class Findings(msgspec.Struct, frozen=True):
    """What the calls of one run say together.

    ``statuses`` counts answers by HTTP status, 0 if none came. ``limits`` are in order of
    appearance. ``skew`` is None if the two clocks can't be compared. ``learned`` is what the
    workers would go by; None if Redis can't be asked.
    """

    calls: int
    statuses: dict[int, int]
    limits: list[int]
    window: Window
    readings: list[Reading]
    counting: Counting
    skew: Skew | None
    latency: Latency | None
    learned: Learned | None = None


def findings(calls: Sequence[Call], learned: Learned | None = None) -> Findings:
    """What the calls of one run show, and the workers would learn; they must be in order."""
    answered = [call for call in calls if call.status]
    skew = common(filter(None, map(skew_of, answered)))
    counting = _counting([call.rate.remaining for call in answered])
    return Findings(
        calls=len(calls),
        statuses=dict(Counter(call.status for call in calls)),
        limits=list(dict.fromkeys(c.rate.limit for c in answered if c.rate.limit > 0)),
        window=_counted(learned)
        or window(answered, skew, counts_down=counting in ("alone", "others")),
        readings=list(dict.fromkeys(filter(None, map(_reading, answered)))),
        counting=counting,
        skew=skew,
        latency=_latency([call.took_ms for call in answered]),
        learned=learned,
    )


def _counted(learned: Learned | None) -> Window | None:
    """The window that the counts of the answers show, as workers learn it; None if they don't."""
    if learned is None or learned.in_doubt or learned.evidence not in ("drops", "age", "refill"):
        return None
    return Window(learned.window_seconds, "count", passed=True)


def _counting(remaining: Sequence[int]) -> Counting:
    counts = [count for count in remaining if count >= 0]
    steps = [before - after for before, after in itertools.pairwise(counts)]
    if not steps:
        return "untold"
    most = max(steps)
    if most > 1:
        return "others"
    return "alone" if most == 1 else "still"


def _reading(call: Call) -> Reading | None:
    """How a plain reset header is to be read, judging by its size."""
    value = reset_value(call)
    if value is None:
        return None
    if value > 1e12:
        return "Unix time in ms"
    return "Unix time in s" if value > 1e9 else "seconds from now"


def _latency(took_ms: Sequence[float]) -> Latency | None:
    if not took_ms:
        return None
    rest = sorted(took_ms[1:] or took_ms)
    p50, p90 = (rest[math.ceil(share * len(rest)) - 1] for share in (0.5, 0.9))
    return Latency(took_ms[0], p50, p90, rest[-1])
