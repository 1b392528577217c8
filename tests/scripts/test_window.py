"""How the bucket learns the provider's window, from providers of every kind."""

import heapq
import itertools
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate_ops.simulator.limits import (
    Bucket,
    FixedWindow,
    Limiter,
    LimitVerdict,
    SlidingLog,
)
from sluicegate_worker.wire import Grant
from support.bench import Bench, settle_of
from support.fake import examples
from support.messages import message

LIMIT, WINDOW = 20, 5.0
RATE_PER_MS = LIMIT / (1000 * WINDOW)

KINDS: dict[str, Callable[[int, float], Limiter]] = {
    "fixed": lambda limit, window: FixedWindow(limit, window, phase=0.4 * window),
    "sliding": SlidingLog,
    "bucket": Bucket,
}


def bench(store: redis.Redis, priority: str = "bulk", **fields: Any) -> Bench:
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    made = Bench(store, **{"limit": LIMIT, "window_seconds": WINDOW, "concurrency": 1000} | fields)
    made.enqueue(*[message(number, priority=priority) for number in range(250)])
    return made


def provider_now(made: Bench) -> float:
    """The provider's clock, in seconds since the bench began."""
    return (made.now_ms - 1_700_000_000_000.0) / 1000


class Shared:
    """A provider of whose limit others take a share, at random moments."""

    def __init__(self, provider: Limiter, share: float, window: float, seed: int) -> None:
        self.limit, self._provider = provider.limit, provider
        self._random = Random(seed)
        self._per_second, self._next = share * provider.limit / window, 0.0

    def take(self, now: float) -> LimitVerdict:
        self._next = self._next or now
        while self._next <= now:
            self._provider.take(self._next)
            self._next += self._random.expovariate(self._per_second)
        return self._provider.take(now)


class Ahead:
    """A provider whose clock is behind ours by so much."""

    def __init__(self, provider: Limiter) -> None:
        self.limit, self._provider, self.by_ms = provider.limit, provider, 0.0

    def take(self, now: float) -> LimitVerdict:
        return self._provider.take(now - self.by_ms / 1000)


class Lagging:
    """A provider to which more and more of what was sent is still on its way, for a second."""

    def __init__(self, provider: Limiter, most: int) -> None:
        self.limit, self._provider, self._most = provider.limit, provider, most
        self._began: float | None = None

    def take(self, now: float) -> LimitVerdict:
        self._began = now if self._began is None else self._began
        share = min(1.0, now - self._began)
        verdict = self._provider.take(now)
        on_its_way = int(self._most * share) if now < self._began + 1.2 else 0
        return verdict._replace(remaining=min(self.limit, verdict.remaining + on_its_way))


class Stray:
    """A provider that refuses one request, though much remains."""

    def __init__(self, provider: Limiter, number: int) -> None:
        self.limit, self._provider, self._left = provider.limit, provider, number

    def take(self, now: float) -> LimitVerdict:
        self._left -= 1
        verdict = self._provider.take(now)
        return verdict._replace(admitted=False, retry_seconds=0.1) if not self._left else verdict


class Overtaken:
    """A provider that counts one request only after the next, from a moment on."""

    def __init__(self, provider: Limiter, since: float) -> None:
        self.limit, self._provider, self._since = provider.limit, provider, since

    def take(self, now: float) -> LimitVerdict:
        verdict, first = self._provider.take(now), now >= self._since
        self._since = float("inf") if first else self._since
        return verdict._replace(remaining=verdict.remaining + first)


def sent(
    made: Bench,
    provider: Limiter | Shared | Lagging | Ahead | Stray | Overtaken,
    seconds: float,
    **headers: Any,
) -> tuple[int, int]:
    """Send for so long as bulk may; return how many were accepted, and how many answered 429."""
    accepted = refused = 0
    began, ends = made.now_ms, made.now_ms + 1000 * seconds
    while made.now_ms < ends:
        claimed = made.claim(1)
        if not claimed.grants:
            made.later(max(1.0, min(claimed.wait_ms, ends - made.now_ms)))
            continue
        [grant] = claimed.grants
        made.later(max(0.0, grant.slot_ms))
        assert made.start(grant) == [True]
        verdict = provider.take(provider_now(made))
        said = {"limit": provider.limit, "remaining": verdict.remaining, "heard": True} | headers
        if verdict.admitted:
            accepted += 1
            made.settle(grant, "accepted", provider_id="p", **said)
        else:
            refused += 1
            made.settle(
                grant, "back", throttled=True, wait_ms=1000 * verdict.retry_seconds, **said
            )
    assert made.now_ms > began
    return accepted, refused


