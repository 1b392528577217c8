"""What the token bucket grants, driven through claims and settles with any headers."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate_worker.queue import STEP
from sluicegate_worker.wire import Claimed, Grant, parse_stepped
from support.bench import Bench, settle_of
from support.fake import examples
from support.messages import message

LIMIT, WINDOW_MS = 10, 1000.0
JITTER_MS = 10.0  # the least that is added to a window of a second


def bench(store: redis.Redis, waiting: int = 60, **fields: Any) -> Bench:
    """A bench on an emptied store with messages waiting, its bucket past its cold start."""
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    fields = {"limit": LIMIT, "window_seconds": WINDOW_MS / 1000, "concurrency": 1000} | fields
    made = Bench(store, repeat=True, **fields)
    made.enqueue(message(0))
    made.send(limit=-1)
    made.later(10_000)
    made.enqueue(*[message(n) for n in range(1, waiting + 1)])
    return made


def slots(bench: Bench, grants: Sequence[Grant]) -> list[float]:
    return [round(bench.now_ms + grant.slot_ms, 3) for grant in grants]


def answered(bench: Bench, **said: Any) -> None:
    """Send one message and let its answer say something of the rate."""
    bench.send(**{"heard": True} | said)


def full_window(bench: Bench, ms: float, want: int = 50) -> list[float]:
    """Claim for so long, as eagerly as the answers allow; return the slots granted."""
    granted: list[float] = []
    ends, repeat, bench.repeat = bench.now_ms + ms, bench.repeat, False
    while bench.now_ms < ends:
        claimed = bench.claim(want)
        granted += slots(bench, claimed.grants)
        bench.later(max(1.0, claimed.wait_ms) if not claimed.grants else 1.0)
    bench.repeat = repeat
    return granted


def densest(times: Sequence[float], stretch_ms: float) -> int:
    """The most of ``times`` in any half-open stretch of that length."""
    return max(
        (sum(1 for other in times if at <= other < at + stretch_ms) for at in times), default=0
    )


step = st.one_of(
    st.tuples(st.just("claim"), st.integers(1, 8)),
    st.tuples(st.just("later"), st.sampled_from([1.0, 7.0, 50.0, 99.0, 400.0, 1500.0])),
    st.tuples(st.just("back"), st.sampled_from([50.0, 3_600_000.0])),
    st.tuples(st.just("unused"), st.integers(0, 5)),
    st.tuples(
        st.just("answer"),
        st.fixed_dictionaries(
            {
                "throttled": st.booleans(),
                "limit": st.sampled_from([-1, 1, 5, 10, 20, 999_999_999_999]),
                "remaining": st.sampled_from([-1, 0, 3, 10, 999_999_999_999]),
                "wait_ms": st.sampled_from([-1.0, 0.0, 30.0, 700.0]),
                "took_ms": st.sampled_from([-3_600_000.0, 0.0, 20.0, 300.0, 3_600_000.0]),
            }
        ),
    ),
)


def test_no_window_has_more_slots_than_its_limit_once_it_is_known(
    store: redis.Redis,
) -> None:
    @settings(max_examples=examples(store, 30))
    @given(st.lists(step, min_size=10, max_size=40))
    def holds(steps: list[tuple[str, Any]]) -> None:
        check_windows(store, steps)

    holds()


def check_windows(store: redis.Redis, steps: list[tuple[str, Any]]) -> None:
    made = bench(store)
    steady = made.now_ms
    kept: dict[tuple[str, str], float] = {}  # slots in steady time, without those given back
    held: list[Grant] = []
    last = 0.0
    for what, how in steps:
        if what == "claim":
            blocked = steady < made.bucket()["block"]
            claimed = made.claim(how)
            assert not (blocked and claimed.grants), "granted while blocked"
            limit = made.bucket()["limit"]
            for grant in claimed.grants:
                slot = round(steady + grant.slot_ms, 3)
                assert slot > last, "a slot went back"
                assert slot <= steady + 50.001
                apart_ms, last = slot - last + 0.01, slot
                kept[grant.id, grant.token] = slot
                stretch = [s for s in kept.values() if slot - WINDOW_MS - JITTER_MS < s <= slot]
                # While it is in doubt, what the answers say remains bounds us, and this pace.
                doubtful = made.bucket()["doubt"] == 1 and len(stretch) > limit
                assert len(stretch) <= limit or (doubtful and apart_ms >= WINDOW_MS / LIMIT / 10)
                held.append(grant)
        elif what == "later":
            made.later(how)
            steady += how
        elif what == "back":
            made.step()
            made.later(-how)
        elif held and what == "unused":
            grant = held.pop(how % len(held))
            if made.settle(grant, "unused") == "applied":
                del kept[grant.id, grant.token]
        elif held:
            grant = held.pop(0)
            if made.start(grant) == [True]:
                made.settle(grant, "back", heard=True, **how)
            else:
                del kept[grant.id, grant.token]


def test_slots_are_paced_and_never_twice_at_one_time(store: redis.Redis) -> None:
    made = bench(store, limit=100)
    grants = made.claim(50).grants
    times = slots(made, grants)
    assert times == sorted(set(times))
    assert times[-1] <= made.now_ms + 50
    assert len(times) <= 2 + 50 / (WINDOW_MS / 102) + 1


def test_fast_slots_come_in_groups_that_one_call_can_start(store: redis.Redis) -> None:
    made = bench(store, limit=1000, waiting=300)
    made.repeat = False
    times = full_window(made, 200)
    assert times == sorted(set(times))
    groups = [at for before, at in itertools.pairwise(times) if at - before > 0.5]
    assert len(groups) <= len(times) / 4
    assert len(times) / (times[-1] - times[0]) == pytest.approx(1.02, rel=0.05)
    assert densest(times, 20) <= 30


def test_a_saturated_bucket_uses_its_limit_and_no_more(store: redis.Redis) -> None:
    made = bench(store, waiting=120)
    granted = full_window(made, 5 * WINDOW_MS)
    assert densest(granted, WINDOW_MS + JITTER_MS) == LIMIT
    assert len(granted) >= 5 * LIMIT * 0.97


@pytest.mark.slow_on_fake
def test_a_full_window_leaves_no_pause_before_its_first_slot_leaves(store: redis.Redis) -> None:
    made = bench(store, waiting=260, limit=40)
    made.later(2_000)
    granted = full_window(made, 3 * WINDOW_MS)
    apart = [after - before for before, after in itertools.pairwise(granted)]
    assert max(apart) <= 2 * WINDOW_MS / 40


@pytest.mark.slow_on_fake
def test_slots_that_were_lost_are_made_up_for(store: redis.Redis) -> None:
    made = bench(store, waiting=260, limit=40)
    full_window(made, WINDOW_MS)
    made.later(WINDOW_MS / 20)
    assert len(full_window(made, 5 * WINDOW_MS)) >= 5 * 40 * 0.97


def claim_as(made: Bench, worker: int, want: int = 1) -> Claimed:
    token = f"w{worker:03}{made.token()}"
    return parse_stepped(
        made.call(STEP, made.queue.step_args(want=want, token=token)), token
    ).claimed


def test_workers_that_must_wait_take_turns(store: redis.Redis) -> None:
    made = bench(store)
    made.claim_all(1)
    step_ms = (WINDOW_MS + JITTER_MS) / LIMIT
    waits = [claim_as(made, worker).wait_ms for worker in range(5)]
    apart = [after - before for before, after in itertools.pairwise(waits)]
    assert apart == pytest.approx([step_ms] * 4, abs=0.01)
    assert [claim_as(made, worker).wait_ms for worker in range(5)] == waits, "woken, each kept its"
    assert max(claim_as(made, worker).wait_ms for worker in range(5, 99)) <= 5_100


@pytest.mark.slow_on_fake
def test_turns_make_shares_equal_and_calls_few(store: redis.Redis) -> None:
    made = bench(store, waiting=260)
    made.repeat = False
    next_at = dict.fromkeys(range(8), made.now_ms)
    granted: Counter[int] = Counter()
    calls, ends = 0, made.now_ms + 20_000
    while made.now_ms < ends:
        worker = min(next_at, key=lambda number: next_at[number])
        made.at(max(made.now_ms, next_at[worker]))
        claimed = claim_as(made, worker, 50)
        calls += 1
        granted[worker] += len(claimed.grants)
        slots_ms = [grant.slot_ms for grant in claimed.grants]
        next_at[worker] = made.now_ms + max([claimed.wait_ms, *slots_ms, 1.0])
    assert sum(granted.values()) >= 20 * LIMIT * 0.97
    assert sum(granted.values()) ** 2 / (8 * sum(n * n for n in granted.values())) >= 0.95
    assert calls <= 4 * sum(granted.values())


def test_nothing_is_granted_while_blocked_and_something_right_after(store: redis.Redis) -> None:
    made = bench(store)
    first = made.begin()
    made.settle(first, "back", heard=True, throttled=True, wait_ms=700.0)
    blocked = made.claim()
    assert (blocked.why, blocked.wait_ms) == ("blocked", 700.0)
    made.later(699)
    assert not made.claim().grants
    made.later(1)
    assert made.claim().grants


def test_a_block_outlasts_a_clock_set_back_by_an_hour_by_nothing(store: redis.Redis) -> None:
    made = bench(store)
    answered(made, kind="back", heard=True, throttled=True, wait_ms=700.0)
    made.later(-3_600_000)
    assert made.claim().why == "blocked"
    made.later(700)
    assert made.claim().grants


def test_the_bucket_goes_on_when_the_clock_is_set_back(store: redis.Redis) -> None:
    made = bench(store)
    before = len(full_window(made, 500))
    made.later(-3_600_000)
    after = full_window(made, 3 * WINDOW_MS)
    assert before >= 5
    assert len(after) >= 3 * LIMIT * 0.9
    assert densest(after, WINDOW_MS + JITTER_MS) <= LIMIT


@pytest.mark.parametrize("calls_every_ms", [1.0, 5.0, 1000.0])
def test_a_margin_fades_however_often_the_bucket_is_asked(
    store: redis.Redis, calls_every_ms: float
) -> None:
    made = bench(store, limit=50)
    answered(made, kind="back", heard=True, throttled=True, wait_ms=0.0)
    margin = made.bucket()["margin"]
    assert margin == pytest.approx(1.15)
    for _ in range(100):
        made.later(calls_every_ms)
        made.step()
    half_lives = 100 * calls_every_ms / 30_000
    assert made.bucket()["margin"] == pytest.approx(margin * 0.5**half_lives, rel=1e-3)


def test_one_burst_of_refusals_raises_the_margin_by_one_step(store: redis.Redis) -> None:
    made = bench(store, limit=100)
    answered(made, took_ms=200.0)
    grants = made.claim_all(3)
    made.later(max(g.slot_ms for g in grants))
    assert made.start(*grants) == [True] * 3
    refused = [
        settle_of(g, "back", heard=True, throttled=True, wait_ms=0, took_ms=200) for g in grants
    ]
    made.step(refused)
    assert made.bucket()["margin"] == pytest.approx(1.3, rel=0.01)


@pytest.mark.parametrize("limit", [1, 5, 10, 20, 50, 600])
@pytest.mark.parametrize("priority", ["transactional", "bulk"])
def test_however_much_others_seem_to_use_a_tenth_of_the_limit_goes_on(
    store: redis.Redis, limit: int, priority: str
) -> None:
    made = bench(store, limit=limit, waiting=0, window_seconds=10.0)
    made.enqueue(*[message(n, priority=priority) for n in range(1, 100)])
    for _ in range(3):  # others take everything, and we are refused again and again
        answered(
            made, kind="back", heard=True, throttled=True, wait_ms=0.0, limit=limit, remaining=0
        )
        made.later(5_000)
    answered(made, kind="back", heard=True, limit=limit, remaining=0)
    assert made.bucket()["peak"] >= 0.9 * limit - 5
    assert made.bucket()["margin"] > 0
    granted = full_window(made, 11_000)
    assert len(granted) >= max(1, math.floor(0.09 * limit))


def test_what_others_use_is_left_to_them_for_one_to_two_windows(store: redis.Redis) -> None:
    made = bench(store, limit=20)
    answered(made, limit=20, remaining=9)  # 20 - 9 - 1 of ours: 10 are others'
    assert made.bucket()["peak"] == 10
    made.later(WINDOW_MS)
    granted = full_window(made, 900)
    assert len(granted) <= 11
    made.later(2 * WINDOW_MS)
    made.step()
    assert made.bucket()["peak"] == made.bucket()["last_peak"] == 0


def test_one_counted_before_a_late_one_of_ours_shows_nobody_elses(store: redis.Redis) -> None:
    """The late one is logged for when it arrived at the latest, and was counted before that."""
    made = bench(store, limit=50)
    for used in range(1, 6):
        answered(made, limit=50, remaining=50 - used, took_ms=20.0)
        made.later(30)
    late, next_one = two_in_flight(made)
    made.later(60)
    said: dict[str, Any] = {"provider_id": "p", "heard": True, "limit": 50}
    made.settle(late, "accepted", remaining=44, took_ms=60.0, **said)
    made.settle(next_one, "accepted", remaining=43, took_ms=20.0, **said)
    assert made.bucket()["peak"] == 0
    answered(made, limit=50, remaining=40, took_ms=20.0)
    assert made.bucket()["peak"] == 2


def two_in_flight(made: Bench) -> tuple[Grant, Grant]:
    older = made.begin()
    newer = made.begin()
    return older, newer


@pytest.mark.parametrize(
    ("older_says", "newer_says", "then"),
    [
        (10, 20, 20),  # raised
        (20, 10, 10),  # lowered
        (20, -1, 20),  # the newer did not say
        (10, 10, 10),
        (30, 20, 20),
    ],
)
@pytest.mark.parametrize("overtaken", [False, True])
def test_of_two_answers_the_one_to_the_newer_request_decides_on_the_limit(
    store: redis.Redis, older_says: int, newer_says: int, then: int, overtaken: bool
) -> None:
    made = bench(store, limit=10)
    older, newer = two_in_flight(made)
    says = [(older, older_says), (newer, newer_says)]
    for grant, limit in reversed(says) if overtaken else says:
        made.settle(grant, "back", heard=True, limit=limit)
    assert made.bucket()["limit"] == then


@pytest.mark.parametrize("overtaken", [False, True])
def test_reports_leave_the_same_bucket_in_any_order(store: redis.Redis, overtaken: bool) -> None:
    made = bench(store, limit=40)
    older, newer = two_in_flight(made)
    says: list[tuple[Grant, dict[str, Any]]] = [
        (older, {"limit": 40, "remaining": 10}),
        (newer, {"limit": 20, "remaining": 4}),
    ]
    for grant, said in reversed(says) if overtaken else says:
        made.settle(grant, "back", heard=True, **said)
    bucket = made.bucket()
    assert (bucket["limit"], bucket["peak"]) == (20, 29)


@pytest.mark.parametrize(
    "said",
    [
        {"limit": -1, "remaining": -1},
        {"limit": 0, "remaining": 0},
        {"limit": -1, "remaining": 999_999_999_999},
        {"limit": 10, "remaining": 999_999_999_999},
        {"limit": 10, "took_ms": -1e15},
        {"limit": 10, "took_ms": 1e15},
        {"limit": 10, "wait_ms": -5.0},
    ],
)
def test_evidence_that_makes_no_sense_raises_no_budget(
    store: redis.Redis, said: dict[str, Any]
) -> None:
    made = bench(store)
    answered(made, **said)
    made.later(2 * WINDOW_MS)
    assert densest(full_window(made, 2_500), WINDOW_MS + JITTER_MS) <= LIMIT
    assert made.bucket()["limit"] == LIMIT


def test_a_rate_is_believed_up_to_ten_times_the_configured_one(store: redis.Redis) -> None:
    made = bench(store)
    answered(made, limit=999_999_999_999, remaining=999_999_999_998)
    for _ in range(20):
        answered(made, limit=999_999_999_999, remaining=999_999_999_998)
        made.later(1_000)
    believed = made.bucket()
    assert believed["limit"] / believed["learned"] <= 10 * LIMIT / WINDOW_MS
    answered(made, limit=3)
    assert made.bucket()["limit"] == 3


def test_how_long_a_worker_says_it_took_changes_no_more_than_the_jitter(
    store: redis.Redis,
) -> None:
    made = bench(store, waiting=100)
    answered(made, took_ms=3_600_000.0)
    made.later(2 * WINDOW_MS)
    granted = full_window(made, 3_300)
    assert len(granted) >= 3 * LIMIT * 0.9  # a tenth of the window at most


def test_a_trace_of_a_margin_costs_a_trace_of_the_limit(store: redis.Redis) -> None:
    made = bench(store, waiting=120)
    answered(made, throttled=True, limit=LIMIT, wait_ms=1.0)
    made.later(120_000)
    made.step()
    assert 0.05 < made.bucket()["margin"] < 0.1
    assert len(full_window(made, 5 * WINDOW_MS)) >= 5 * LIMIT * 0.97


def test_a_request_that_straggles_is_counted_in_its_own_answer(store: redis.Redis) -> None:
    made = bench(store)
    for _ in range(20):
        made.later(2 * WINDOW_MS / LIMIT)
        answered(made, took_ms=20.0, limit=LIMIT, remaining=LIMIT // 2)
    assert made.bucket()["peak"] == 0
    [grant] = made.claim_all(1)
    made.later(grant.slot_ms)
    assert made.start(grant) == [True]
    made.later(60.0)
    made.settle(grant, "accepted", heard=True, took_ms=60.0, limit=LIMIT, remaining=LIMIT // 2)
    assert made.bucket()["peak"] == 0


@pytest.mark.parametrize("took_ms", [150.0, 3_600_000.0])
def test_a_request_that_took_longer_may_have_arrived_later(
    store: redis.Redis, took_ms: float
) -> None:
    made = bench(store)
    for _ in range(30):
        answered(made, took_ms=20.0)
        made.later(WINDOW_MS / LIMIT)
    [grant] = made.claim(1).grants
    made.later(grant.slot_ms)
    slot = made.now_ms
    made.start(grant)
    made.later(150.0)
    made.settle(grant, "accepted", heard=True, took_ms=took_ms)
    assert max(made.log()) == pytest.approx(slot + (130.0 if took_ms == 150.0 else 150.0), abs=10)


def test_slots_given_back_leave_the_log_as_it_was(store: redis.Redis) -> None:
    made = bench(store)
    [first] = made.claim(1).grants
    made.later(30)
    before = made.log()
    grants = made.claim_all(3)
    assert len(made.log()) == len(before) + 3
    made.step([g.unused() for g in grants])
    assert made.log() == before
    made.settle(first, "unused")
    assert len(made.log()) == len(before) - 1


def test_a_dead_letter_that_never_started_gives_its_slot_back(store: redis.Redis) -> None:
    made = bench(store)
    before = made.log()
    [grant] = made.claim(1).grants
    assert made.settle(grant, "dead", code="invalid_content") == "applied"
    assert made.log() == before
    assert made.status(grant.id).state == "dead"


def test_before_the_first_answer_two_are_under_way_at_most(store: redis.Redis) -> None:
    made = Bench(store, repeat=True, limit=1000)
    made.enqueue(*[message(n) for n in range(10)])
    first, second = made.claim(50).grants
    assert (made.claim(50).why, made.claim(50).grants) == ("probing", [])
    made.later(20)
    assert made.start(first, second) == [True, True]
    made.settle(first, "retry", delay_ms=60_000, code="not_sent")  # no answer was heard
    [third] = made.claim(50).grants
    assert made.claim(50).why == "probing"
    made.settle(second, "accepted", provider_id="p", heard=True)
    made.later(100)
    assert len(made.claim(50).grants) == 7
    assert third


def test_a_changed_configuration_starts_over_from_its_own_limit(store: redis.Redis) -> None:
    made = bench(store, limit=10)
    older, newer = two_in_flight(made)
    made.settle(newer, "back", heard=True, limit=30)
    assert made.bucket()["limit"] == 30
    changed = Bench(store, repeat=True, limit=20, concurrency=1000)
    changed.at(made.now_ms)
    changed.settle(older, "back", heard=True, limit=30)
    assert changed.bucket()["limit"] == 20


def test_the_log_is_trimmed_in_small_batches(store: redis.Redis) -> None:
    made = bench(store, waiting=5)
    old = made.now_ms - 300_000
    store.zadd(made.keys("log"), {f"old{n}": old + n for n in range(1000)})
    made.claim()
    left = len(made.log())
    assert 700 < left < 1000
    for _ in range(20):
        made.later(100)
        made.claim()
    assert len(made.log()) < 10


@pytest.mark.parametrize("priority", ["bulk", "transactional"])
def test_a_high_rate_is_used_before_any_answer_said_anything_of_it(
    store: redis.Redis, priority: Any
) -> None:
    made = bench(store, 0, limit=1000)
    made.enqueue(*[message(n, priority=priority) for n in range(1, 601)])
    assert 480 <= len(made.drain(500)) <= 530
