"""The levels that refuse a lane's next message, or set its pace, as what holds back."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from sluicegate_worker.queue import HORIZON_MS

from .facts import AccountFacts
from .look import DailyCap, LaneLimits, RateLevel
from .wait import Wait, WaitKind, halted

_CAPS: Final[Mapping[str, WaitKind]] = {
    "money": "money",
    "messages": "cap",
    "segments": "cap",
    "canary": "canary",
}
"""What refuses, by the measure of a cap: see ``caps.lua``."""

_MOST_SEGMENTS = 10
"""What one message may charge a level at most: a longer wait is for something else."""


def refusals(facts: AccountFacts, limits: LaneLimits) -> list[Wait]:
    """Each level that refuses the lane's next message now: caps before queues before rates.

    The one that a claim names is among them, and lets go no earlier than the claim says.
    """
    waits = list(_refusals(facts, limits))
    named = [wait for wait in waits if wait.level == limits.refused_by]
    if limits.refused_by and not named and limits.refused_by not in facts.halts:
        waits.append(_named(limits))
    return [_no_earlier(wait, limits) for wait in waits]


def together(waits: Iterable[Wait]) -> list[Wait]:
    """Each level once; those who wait for the hours of one campaign, by when the first may go."""
    found: dict[tuple[str, str], Wait] = {}
    for wait in waits:
        before = found.get((wait.kind, wait.level))
        if before and wait.kind == "hours":
            until_ms = min(wait.until_ms or math.inf, before.until_ms or math.inf)
            wait = replace(wait, until_ms=until_ms, used=wait.used + before.used)
        found[wait.kind, wait.level] = wait
    return list(found.values())


def halts(facts: AccountFacts, limits: LaneLimits) -> Iterator[Wait]:
    """The halts that stop a lane."""
    return (halted(facts.halts[name]) for name in limits.names if name in facts.halts)


def rate(facts: AccountFacts, level: RateLevel) -> Wait:
    """A level's rate as what holds back, whether it refuses at this very moment or not."""
    return Wait(
        kind="rate",
        level=level.name,
        until_ms=max(facts.now_ms, level.opens_ms),
        limit=1000 / level.interval_ms,
        refuses=level.refuses,
        number=level.number,
    )


def full_day(cap: DailyCap) -> Wait:
    """A brand's cap as what holds back, until the carrier's midnight."""
    return Wait(
        kind="daily_cap",
        level=cap.name,
        until_ms=cap.midnight_ms,
        limit=cap.limit,
        used=cap.used,
        refuses=True,
        number=cap.number,
    )


def _refusals(facts: AccountFacts, limits: LaneLimits) -> Iterator[Wait]:
    if limits.cap and limits.cap.refuses:
        yield full_day(limits.cap)
    refusing = [level for level in limits.levels if level.refuses]
    queues = {level.name: _queue(facts, limits, level) for level in refusing}
    yield from (wait for wait in queues.values() if wait)
    yield from (rate(facts, level) for level in refusing if not queues[level.name])


def _queue(facts: AccountFacts, limits: LaneLimits, level: RateLevel) -> Wait | None:
    """The provider's own queue: full, or longer than the sender's rate accounts for."""
    if level.name != f"sender:{limits.lane.sender}":
        return None
    own_ms = HORIZON_MS + _MOST_SEGMENTS * level.interval_ms
    kind: WaitKind = "queue"
    if limits.full_ms is not None and limits.full_ms > facts.now_ms:
        kind = "queue_full"
    elif level.interval_ms and level.opens_ms - facts.now_ms <= own_ms:
        return None
    return Wait(kind=kind, level=level.name, until_ms=level.opens_ms, refuses=True)


def _named(limits: LaneLimits) -> Wait:
    """The level that parked the lane, though by now it would let a message pass."""
    kind, _, capped = limits.refused_by.partition(":")
    if kind in _CAPS:
        return Wait(kind=_CAPS[kind], level=capped, refuses=True)  # nobody can say until when
    if kind == "hours":
        return Wait(
            kind="hours",
            level=limits.refused_by,
            until_ms=limits.opens_ms,
            used=limits.waiting,
            refuses=True,
        )
    if limits.cap and limits.cap.name == limits.refused_by:
        return full_day(limits.cap)
    level = next((each for each in limits.levels if each.name == limits.refused_by), None)
    per_second = 1000 / level.interval_ms if level and level.interval_ms else 0.0
    return Wait(
        kind="rate" if per_second else "queue",
        level=limits.refused_by,
        until_ms=limits.opens_ms,
        limit=per_second,
        refuses=True,
        number=level.number if level else None,
    )


def _no_earlier(wait: Wait, limits: LaneLimits) -> Wait:
    if wait.level != limits.refused_by or limits.opens_ms is None or wait.until_ms is None:
        return wait
    return replace(wait, until_ms=max(wait.until_ms, limits.opens_ms))