def waited(
    made: Bench, provider: Limiter | Shared, count: int, seconds: float
) -> tuple[list[float], int]:
    """Send bulk, and each ``seconds`` a transactional message, ``count`` of them.

    Returns how many ms each of those waited, and how many messages were accepted.
    """
    waits, accepted = [], 0
    for number in range(5_000, 5_000 + count):
        accepted += sent(made, provider, seconds)[0]
        made.enqueue(message(number))
        asked_ms = made.now_ms
        while made.status(message(number).id).state != "accepted":
            accepted += sent(made, provider, 0.05)[0]
        waits.append(made.now_ms - asked_ms)
    return waits, accepted


def send_the_last_two_crossed(
    made: Bench, remain: Iterable[int], crossed: tuple[int, int]
) -> None:
    """Send one each 60 ms, of a limit of ten; then two, of which the second is answered first."""
    said: dict[str, Any] = {"provider_id": "p", "limit": 10, "heard": True, "took_ms": 20.0}
    for remains in remain:
        made.send(**said | {"remaining": remains})
        made.later(60)
    pair = [made.begin() for _ in range(2)]
    made.later(20)
    for grant, remains in zip(reversed(pair), crossed, strict=True):
        made.settle(grant, "accepted", **said | {"remaining": remains})


def refused_of_overlapping(made: Bench, provider: Limiter, seconds: float, draw: Random) -> int:
    """Send requests that overtake each other, the first most of all; return the answers 429."""
    refused = begun = 0
    number = itertools.count()
    due: list[tuple[float, int, Callable[[], Any]]] = []

    def after(ms: float, act: Callable[[], Any]) -> None:
        heapq.heappush(due, (made.now_ms + ms, next(number), act))

    def begin(grant: Grant) -> None:
        nonlocal begun
        assert made.start(grant) == [True]
        begun += 1
        took_ms = draw.choice([60.0, 240.0]) if begun <= 20 else draw.uniform(60, 120)
        after(took_ms - 30, partial(arrive, grant, took_ms))

    def arrive(grant: Grant, took_ms: float) -> None:
        nonlocal refused
        verdict = provider.take(provider_now(made))
        refused += not verdict.admitted
        said: dict[str, Any] = {"kind": "accepted", "provider_id": "p"}
        if not verdict.admitted:
            said = {"kind": "back", "throttled": True, "wait_ms": 1000.0}
        said |= {"limit": provider.limit, "remaining": verdict.remaining, "took_ms": took_ms}
        after(30, partial(made.settle, grant, heard=True, **said))

    ends = made.now_ms + 1000 * seconds
    while made.now_ms < ends:
        for grant in made.claim(20).grants:
            after(max(grant.slot_ms, 0), partial(begin, grant))
        made.later(4)
        while due and due[0][0] <= made.now_ms:
            heapq.heappop(due)[2]()
    return refused


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("priority", ["bulk", "transactional"])
def test_requests_that_overtake_each_other_make_no_bucket_of_a_sliding_window(
    valkey: redis.Redis, seed: int, priority: str
) -> None:
    made = bench(valkey, limit=100, window_seconds=1.0, priority=priority)
    refused = refused_of_overlapping(made, SlidingLog(100, 1.0), 3.0, Random(seed))
    assert refused == 0
    assert (made.bucket()["doubt"], made.bucket()["window"]) == (0, 1000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("limit", "window_seconds"),
    [
        (50, 1.0),
        (LIMIT, 10 * WINDOW),
        pytest.param(LIMIT, WINDOW, marks=pytest.mark.long),
        pytest.param(5 * LIMIT, WINDOW, marks=pytest.mark.long),
        pytest.param(LIMIT, WINDOW / 10, marks=pytest.mark.long),
    ],
)
def test_the_window_is_learned_whatever_is_configured(
    valkey: redis.Redis, kind: str, limit: int, window_seconds: float
) -> None:
    made = bench(valkey, limit=limit, window_seconds=window_seconds)
    provider = KINDS[kind](LIMIT, WINDOW)
    first, refused = sent(made, provider, 4.6 * WINDOW)
    then, more = sent(made, provider, 2 * WINDOW)
    bucket = made.bucket()
    assert bucket["limit"] / (bucket["learned"] or 1000 * window_seconds) == pytest.approx(
        RATE_PER_MS, rel=0.05
    )
    assert refused + more <= 1
    assert first > 0
    assert then >= 0.9 * 2 * LIMIT


