"""Whatever happens, in any order: no level above its rate, no lane lost, everything drains.

First a machine that plays everything that touches rate levels; then what the bucket promises of
any sequence of calls and answers.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
import redis
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sluicegate.config.senders import Brand, Registration, Sender
from sluicegate.errors import WrongCampaignState
from sluicegate_worker.queue import STEP
from sluicegate_worker.wire import Grant, Settle, parse_stepped
from support.bench import Bench
from support.messages import message, plan, recipient

SLOW, ONE, TWO, FREE = (f"+1555000000{n}" for n in range(1, 5))
PACIFIC = ZoneInfo("America/Los_Angeles")
LIMIT, CAP, HORIZON_MS, SLACK_MS = 50, 15, 50.0, 50.0
WARM_MS = 1_772_956_700_000.0  # shortly before a Pacific midnight, on whose morrow clocks are set


class Setting(NamedTuple):
    """The rate of SLOW, and whose registration the others have."""

    slow: float
    registration: dict[str, str]


SETTINGS = [
    Setting(5.0, {ONE: "notices", TWO: "notices"}),
    Setting(0.5, {ONE: "notices", TWO: "other"}),
    Setting(0.0, {ONE: "other"}),
]
PER_MINUTE = {"notices": 300.0, "other": 120.0}
CHANGING = [f"registration:{name}:{kind}" for name in PER_MINUTE for kind in ("sms", "mms")]


def limits(setting: Setting) -> dict[str, Any]:
    """Fields of an account."""
    registered = {
        number: Sender(
            kind="10dlc", registration=setting.registration.get(number, ""), per_second=20.0
        )
        for number in (ONE, TWO)
    }
    return {
        "sms_per_second": 30.0,
        "mms_per_second": 4.0,
        "senders": registered
        | {
            SLOW: Sender(kind="toll_free", per_second=setting.slow),
            FREE: Sender(kind="short_code"),
        },
        "registrations": {
            name: Registration(sms_per_minute=rate, mms_per_minute=60, brand="acme")
            for name, rate in PER_MINUTE.items()
        },
        "brands": {"acme": Brand(tmobile_daily=CAP)},
    }


class Held(NamedTuple):
    """A grant, with what it was charged: level -> (interval in ms, epoch of that interval)."""

    grant: Grant
    slot_ms: float
    segments: int
    levels: dict[str, tuple[float, int]]
    capped: bool


class Levels(RuleBasedStateMachine):
    """Apps, campaigns, workers, people and the clock, on senders with rates and one without."""

    store: redis.Redis

    @initialize()
    def empty(self) -> None:
        for key in list(self.store.scan_iter(count=1000)):
            self.store.delete(key)
        self.version, self.setting = 1, SETTINGS[0]
        self.bench = Bench(
            self.store, repeat=True, limit=LIMIT, limits_version=1, **limits(self.setting)
        )
        self.bench.at(WARM_MS)
        self.facts: dict[str, tuple[str, int, bool]] = {}  # sender, segments, whether of +1
        self.enqueued, self.last_slot = 0, 0.0
        self.held: list[Held] = []
        self.begun: list[Held] = []
        self.slots: dict[tuple[str, str], float] = {}
        self.sent: defaultdict[tuple[str, int], list[tuple[float, int]]] = defaultdict(list)
        self.epochs: defaultdict[str, int] = defaultdict(int)
        self.days: defaultdict[Any, int] = defaultdict(int)
        self.rates = {"a": 3.0, "b": 0.0}
        for name, sender in (("a", ONE), ("b", FREE)):
            of = plan(name, text="Hi", sender=sender)
            self.bench.campaigns.create(of)
            self.bench.campaigns.pace(name, per_second=self.rates[name])
            self.bench.act(name, "start")
            self.people(name, 6)
        for sender in (SLOW, ONE, TWO, FREE):
            self.enqueue(sender, "bulk", 1, mms=False, home=True)
        self.claim(1)
        self.start(0)
        self.settle(0, "accepted", "", "", 0.0)

    # Who sends.

    @rule(
        sender=st.sampled_from([SLOW, ONE, TWO, FREE]),
        priority=st.sampled_from(["transactional", "bulk"]),
        segments=st.sampled_from([1, 1, 1, 3]),
        mms=st.booleans(),
        home=st.booleans(),
    )
    def enqueue(self, sender: str, priority: Any, segments: int, mms: bool, home: bool) -> None:
        self.enqueued += 1
        n = self.enqueued
        made = message(
            n,
            sender=sender,
            priority=priority,
            to=f"+1555{n:07d}" if home else f"+44770090{n:04d}",
            text="x" * (1 if segments == 1 else 400),
            media_urls=("https://example.com/a.png",) if mms else (),
        )
        self.bench.enqueue(made)
        self.facts[made.id] = (sender, 1 if mms else segments, home)

    @rule(name=st.sampled_from("ab"), count=st.integers(1, 6))
    def people(self, name: str, count: int) -> None:
        of = self.bench.campaigns.get(name)
        if of.state == "cancelled":
            return
        self.bench.add(name, *[recipient(of.plan, self.enqueued + n) for n in range(count)])
        self.enqueued += count

    # Workers.

    @rule(want=st.integers(1, 8))
    def claim(self, want: int) -> None:
        for grant in self.bench.claim(want).grants:
            slot = round(self.bench.now_ms + grant.slot_ms, 3)
            assert slot > self.last_slot, "a slot went back"
            self.last_slot = slot
            self.hold(grant, slot)

    def hold(self, grant: Grant, slot: float) -> None:
        name = grant.id.partition(".")[0] if "." in grant.id else ""
        default = ({"a": ONE, "b": FREE}.get(name, ""), 1, True)
        sender, segments, home = self.facts.get(grant.id, default)
        lease: Any = self.store.hget(self.bench.keys("leases"), grant.id)
        kind = "mms" if lease.split(b"|")[4][1:2] == b"m" else "sms"
        registration = self.setting.registration.get(sender, "")
        rates = {
            f"account:{kind}": {"sms": 30.0, "mms": 4.0}[kind],
            f"sender:{sender}": {SLOW: self.setting.slow, FREE: 1000.0}.get(sender, 20.0),
            f"campaign:{name}": self.rates.get(name, 0.0),
        }
        if registration and home:  # elsewhere nobody is that carrier's
            per_minute = PER_MINUTE[registration] if kind == "sms" else 60.0
            rates[f"registration:{registration}:{kind}"] = per_minute / 60
        charged = {level: (1000 / r, self.epochs[level]) for level, r in rates.items() if r}
        self.slots[grant.id, grant.token] = slot
        self.held.append(Held(grant, slot, segments, charged, bool(registration) and home))

    @precondition(lambda self: self.held)
    @rule(pick=st.integers(0, 100))
    def start(self, pick: int) -> None:
        held = self.held[pick % len(self.held)]
        if (held.grant.id, held.grant.token) not in self.slots:
            return
        if self.bench.start(held.grant) == [True]:
            if held not in self.begun:
                self.begun.append(held)
                self.count(held)
        else:
            self.unused(held)

    def count(self, held: Held) -> None:
        """It went out in its slot: no stretch that ends there may have more than is allowed."""
        for level, (interval_ms, epoch) in held.levels.items():
            sent = self.sent[level, epoch]
            sent.append((held.slot_ms, held.segments))
            sent.sort()
            for first in range(len(sent)):
                total = 0
                for slot, segments in sent[first:]:
                    total += segments
                    allowed = (slot - sent[first][0] + SLACK_MS + HORIZON_MS) / interval_ms
                    assert total <= allowed + segments + 1e-6, f"{level} is above its rate"
        if held.capped:
            day = self.day(held)
            self.days[day] += held.segments
            assert self.days[day] <= CAP, "the brand is above its cap"

    @staticmethod
    def day(held: Held) -> Any:
        return datetime.fromtimestamp(held.slot_ms / 1000, PACIFIC).date()

    def unused(self, held: Held) -> None:
        self.slots.pop((held.grant.id, held.grant.token), None)
        for level, (_, epoch) in held.levels.items():
            if epoch != self.epochs[level]:  # charged by another rate than it is given back by
                self.epochs[level] += 1

    @precondition(lambda self: self.held)
    @rule(want=st.integers(1, 8))
    def claim_start_and_accept(self, want: int) -> None:
        known = len(self.held)
        self.claim(want)
        fresh = self.held[known:]
        self.bench.at(max([self.bench.now_ms, *(held.slot_ms for held in fresh)]))
        for held in fresh:
            self.start(self.held.index(held))
        accepted = [
            Settle(
                id=held.grant.id,
                token=held.grant.token,
                kind="accepted",
                provider_id="p",
                heard=True,
            )
            for held in fresh
        ]
        self.bench.step(accepted)

    @precondition(lambda self: self.held)
    @rule(
        pick=st.integers(0, 100),
        kind=st.sampled_from(["accepted", "retry", "back", "dead", "doubt", "unused"]),
        told=st.sampled_from(["", "perhaps", "throttled", "queue_full"]),
        halt=st.sampled_from(["", "", "sender", "account"]),
        hold_ms=st.sampled_from([0.0, 500.0, 3000.0]),
    )
    def settle(self, pick: int, kind: Any, told: str, halt: str, hold_ms: float) -> None:
        held = self.held[pick % len(self.held)]
        begun = held in self.begun
        if not begun and kind != "unused":
            return
        mine = self.leased(held)
        heard = kind not in ("doubt", "unused")
        if not heard or (kind == "back" and told == "perhaps"):
            told = ""
        self.bench.settle(
            held.grant,
            kind,
            heard=heard,
            **({told: True} if told else {}),
            delay_ms=2000.0,
            wait_ms=100.0 if told == "throttled" else -1.0,
            hold_ms=hold_ms if kind == "accepted" else 0.0,
            halt=halt if kind == "back" else "",
            halt_ends="5000",
            provider_id="p" if kind == "accepted" else "",
        )
        if mine and begun and kind in ("retry", "back", "dead", "unused") and told != "perhaps":
            self.not_sent(held)
        if mine and kind == "unused":
            self.unused(held)
            for level, (_, epoch) in held.levels.items() if begun else ():
                self.sent[level, epoch].remove((held.slot_ms, held.segments))

    def not_sent(self, held: Held) -> None:
        now = datetime.fromtimestamp(self.bench.now_ms / 1000, PACIFIC).date()
        if held.capped and self.day(held) == now:
            self.days[now] -= held.segments

    def leased(self, held: Held) -> bool:
        lease: Any = self.store.hget(self.bench.keys("leases"), held.grant.id)
        return bool(lease) and lease.startswith(f"{held.grant.token}|".encode())

    # People, the sweep and the clock.

    @rule(level=st.sampled_from(["account", f"sender:{SLOW}", "campaign:a", "registration:notices",
                                 "brand:acme"]),
          seconds=st.sampled_from([None, 1.0, 60.0]))  # fmt: skip
    def halt(self, level: str, seconds: float | None) -> None:
        self.bench.halts.set(level, "by a person", seconds)

    @rule()
    def clear(self) -> None:
        for halt in self.bench.halts.list():
            self.bench.halts.clear(halt.level)

    @rule(name=st.sampled_from("ab"), action=st.sampled_from(["pause", "resume", "resume"]))
    def act(self, name: str, action: Any) -> None:
        try:
            self.bench.act(name, action)
        except WrongCampaignState:
            assert self.bench.campaigns.get(name).state in ("finished", "paused", "running")

    @rule(rate=st.sampled_from([0.0, 1.0, 10.0]), weight=st.sampled_from([0.5, 1.0, 4.0]))
    def pace(self, rate: float, weight: float) -> None:
        self.bench.campaigns.pace("a", rate, weight)
        self.rates["a"] = rate
        self.epochs["campaign:a"] += 1

    @rule(setting=st.sampled_from(SETTINGS), newer=st.booleans())
    def publish(self, setting: Setting, newer: bool) -> None:
        config = self.bench.config
        if not newer:
            before = self.bench.dump()
            self.bench.publish(limits_version=self.version - 1, **limits(setting))
            assert self.bench.dump() == before
            self.bench.config = config
            return
        self.version += 1
        assert self.bench.publish(limits_version=self.version, **limits(setting))
        for level in (f"sender:{SLOW}", *CHANGING):
            self.epochs[level] += 1
        self.setting = setting

    @rule(ms=st.sampled_from([1.0, 20.0, 60.0, 250.0, 1000.0, 4000.0]))
    def time_passes(self, ms: float) -> None:
        self.bench.later(ms)

    @rule(times=st.integers(1, 4))
    def sweep(self, times: int) -> None:
        for _ in range(times):
            self.bench.later(5000)
            self.bench.sweep()
        for held in self.held:
            known = (held.grant.id, held.grant.token) in self.slots
            if known and held not in self.begun and not self.leased(held):
                self.unused(held)

    @precondition(lambda self: self.held)
    @rule(pick=st.integers(0, 100))
    def cancel(self, pick: int) -> None:
        held = self.held[pick % len(self.held)]
        mine = held not in self.begun and self.leased(held)
        if mine and "." not in held.grant.id:
            assert self.bench.cancel(held.grant.id) == "cancelled"
            self.unused(held)

    # What always holds.

    @invariant()
    def every_lane_is_reachable(self) -> None:
        if hasattr(self, "bench"):
            self.bench.check()

    @invariant()
    def no_window_has_more_slots_than_the_limit(self) -> None:
        if hasattr(self, "bench"):
            slots = sorted(self.slots.values())
            for first, last in zip(slots, slots[LIMIT:], strict=False):
                assert last - first > 1000

    def teardown(self) -> None:
        """Lift everything and let days pass: each message must come to an end, or to a person."""
        if not hasattr(self, "bench"):
            return
        bench = self.bench
        bench.repeat = False
        for name in "ab":
            if bench.campaigns.get(name).state == "paused":
                bench.act(name, "resume")
        for _ in range(30):
            self.clear()
            for _ in range(4):
                bench.later(5000)
                bench.sweep()
            bench.drain(12_000)
            states = bench.check()
            if not states.keys() & {"waiting", "retrying"}:
                break
            bench.later(6 * 3_600_000)
        else:
            raise AssertionError(f"never came to rest: {states}")


def machine(store_: redis.Redis) -> type[Levels]:
    class Played(Levels):
        store = store_

    return Played


def play(store: redis.Redis, examples: int, steps: int) -> None:
    run_state_machine_as_test(
        machine(store),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.slow_on_fake
def test_every_level_holds_and_every_lane_drains_after_any_sequence_of_events(
    store: redis.Redis,
) -> None:
    play(store, examples=5, steps=40)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_level_holds_and_every_lane_drains_in_the_long_run(valkey: redis.Redis) -> None:
    play(valkey, examples=300, steps=60)


# What the bucket promises.

LIMIT_OF_10, WINDOW_MS = 10, 1000.0


def emptied(store: redis.Redis, waiting: int = 40, **fields: Any) -> Bench:
    """A bench on an emptied store with messages waiting, past its cold start."""
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    made = Bench(store, **({"limit": LIMIT_OF_10, "concurrency": 1000} | fields))
    made.enqueue(message(0, id="warm"))
    made.send(limit=-1, took_ms=20.0)
    made.later(5000)
    made.enqueue(*[message(n) for n in range(1, waiting + 1)])
    return made


few = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
said = st.fixed_dictionaries(
    {"limit": st.integers(5, 60), "remaining": st.integers(0, 60), "wait_ms": st.just(-1.0)}
)


def in_flight(made: Bench, many: int) -> list[Grant]:
    grants = []
    for _ in range(many):
        grant = made.begin()
        grants.append(grant)
    return grants


@given(answers=st.lists(said, min_size=2, max_size=5), seed=st.randoms(use_true_random=False))
@few
def test_answers_leave_the_same_bucket_in_whatever_order_they_come(
    store: redis.Redis, answers: list[dict[str, Any]], seed: Any
) -> None:
    seen = []
    for shuffled in (False, True):
        made = emptied(store, limit=40)
        told = list(zip(in_flight(made, len(answers)), answers, strict=True))
        if shuffled:
            seed.shuffle(told)
        for grant, answer in told:
            for _ in range(2):  # an answer told twice is told once
                made.settle(grant, "back", heard=True, took_ms=20.0, **answer)
        bucket = made.bucket()
        seen.append((bucket["limit"], bucket["peak"]))
        # What is known of others ends when another window is believed, which order may decide.
        assume(bucket["unsettled"] == 0)
    assert seen[0] == seen[1]


@given(steps=st.lists(st.sampled_from([1.0, 40.0, 900.0, 20_000.0]), min_size=5, max_size=15))
@few
def test_a_margin_fades_by_half_in_its_time_whatever_is_asked_meanwhile(
    store: redis.Redis, steps: list[float]
) -> None:
    made = emptied(store)
    made.send(kind="back", heard=True, throttled=True, wait_ms=0.0)
    began, margin = made.now_ms, made.bucket()["margin"]
    for ms in steps:
        made.later(ms)
        made.claim()
    faded = margin * 0.5 ** ((made.now_ms - began) / 30_000)
    assert made.bucket()["margin"] == pytest.approx(faded, rel=1e-3)


@given(
    answers=st.lists(
        st.tuples(st.integers(1, 40), st.integers(0, 3), st.booleans()), min_size=1, max_size=5
    )
)
@example(answers=[(11, 0, True)])
@example(answers=[(10, 0, False), (11, 0, True)])
@example(answers=[(40, 0, False), (40, 0, True), (39, 0, True), (1, 0, True), (40, 0, True)])
@few
def test_whatever_others_seem_to_use_a_tenth_of_the_limit_goes_on(
    store: redis.Redis, answers: list[tuple[int, int, bool]]
) -> None:
    made = emptied(store)
    began_ms = made.now_ms
    for limit, remaining, throttled in answers:
        answer = {"limit": limit, "remaining": remaining, "wait_ms": 0.0}
        made.later(2 * (made.bucket()["learned"] or WINDOW_MS) + 3 * (made.now_ms - began_ms))
        made.send(kind="back", heard=True, throttled=throttled, **answer)
    bucket = made.bucket()
    window_ms = bucket["learned"] or WINDOW_MS
    # A limit above the configured one may be for a longer window. Where the provider says that
    # nothing remains of it, it is tried after up to twice the time in which nothing came back.
    guessed = bucket["limit"] > LIMIT_OF_10
    if guessed:
        window_ms += 3 * (made.now_ms - began_ms)
    tenth = 1 if guessed else max(1, int(bucket["limit"] / 10))
    assert len(made.claim_all(tenth, within_ms=2 * window_ms + 100)) >= tenth


@given(wants=st.lists(st.integers(1, 8), min_size=1, max_size=4), lost=st.booleans())
@few
def test_what_is_given_back_leaves_the_log_and_the_levels_as_they_were_or_it_ages_out(
    store: redis.Redis, wants: Sequence[int], lost: bool
) -> None:
    sender = {message().sender or "": Sender(kind="toll_free", per_second=300.0)}
    made = emptied(store, senders=sender, limit=200)
    before = made.log()
    grants = [grant for want in wants for grant in made.claim(want).grants]
    assert len(made.log()) == len(before) + len(grants)
    latest = max(made.now_ms + grant.slot_ms for grant in grants)
    if lost:  # its worker is gone: after a window nothing of it is left
        made.later(WINDOW_MS + 100)
    else:
        made.step([g.unused() for g in grants])
        assert made.log() == before
        [used] = [float(u) for name, u in made._hash(made.keys("levels")).items()
                  if name.startswith("sender:")]  # fmt: skip
        assert used <= latest
    made.enqueue(*[message(n) for n in range(100, 200)])
    made.later(100)
    assert len(made.drain(400)) >= 0.9 * 0.4 * 200


@given(
    calls=st.lists(
        st.tuples(st.booleans(), st.integers(1, 4), st.sampled_from([1.0, 30.0, 200.0, 1100.0])),
        min_size=5,
        max_size=20,
    )
)
@few
def test_two_processes_get_what_one_would_get_of_the_same_calls(
    store: redis.Redis, calls: list[tuple[bool, int, float]]
) -> None:
    seen = []
    for processes in (1, 2):
        made = emptied(store)
        other = Bench(store, limit=LIMIT_OF_10, concurrency=1000)
        got = []
        for n, (second, want, ms) in enumerate(calls):
            bench = other if second and processes == 2 else made
            bench.at(made.now_ms)
            token = f"{'abcd' if second else 'efgh'}{n}"
            args = bench.queue.step_args(want=want, token=token)
            claimed = parse_stepped(bench.call(STEP, args), token).claimed
            got.append((claimed.why, claimed.wait_ms, claimed.grants))
            made.later(ms)
        seen.append(got)
    assert seen[0] == seen[1]
