"""Why an account, a sender or a campaign is not further: what stops most first."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
import redis

from sluicegate.campaigns.campaign import Campaign, Campaigns
from sluicegate.campaigns.ledger import Ledger
from sluicegate.keys import Keys

from .facts import LIVE_SECONDS, AccountFacts, RequestRate, read_facts
from .finish import Finish, Rival, TicketSample, finish, paces, rival, sampled
from .lanes import LaneState, lanes
from .levels import Lane, LaneLimits, charged, concurrency, lane_read
from .parked import parked
from .wait import Wait, WaitKind, halted

_SAMPLE = 50
_HORIZON_SECONDS = 0.05
_IN_USE_MS = 1000.0
_FULL = 0.9
_ORDER = {"daily_cap": 0, "queue_full": 1, "queue": 1}


class Why(msgspec.Struct, frozen=True):
    """What holds ``subject`` back (a level's name), what stops most first; wall ms.

    ``waits`` is empty where there is nothing to do. ``waiting`` counts messages.
    """

    subject: str
    now_ms: float
    waiting: int
    waits: Sequence[Wait]
    rate: RequestRate
    finish: Finish | None = None


class Waits:
    """What holds one account's messages back, on a synchronous client.

    It looks once, when first asked, and answers for that moment; make a new one to look again.
    """

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._keys, self._campaigns = keys, Campaigns(client, keys)

    @cached_property
    def facts(self) -> AccountFacts:
        """The account as it stands."""
        return read_facts(self._client, self._keys)

    def account(self) -> Why:
        """What holds anything of the account back, the account's own levels first."""
        facts, counts = self.facts, self.facts.counts
        found = [halted(halt) for halt in facts.halts.values()]
        found.sort(key=lambda wait: wait.level != "account")
        open_now = counts.waiting + counts.due + counts.granted + counts.started
        found += [*self._no_worker(open_now), *self._breaker(open_now)]
        if counts.waiting:
            own = [LaneLimits(facts, Lane("t", type, "", "")) for type in ("sms", "mms")]
            found += [*self._flow("t"), *_refusals(own), *self._requests()]
            found += parked(self._client, self._keys, facts)
            found = found or [Wait(kind="turn", level="account")]
        found += _later(counts.due, counts.in_doubt, counts.held, facts.next_due_ms)
        return self._why("account", counts.waiting, found)

    def sender(self, name: str) -> Why:
        """What holds back what is sent by a sender, by its name in lanes."""
        every, _ = lanes(self._client, self._keys, self.facts)
        mine = [lane for lane in every if lane.sender == name and lane.waiting]
        closed = [lane for lane in mine if lane.state in ("paused", "draft")]
        served = [lane for lane in mine if lane not in closed]
        waiting = sum(lane.waiting for lane in served)
        bulk = all(lane.priority == "bulk" for lane in served)
        passages = self._passages(served)
        took_ms = {k: ms for one in passages for k, ms in paces(one, TicketSample(), []).items()}
        held = self._held(passages, "b" if bulk else "t", waiting, waiting, took_ms)
        held.sort(key=lambda wait: wait.level.startswith("campaign:"))
        held += [_closed(lane.state, lane.campaign) for lane in closed]
        return self._why(f"sender:{name}", waiting, held)

    def campaign(self, name: str) -> Why:
        """What holds a campaign back, and about when it is done; raises UnknownCampaign."""
        campaign, ledger = self._campaigns.get(name), self._campaigns.ledger(name)
        return self.of(campaign, ledger)

    def of(self, campaign: Campaign, ledger: Ledger) -> Why:
        """``campaign``, where campaign and ledger are at hand."""
        name, waiting = campaign.name, ledger.states["waiting"]
        subject = f"campaign:{name}"
        if campaign.state in ("draft", "paused"):
            return self._why(subject, waiting, [_closed(campaign.state, name)])
        if campaign.state != "running":
            return self._why(subject, waiting, [])
        lane = campaign.plan.lane
        tickets = self._client.lrange(self._keys.lane(lane), 0, _SAMPLE - 1)
        counts = charged(tickets[0] if tickets else None)
        passage = LaneLimits(self.facts, lane_read(lane), campaign.per_second, counts)
        retrying, sample = ledger.states["retrying"], sampled(tickets)
        took_ms = paces(passage, sample, self._rivals)
        held = self._held([passage], "b", waiting, ledger.pending, took_ms)
        held += _later(retrying, ledger.states["in_doubt"], self._held_doubts(name), None)
        ends = finish(passage, waiting + retrying, sample, self._rivals, held)
        return self._why(subject, waiting, held, ends)

    def _why(
        self, subject: str, waiting: int, waits: Sequence[Wait], ends: Finish | None = None
    ) -> Why:
        return Why(subject, self.facts.now_ms, waiting, waits, self.facts.rate, ends)

    def _held(
        self,
        passages: Sequence[LaneLimits],
        priority: str,
        waiting: int,
        pending: int,
        took_ms: Mapping[str, float],
    ) -> list[Wait]:
        """What holds lanes back that pass these levels, ``waiting`` of ``pending`` in them.

        Of several rates the slowest stands first; ``took_ms`` is what each takes for a message.
        """
        found = [halt for passage in passages for halt in passage.halts]
        found += [*self._no_worker(pending), *self._breaker(pending)]
        if waiting:
            soon_ms = self.facts.now_ms + 1000 * _HORIZON_SECONDS
            refused = [one for one in _refusals(passages) if (one.until_ms or 0.0) > soon_ms]
            rates = [one for one in refused if one.kind == "rate"] + self._requests()
            flow = [*self._flow(priority), *(one for one in refused if one.kind != "rate")]
            if not flow and not rates:
                rates = self._in_use(passages)
            rates.sort(key=lambda one: -took_ms[one.level])
            found += [*flow, *rates]
            found = found or [Wait(kind="turn", level="account")]
        return list({(wait.kind, wait.level): wait for wait in found}.values())

    def _passages(self, served: Sequence[LaneState]) -> list[LaneLimits]:
        pipeline = self._client.pipeline(transaction=False)
        for lane in served:
            pipeline.lindex(self._keys.lane(lane.lane), 0)
            pipeline.hget(self._keys.campaign(lane.campaign), "per_second")
        found = iter(pipeline.execute())
        return [
            LaneLimits(self.facts, lane_read(lane.lane), float(own or 0), charged(head))
            for lane, head, own in zip(served, found, found, strict=True)
        ]

    def _no_worker(self, work: int) -> list[Wait]:
        silent = self.facts.silent_seconds
        if not work or (silent is not None and silent < LIVE_SECONDS):
            return []
        return [Wait(kind="no_worker", level="account", used=silent or 0.0)]

    def _breaker(self, work: int) -> list[Wait]:
        """The breaker, where there is something that it stops."""
        breaker = self.facts.breaker
        if not work or breaker.state == "closed":
            return []
        if breaker.state == "half":
            return [Wait(kind="trying", level="account", since_ms=breaker.since_ms)]
        until_ms, since_ms = breaker.probe_ms, breaker.since_ms
        return [Wait(kind="failing", level="account", until_ms=until_ms, since_ms=since_ms)]

    def _held_doubts(self, campaign: str) -> int:
        """How many of a campaign's doubts wait for a person; looks at all of the account's."""
        if not self.facts.counts.held:
            return 0
        ids = self._client.zrangebyscore(self._keys("doubts"), "+inf", "+inf")
        return sum(id.startswith(f"{campaign}.".encode()) for id in ids)

    def _flow(self, priority: str) -> Iterator[Wait]:
        """What stops all requests of the account for a moment."""
        facts = self.facts
        if blocked := facts.rate.blocked_seconds:
            until_ms = facts.now_ms + 1000 * blocked
            yield Wait(kind="blocked", level="account", until_ms=until_ms)
        if busy := concurrency(facts, priority):
            yield busy

    def _requests(self) -> list[Wait]:
        rate = self.facts.rate
        busy = rate.next_seconds > _HORIZON_SECONDS or rate.used >= _FULL * rate.budget
        return [_requests(self.facts)] if busy else []

    def _in_use(self, passages: Sequence[LaneLimits]) -> list[Wait]:
        """The rates that were in use just now, where none refuses at this very moment."""
        used = [_requests(self.facts)] * (self.facts.rate.used > 0)
        used += [
            passage.rate(level)
            for passage in passages
            for level in passage.levels
            if passage.lead_ms(level) > -max(_IN_USE_MS, level.interval_ms)
        ]
        return used

    @cached_property
    def _rivals(self) -> list[Rival]:
        """The running campaigns that have somebody waiting."""
        names = sorted(name.decode() for name in self._client.smembers(self._keys("running")))
        pipeline = self._client.pipeline(transaction=False)
        for name in names:
            pipeline.hmget(self._keys.campaign(name), "lane", "per_second", "weight")
            pipeline.hget(self._keys.ledger(name), "waiting")
        found = iter(pipeline.execute())
        return [
            self._rival(name, fields)
            for name, fields, waiting in zip(names, found, found, strict=True)
            if int(waiting or 0) and fields[0]
        ]

    def _rival(self, name: str, fields: Sequence[bytes | None]) -> Rival:
        lane, per_second, weight = ((field or b"").decode() for field in fields)
        passage = LaneLimits(self.facts, lane_read(lane), float(per_second or 0))
        return rival(name, passage, float(weight or 1))


def _closed(state: str, campaign: str) -> Wait:
    kind: WaitKind = "draft" if state == "draft" else "paused"
    return Wait(kind=kind, level=f"campaign:{campaign}")


def _refusals(passages: Iterable[LaneLimits]) -> list[Wait]:
    """What refuses now, each level once: caps before queues before rates."""
    found = {(one.kind, one.level): one for passage in passages for one in passage.refusals}
    return sorted(found.values(), key=lambda one: _ORDER.get(one.kind, 2))


def _requests(facts: AccountFacts) -> Wait:
    rate = facts.rate
    until_ms = facts.now_ms + 1000 * rate.next_seconds
    return Wait(
        kind="requests", level="account", until_ms=until_ms, limit=rate.limit, used=rate.used
    )


def _later(due: int, in_doubt: int, held: int, next_due_ms: float | None) -> Iterator[Wait]:
    """What isn't waiting in a lane: of what is ``in_doubt``, ``held`` wait for a person."""
    if held:
        yield Wait(kind="held", level="account", used=held)
    if due:
        yield Wait(kind="retrying", level="account", until_ms=next_due_ms, used=due)
    if in_doubt > held:
        yield Wait(kind="in_doubt", level="account", used=in_doubt - held)
