"""The opt-out list: who is on it is not sent to, from the moment that adding returns."""

import pytest
import redis

from sluicegate.errors import InvalidMessage
from sluicegate.optouts import START_TO_POST_SECONDS, OptOuts
from support.bench import Bench
from support.messages import message

ONE, TWO = message(1).to, message(2).to


class Listed:
    """A bench, its opt-outs, and how long adding waited."""

    def __init__(self, store: redis.Redis) -> None:
        self.bench = Bench(store, repeat=True, limit=1000)
        self.waits: list[float] = []
        self.optouts = OptOuts(store, self.bench.keys, self.waits.append)


@pytest.fixture
def listed(store: redis.Redis) -> Listed:
    return Listed(store)


def test_numbers_are_added_once_with_time_and_source(listed: Listed) -> None:
    assert listed.optouts.add([ONE, TWO, ONE], "webhook STOP") == 2
    assert listed.optouts.add([ONE], "api") == 0
    assert {(entry.number, entry.source) for entry in listed.optouts} == {
        (ONE, "webhook STOP"),
        (TWO, "webhook STOP"),
    }
    seconds, _ = listed.bench.store.time()
    assert all(abs(entry.since_ms / 1000 - seconds) < 60 for entry in listed.optouts)
    assert (len(listed.optouts), ONE in listed.optouts) == (2, True)


def test_numbers_are_removed(listed: Listed) -> None:
    listed.optouts.add([ONE])
    assert listed.optouts.remove([ONE, TWO]) == 1
    assert listed.optouts.remove([]) == 0
    assert ONE not in listed.optouts


def test_adding_nobody_adds_nobody(listed: Listed) -> None:
    assert listed.optouts.add([]) == 0


@pytest.mark.parametrize("wrong", ["5551234567", "+1 555", "", "+0123456789"])
def test_a_number_that_is_none_is_refused_before_anything_is_stored(
    listed: Listed, wrong: str
) -> None:
    with pytest.raises(InvalidMessage):
        listed.optouts.add([ONE, wrong])
    assert len(listed.optouts) == 0
    listed.optouts.add([ONE])
    with pytest.raises(InvalidMessage):
        listed.optouts.remove([ONE, wrong])
    assert len(listed.optouts) == 1


@pytest.mark.parametrize("when", ["enqueue", "claim", "start"])
def test_who_opted_out_is_suppressed_at_every_gate(listed: Listed, when: str) -> None:
    bench = listed.bench
    if when == "enqueue":
        listed.optouts.add([ONE])
    bench.enqueue(message(1))
    if when == "claim":
        listed.optouts.add([ONE])
    grants = bench.claim().grants
    assert len(grants) == (when == "start")
    if when == "start":
        listed.optouts.add([ONE])
        assert bench.start(*grants) == [False]
    assert bench.check() == {"suppressed": 1}


def test_a_scheduled_message_and_a_retry_are_suppressed_when_they_come_back(
    listed: Listed,
) -> None:
    bench = listed.bench
    bench.enqueue(message(1))
    bench.send(kind="retry", delay_ms=1000, heard=True)
    listed.optouts.add([ONE])
    bench.later(1000)
    assert not bench.claim().grants
    assert bench.check() == {"suppressed": 1}


@pytest.mark.parametrize("under_way", [True, False])
def test_adding_waits_out_the_posts_that_had_just_started(listed: Listed, under_way: bool) -> None:
    bench = listed.bench
    bench.enqueue(message(1))
    [grant] = bench.claim_all(1)
    if under_way:
        bench.start(grant)
    listed.optouts.add([ONE])
    assert listed.waits == [START_TO_POST_SECONDS] * under_way


def test_who_opts_in_again_is_sent_to(listed: Listed) -> None:
    listed.optouts.add([ONE])
    listed.optouts.remove([ONE])
    listed.bench.enqueue(message(1))
    assert listed.bench.send().id == "m1"
