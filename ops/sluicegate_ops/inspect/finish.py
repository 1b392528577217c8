"""When a campaign will be done: an estimate, from the level that holds it back most."""

import math
from collections.abc import Iterable, Sequence

import msgspec

from .levels import LaneLimits, carrier_day
from .wait import Wait

_DAY_MS = 86_400_000
_ENDLESS = ("draft", "paused", "halted", "no_worker")
_BEFORE = ("halted", "failing", "blocked", "queue_full", "queue")


class Finish(msgspec.Struct, frozen=True):
    """About when (wall ms), with nothing else to come, and the level that sets the pace.

    ``beside`` is how many other campaigns share that level.
    """

    at_ms: float
    level: str
    beside: int


class TicketSample(msgspec.Struct, frozen=True):
    """What the next tickets of a lane are like: segments of each, and the part to +1 numbers."""

    segments: float = 1.0
    us_share: float = 1.0


class Rival(msgspec.Struct, frozen=True):
    """A running campaign with somebody waiting: the levels it passes, and its weight."""

    name: str
    levels: frozenset[str]
    weight: float


def sampled(tickets: Sequence[bytes]) -> TicketSample:
    """Look at a lane's first tickets."""
    if not tickets:
        return TicketSample()
    parts = [ticket.split(b"|", 5) for ticket in tickets]
    segments = sum(int(part[1]) for part in parts) / len(parts)
    us_share = sum(part[4].startswith(b"+1") for part in parts) / len(parts)
    return TicketSample(max(1.0, segments), us_share)


def finish(
    passage: LaneLimits,
    messages: int,
    sample: TicketSample,
    rivals: Iterable[Rival],
    waits: Iterable[Wait],
) -> Finish | None:
    """About when ``messages`` more will have been sent; None where nobody can say.

    Its campaign gets its weight's share of what others wait for too; ``waits`` are what holds it
    back now.
    """
    facts, name, beside = passage.facts, passage.lane.campaign, list(rivals)
    waits = list(waits)
    endless = any(wait.kind in _ENDLESS and wait.until_ms is None for wait in waits)
    if not messages or endless or not facts.rate.limit:
        return None
    took_ms = paces(passage, sample, beside)
    level = max(took_ms, key=lambda level: took_ms[level])
    message_ms = took_ms[level]
    begins = [wait.until_ms or 0.0 for wait in waits if wait.kind in _BEFORE]
    at_ms = max([facts.now_ms, *begins]) + messages * message_ms
    capped_ms = _capped(passage, messages * sample.segments * sample.us_share, message_ms)
    if passage.cap and capped_ms > at_ms:
        level, at_ms = passage.cap.name, capped_ms
    others = [rival for rival in beside if level in rival.levels and rival.name != name]
    return Finish(at_ms, level, len(others))


def paces(passage: LaneLimits, sample: TicketSample, rivals: Sequence[Rival]) -> dict[str, float]:
    """Milliseconds that each level takes for one message, with its campaign's share of it."""
    rate, name = passage.facts.rate, passage.lane.campaign
    alone = {"account": 1000 * rate.window_seconds / rate.budget}
    for level in passage.levels:
        alone[level.name] = sample.segments * level.interval_ms
    return {level: ms / _share(level, name, rivals) for level, ms in alone.items()}


def _share(level: str, name: str, rivals: Sequence[Rival]) -> float:
    """The part of a level that campaign ``name`` gets beside the others that pass it."""
    weights = {rival.name: rival.weight for rival in rivals if level in rival.levels}
    return weights.get(name, 1.0) / sum(weights.values()) if name in weights else 1.0


def _capped(passage: LaneLimits, segments: float, message_ms: float) -> float:
    """When a brand's daily cap lets the last of ``segments`` pass; 0 where it lets all today."""
    cap, facts = passage.cap, passage.facts
    if cap is None:
        return 0.0
    over = segments * cap.share - max(0.0, cap.limit - passage.used_today(cap))
    if over <= 0:
        return 0.0
    days = math.ceil(over / cap.limit) - 1
    midnight_ms = facts.now_ms + carrier_day(facts)[1]
    last_day = (over - days * cap.limit) / cap.share
    return midnight_ms + days * _DAY_MS + last_day * message_ms


def rival(name: str, passage: LaneLimits, weight: float) -> Rival:
    """A campaign as others see it beside them."""
    levels = {"account", *(level.name for level in passage.levels)}
    levels |= {passage.cap.name} if passage.cap else set()
    return Rival(name, frozenset(levels), weight)
