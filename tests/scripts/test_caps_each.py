"""Caps that hold for each message: a batch is let in as its messages would be alone."""

from decimal import Decimal

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sluicegate import CapReached, EnqueueResult, Message
from sluicegate.caps import Caps
from sluicegate.outbox import ENQUEUE, Outbox
from support.bench import Bench
from support.effort import size
from support.messages import message
from support.values import image_of

OPTED_OUT = 9
CAPS = st.builds(
    Caps,
    per_second=st.sampled_from([None, 0.5, 3, 5]),
    daily_messages=st.sampled_from([None, 4, 7]),
    daily_money=st.sampled_from([None, Decimal(5)]),
    most_waiting=st.sampled_from([None, 3, 6]),
    price=st.just(lambda message: Decimal(int(message.to[-1]) or 1)),
    each=st.just(True),
)
BATCHES = st.lists(
    st.tuples(
        st.sampled_from([0, 100, 400, 1000, 2500]),
        st.lists(st.integers(1, OPTED_OUT), min_size=1, max_size=9),
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return Bench(valkey)


def taken(bench: Bench, outbox: Outbox, messages: list[Message]) -> list[EnqueueResult]:
    batch = outbox.batch(messages, bench.token())
    return batch.results(bench.call(ENQUEUE, batch.args))


def words(results: list[EnqueueResult]) -> list[str]:
    return [one.error.cap if isinstance(one.error, CapReached) else one.outcome for one in results]


def test_a_batch_is_answered_as_its_messages_would_be_alone(bench: Bench) -> None:
    @settings(max_examples=size(25, 400), deadline=None)
    @given(CAPS, BATCHES)
    def holds(caps: Caps, batches: list[tuple[int, list[int]]]) -> None:
        bench.store.flushdb()
        bench.at(1_700_000_000_000.0)
        bench.publish()
        bench.store.hset(bench.keys("optouts"), message(OPTED_OUT).to, "1")
        together = Outbox(bench.config, "default", "together", caps)
        alone = Outbox(bench.config, "default", "alone", caps)
        for pause_ms, numbers in batches:
            bench.later(pause_ms)
            messages = [message(number) for number in numbers]
            each = [result for one in messages for result in taken(bench, alone, [one])]
            whole = taken(bench, together, messages)
            assert words(whole) == words(each)
            assert [one.id for one in whole] == [one.id for one in messages]

    holds()


def test_what_a_cap_refuses_may_come_again_and_says_when(bench: Bench) -> None:
    outbox = Outbox(bench.config, "default", "shop", Caps(per_second=2, each=True))
    messages = [message(number) for number in range(5)]
    first = taken(bench, outbox, messages)
    assert words(first) == ["enqueued"] * 2 + ["per_second"] * 3
    assert isinstance(first[2].error, CapReached)
    assert (first[2].error.wait_ms, first[2].error.ids, first[2].ok) == (1000, ("m2",), False)
    bench.later(1000)
    assert words(taken(bench, outbox, messages)) == ["known"] * 2 + ["enqueued"] * 2 + [
        "per_second"
    ]


def test_an_id_that_stands_twice_in_a_batch_is_stored_once(bench: Bench) -> None:
    outbox = Outbox(bench.config, "default", "shop", Caps(daily_messages=1, each=True))
    results = taken(bench, outbox, [message(1), message(1), message(2), message(2)])
    assert words(results) == ["enqueued", "known", "daily_messages", "daily_messages"]


def test_a_dry_run_says_what_would_be_and_stores_nothing(bench: Bench) -> None:
    real = Caps(daily_messages=2, per_second=3, each=True)
    outbox = Outbox(bench.config, "default", "shop", real)
    dry = Outbox(bench.config, "default", "shop", replace(real, dry=True))
    assert words(taken(bench, outbox, [message(1)])) == ["enqueued"]
    bench.store.hset(bench.keys("optouts"), message(OPTED_OUT).to, "1")
    bench.later(5000)
    before = image_of(bench.store)
    other = message(2, text="other")
    asked = [message(1), message(1, text="x"), message(2), message(2), other, message(3)]
    results = taken(bench, dry, [*asked, message(OPTED_OUT)])
    assert image_of(bench.store) == before
    assert words(results) == [
        "known",
        "reused",
        "enqueued",
        "known",
        "reused",
        "daily_messages",
        "suppressed",
    ]
    assert results[0].left is not None
    assert (results[0].left.daily_messages, results[0].left.per_second) == (0, 1)
    assert words(taken(bench, outbox, [message(2)])) == ["enqueued"]


def test_a_repeat_to_somebody_who_had_opted_out_is_told_so(bench: Bench) -> None:
    outbox = Outbox(bench.config, "default", "shop", Caps(each=True))
    bench.store.hset(bench.keys("optouts"), message(OPTED_OUT).to, "1")
    for _ in range(2):
        assert words(taken(bench, outbox, [message(OPTED_OUT)])) == ["suppressed"]


def test_what_is_left_is_what_the_next_messages_find(bench: Bench) -> None:
    caps = Caps(per_second=4, daily_messages=9, daily_money=Decimal("1.5"), most_waiting=7,
                price=lambda message: Decimal("0.25"), each=True)  # fmt: skip
    outbox = Outbox(bench.config, "default", "shop", caps)
    left = taken(bench, outbox, [message(number) for number in range(3)])[0].left
    assert left is not None
    assert (left.per_second, left.most_waiting, left.daily_messages) == (1, 4, 6)
    assert (left.daily_money, left.pace_ms, left.day_ms) == (Decimal("0.75"), 1000, 6_400_000)
    bench.later(400)
    left = taken(bench, outbox, [message(3)])[0].left
    assert left is not None
    assert (left.per_second, left.pace_ms) == (0, 600)
    bench.later(600)
    left = taken(bench, outbox, [message(0)])[0].left
    assert left is not None
    assert (left.per_second, left.pace_ms) == (3, 400)