@pytest.mark.parametrize(
    ("kind", "share"),
    [
        ("bucket", 0.1),
        *[
            pytest.param(kind, share, marks=pytest.mark.long)
            for kind, share in itertools.product(KINDS, (0.1, 0.3))
            if (kind, share) != ("bucket", 0.1)
        ],
    ],
)
def test_a_window_configured_right_stays_whatever_others_take(
    valkey: redis.Redis, kind: str, share: float
) -> None:
    limit = 4 * LIMIT
    made = bench(valkey, limit=limit)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 1000)])
    provider = Shared(KINDS[kind](limit, WINDOW), share, WINDOW, seed=3)
    sent(made, provider, 2 * WINDOW)
    accepted, _ = sent(made, provider, 3 * WINDOW)
    assert (made.bucket()["learned"] or 1000 * WINDOW) == 1000 * WINDOW
    assert accepted >= 0.9 * 3 * limit * (1 - share)


def test_one_request_before_a_fixed_window_ends_shows_where_the_next_begins(
    valkey: redis.Redis,
) -> None:
    made = bench(valkey, window_seconds=10 * WINDOW)
    sent(made, FixedWindow(LIMIT, WINDOW, phase=0.05), 1.3 * WINDOW)
    assert made.bucket()["learned"] == 1000 * WINDOW


def test_the_first_whole_window_is_believed_once_it_ends(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=100, window_seconds=50.0)
    sent(made, FixedWindow(100, 5.0, phase=-0.01), 1.1 * 5.0)
    assert (made.bucket()["learned"], made.bucket()["doubt"]) == (5_000, 1)


def test_the_first_whole_window_of_few_is_believed_though_its_end_is_seen_roughly(
    valkey: redis.Redis,
) -> None:
    made = bench(valkey, window_seconds=10 * WINDOW)
    sent(made, FixedWindow(LIMIT, WINDOW, phase=-0.4), 1.15 * WINDOW)
    assert (made.bucket()["learned"], made.bucket()["doubt"]) == (1000 * WINDOW, 1)


def test_a_first_request_alone_shows_that_its_window_ended(valkey: redis.Redis) -> None:
    """Nothing was near that might have overtaken it, though requests take unsteadily long."""
    made = bench(valkey, limit=50, window_seconds=10.0)
    provider = FixedWindow(50, WINDOW, phase=provider_now(made) + 0.02)
    for took_ms in (29.0, 22.0):
        remaining = provider.take(provider_now(made)).remaining
        made.send(limit=50, remaining=remaining, heard=True, took_ms=took_ms)
        made.later(35)
    sent(made, provider, 1.05 * WINDOW)
    assert made.bucket()["learned"] == 1000 * WINDOW


def test_one_that_came_back_of_a_claimed_window_is_worth_a_try(valkey: redis.Redis) -> None:
    """Somebody sends one request, and one of ours came back: too little to believe in, alone."""
    made = bench(valkey, limit=50, window_seconds=1.0, priority="transactional")
    said: dict[str, Any] = {"limit": 50, "heard": True, "took_ms": 20.0}
    began_ms = made.now_ms
    for number in range(48):
        made.send(**said | {"remaining": 49 - number - (number > 20)})
        made.at(max(made.now_ms, began_ms + 21 * (number + 1)))
    made.at(began_ms + 1_030)
    for remains in (1, 0):
        made.send(**said | {"remaining": remains})
    [grant] = made.claim_all(1)
    assert made.now_ms + grant.slot_ms <= began_ms + 1_200


def test_what_came_back_is_seen_though_two_are_answered_at_once(valkey: redis.Redis) -> None:
    made = bench(valkey, priority="transactional", limit=10, window_seconds=1.0)
    provider, began_ms = SlidingLog(10, 1.0), made.now_ms

    def remaining() -> int:
        return provider.take(provider_now(made)).remaining

    for number in range(9):  # by how much times differ tells how near two may overtake each other
        made.send(limit=10, remaining=remaining(), took_ms=15.0 + 12 * (number % 2))
        made.later(95)
    made.at(began_ms + 1_017)
    pair = [made.begin() for _ in range(2)]
    said = {"provider_id": "p", "limit": 10, "heard": True, "took_ms": 20.0}
    made.step(settles=[settle_of(g, "accepted", remaining=remaining(), **said) for g in pair])
    assert sent(made, provider, 0.5)[0] >= 3


