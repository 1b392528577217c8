"""The levels that a lane's messages pass, and which of them refuses now, until when."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .facts import AccountFacts
from .wait import Wait, WaitKind, halted

SLACK_MS = 50.0
"""As in the scripts: a level lets pass so much before its time."""

BULK_SHARE = 0.95
"""As in the scripts: the part of the concurrency that bulk may have."""

PROBES = 2
"""As in the scripts: requests under way at most before the first answer."""

_MOST_SEGMENTS = 10
_DAY_MS = 86_400_000


class Lane(NamedTuple):
    """A lane's name, read: priority ``t`` or ``b``, type ``sms`` or ``mms``."""

    priority: str
    type: str
    sender: str
    campaign: str


class Level(NamedTuple):
    """A level with a rate: its name, that of its use in Redis, ms from one segment to the next."""

    name: str
    key: str
    interval_ms: float


class Cap(NamedTuple):
    """A brand's segments a day; of a segment to a +1 number, ``share`` is charged."""

    name: str
    limit: float
    share: float


class LaneLimits:
    """What a lane's messages pass; ``per_second`` is its campaign's own rate, 0 for none.

    ``charged`` is how many segments the next message counts of a brand's day: none, unless it
    goes to a +1 number.
    """

    def __init__(
        self, facts: AccountFacts, lane: Lane, per_second: float = 0.0, charged: float = 1.0
    ) -> None:
        self.facts, self.lane, self._charged = facts, lane, charged
        sms, mms, registration = _parts(facts.limits, f"sender:{lane.sender}", 3)
        self._sender_ms = _interval(lane, sms, mms)
        self._registration = registration
        self._campaign_ms = 1000 / per_second if per_second else 0.0
        self._registration_ms, brand = 0.0, ""
        if registration:
            sms, mms, brand = _parts(facts.limits, f"registration:{registration}", 3)
            self._registration_ms = _interval(lane, sms, mms)
        cap, share = _parts(facts.limits, f"brand:{brand}", 2)
        self.cap = Cap(f"brand:{brand}", float(cap), float(share)) if cap else None

    @property
    def names(self) -> list[str]:
        """The levels by which it may be halted, the widest first."""
        found = ["account"]
        found += [self.cap.name] if self.cap else []
        found += [f"registration:{self._registration}"] * bool(self._registration)
        found.append(f"sender:{self.lane.sender}")
        return found + [f"campaign:{self.lane.campaign}"] * bool(self.lane.campaign)

    @property
    def levels(self) -> Iterator[Level]:
        """Those that have a rate in segments, the widest first."""
        lane = self.lane
        own = f"account:{lane.type}"
        registration, sender = f"registration:{self._registration}", f"sender:{lane.sender}"
        campaign = f"campaign:{lane.campaign}"
        all_levels = (
            Level(own, own, float(self.facts.limits.get(lane.type) or 0)),
            Level(registration, f"{registration}:{lane.type}", self._registration_ms),
            Level(sender, sender, self._sender_ms),
            Level(campaign, campaign, self._campaign_ms),
        )
        return (level for level in all_levels if level.interval_ms)

    @property
    def halts(self) -> Iterator[Wait]:
        """The halts that stop it."""
        found = (self.facts.halts.get(name) for name in self.names)
        return (halted(stop) for stop in found if stop)

    @property
    def refusals(self) -> Iterator[Wait]:
        """The levels with rates, caps and queues that would refuse its next message now."""
        if self.cap and self._capped():
            yield self.full_day(self.cap)
        queued = self._queued()
        if queued:
            yield queued
        for level in self.levels:
            of_the_queue = queued is not None and level.name == queued.level
            if self.lead_ms(level) > SLACK_MS and not of_the_queue:
                yield self.rate(level)

    def lead_ms(self, level: Level) -> float:
        """How far ahead of now a level is used up; negative where it has been idle so long."""
        return float(self.facts.levels.get(level.key, "-inf")) - self.facts.steady_ms

    def rate(self, level: Level) -> Wait:
        """A level's rate as what holds back, whether it refuses at this very moment or not."""
        lead_ms = max(0.0, self.lead_ms(level) - SLACK_MS)
        until_ms = self.facts.now_ms + lead_ms
        per_second = 1000 / level.interval_ms
        return Wait(kind="rate", level=level.name, until_ms=until_ms, limit=per_second)

    def used_today(self, cap: Cap) -> float:
        """Segments of the carrier's day that are charged already."""
        day, _ = carrier_day(self.facts)
        last, _, amount = self.facts.levels.get(cap.name, "").partition(" ")
        return float(amount) if last == str(day) else 0.0

    def full_day(self, cap: Cap) -> Wait:
        """A brand's cap as what holds back, until the carrier's midnight."""
        until_ms = self.facts.now_ms + carrier_day(self.facts)[1]
        used = self.used_today(cap)
        return Wait(
            kind="daily_cap", level=cap.name, until_ms=until_ms, limit=cap.limit, used=used
        )

    def _capped(self) -> bool:
        cap = self.cap
        if cap is None or not self._charged:
            return False
        return self.used_today(cap) + self._charged * cap.share > cap.limit

    def _queued(self) -> Wait | None:
        """The provider's own queue: full, or longer than the sender's rate accounts for."""
        name, facts = f"sender:{self.lane.sender}", self.facts
        ends = facts.levels.get(f"full:{self.lane.sender}", "").partition(" ")[0]
        lead_ms = self.lead_ms(Level(name, name, self._sender_ms))
        if ends and float(ends) > facts.steady_ms:
            until_ms = facts.now_ms + float(ends) - facts.steady_ms
            return Wait(kind="queue_full", level=name, until_ms=until_ms)
        if lead_ms > 2 * SLACK_MS + _MOST_SEGMENTS * self._sender_ms:
            return Wait(kind="queue", level=name, until_ms=facts.now_ms + lead_ms - SLACK_MS)
        return None


