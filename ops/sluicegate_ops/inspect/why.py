"""Why an account, a sender or a campaign is not further: what stops most first."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Literal

import msgspec
import redis
from msgspec.structs import replace

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.ledger import Ledger
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.keys import Keys
from sluicegate.stored import LaneName, MessageId

from . import own_waits as own
from .behind import Behind, behind
from .facts import AccountFacts, RequestRate, read_facts
from .finish import Finish, Rival, TicketSample, finish, paces, rival, sampled
from .lanes import LaneState, lanes
from .limits import halts, rate, refusals, together
from .look import LaneLimits, Look
from .parked import parked
from .wait import Wait, halted

_SAMPLE = 50
_IN_USE_MS = 1000.0
_CLOSED = ("draft", "scheduled", "paused")
_ORDER = {"daily_cap": 0, "queue_full": 1, "queue": 1, "hours": 3}


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
    """What holds one account's messages back, on a synchronous client; ``time`` is for tests.

    It looks once, when first asked, and answers for that moment; make a new one to look again.
    """

    def __init__(self, client: redis.Redis, keys: Keys, time: str | None = None) -> None:
        self._look = Look(client, keys, time)
        self._campaigns = Campaigns(client, keys)

    @cached_property
    def facts(self) -> AccountFacts:
        """The account as it stands."""
        return read_facts(self._look)

    def lanes(self, most: int | None = None) -> tuple[list[LaneState], int]:
        """The first ``most`` lanes in the order of service, and how many there are in all."""
        return lanes(self._look, self.facts, most)

    def behind(self, level: str) -> Behind:
        """What waits behind a level's halt, and what goes first once it is lifted."""
        return behind(self._look, self.facts, level)

    def account(self) -> Why:
        """What holds anything of the account back, the account's own levels first."""
        facts, counts = self.facts, self.facts.counts
        waits = [halted(halt) for halt in facts.halts.values()]
        waits.sort(key=lambda wait: wait.level != "account")
        open_now = counts.waiting + counts.due + counts.granted + counts.started
        waits = [*own.server(facts, open_now), *waits]
        waits += [*own.no_worker(facts, open_now), *own.breaker(facts, open_now)]
        if counts.waiting > facts.standstill.closed_waiting:
            priority = self._served_first
            waits += [*own.flow(facts, priority), *self._refusals(facts.alone)]
            waits += [*own.requests(facts, priority), *parked(self._look, facts)]
            waits = own.or_turn(facts, waits)
        waits += [
            own.closed(
                campaign.state, campaign.name, campaign.since_ms, campaign.waiting, campaign.at_ms
            )
            for campaign in facts.standstill.closed
        ]
        waits += [*own.reviewed(facts, counts.due), *own.withheld(facts, counts.due)]
        due = own.due(facts, counts.due)
        waits += own.later(due, counts.in_doubt, counts.held, facts.next_due_ms)
        return self._why("account", counts.waiting, waits)

    def sender(self, name: str) -> Why:
        """What holds back what is sent by a sender, by its name in lanes."""
        return self._of_lanes(f"sender:{name}", lambda lane: lane.sender == name)

    def app(self, name: str) -> Why:
        """What holds back what an app has waiting."""
        return self._of_lanes(f"app:{name}", lambda lane: lane.app == name)

    def _of_lanes(self, subject: str, is_one: Callable[[LaneName], bool]) -> Why:
        every, _ = lanes(self._look, self.facts, is_meant=is_one)
        mine = [lane for lane in every if lane.waiting]
        closed = [lane for lane in mine if lane.state in _CLOSED]
        served = [lane for lane in mine if lane not in closed]
        waiting = sum(lane.waiting for lane in served)
        limits = self._look.lanes(lane.lane for lane in served)
        took_ms: dict[str, float] = {}
        for lane in limits:
            took_ms |= paces(self.facts, lane, TicketSample(), [])
        waits = self._held(limits, waiting, waiting, took_ms)
        waits.sort(key=lambda wait: wait.level.startswith("campaign:"))
        waits += [own.closed(lane.state, lane.campaign, waiting=lane.waiting) for lane in closed]
        return self._why(subject, waiting, waits)

    def look_ahead(self, campaigns: Iterable[Campaign]) -> None:
        """Ask at once about campaigns whose ``of`` is wanted one by one."""
        self._look.lanes(one.plan.lane for one in campaigns if one.state == "running")

    def campaign(self, name: str) -> Why:
        """What holds a campaign back, and about when it is done; raises UnknownCampaign."""
        campaign, ledger = self._campaigns.get(name), self._campaigns.ledger(name)
        return self.of(campaign, ledger)

    def of(self, campaign: Campaign, ledger: Ledger) -> Why:
        """The same, where campaign and ledger are at hand."""
        name, waiting = campaign.name, ledger.states["waiting"]
        subject = f"campaign:{name}"
        if campaign.state in _CLOSED:
            since_ms = campaign.paused_ms if campaign.state == "paused" else 0
            closed = own.closed(
                campaign.state, name, since_ms or None, at_ms=campaign.at_ms or None
            )
            closed = msgspec.structs.replace(
                closed, because=campaign.stopped, stopped_by=campaign.stopped_by
            )
            return self._why(subject, waiting, [closed])
        if campaign.state != "running":
            return self._why(subject, waiting, [])
        look, lane = self._look, campaign.plan.lane
        further = sorted(look.client.smembers(look.keys.other_lanes(name)))
        main, *rest = look.lanes([lane, *(other.decode() for other in further)])
        served = [limits for limits in (main, *rest) if limits.waiting] or [main]
        served.sort(key=lambda limits: limits.opens_ms or 0.0 if limits.is_closed else 0.0)
        limits, *others = served
        apart = [each for each in others if each.lane.carrier or each.is_closed]
        sample = sampled(look.client.lrange(look.keys.lane(limits.lane.format()), 0, _SAMPLE - 1))
        retrying = ledger.states["retrying"]
        took_ms: dict[str, float] = {}
        for each in served:
            took_ms |= paces(self.facts, each, sample, self._rivals)
        waits = self._held(served, waiting, ledger.pending, took_ms)
        # What waits for a carrier's level, or for its hours, holds up only itself.
        aside = {each.refused_by for each in apart if each.refused_by != limits.refused_by}
        ahead = [wait for wait in waits if wait.level not in aside]
        later = own.reviewed(self.facts, retrying)
        later += own.later(retrying, ledger.states["in_doubt"], self._held_doubts[name], None)
        waits, ahead = waits + later, ahead + later
        messages, midnight_ms = waiting + retrying, look.midnight_ms
        opens = [
            (each.opens_ms, each.waiting) for each in served if each.is_closed and each.opens_ms
        ]
        ends = finish(
            self.facts, limits, messages, sample, self._rivals, ahead, midnight_ms, opens
        )
        return self._why(subject, waiting, waits, ends)

    @property
    def _served_first(self) -> Literal["transactional", "bulk"]:
        """The priority that a claim serves first of what is ready or parked."""
        look = self._look
        transactional = look.client.exists(*map(look.keys, ("ready:ts", "ready:tm", "parked:t")))
        return "transactional" if transactional else "bulk"

    def _why(
        self, subject: str, waiting: int, waits: Sequence[Wait], ends: Finish | None = None
    ) -> Why:
        return Why(subject, self.facts.now_ms, waiting, waits, self.facts.rate, ends)

    def _held(
        self,
        lanes: Sequence[LaneLimits],
        waiting: int,
        pending: int,
        took_ms: Mapping[str, float],
    ) -> list[Wait]:
        """What holds lanes back, ``waiting`` of whose ``pending`` messages wait in them.

        Of several rates the slowest stands first; ``took_ms`` is what each takes for a message.
        """
        facts = self.facts
        waits = own.server(facts, pending)
        waits += [halt for limits in lanes for halt in halts(facts, limits)]
        waits += [*own.no_worker(facts, pending), *own.breaker(facts, pending)]
        if waiting:
            bulk = all(limits.lane.priority == "bulk" for limits in lanes)
            priority = "bulk" if bulk else "transactional"
            refused = self._refusals(lanes)
            rates = [wait for wait in refused if wait.kind == "rate"]
            rates += own.requests(facts, priority)
            flow = [*own.flow(facts, priority), *(w for w in refused if w.kind != "rate")]
            if not flow and not rates:
                rates = self._in_use(lanes, priority)
            rates.sort(key=lambda wait: -took_ms[wait.level])
            waits += [*flow, *rates]
            waits = own.or_turn(facts, waits)
        return list({(wait.kind, wait.level): wait for wait in waits}.values())

    def _refusals(self, lanes: Iterable[LaneLimits]) -> list[Wait]:
        """What refuses lanes now, each level once: caps before queues before rates."""
        every = list(lanes)
        waits = together(wait for limits in every for wait in refusals(self.facts, limits))
        aside = Counter[str]()
        for limits in every:
            aside[limits.refused_by] += limits.waiting if limits.lane.carrier else 0
        found = [replace(wait, aside=aside[wait.level]) for wait in waits]
        return sorted(found, key=lambda wait: _ORDER.get(wait.kind, 2))

    @cached_property
    def _held_doubts(self) -> Counter[str]:
        """How many of each campaign's doubts wait for a person; reads all of the account's."""
        if not self.facts.counts.held:
            return Counter()
        ids = self._look.client.zrangebyscore(self._look.keys("doubts"), "+inf", "+inf")
        return Counter(MessageId.parse(id).campaign for id in ids)

    def _in_use(self, lanes: Sequence[LaneLimits], priority: str) -> list[Wait]:
        """The rates that were in use just now, where none refuses at this very moment."""
        used = [own.next_slot(self.facts, priority)] * (self.facts.rate.used > 0)
        used += [
            rate(self.facts, level)
            for limits in lanes
            for level in limits.levels
            if level.interval_ms
            and level.opens_ms > self.facts.now_ms - max(_IN_USE_MS, level.interval_ms)
        ]
        return used

    @cached_property
    def _rivals(self) -> list[Rival]:
        """The running campaigns that have somebody waiting."""
        look = self._look
        names = sorted(name.decode() for name in look.client.smembers(look.keys("running")))
        pipeline = look.client.pipeline(transaction=False)
        for name in names:
            pipeline.hmget(look.keys.campaign(name), "lane", "weight")
            pipeline.hget(look.keys.ledger(name), "waiting")
        answers = iter(pipeline.execute())
        weights = {
            fields[0].decode(): float(fields[1] or 1)
            for fields, waiting in zip(answers, answers, strict=True)
            if int(waiting or 0) and fields[0]
        }
        return [
            rival(LaneName.parse(lane).campaign, limits, weights[lane])
            for lane, limits in zip(weights, look.lanes(weights), strict=True)
        ]