def test_requests_that_overtake_each_other_are_no_others(valkey: redis.Redis) -> None:
    made = bench(valkey, priority="transactional", limit=10, window_seconds=0.1)
    began_ms = made.now_ms
    send_the_last_two_crossed(made, range(9, 2, -1), (2, 1))
    made.send(limit=10, remaining=0, heard=True, took_ms=20.0)
    [grant] = made.claim_all(1)
    assert made.now_ms + grant.slot_ms >= began_ms + 1_000


def test_one_request_of_somebody_elses_makes_no_try_come_sooner(valkey: redis.Redis) -> None:
    made = bench(valkey, priority="transactional", limit=10, window_seconds=0.1)
    began_ms = made.now_ms
    for remains in (9, 8, 7, 6, 5, 3, 2, 1, 0):
        made.send(limit=10, remaining=remains, heard=True, took_ms=20.0)
        made.later(60)
    [grant] = made.claim_all(1)
    assert made.now_ms + grant.slot_ms >= began_ms + 1_000


def test_a_try_that_is_answered_slowly_is_not_repeated_at_once(valkey: redis.Redis) -> None:
    """It makes what a window's end may be late by look longer, as if that end were to come."""
    made = bench(valkey, limit=10, window_seconds=0.1)
    said: dict[str, Any] = {"limit": 10, "heard": True}
    for remains in range(9, -1, -1):
        made.send(**said | {"remaining": remains, "took_ms": 20.0 + remains % 2})
        made.later(50)
    tried = made.begin()
    tried_ms = made.now_ms
    made.later(50)
    made.settle(tried, "accepted", provider_id="p", **said | {"remaining": 0, "took_ms": 50.0})
    [grant] = made.claim_all(1)
    assert made.now_ms + grant.slot_ms >= tried_ms + 62


def test_what_nobody_took_hides_nothing_that_comes_back(valkey: redis.Redis) -> None:
    """An answer shows one more than ours, and the next does not: they had overtaken each other."""
    made = bench(valkey, priority="transactional", limit=10, window_seconds=0.1)
    said: dict[str, Any] = {"limit": 10, "heard": True, "took_ms": 20.0}
    began_ms = made.now_ms
    for remains in (9, 8, 6, 6, 5, 4, 3, 2, 1, 0):
        made.send(**said | {"remaining": remains})
        made.later(60)
    made.send(**said | {"remaining": 0})
    [grant] = made.claim_all(1)
    assert made.now_ms + grant.slot_ms <= began_ms + 1_400


def test_one_that_seemed_to_come_back_does_not_hide_that_all_do(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=50, window_seconds=0.5)
    provider = Overtaken(FixedWindow(50, 1.0, phase=0.8), since=1.65)
    sent(made, provider, 2.0)
    assert (made.bucket()["learned"], made.bucket()["doubt"]) == (1_000, 0)


def test_an_overtaken_answer_may_say_that_less_remains(valkey: redis.Redis) -> None:
    made = bench(valkey, priority="transactional", limit=10, window_seconds=0.1)
    began_ms = made.now_ms
    send_the_last_two_crossed(made, range(9, 1, -1), (1, 0))
    [grant] = made.claim_all(1)
    assert made.now_ms + grant.slot_ms >= began_ms + 1_000


def test_a_sliding_window_of_few_is_soon_told_from_a_slow_bucket(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=10, window_seconds=10.0)
    sent(made, SlidingLog(10, 1.0), 2.0)
    assert (made.bucket()["learned"], made.bucket()["doubt"]) == (1_000, 0)


def test_what_has_not_arrived_has_not_come_back(valkey: redis.Redis) -> None:
    """An answer that overtook another says that one more remains; soon after, a window ends."""
    made = bench(valkey, priority="transactional", limit=50, window_seconds=10.0)
    said: dict[str, Any] = {"provider_id": "p", "limit": 50, "heard": True}
    for remains in range(49, 39, -1):
        made.send(**said | {"remaining": remains})
        made.later(60)
    late, early = made.claim_all(2)
    assert made.start(late, early) == [True, True]
    made.settle(early, "accepted", **said | {"remaining": 39})
    made.later(60)
    made.settle(late, "accepted", **said | {"remaining": 38})
    for number in range(20):
        made.send(**said | {"remaining": 49 - number})
        made.later(40)
    made.send(**said | {"remaining": 49})
    assert (made.bucket()["learned"], made.bucket()["doubt"]) == (1_000, 0)


