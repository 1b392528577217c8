"""What holds messages back, as people are told it, is what a claim answers at the same instant."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import fakeredis
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sluicegate.config import Brand, Registration, Sender
from sluicegate.stored import LaneName
from sluicegate_ops.inspect import LaneState, Look, Wait, Waits, Why, read_facts
from sluicegate_worker.provider.rate_headers import RateHeaders
from sluicegate_worker.queue import HORIZON_MS
from sluicegate_worker.wire import Claimed
from support.bench import Bench
from support.clock import CLOCK
from support.effort import size
from support.messages import message, plan, recipient

PACIFIC = ZoneInfo("America/Los_Angeles")
FREE, SLOW, NOTICES, OTHERS = (f"+1555000000{n}" for n in range(4))
SHORT_DAY = datetime(2026, 3, 8, 0, 30, tzinfo=PACIFIC).timestamp() * 1000
LONG_DAY = datetime(2026, 11, 1, 0, 30, tzinfo=PACIFIC).timestamp() * 1000
ORDINARY = datetime(2026, 6, 15, 9, tzinfo=PACIFIC).timestamp() * 1000
AFTER_CLOSING = ("fail", "fail", "fail", "fail", "fail", "later 1001", "probe", *["send"] * 3)
"""Opens the breaker, probes, and closes it by three successes."""


class State(NamedTuple):
    """How a state is made: limits and rates, what waits, and what happened since."""

    now_ms: float = ORDINARY
    limit: int = 50
    window_seconds: float = 1
    concurrency: int = 40
    sms_per_second: float = 0.0
    slow: float = 0.0
    per_minute: float = 0.0
    cap: int = 1_000
    own_rates: tuple[float, float] = (0.0, 0.0)
    home: bool = True
    counts: tuple[int, ...] = (5, 5, 5, 5, 5)
    events: tuple[str, ...] = ()


SETTLES: dict[str, tuple[str, dict[str, Any]]] = {
    "send": ("accepted", {"provider_id": "p", "heard": True, "took_ms": 40}),
    "hold": ("accepted", {"provider_id": "p", "heard": True, "hold_ms": 60_000}),
    "others": (
        "accepted",
        {"provider_id": "p", "heard": True, "rate": RateHeaders(limit=5, remaining=0)},
    ),
    "fail": ("retry", {"delay_ms": 60_000, "heard": True, "failing": True}),
    "throttle": ("back", {"heard": True, "throttled": True, "rate": RateHeaders(wait_ms=700)}),
    "full": ("back", {"heard": True, "queue_full": True, "code": "40318"}),
}
HALTED_NOTICES = "halt registration:notices 1"
EVENTS = [
    *("send", "send", "send", "claim 1", "claim 5", "start", "fail", "throttle", "full", "hold"),
    *("others", "halt account", "halt campaign:july 60", f"halt sender:{SLOW}", "halt brand:acme"),
    *(HALTED_NOTICES, "pause july", "probe", "pace august", "claim 50"),
    *("later 0.4", "later 30", "later 400", "later 3000", "later 20000"),
]
STATES = st.builds(
    State,
    now_ms=st.sampled_from([ORDINARY, SHORT_DAY, LONG_DAY]),
    limit=st.sampled_from([2, 5, 50]),
    window_seconds=st.sampled_from([1, 10]),
    concurrency=st.sampled_from([1, 3, 40]),
    sms_per_second=st.sampled_from([0.0, 0.5, 30.0]),
    slow=st.sampled_from([0.0, 0.1, 5.0]),
    per_minute=st.sampled_from([0.0, 6.0, 600.0]),
    cap=st.sampled_from([1, 3, 1_000]),
    own_rates=st.tuples(st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 5.0])),
    home=st.booleans(),
    counts=st.tuples(*[st.integers(0, 4)] * 5),
    events=st.lists(st.sampled_from(EVENTS) | st.just("send"), max_size=14).map(tuple),
)


class World:
    """A bench on which a state is made, taken down, and put back as it was."""

    def __init__(self, store: redis.Redis, state: State) -> None:
        self.store: Any = store
        for key in list(self.store.scan_iter(count=1000)):
            self.store.delete(key)
        senders = {
            FREE: Sender(kind="short_code"),
            SLOW: Sender(kind="toll_free", per_second=state.slow),
            NOTICES: Sender(kind="10dlc", registration="notices"),
            OTHERS: Sender(kind="10dlc", registration="notices", per_second=20.0),
        }
        registration = Registration(sms_per_minute=state.per_minute, brand="acme")
        self.bench = Bench(
            store,
            limit=state.limit,
            window_seconds=state.window_seconds,
            concurrency=state.concurrency,
            sms_per_second=state.sms_per_second,
            senders=senders,
            registrations={"notices": registration},
            brands={"acme": Brand(tmobile_daily=state.cap)},
        )
        self.bench.answers_probes = None
        self.bench.at(state.now_ms)
        self.bench.sweep("w1")
        self.fill(state)
        self.grants: list[Any] = []
        for event in state.events:
            self.happen(*event.split(" "))

    def fill(self, state: State) -> None:
        july, august, app, bulk, mms = state.counts
        for name, sender, count, rate in (
            ("july", NOTICES, july, state.own_rates[0]),
            ("august", FREE, august, state.own_rates[1]),
        ):
            made = plan(name, sender=sender)
            self.bench.campaigns.create(made)
            self.bench.add(name, *[recipient(made, n) for n in range(count)])
            self.bench.campaigns.pace(name, rate)
            self.bench.act(name, "start")
        numbers = iter(range(100))
        to = "+1555{:07d}" if state.home else "+44770090{:04d}"

        def enqueue(count: int, sender: str, **fields: Any) -> None:
            for n in (next(numbers) for _ in range(count)):
                self.bench.enqueue(message(n, to=to.format(n), sender=sender, **fields))

        enqueue(app, OTHERS)
        enqueue(bulk, SLOW, priority="bulk")
        enqueue(mms, SLOW, media_urls=("https://example.com/a.png",))

    def happen(self, what: str, *how: str) -> None:
        """Let one of ``EVENTS`` happen."""
        bench = self.bench
        if what in SETTLES:
            kind, fields = SETTLES[what]
            self.settle(kind, **fields)
        match what:
            case "claim":
                self.grants += bench.step(want=int(how[0])).claimed.grants
            case "start":
                bench.start(*self.grants)
                self.grants = []
            case "halt":
                bench.halts.set(how[0], "a drill", float(how[1]) if len(how) > 1 else None)
            case "pause":
                bench.act(how[0], "pause")
            case "pace":
                bench.campaigns.pace(how[0], 0.5)
            case "probe":
                bench.answers_probes = True
                bench.step(want=1)
                bench.answers_probes = None
            case "later":
                bench.later(float(how[0]))

    def settle(self, kind: str, **fields: Any) -> None:
        """Send one message, where one may go within a second, and settle it."""
        for _ in range(20):
            claimed = self.bench.step(want=1).claimed
            if claimed.grants:
                break
            self.bench.later(min(50.0, max(claimed.wait_ms, 1.0)))
        for grant in claimed.grants:
            self.bench.later(max(0.0, grant.slot_ms))
            if self.bench.start(grant) == [True]:
                self.bench.settle(grant, kind, **fields)

    def saved(self) -> dict[bytes, bytes]:
        return {key: self.store.dump(key) for key in self.store.scan_iter(count=1000)}

    def restore(self, saved: dict[bytes, bytes]) -> None:
        for key in list(self.store.scan_iter(count=1000)):
            self.store.delete(key)
        for key, value in saved.items():
            self.store.restore(key, 0, value, replace=True)

    def lanes(self) -> list[LaneName]:
        prefix = self.bench.keys.lane("")
        names = self.store.scan_iter(match=f"{prefix}*", count=1000)
        return sorted(LaneName.parse(name.decode().removeprefix(prefix)) for name in names)

    def isolate(self, lane: LaneName) -> None:
        """Leave that lane alone in the tree, with nothing due: a claim then answers for it."""
        keys, store = self.bench.keys, self.store
        limits = store.hget(keys("limits"), f"sender:{lane.sender}") or b"||"
        registration = limits.split(b"|")[2].decode()
        path = {lane.format(), f"s|{lane.sender}", f"r|{registration}"}
        for key in list(store.scan_iter(match=keys("ready:*"), count=1000)):
            branch = key.decode().removeprefix(keys("ready:"))[:2]
            for member in store.zrange(key, 0, -1):
                if branch != lane.branch or member.decode() not in path:
                    store.zrem(key, member)
        for priority in "tb":
            for name in store.zrange(keys(f"parked:{priority}"), 0, -1):
                branch, _, member = name.decode().partition("/")
                if branch != lane.branch or member not in path:
                    store.zrem(keys(f"parked:{priority}"), name)
                    store.hdel(keys("parked_by"), name)
        others = [other for other in self.lanes() if other != lane]
        store.delete(keys("due"), keys("turns"), *(keys.lane(o.format()) for o in others))

    def parked(self) -> tuple[str, float] | None:
        """What parked the lane that is alone for longest: the level, and until when (wall)."""
        keys, store = self.bench.keys, self.store
        ends = max(
            (
                (until, store.hget(keys("parked_by"), name).decode())
                for priority in "tb"
                for name, until in store.zrange(keys(f"parked:{priority}"), 0, -1, withscores=True)
            ),
            default=None,
        )
        if ends is None or ends[0] <= self.bench.now_ms:
            return None
        level = ends[1]
        if level.startswith("registration:"):
            level = level.removesuffix(":sms").removesuffix(":mms")
        return level, ends[0]

    def waits(self) -> Waits:
        return Waits(self.store, self.bench.keys, CLOCK)

    def why(self, lane: LaneName) -> Why:
        waits = self.waits()
        return waits.campaign(lane.campaign) if lane.campaign else waits.sender(lane.sender)


def agree(world: World, lane: LaneName, shown: LaneState) -> None:
    """Hold what is said of a lane, alone in its account, against what a claim answers."""
    now_ms = world.bench.now_ms
    parked_before = world.parked()
    why = world.why(lane)
    refusing = [wait for wait in why.waits if wait.refuses]
    claimed = world.bench.step(want=1).claimed
    if claimed.grants:
        assert not refusing
        assert shown.state == "ready"
        return
    kinds = {wait.kind for wait in refusing}
    told = f"{claimed.why} {claimed.wait_ms}: {refusing}"
    match claimed.why:
        case "halted":
            assert ("halted", "account") in {(wait.kind, wait.level) for wait in refusing}, told
        case "breaker" | "probe":
            [failing] = [wait for wait in refusing if wait.kind == "failing"]
            left_ms = max(0.0, (failing.until_ms or 0.0) - now_ms)
            assert left_ms == pytest.approx(claimed.wait_ms, abs=0.01), told
        case "concurrency" | "probing":
            assert kinds & {"concurrency", "probing"}, told
            assert claimed.why in kinds or lane.priority == "bulk", told
        case "blocked":
            assert _until(refusing, "blocked") == pytest.approx(now_ms + claimed.wait_ms, abs=0.01)
        case "rate":
            next_ms = now_ms + claimed.wait_ms + 0.2 * HORIZON_MS
            assert _until(refusing, "requests") >= next_ms - 0.01, told
            # While the window is in doubt, a worker asks again before the slot: it may be sooner.
            in_doubt = world.store.hget(world.bench.keys("bucket"), "doubt") not in (b"0", b"2")
            if lane.priority == "transactional" and not in_doubt:
                assert _until(refusing, "requests") == pytest.approx(next_ms, abs=0.01), told
        case "level" | "idle":
            agree_on_level(world, lane, shown, refusing, parked_before)
        case other:
            raise AssertionError(other)
    agree_on_finish(world, why, claimed)


def agree_on_level(
    world: World,
    lane: LaneName,
    shown: LaneState,
    refusing: Sequence[Wait],
    parked_before: tuple[str, float] | None,
) -> None:
    parked = world.parked()
    if parked is None:
        kind = f"account:{lane.type.lower()}"
        assert kind in {wait.level for wait in refusing}
        assert shown.level == kind or shown.state == "halted"
        return
    level, until_ms = parked
    waits = {wait.kind: wait for wait in refusing if wait.level == level}
    if parked == parked_before and shown.state == "halted" and "halted" not in waits:
        # It waits for a rate since before the halt began, which refuses it next.
        assert ("halted", shown.level) in {(wait.kind, wait.level) for wait in refusing}
        return
    # A level may be halted, and its rate be used up as well: the halt is told.
    wait = waits.get("halted") or next(iter(waits.values()))
    assert shown.level == level
    if wait.kind == "halted":
        assert shown.state == "halted"
        since_before = parked == parked_before  # then it may wait for another reason
        ends = wait.until_ms
        assert since_before or ends is None or ends == pytest.approx(until_ms, abs=1)
        return
    assert shown.until_ms == pytest.approx(until_ms, abs=0.01)
    if parked == parked_before:
        assert (wait.until_ms or 0.0) >= until_ms - 0.01  # it may have been used since
    else:
        assert wait.until_ms == pytest.approx(until_ms, abs=0.01)


def agree_on_finish(world: World, why: Why, claimed: Claimed) -> None:
    """A campaign begins no earlier than a claim would grant, and ends no earlier than that."""
    if why.finish is None:
        return
    parked = world.parked()
    granted_ms = max(world.bench.now_ms, parked[1] if parked else 0.0)
    granted_ms = max(granted_ms, *(wait.until_ms or 0.0 for wait in why.waits if wait.refuses))
    if claimed.why in ("breaker", "blocked"):
        granted_ms = max(granted_ms, world.bench.now_ms + claimed.wait_ms)
    assert why.finish.begins_ms >= granted_ms - 1
    assert why.finish.at_ms >= why.finish.begins_ms


def _until(waits: Sequence[Wait], kind: str) -> float:
    [until_ms] = [wait.until_ms for wait in waits if wait.kind == kind]
    assert until_ms is not None
    return until_ms


EXAMPLES = [
    State(now_ms=LONG_DAY, cap=1, events=("send",) * 8),
    State(now_ms=SHORT_DAY, cap=1, events=("send",) * 8),
    State(concurrency=10, counts=(5, 5, 4, 4, 4), events=(*AFTER_CLOSING, "claim 1")),
    State(concurrency=10, events=(*AFTER_CLOSING, "later 3000", "claim 5")),
    State(events=AFTER_CLOSING[:5]),
    State(events=("halt sender:" + SLOW, "halt account", "claim 50")),
    State(slow=0.1, per_minute=6.0, own_rates=(0.2, 5.0), events=("send",) * 9),
    State(slow=0.1, per_minute=6.0, events=("send", "send", "claim 50", "later 400")),
    State(per_minute=6.0, counts=(0, 0, 2, 0, 0), events=("send", "send", HALTED_NOTICES)),
    State(per_minute=6.0, counts=(0, 0, 2, 0, 0), events=("send", "send", "halt brand:acme")),
    State(limit=2, concurrency=1, cap=1, home=False, counts=(0, 0, 0, 0, 2), events=("others",)),
]
EXAMPLE = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=size(12, 40),
)


def all_agree(store: redis.Redis, state: State) -> None:
    """Make a state, look at it, and hold each lane against a claim made for that lane alone."""
    world = World(store, state)
    before = world.bench.dump()
    every, _ = world.waits().lanes()
    world.waits().account()
    assert world.bench.dump() == before, "looking has written"
    saved = world.saved()
    shown = {lane.lane: lane for lane in every}
    for lane in world.lanes():
        if shown[lane.format()].state not in ("paused", "draft"):
            world.isolate(lane)
            agree(world, lane, shown[lane.format()])
            world.restore(saved)


@EXAMPLE
@given(state=STATES)
@example(EXAMPLES[0])
@example(EXAMPLES[1])
@example(EXAMPLES[2])
def test_people_are_told_of_each_lane_what_a_claim_answers(
    valkey: redis.Redis, state: State
) -> None:
    all_agree(valkey, state)


@settings(parent=EXAMPLE, max_examples=size(1, 3))
@given(state=STATES)
def test_so_they_are_on_the_fake(state: State) -> None:
    with fakeredis.FakeRedis(server=fakeredis.FakeServer()) as fake:
        all_agree(fake, state)


@pytest.mark.parametrize("state", EXAMPLES, ids=range(len(EXAMPLES)))
def test_people_are_told_what_a_claim_answers_in_these_states(
    store: redis.Redis, state: State
) -> None:
    all_agree(store, state)


# What was said wrongly while these rules stood a second time in Python.


def capped(world: World) -> None:
    while grants := world.bench.claim(1).grants:
        world.bench.later(max(0.0, grants[0].slot_ms))
        world.bench.start(grants[0])
        world.bench.settle(grants[0], "accepted", provider_id="p", heard=True)


@pytest.mark.parametrize(
    ("now_ms", "hours"),
    [(SHORT_DAY, 22.5), (LONG_DAY, 24.5), (LONG_DAY - 86_400_000, 23.5)],
    ids=["clocks are set forward", "clocks are set back", "an ordinary day"],
)
def test_a_brands_day_lasts_as_long_as_its_clocks_say(
    store: redis.Redis, now_ms: float, hours: float
) -> None:
    world = World(store, State(now_ms=now_ms, cap=2, counts=(5, 0, 0, 0, 0)))
    capped(world)
    [first, *_] = world.waits().campaign("july").waits
    assert first.kind == "daily_cap"
    assert first.until_ms == pytest.approx(now_ms + hours * 3_600_000, abs=1)


@pytest.mark.parametrize("day", [SHORT_DAY, LONG_DAY, ORDINARY])
def test_days_until_a_cap_lets_the_last_pass_end_at_the_carriers_midnights(
    store: redis.Redis, day: float
) -> None:
    world = World(store, State(now_ms=day, cap=10, counts=(35, 0, 0, 0, 0)))
    why = world.waits().campaign("july")
    assert why.finish is not None
    assert why.finish.level == "brand:acme"
    today = datetime.fromtimestamp(day / 1000, PACIFIC).date()
    date = today + timedelta(days=3)  # ten today, and ten on each of the two days before the last
    midnight = datetime.combine(date, datetime.min.time(), PACIFIC).timestamp() * 1000
    assert midnight <= why.finish.at_ms < midnight + 10_000


def test_after_the_breaker_has_closed_the_concurrency_that_comes_back_is_said(
    store: redis.Redis,
) -> None:
    world = World(store, State(concurrency=10, events=(*AFTER_CLOSING, "claim 1")))
    assert world.bench.claim(1).why == "concurrency"
    [first, *_] = world.waits().campaign("august").waits
    assert (first.kind, first.limit, first.used) == ("concurrency", 1, 1)
    world.bench.later(10_000)
    kinds = {wait.kind for wait in world.waits().campaign("august").waits}
    assert "concurrency" not in kinds


def test_an_account_with_nothing_but_bulk_is_held_back_by_what_bulk_may_use(
    store: redis.Redis,
) -> None:
    bench = Bench(store, concurrency=20)
    bench.enqueue(message(0))
    bench.send()
    bench.enqueue(*(message(n, priority="bulk") for n in range(1, 41)))
    grants = bench.claim_all(40)
    assert len(grants) == 19
    bench.sweep()
    why = Waits(bench.store, bench.keys, CLOCK).account()
    assert [(wait.kind, wait.limit, wait.used) for wait in why.waits] == [("concurrency", 19, 19)]
    bench.enqueue(message(41))
    assert bench.claim(1).grants, "a transactional message goes: the rest is kept for it"


def test_what_is_known_of_an_account_before_its_limits_are_published(store: redis.Redis) -> None:
    bench = Bench(store)
    store.delete(bench.keys("limits"))
    facts = read_facts(Look(store, bench.keys, CLOCK))
    assert (facts.rate.limit, facts.rate.budget, facts.rate.most) == (0, 0, 0)
    assert facts.breaker.state == "closed"
