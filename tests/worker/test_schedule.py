"""When a drain does what: the schedule alone, driven with times, without an event loop."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sluicegate_worker.capacity import LEAST_CLAIMED, Capacity, shares
from sluicegate_worker.schedule import (
    CROWDED_FLUSH_SECONDS,
    FLUSH_SECONDS,
    LEAD_SECONDS,
    RIDE_SECONDS,
    UNSTARTED_SECONDS,
    HeldMessage,
    Schedule,
    Step,
)
from sluicegate_worker.wire import BATCH, Claimed, Grant, Settle, Stepped

RENEW_SECONDS = 5.0
START = 100.0
TOLERANCE = 1e-9
MOST_STEPS_AT_ONCE = 200
"""More calls in a row, while no time passes, are a loop that never ends."""

number = itertools.count()


def grant(slot_ms: float) -> Grant:
    return Grant(f"m{next(number)}", "t", slot_ms, 0, 0, 0, 0, b"{}", b"")


def settle(grant: Grant, kind: Any = "accepted", **fields: Any) -> Settle:
    return Settle(id=grant.id, token=grant.token, kind=kind, **fields)


class Worker:
    """A schedule, and a Redis and a provider that answer as they are told.

    Each step is held to the rules as it is made, and the schedule whenever nothing is due.
    """

    def __init__(self, places: int, claim: Any, refuses: Any, call_seconds: float) -> None:
        self.now = START
        self.schedule = Schedule(Capacity(places), RENEW_SECONDS)
        self.claim, self.refuses, self.call_seconds = claim, refuses, call_seconds
        self.places, self.last_call = places, START
        self.waiting: dict[str, HeldMessage] = {}
        self.posting: list[HeldMessage] = []
        self.renewed: dict[str, float] = {}
        self.ended: dict[str, tuple[float, Settle]] = {}

    def turn(self) -> None:
        """Make every call that is due, as a drain does before it sleeps."""
        for _ in range(MOST_STEPS_AT_ONCE):
            step = self.schedule.next_step(self.now)
            self.note_given_back(UNSTARTED_SECONDS)
            if step is None:
                assert self.schedule.wake_at() > self.now, "it would wake at once, for nothing"
                return self.nothing_is_late()
            self.check(step)
            self.make(step)
        raise AssertionError("it never rests")

    def note_given_back(self, late_seconds: float) -> None:
        """Whatever the schedule has given back by now had no place for so long."""
        for settle in self.schedule.unsettled:
            if settle.id in self.waiting:
                assert settle.kind == "unused"
                assert self.now >= self.waiting.pop(settle.id).slot_at + late_seconds
                self.ended[settle.id] = (self.now, settle)

    def check(self, step: Step) -> None:
        carried = len(step.starts) + len(step.renewals) + len(step.settles) + step.want
        assert 0 < carried <= BATCH
        assert len(self.posting) + len(step.starts) <= self.places
        for held in step.starts:
            assert self.now >= held.slot_at - LEAD_SECONDS
            assert held.may_begin(self.now)
        for held in step.renewals:
            assert self.now >= self.renewed[held.grant.id] + RENEW_SECONDS
        ids = [settle.id for settle in step.settles]
        assert ids == list(self.ended)[: len(ids)], "the oldest first"

    def make(self, step: Step) -> None:
        self.now += self.call_seconds
        started = [not self.refuses() for _ in step.starts]
        claimed = self.claim(step.want) if step.want else Claimed(0, "")
        stepped = Stepped(["applied"] * len(step.settles), started, [], claimed)
        begun = self.schedule.on_stepped(step, stepped, self.now)
        self.last_call = self.now
        for held in step.starts:
            del self.waiting[held.grant.id]
            self.renewed[held.grant.id] = step.at
        for held in step.renewals:
            self.renewed[held.grant.id] = step.at
        for settle in step.settles:
            del self.ended[settle.id]
        self.posting += begun
        if step.want:
            self.schedule.on_claimed(claimed, self.now)
            messages = [
                HeldMessage(grant, self.now + grant.slot_ms / 1000, b"{}")
                for grant in claimed.grants
            ]
            self.schedule.hold(messages)
            self.waiting |= {held.grant.id: held for held in messages}

    def nothing_is_late(self) -> None:
        """Once no call is due, whatever is left has time."""
        free = self.places - len(self.posting)
        for held in self.waiting.values():
            if free > len(self.ended):
                assert held.slot_at - LEAD_SECONDS > self.now
            assert held.slot_at + UNSTARTED_SECONDS > self.now or free > len(self.ended)
        for held in self.posting:
            assert self.renewed[held.grant.id] + RENEW_SECONDS > self.now
        assert len(self.ended) < BATCH
        for ended_at, settle in self.ended.values():
            patient = settle.kind == "accepted" and not settle.hold_ms
            bound = RIDE_SECONDS if patient else FLUSH_SECONDS
            assert self.now < max(ended_at, self.last_call) + bound + TOLERANCE

    def sleep(self, seconds: float) -> None:
        """Let time pass, and make what becomes due meanwhile when it does."""
        until = self.now + seconds
        self.turn()
        while (wake_at := self.schedule.wake_at()) <= until:
            self.now = max(self.now, wake_at)
            self.turn()
        self.now = max(self.now, until)
        self.turn()

    def due_at(self) -> float:
        """When anything but a claim is due next."""
        claiming, self.schedule.claiming = self.schedule.claiming, False
        due_at = self.schedule.wake_at()
        self.schedule.claiming = claiming
        return due_at

    def answer(self, pick: int, kind: Any, **fields: Any) -> None:
        if not self.posting:
            return
        held = self.posting.pop(pick % len(self.posting))
        ended = settle(held.grant, kind, **fields)
        self.ended[held.grant.id] = (self.now, ended)
        due_at = self.due_at()
        urgent = self.schedule.on_posted(held, ended, self.now)
        assert urgent or self.due_at() >= min(due_at, self.now + FLUSH_SECONDS)
        if urgent:
            self.turn()


waits = st.sampled_from([0.0, 0.0002, 0.001, 0.004, 0.01, 0.03, 0.1, 2.0])
answers = st.sampled_from(
    [
        {"kind": "accepted", "heard": True, "took_ms": 50.0},
        {"kind": "accepted", "heard": True, "took_ms": 3.0, "hold_ms": 2000.0},
        {"kind": "back", "heard": True, "throttled": True},
        {"kind": "retry", "delay_ms": 1000.0},
        {"kind": "dead", "heard": True},
        {"kind": "doubt"},
        {"kind": "unused"},
    ]
)
events = st.lists(
    st.one_of(
        st.tuples(st.just("sleep"), waits),
        st.tuples(st.just("answer"), st.tuples(st.integers(0, 300), answers)),
        st.tuples(st.just("answers"), st.tuples(st.integers(1, 120), answers)),
        st.tuples(st.just("wake"), st.none()),
    ),
    min_size=5,
    max_size=40,
)


@given(
    places=st.sampled_from([1, 3, 20, 200]),
    slots=st.sampled_from([(0.0, 0.0), (0.0, 1.0), (20.0, 20.0), (0.0, 50.0)]),
    refused=st.sampled_from([0, 0, 3]),
    call_seconds=st.sampled_from([0.0, 0.002]),
    backlog=st.integers(0, 400),
    happens=events,
)
@example(  # the first answer says how fast places become free, and so makes a claim worth a call
    places=20,
    slots=(0.0, 0.0),
    refused=0,
    call_seconds=0.0,
    backlog=20,
    happens=[
        ("sleep", 0.0),
        ("answer", (0, {"kind": "retry", "delay_ms": 1000.0})),
        ("answer", (0, {"kind": "accepted", "heard": True, "took_ms": 50.0})),
    ],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_nothing_is_late_early_or_too_much_and_it_comes_to_rest(
    places: int,
    slots: tuple[float, float],
    refused: int,
    call_seconds: float,
    backlog: int,
    happens: list[tuple[str, Any]],
) -> None:
    left, turn = backlog, itertools.count()
    first_ms, step_ms = slots

    def claim(want: int) -> Claimed:
        nonlocal left
        taken = min(want, left)
        left -= taken
        if not taken:
            return Claimed(50.0, "idle")
        return Claimed(0, "", [grant(min(50.0, first_ms + n * step_ms)) for n in range(taken)])

    def refuses() -> bool:
        return bool(refused) and next(turn) % refused == 0

    worker = Worker(places, claim, refuses, call_seconds)
    for what, how in happens:
        match what:
            case "sleep":
                worker.sleep(how)
            case "answer":
                pick, told = how
                worker.answer(pick, **told)
            case "answers":
                count, told = how
                for _ in range(count):
                    worker.answer(0, **told)
            case "wake":
                worker.schedule.wake()
        worker.turn()
    comes_to_an_end(worker)


def comes_to_an_end(worker: Worker) -> None:
    """Every POST is answered: then everything is told, and nothing is left to do."""
    worker.schedule.claiming = False
    worker.schedule.give_back(worker.now)
    worker.note_given_back(-math.inf)
    assert not worker.waiting
    while worker.posting:
        worker.answer(0, "accepted", heard=True, took_ms=50.0)
    worker.sleep(2 * RIDE_SECONDS)
    assert worker.schedule.is_over
    assert worker.schedule.wake_at() == math.inf


@given(counts=st.lists(st.integers(0, 200), min_size=1, max_size=4))
def test_a_call_is_shared_in_proportion_and_never_too_large(counts: list[int]) -> None:
    carried = shares(*counts)
    assert sum(carried) == min(BATCH, sum(counts))
    assert all(0 <= most <= count for most, count in zip(carried, counts, strict=True))
    total = max(BATCH, sum(counts))
    exact = [count * BATCH / total for count in counts] if sum(counts) > BATCH else counts
    assert all(abs(most - ideal) < len(counts) for most, ideal in zip(carried, exact, strict=True))


# One rule at a time.


def schedule(places: int = 10) -> Schedule:
    return Schedule(Capacity(places), RENEW_SECONDS)


def holding(*slots: float, places: int = 10) -> Schedule:
    """A schedule that claims no more, with messages at these slots, in seconds from START."""
    made = schedule(places)
    made.claiming = False
    made.hold([HeldMessage(grant(0), START + slot, b"{}") for slot in slots])
    return made


def begin(made: Schedule, now: float) -> list[HeldMessage]:
    step = made.next_step(now)
    assert step is not None
    stepped = Stepped([], [True] * len(step.starts), [], Claimed(0, ""))
    return made.on_stepped(step, stepped, now)


def test_a_start_that_an_earlier_call_left_in_doubt_is_given_back() -> None:
    made = holding(0.0, 0.0)
    step = made.next_step(START)
    assert step is not None
    refused = Stepped([], [False, False], [], Claimed(0, ""), [True, False])
    assert made.on_stepped(step, refused, START) == []
    [told] = made.unsettled
    assert (told.id, told.kind) == (step.starts[0].grant.id, "unused")


def test_a_start_is_asked_for_its_lead_before_the_slot() -> None:
    made = holding(0.02, 0.03)
    assert made.wake_at() == pytest.approx(START + 0.02 - LEAD_SECONDS)
    assert made.next_step(START + 0.018) is None
    step = made.next_step(made.wake_at())
    assert step is not None
    assert [held.slot_at for held in step.starts] == [START + 0.02]


def test_an_outcome_rides_on_a_start_that_is_due_soon() -> None:
    made = holding(0.0, 0.02)
    [held] = begin(made, START)
    made.on_posted(held, settle(held.grant, heard=True, took_ms=1), START + 0.001)
    assert made.wake_at() == pytest.approx(START + 0.02 - LEAD_SECONDS)


@pytest.mark.parametrize("kind", ["back", "retry", "dead", "doubt"])
def test_an_outcome_that_somebody_waits_for_does_not_ride(kind: str) -> None:
    made = holding(0.0, 0.02)
    [held] = begin(made, START)
    assert made.on_posted(held, settle(held.grant, kind), START + 0.001)
    assert made.wake_at() == pytest.approx(START + 0.001 + FLUSH_SECONDS)


def test_an_outcome_whose_place_is_wanted_goes_first() -> None:
    made = holding(0.0, 0.001, places=1)
    [held] = begin(made, START)
    made.on_posted(held, settle(held.grant, heard=True, took_ms=1), START + 0.001)
    assert made.wake_at() == pytest.approx(START + 0.001 + CROWDED_FLUSH_SECONDS)


def test_without_a_place_a_message_is_given_back_and_nothing_is_claimed_ahead() -> None:
    made = holding(0.0, 0.001, places=1)
    begin(made, START)
    assert made.wake_at() == pytest.approx(START + 0.001 + UNSTARTED_SECONDS)
    late = made.wake_at()
    made.next_step(late)
    assert [settle.kind for settle in made.unsettled] == ["unused"]


def test_a_lease_is_renewed_each_third_of_its_time() -> None:
    made = holding(0.0)
    [held] = begin(made, START)
    for turn in range(1, 4):
        assert made.wake_at() == START + turn * RENEW_SECONDS
        step = made.next_step(made.wake_at())
        assert step is not None
        assert list(step.renewals) == [held]
        made.on_stepped(step, Stepped([], [], [True], Claimed(0, "")), step.at + 0.001)


def test_a_wake_during_a_claim_asks_for_another_at_once() -> None:
    made = schedule()
    step = made.next_step(START)
    assert step is not None
    assert step.want == 10
    made.wake()
    made.on_claimed(Claimed(1000.0, "idle"), START)
    assert made.wake_at() <= START
    assert made.idle_seconds(START) == 0.0


def test_idle_is_counted_from_the_first_claim_that_found_nothing() -> None:
    made = schedule()
    for second in range(3):
        made.next_step(START + second)
        made.on_claimed(Claimed(50.0, "idle"), START + second)
    assert made.idle_seconds(START + 3) == 3.0
    made.on_claimed(Claimed(50.0, "rate"), START + 3)
    assert made.idle_seconds(START + 4) == 0.0


def test_what_a_probe_told_is_said_once() -> None:
    made = schedule()
    made.claiming = False
    made.on_probed("t", True)
    assert not made.is_over
    step = made.next_step(START)
    assert step is not None
    assert step.probed == ("t", True)
    assert made.next_step(START) is None
    assert made.is_over


def test_starts_that_are_refused_make_claims_smaller_down_to_a_few() -> None:
    made = Capacity(100)
    for _ in range(10):
        made.note_starts([True, False])
    assert made.wanted(0, 0) == LEAST_CLAIMED
    for _ in range(100):
        made.note_starts([True])
    assert made.wanted(0, 0) == BATCH