def test_the_first_of_a_claimed_limit_come_sooner_and_some_are_kept(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=50, window_seconds=10.0)
    made.send(limit=50, remaining=49, heard=True)
    slots: list[float] = []
    ends = made.now_ms + 9_000
    while made.now_ms < ends:
        claimed = made.claim(50)
        for grant in claimed.grants:
            slots.append(made.now_ms + grant.slot_ms)
            assert made.start(grant) == [True]
            left = 49 - len(slots)
            made.settle(grant, "accepted", provider_id="p", limit=50, remaining=left, heard=True)
        made.later(10)
    apart = [after - before for before, after in itertools.pairwise(slots)]
    assert max(apart[:8]) <= 10_000 / 50 / 4
    assert sum(slot <= ends - 8_000 for slot in slots) <= 0.6 * 50
    assert 0.8 * 50 <= len(slots) < 50


def test_what_an_answer_overtook_is_not_said_to_remain(valkey: redis.Redis) -> None:
    made = bench(valkey)
    made.enqueue(*[message(number) for number in range(1000, 1030)])
    made.send(limit=LIMIT, remaining=LIMIT - 1)
    *overtaken, newest = [made.begin() for _ in range(6)]
    said = {"provider_id": "p", "limit": LIMIT, "heard": True}
    made.settle(newest, "accepted", remaining=3, **said)
    assert not made.claim(3).grants
    for grant in overtaken:
        made.settle(grant, "accepted", remaining=10, **said)
    assert made.claim(3).grants


def test_a_worker_comes_back_soon_for_the_first_answer(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=10, window_seconds=10.0)
    [grant] = made.claim_all(1)
    assert made.start(grant) == [True]
    made.later(10)
    assert made.claim(1).wait_ms <= 20


def test_a_worker_comes_back_soon_while_the_window_is_in_doubt(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=10, window_seconds=1000.0)
    made.send(limit=10, remaining=9, heard=True)
    made.later(1_000)
    while (claimed := made.claim(1)).grants:
        pass
    assert claimed.wait_ms <= 1_000 / 40 + 1


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
@pytest.mark.parametrize("most", [9, pytest.param(16, marks=pytest.mark.long), 30])
def test_requests_on_their_way_make_no_slow_bucket_of_the_provider(
    valkey: redis.Redis, kind: str, most: int
) -> None:
    made = bench(valkey, limit=100, window_seconds=1.0)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 1000)])
    provider = Lagging(KINDS[kind](100, 1.0), most)
    sent(made, provider, 3.0)
    accepted, _ = sent(made, provider, 3.0)
    assert accepted >= 0.85 * 300


def test_a_high_rate_is_used_while_its_window_is_in_doubt(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=1000, window_seconds=1.0)
    made.send(limit=1000, remaining=999, heard=True)
    made.later(20)
    assert len(made.claim(40).grants) == 40
    assert made.bucket()["doubt"] == 1


@pytest.mark.parametrize("most", [3, 5, 9])
def test_a_return_too_early_is_forgotten_once_one_kind_alone_is_left(
    valkey: redis.Redis, most: int
) -> None:
    made = bench(valkey, limit=100, window_seconds=60.0)
    sent(made, Lagging(SlidingLog(100, 60.0), most), 85.0)
    assert made.bucket()["doubt"] == 0
    assert made.bucket()["learned"] == 60_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_window_too_short_to_be_learned_is_given_up_for_a_longer_one(
    valkey: redis.Redis, kind: str
) -> None:
    made = bench(valkey, limit=50, window_seconds=0.1)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 1000)])
    provider = KINDS[kind](50, 1.0)
    sent(made, provider, 3.0)
    _, refused = sent(made, provider, 5.0)
    assert refused == 0
    assert made.bucket()["learned"] == pytest.approx(1_000, rel=0.05)


