"""When a campaign will be done: an estimate, from the level that holds it back most."""

import math
from collections.abc import Callable, Iterable, Sequence

import msgspec

from sluicegate.stored import Ticket

from .facts import AccountFacts
from .look import DailyCap, LaneLimits
from .wait import Wait

_STOPPED = (
    "draft",
    "scheduled",
    "paused",
    "canary",
    "no_worker",
    "read_only",
    "memory",
    "stalled",
    "failing",
)
"""While these last nothing is sent, and nobody can say until when."""

_BEFORE = ("halted", "blocked", "queue_full", "queue")


class Finish(msgspec.Struct, frozen=True):
    """About when (wall ms), with nothing else to come, and the level that sets the pace.

    The next message goes no earlier than ``begins_ms``. ``beside`` is how many other campaigns
    share that level.
    """

    at_ms: float
    level: str
    beside: int
    begins_ms: float


class TicketSample(msgspec.Struct, frozen=True):
    """What a lane's next tickets are like: segments of each, and the share of +1 numbers."""

    segments: float = 1.0
    us_share: float = 1.0


class Rival(msgspec.Struct, frozen=True):
    """A running campaign with somebody waiting: the levels it passes, and its weight."""

    name: str
    levels: frozenset[str]
    weight: float


def sampled(texts: Sequence[bytes]) -> TicketSample:
    """What a lane's first tickets are like; raises Malformed."""
    if not texts:
        return TicketSample()
    tickets = [Ticket.parse(text) for text in texts]
    segments = sum(ticket.segments for ticket in tickets) / len(tickets)
    us_share = sum(ticket.to.startswith("+1") for ticket in tickets) / len(tickets)
    return TicketSample(max(1.0, segments), us_share)


def finish(
    facts: AccountFacts,
    limits: LaneLimits,
    messages: int,
    sample: TicketSample,
    rivals: Iterable[Rival],
    waits: Iterable[Wait],
    midnight_ms: Callable[[int], float],
    opens: Iterable[tuple[float, int]] = (),
) -> Finish | None:
    """About when ``messages`` more will have been sent; None where nobody can say.

    The campaign gets its weight's share of what others wait for too; ``waits`` are what holds it
    back now. ``midnight_ms`` says when the carrier's day ends that is so many days ahead, and
    ``opens`` from when on so many of the messages may go at all.
    """
    beside, waits = list(rivals), list(waits)
    stopped = any(
        wait.kind in _STOPPED or (wait.kind == "halted" and wait.until_ms is None)
        for wait in waits
    )
    if not messages or stopped or not facts.rate.limit:
        return None
    took_ms = paces(facts, limits, sample, beside)
    level = max(took_ms, key=lambda level: took_ms[level])
    message_ms = took_ms[level]
    before = [wait.until_ms or 0.0 for wait in waits if wait.kind in _BEFORE]
    begins_ms = max([facts.now_ms, *(wait.until_ms or 0.0 for wait in waits if wait.refuses)])
    at_ms = max([facts.now_ms, *before]) + messages * message_ms
    at_ms = max(at_ms, begins_ms + (messages - 1) * message_ms)
    at_ms = max([at_ms, *(opens_ms + waiting * message_ms for opens_ms, waiting in opens)])
    if cap := limits.cap:
        segments = messages * sample.segments * sample.us_share * cap.share
        capped_ms = _capped_ms(cap, segments, message_ms, midnight_ms)
        if capped_ms > at_ms:
            level, at_ms = cap.name, capped_ms
    others = [rival for rival in beside if level in rival.levels and rival.name != _own(limits)]
    return Finish(at_ms, level, len(others), begins_ms)


def paces(
    facts: AccountFacts, limits: LaneLimits, sample: TicketSample, rivals: Sequence[Rival]
) -> dict[str, float]:
    """Milliseconds that each level takes for one message, with its campaign's share of it."""
    rate, name = facts.rate, _own(limits)
    alone = {"account": 1000 * rate.window_seconds / rate.budget if rate.budget else 0.0}
    for level in limits.levels:
        if level.interval_ms:
            alone[level.name] = sample.segments * level.interval_ms
    return {level: ms / _share(level, name, rivals) for level, ms in alone.items()}


def rival(name: str, limits: LaneLimits, weight: float) -> Rival:
    """A campaign as others see it beside them."""
    levels = {"account", *(level.name for level in limits.levels if level.interval_ms)}
    levels |= {limits.cap.name} if limits.cap else set()
    return Rival(name, frozenset(levels), weight)


def _own(limits: LaneLimits) -> str:
    return limits.lane.campaign


def _share(level: str, name: str, rivals: Sequence[Rival]) -> float:
    """The part of a level that campaign ``name`` gets beside the others that pass it."""
    weights = {rival.name: rival.weight for rival in rivals if level in rival.levels}
    return weights.get(name, 1.0) / sum(weights.values()) if name in weights else 1.0


def _capped_ms(
    cap: DailyCap, charged: float, message_ms: float, midnight_ms: Callable[[int], float]
) -> float:
    """When a brand's cap lets the last of ``charged`` segments pass; 0 where it is today."""
    over = charged - max(0.0, cap.limit - cap.used)
    if over <= 0:
        return 0.0
    days = math.ceil(over / cap.limit) - 1
    return midnight_ms(days) + (over - days * cap.limit) / cap.share * message_ms