def charged(ticket: bytes | None) -> float:
    """How many segments a ticket counts of a brand's day, but for the brand's share."""
    if not ticket:
        return 1.0
    parts = ticket.split(b"|", 5)
    return float(parts[1]) if parts[4].startswith(b"+1") else 0.0


def lane_read(name: str) -> Lane:
    """Read a lane's name."""
    head, _, campaign = name.partition("#")
    kind = "sms" if head[1] == "s" else "mms"
    return Lane(head[0], kind, head[3:], campaign)


def carrier_day(facts: AccountFacts) -> tuple[int, float]:
    """The carrier's day as a number, and how many ms it still lasts."""
    offset = 0.0
    for change in filter(None, facts.limits.get("zone", "").split(";")):
        since, ahead = change.split()
        if facts.now_ms >= float(since):
            offset = float(ahead)
    at = facts.now_ms + offset
    return int(at // _DAY_MS), _DAY_MS - at % _DAY_MS


def concurrency(facts: AccountFacts, priority: str) -> Wait | None:
    """What the number of requests under way refuses, if it does."""
    rate, counts = facts.rate, facts.counts
    busy = counts.granted + counts.started
    kind: WaitKind = "concurrency" if rate.heard else "probing"
    most = rate.concurrency if rate.heard else min(PROBES, rate.concurrency)
    if priority == "b":
        most = min(most, max(1, int(most * BULK_SHARE)))
    if not 0 < most <= busy:
        return None
    return Wait(kind=kind, level="account", limit=most, used=busy)


def _parts(limits: Mapping[str, str], field: str, count: int) -> list[str]:
    parts = limits.get(field, "").split("|", count - 1)
    return parts + [""] * (count - len(parts))


def _interval(lane: Lane, sms: str, mms: str) -> float:
    return float((sms if lane.type == "sms" else mms) or 0)