@pytest.mark.parametrize("phase", [0.05, 0.25, 0.5, 0.75, 0.95])
@pytest.mark.parametrize("configured_seconds", [0.1, 1.0, 10.0])
def test_a_fixed_window_of_few_is_no_shorter_one_that_slides(
    valkey: redis.Redis, configured_seconds: float, phase: float
) -> None:
    made = bench(valkey, limit=10, window_seconds=configured_seconds)
    provider = FixedWindow(10, 1.0, phase=phase)
    sent(made, provider, 3.0)
    accepted, refused = sent(made, provider, 10.0)
    assert made.bucket()["window"] == 1_000 or made.bucket()["learned"] == 1_000
    assert refused <= 1
    assert accepted >= 0.9 * 100


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_said_to_remain_is_believed_a_few_times_only(
    valkey: redis.Redis, kind: str
) -> None:
    made = bench(valkey)
    accepted, refused = sent(made, KINDS[kind](LIMIT, WINDOW), 6 * WINDOW, remaining=LIMIT)
    assert accepted >= 0.8 * 6 * LIMIT
    assert refused <= accepted / 2


def test_nothing_is_learned_from_answers_without_headers(valkey: redis.Redis) -> None:
    made = bench(valkey)
    sent(made, SlidingLog(LIMIT, WINDOW), 2 * WINDOW, limit=-1, remaining=-1)
    assert made.bucket()["learned"] == 0


def test_a_limit_that_the_provider_changes_holds_for_the_same_window(valkey: redis.Redis) -> None:
    made = bench(valkey)
    provider = SlidingLog(LIMIT, WINDOW)
    sent(made, provider, 2 * WINDOW)
    provider.limit = LIMIT // 2
    sent(made, provider, 2 * WINDOW)
    bucket = made.bucket()
    assert bucket["limit"] == LIMIT // 2
    assert (bucket["learned"] or 1000 * WINDOW) == 1000 * WINDOW


def test_a_window_that_the_provider_changes_is_learned_again(valkey: redis.Redis) -> None:
    made = bench(valkey)
    sent(made, SlidingLog(LIMIT, WINDOW), 2 * WINDOW)
    sent(made, SlidingLog(LIMIT, 2.0), 3 * WINDOW)
    assert made.bucket()["learned"] == 2_000


def test_more_that_remains_than_the_limit_is_as_if_nothing_were_used(valkey: redis.Redis) -> None:
    made = bench(valkey)
    sent(made, SlidingLog(LIMIT, WINDOW), 2.0, limit=7, remaining=1)
    accepted, _ = sent(made, SlidingLog(LIMIT, WINDOW), 2 * WINDOW, limit=1, remaining=6)
    assert accepted > 0


@pytest.mark.parametrize(
    "seed", [4, *[pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3, 5, 6)]]
)
def test_what_others_take_of_a_fixed_window_is_left_for_transactional_messages(
    valkey: redis.Redis, seed: int
) -> None:
    limit, window = 300, 30.0
    made = bench(valkey, limit=limit, window_seconds=window)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 2000)])
    provider = Shared(FixedWindow(limit, window, phase=3.0), 0.3, window, seed)
    sent(made, provider, 2.2 * window)
    began_ms = made.now_ms
    waits, accepted = waited(made, provider, 40, 1.4)
    assert max(waits) <= 500
    assert accepted >= 0.9 * 0.7 * limit * (made.now_ms - began_ms) / (1000 * window)


@pytest.mark.parametrize("seed", range(2))
def test_gaps_in_a_sliding_window_that_others_share_are_waited_out(
    valkey: redis.Redis, seed: int
) -> None:
    """All of the first window goes in a fifth of it, and so comes back at once, then nothing."""
    limit, window = 300, 30.0
    made = bench(valkey, limit=50, window_seconds=1.0)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 2500)])
    provider = Shared(SlidingLog(limit, window), 0.3, window, seed)
    sent(made, provider, 1.1 * window)
    began_ms = made.now_ms
    waits, accepted = waited(made, provider, 60, 1.4)
    assert sorted(waits)[-3] <= 500
    assert accepted >= 0.85 * 0.7 * limit * (made.now_ms - began_ms) / (1000 * window)


