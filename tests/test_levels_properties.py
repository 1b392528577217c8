"""Whatever happens, in whatever order: no level above its rate, no lane out of reach, and everything drains.

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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sluicegate.campaign import WrongCampaignState
from sluicegate.senders import Brand, Registration, Sender
from sluicegate_worker.claims import STEP, Grant, Settle, stepped
from support import Bench, message, plan, recipient

SLOW, ONE, TWO, FREE = (f"+1555000000{n}" for n in range(1, 5))
PACIFIC = ZoneInfo("America/Los_Angeles")
LIMIT, CAP, HORIZON_MS, SLACK_MS = 50, 15, 50.0, 50.0
WARM_MS = 1_772_956_700_000.0  # shortly before a Pacific midnight, on whose morrow clocks are set

SETTINGS = [
    {"slow": 5.0, "of": {ONE: "notices", TWO: "notices"}},
    {"slow": 0.5, "of": {ONE: "notices", TWO: "other"}},
    {"slow": 0.0, "of": {ONE: "other"}},
]


def limits(slow: float, of: dict[str, str]) -> dict[str, Any]:
    registered = {
        number: Sender(kind="10dlc", registration=of.get(number, ""), per_second=20.0)
        for number in (ONE, TWO)
    }
    return {
        "sms_per_second": 30.0,
        "mms_per_second": 4.0,
        "senders": registered
        | {SLOW: Sender(kind="toll_free", per_second=slow), FREE: Sender(kind="short_code")},
        "registrations": {
            "notices": Registration(sms_per_minute=300, mms_per_minute=60, brand="acme"),
            "other": Registration(sms_per_minute=120, mms_per_minute=60, brand="acme"),
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
    """Apps, campaigns, workers, people and the clock, on three senders with a rate and one without."""

    store: redis.Redis

    @initialize()
    def empty(self) -> None:
        for key in list(self.store.scan_iter(count=1000)):
            self.store.delete(key)
        self.version, self.setting = 1, SETTINGS[0]
        self.bench = Bench(
            self.store, repeat=True, limit=LIMIT, limits_version=1, **limits(**self.setting)
        )
        self.bench.at(WARM_MS)
        self.facts: dict[str, tuple[str, int, bool, str]] = {}  # sender, segments, of +1, campaign
        self.enqueued, self.last_slot = 0, 0.0
        self.held: list[Held] = []
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
        self.settle(0, "accepted", "h", "", 0.0)

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
        self.facts[made.id] = (sender, 1 if mms else segments, home, "")

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
        default = ({"a": ONE, "b": FREE}.get(name, ""), 1, True, name)
        sender, segments, home, _ = self.facts.get(grant.id, default)
        lease: Any = self.store.hget(self.bench.keys("leases"), grant.id)
        kind = "mms" if lease.split(b"|")[4][1:2] == b"m" else "sms"
        registration = self.setting["of"].get(sender, "")  # type: ignore[attr-defined]
        rates = {
            f"account:{kind}": 30.0 if kind == "sms" else 4.0,
            f"sender:{sender}": {SLOW: self.setting["slow"], FREE: 1000.0}.get(sender, 20.0),
            f"campaign:{name}": self.rates.get(name, 0.0),
        }
        if registration:
            per_minute = {"notices": 300, "other": 120}[registration] if kind == "sms" else 60
            rates[f"registration:{registration}:{kind}"] = per_minute / 60
        levels = {
            level: (1000 / float(rate), self.epochs[level])  # type: ignore[arg-type]
            for level, rate in rates.items()
            if rate
        }
        capped = bool(registration) and home
        self.slots[grant.id, grant.token] = slot
        self.held.append(Held(grant, slot, segments, levels, capped))

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

    @property
    def begun(self) -> list[Held]:
        if not hasattr(self, "_begun"):
            self._begun: list[Held] = []
        return self._begun

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
        self.bench.step(
            [Settle(id=h.grant.id, token=h.grant.token, kind="accepted", provider_id="p", flags="h")
             for h in fresh]
        )  # fmt: skip

    @precondition(lambda self: self.held)
    @rule(
        pick=st.integers(0, 100),
        kind=st.sampled_from(["accepted", "retry", "back", "dead", "doubt", "unused"]),
        flags=st.sampled_from(["h", "hp", "ht", "hf"]),
        halt=st.sampled_from(["", "", "sender", "account"]),
        hold_ms=st.sampled_from([0.0, 500.0, 3000.0]),
    )
    def settle(self, pick: int, kind: Any, flags: str, halt: str, hold_ms: float) -> None:
        held = self.held[pick % len(self.held)]
        begun = held in self.begun
        if not begun and kind != "unused":
            return
        lease: Any = self.store.hget(self.bench.keys("leases"), held.grant.id)
        mine = bool(lease) and lease.startswith(held.grant.token.encode() + b"|")
        self.bench.settle(
            held.grant,
            kind,
            flags="" if kind in ("doubt", "unused") else flags.replace("p", "" if kind == "back" else "p"),
            delay_ms=2000.0,
            wait_ms=100.0 if "t" in flags else -1.0,
            hold_ms=hold_ms if kind == "accepted" else 0.0,
            halt=halt if kind == "back" else "",
            halt_ends="5000",
            provider_id="p" if kind == "accepted" else "",
        )
        refused = kind in ("retry", "back", "dead") and ("p" not in flags or kind == "back")
        now = datetime.fromtimestamp(self.bench.now_ms / 1000, PACIFIC).date()
        if mine and begun and held.capped and (refused or kind == "unused") and self.day(held) == now:
            self.days[now] -= held.segments
        if mine and kind == "unused":
            self.unused(held)
            if begun:
                self.forget_sent(held)

    def forget_sent(self, held: Held) -> None:
        for level, (_, epoch) in held.levels.items():
            self.sent[level, epoch].remove((held.slot_ms, held.segments))

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
    def publish(self, setting: dict[str, Any], newer: bool) -> None:
        config = self.bench.config
        if not newer:
            before = self.bench.dump()
            self.bench.publish(limits_version=self.version - 1, **limits(**setting))
            assert self.bench.dump() == before
            self.bench.config = config
            return
        self.version += 1
        assert self.bench.publish(limits_version=self.version, **limits(**setting))
        for level in (f"sender:{SLOW}", *(f"registration:{r}:{k}" for r in ("notices", "other")
                                          for k in ("sms", "mms"))):  # fmt: skip
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
        leases: dict[Any, Any] = self.store.hgetall(self.bench.keys("leases"))  # type: ignore[assignment]
        for held in self.held:
            lease = leases.get(held.grant.id.encode(), b"")
            gone = not lease.startswith(held.grant.token.encode() + b"|")
            if gone and held not in self.begun and (held.grant.id, held.grant.token) in self.slots:
                self.unused(held)

    @rule(pick=st.integers(0, 100))
    def cancel(self, pick: int) -> None:
        held = self.held[pick % len(self.held)]
        if held not in self.begun and "." not in held.grant.id:
            if self.bench.cancel(held.grant.id) == "cancelled":
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


def test_every_level_holds_and_every_lane_drains_after_any_sequence_of_events(
    store: redis.Redis,
) -> None:
    play(store, examples=5, steps=40)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_every_level_holds_and_every_lane_drains_in_the_long_run(valkey: redis.Redis) -> None:
    play(valkey, examples=300, steps=60)