def test_a_gap_of_a_few_slots_in_the_log_is_not_run_into(valkey: redis.Redis) -> None:
    """After so many slots at their pace 30 are missing: the window was in doubt then."""
    limit, window = 800, 800.0
    made = bench(valkey, limit=limit, window_seconds=window)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 1000)])
    provider = SlidingLog(limit, window)
    sent(made, provider, 3.0)
    since_ms = made.now_ms - 1000 * window
    before = {f"-{n}": since_ms + 1000 * n for n in range(limit) if not 20 <= n < 50}
    made.store.zadd(made.keys("log"), before)
    known: Any = {"doubt": 0, "learned": 1000 * window, "unsettled": made.now_ms + 1e6}
    made.store.hset(made.keys("bucket"), mapping=known)
    waits, _ = waited(made, provider, 6, 8.0)
    assert max(waits) <= 2_000 * window / limit


def test_a_refusal_before_the_window_is_known_takes_nothing_afterwards(
    valkey: redis.Redis,
) -> None:
    made = bench(valkey)
    provider = Stray(FixedWindow(LIMIT, WINDOW, phase=0.4 * WINDOW), 7)
    assert sent(made, provider, 0.5 * WINDOW)[1] == 1
    assert (made.bucket()["margin"] > 0, made.bucket()["doubt"]) == (True, 1)
    sent(made, provider, 4 * WINDOW)
    assert (made.bucket()["margin"], made.bucket()["doubt"]) == (0, 0)


HOUR_MS = 3_600_000.0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("windows", [0.6, 1.3, 2.4])
def test_a_clock_that_is_set_forward_tells_of_no_window(
    valkey: redis.Redis, kind: str, windows: float
) -> None:
    made = bench(valkey)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 1000)])
    provider = Ahead(KINDS[kind](LIMIT, WINDOW))
    sent(made, provider, windows * WINDOW)
    made.later(HOUR_MS)
    provider.by_ms = HOUR_MS
    sent(made, provider, 2 * WINDOW)
    accepted, refused = sent(made, provider, 3 * WINDOW)
    assert made.bucket()["window"] == 1000 * WINDOW
    assert refused == 0
    assert accepted >= 0.9 * 3 * LIMIT


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fixed_window_that_began_twice_is_no_bucket_that_was_full(
    valkey: redis.Redis, seed: int
) -> None:
    made = bench(valkey, limit=600, window_seconds=60.0)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 1000)])
    refused_of_overlapping(made, FixedWindow(600, 60.0, phase=18.0), 23.0, Random(seed))
    assert (made.bucket()["doubt"], made.bucket()["learned"]) == (1, 0)


def test_what_was_used_before_and_has_gone_is_there_for_bulk(valkey: redis.Redis) -> None:
    made = bench(valkey, limit=600, window_seconds=60.0)
    made.enqueue(*[message(number, priority="bulk") for number in range(250, 2000)])
    provider = SlidingLog(600, 60.0)
    now = provider_now(made)
    for number in range(320):  # as if all that we remember had been lost
        provider.take(now - 40 + number / 8)
    sent(made, provider, 20.0)
    accepted, refused = sent(made, provider, 30.0)
    assert accepted >= 0.5 * 10 * 30
    assert refused == 0


said = st.fixed_dictionaries(
    {
        "limit": st.sampled_from([-1, 1, 7, 20, 100, 10_000, 999_999_999]),
        "remaining": st.sampled_from([-1, 0, 1, 6, 19, 500, 999_999_999]),
        "reset_ms": st.sampled_from([-1.0, 0.0, 1_000.0, 60_000.0, 86_400_000.0]),
        "window_ms": st.sampled_from([-1.0, -1.0, 500.0, 60_000.0, 86_400_000.0]),
    }
)


def test_no_headers_raise_the_rate_beyond_ten_times_the_configured_one(
    store: redis.Redis,
) -> None:
    @settings(max_examples=examples(store, 10))
    @given(st.lists(said, min_size=4, max_size=16), st.sampled_from([10.0, 400.0, 3_000.0]))
    def holds(answers: list[dict[str, Any]], apart_ms: float) -> None:
        made = bench(store)
        for answer in answers:
            made.later(apart_ms)
            claimed = made.claim(1)
            if claimed.grants:
                [grant] = claimed.grants
                made.later(max(0.0, grant.slot_ms))
                assert made.start(grant) == [True]
                made.settle(grant, "accepted", provider_id="p", heard=True, **answer)
            bucket = made.bucket()
            window_ms = bucket["learned"] or bucket["policy"] or 1000 * WINDOW
            assert bucket["limit"] / window_ms <= 10.001 * RATE_PER_MS

    holds()
