"""Outages of the provider, as whole drains over the real scripts live through them."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
import redis

from sluicegate.config import InDoubt
from sluicegate_worker.provider.exchange import PROBE_SECONDS
from support.fleet import ANSWER_SECONDS, LIMIT, Fleet, Mood

LONGEST_SECONDS = 15.0
"""Between two probes."""


@pytest.fixture
def fleet(valkey: redis.Redis, request: pytest.FixtureRequest) -> Fleet:
    return Fleet(valkey, **getattr(request, "param", {}))


def of(**fields: Any) -> pytest.MarkDecorator:
    """A parameter for ``fleet``: so many workers, and fields of the account."""
    return pytest.mark.parametrize("fleet", [fields], indirect=True)


def most_within(times: Sequence[float], seconds: float) -> int:
    """How many of the times, in order, at most lie within one stretch of so many seconds."""
    most = first = 0
    for last, time in enumerate(times):
        while times[first] <= time - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def check_lives_through(fleet: Fleet, mood: Mood, seconds: float) -> None:
    """Nothing was lost, doubled or dead, the provider was spared, and the limit kept."""
    wire, began = fleet.wire, fleet.lives_through(mood, seconds)
    assert fleet.bench.check() == {"accepted": fleet.enqueued}
    assert len(wire.received) == fleet.enqueued
    assert set(wire.received.values()) == {1}
    under_way = sum(began - ANSWER_SECONDS <= at < began for at in wire.posted())
    assert min(wire.failed()) >= began
    assert most_within(wire.failed(), 300) <= 30 + under_way
    assert most_within(wire.posted(), 1.0) <= LIMIT
    assert fleet.bench.totals()["breaker_opened"] == 1
    ended = began + seconds
    again = min(call.at for call in wire.calls if not call.failed and call.at >= ended)
    assert again - ended <= LONGEST_SECONDS + PROBE_SECONDS + 0.1


MOODS: Sequence[Mood] = ["500", "503", "504", "refused", "hanging"]
ONE_AND_FOUR = pytest.mark.parametrize(
    "fleet", [{"workers": 1}, {"workers": 4}], indirect=True, ids=["one worker", "four workers"]
)


# -- outages


@pytest.mark.parametrize(
    ("fleet", "mood"),
    [
        ({"workers": 1}, "503"),
        ({"workers": 2}, "refused"),
        pytest.param({"workers": 2}, "hanging", marks=pytest.mark.long),
        pytest.param({"workers": 4}, "503", marks=pytest.mark.long),
        pytest.param({"workers": 4}, "refused", marks=pytest.mark.long),
        pytest.param({"workers": 4}, "hanging", marks=pytest.mark.long),
        pytest.param({"workers": 1}, "refused", marks=pytest.mark.long),
        pytest.param({"workers": 1}, "hanging", marks=pytest.mark.long),
    ],
    indirect=["fleet"],
)
def test_an_outage_of_half_a_minute(fleet: Fleet, mood: Mood) -> None:
    check_lives_through(fleet, mood, 30)


@pytest.mark.long
@ONE_AND_FOUR
@pytest.mark.parametrize("mood", MOODS)
def test_an_outage_of_five_minutes(fleet: Fleet, mood: Mood) -> None:
    check_lives_through(fleet, mood, 300)


@pytest.mark.long
@pytest.mark.timeout(1200)
@ONE_AND_FOUR
@pytest.mark.parametrize("mood", ["503", "refused", "hanging"])
def test_an_outage_of_an_hour(fleet: Fleet, mood: Mood) -> None:
    check_lives_through(fleet, mood, 3600)


@of(workers=2)
def test_where_only_sending_fails_it_is_tried_as_rarely(fleet: Fleet) -> None:
    fleet.lives_through("504", 40, probes="well")
    assert len(fleet.wire.failed()) <= 5 + 5
    assert fleet.bench.check() == {"accepted": fleet.enqueued}


def probed(fleet: Fleet) -> list[float]:
    return [call.at for call in fleet.wire.calls if call.kind == "probe"]


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 4])
def test_what_a_probe_that_fails_at_once_found_out_is_heard(
    valkey: redis.Redis, workers: int
) -> None:
    fleet = Fleet(valkey, workers)
    began = fleet.lives_through("refused", 25)
    after = [at - began for at in probed(fleet)]
    gaps = [later - one for one, later in pairwise(after)]
    assert [round(gap) for gap in gaps] == [2, 4, 8, 15]


def opens(fleet: Fleet) -> None:
    """Open the breaker, and let the first probe be due."""
    fleet.enqueue(20)
    fleet.bench.answers_probes = None
    fleet.bench.send()
    for _ in range(5):
        fleet.bench.send(kind="retry", delay_ms=1e9, code="10007", heard=True, failing=True)
    fleet.time.now += 1


def is_asked_for(fleet: Fleet) -> bool:
    """Whether somebody was told to probe and has not said what came of it."""
    return bool(fleet.store.hget(fleet.bench.keys("breaker"), "prober"))


@of(workers=0)
def test_a_drain_whose_time_is_up_says_what_its_probe_found_out(fleet: Fleet) -> None:
    opens(fleet)
    fleet.wire.mood = lambda way: "hanging"

    async def main() -> None:
        summary = await fleet.drain(1).run(2)
        assert summary.seconds == pytest.approx(PROBE_SECONDS, abs=0.1)
        assert len(probed(fleet)) == 1
        assert not is_asked_for(fleet)

    fleet.run(main)


@of(workers=0)
def test_a_drain_that_must_stop_waits_no_longer_than_its_grace_for_its_probe(fleet: Fleet) -> None:
    opens(fleet)
    fleet.wire.mood = lambda way: "hanging"

    async def main() -> None:
        drain = fleet.drain(1)
        running = asyncio.create_task(drain.run(25))
        await asyncio.sleep(2)
        assert is_asked_for(fleet)
        drain.stop(grace_seconds=1)
        assert (await running).seconds == pytest.approx(3, abs=0.1)
        assert len(asyncio.all_tasks()) == 2, "it left a task behind"

    fleet.run(main)


# -- faults that stop an account or a sender


def halted(fleet: Fleet) -> set[str]:
    return {halt.level for halt in fleet.bench.halts.list()}


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.long)])
@of(workers=4, limit=1000)
def test_a_key_that_is_no_longer_valid_stops_all_and_loses_nothing(
    fleet: Fleet, count: int
) -> None:
    wire = fleet.wire

    def mood(way: str) -> Mood:
        return "401" if len(wire.calls) >= count / 2 else "well"

    async def main() -> None:
        wire.mood = mood
        fleet.enqueue(count)
        await asyncio.sleep(60)
        known = wire.failed()[0] + ANSWER_SECONDS
        assert sum(call.at > known for call in wire.calls) <= 20
        assert fleet.bench.check() == {"accepted": count / 2, "waiting": count / 2}
        assert halted(fleet) == {"account"}
        wire.mood = lambda way: "well"
        fleet.bench.halts.clear("account")
        await fleet.all_accepted(60)

    fleet.run(main)
    assert fleet.bench.check() == {"accepted": count}
    assert len(wire.received) == count
    assert set(wire.received.values()) == {1}
    assert fleet.bench.totals()["breaker_opened"] == 0


SENDERS = [f"+1555888000{n}" for n in range(4)]


def with_a_fault(*senders: str) -> Callable[[str], Mood]:
    """The provider's mood where these senders are refused, as ``Wire.mood``."""
    return lambda way: "403" if way.endswith(senders) else "well"


def from_each(fleet: Fleet, *senders: str, count: int = 50) -> None:
    for sender in senders:
        fleet.enqueue(count, sender=sender)


@of(workers=2)
def test_the_same_fault_of_three_senders_and_no_success_between_stops_the_account(
    fleet: Fleet,
) -> None:
    wire = fleet.wire

    async def main() -> None:
        from_each(fleet, *SENDERS, count=1)  # now they are known
        await fleet.all_accepted(10)
        wire.mood = with_a_fault(*SENDERS)
        from_each(fleet, *SENDERS)
        await asyncio.sleep(30)
        assert "account" in halted(fleet)
        assert len(wire.failed()) <= 20
        assert fleet.bench.check() == {"accepted": 4, "waiting": 200}
        wire.mood = lambda way: "well"
        for level in halted(fleet):
            fleet.bench.halts.clear(level)
        await fleet.all_accepted(60)

    fleet.run(main)
    assert set(wire.received.values()) == {1}


@of(workers=2)
def test_with_successes_between_only_those_senders_stop(fleet: Fleet) -> None:
    wire = fleet.wire
    *bad, good = SENDERS

    async def main() -> None:
        from_each(fleet, *SENDERS, count=1)
        await fleet.all_accepted(10)
        wire.mood = with_a_fault(*bad)
        from_each(fleet, good, count=300)
        await asyncio.sleep(1)
        for sender in bad:
            from_each(fleet, sender)
            await asyncio.sleep(1)
        await asyncio.sleep(10)
        assert halted(fleet) == {f"sender:{sender}" for sender in bad}
        assert len(wire.failed()) <= 20
        assert fleet.bench.check() == {"accepted": 304, "waiting": 150}
        assert len(wire.received) == 304

    fleet.run(main)


# -- answers that are lost


def with_losses(share: float) -> Callable[[str], Mood]:
    """The provider takes all, and so often the connection breaks before its answer."""
    dice = random.Random(4711)
    return lambda way: "lost" if dice.random() < share else "well"


def lost(fleet: Fleet) -> int:
    return sum(call.lost for call in fleet.wire.calls)


def doubts(fleet: Fleet) -> list[str]:
    found: Any = fleet.store.zrange(fleet.bench.keys("doubts"), 0, -1)
    return [id.decode() for id in found]


def loses(fleet: Fleet, count: int) -> None:
    """Send so many messages, of whose answers 2 % are lost, and wait for what becomes of them."""
    fleet.wire.mood = with_losses(0.02)

    async def main() -> None:
        fleet.enqueue(count)
        await asyncio.sleep(count / fleet.account.limit + 120)

    fleet.run(main)


COUNTS = pytest.mark.parametrize("count", [400, pytest.param(5000, marks=pytest.mark.long)])


@COUNTS
@of(workers=2, limit=200)
def test_lost_answers_make_no_duplicate_where_keys_are_honoured(fleet: Fleet, count: int) -> None:
    loses(fleet, count)
    totals = fleet.bench.totals()
    assert fleet.bench.check() == {"accepted": count}
    assert set(fleet.wire.received.values()) == {1}
    assert len(fleet.wire.received) == count
    assert lost(fleet) > count / 100
    assert totals["in_doubt"] == totals["resent"] == lost(fleet)
    repeated = Counter(call.to for call in fleet.wire.calls)
    assert totals["replayed"] == sum(posts > 1 for posts in repeated.values())


@COUNTS
@of(workers=2, limit=200)
def test_lost_answers_that_are_resent_to_who_honours_no_key_are_counted(
    fleet: Fleet, count: int
) -> None:
    fleet.wire.honours_keys = False
    loses(fleet, count)
    assert fleet.bench.check() == {"accepted": count}
    twice = sum(fleet.wire.received.values()) - count
    assert twice == fleet.bench.totals()["resent"] == lost(fleet) > count / 100


@COUNTS
@pytest.mark.parametrize("honours_keys", [pytest.param(True, marks=pytest.mark.long), False])
@of(workers=2, limit=200, in_doubt=InDoubt(policy="hold"))
def test_lost_answers_are_listed_where_they_are_held_and_never_resent(
    fleet: Fleet, count: int, *, honours_keys: bool
) -> None:
    fleet.wire.honours_keys = honours_keys
    loses(fleet, count)
    held = {fleet.bench.status(id).to for id in doubts(fleet)}
    assert held == {call.to for call in fleet.wire.calls if call.lost}
    assert fleet.bench.check() == {"accepted": count - len(held), "in_doubt": len(held)}
    assert set(fleet.wire.received.values()) == {1}
    assert fleet.bench.totals()["resent"] == 0


@pytest.mark.long
@of(workers=2)
def test_where_only_sending_is_refused_for_long_no_attempt_is_charged_for_it(fleet: Fleet) -> None:
    fleet.lives_through("503", 900, probes="well")
    assert fleet.bench.check() == {"accepted": fleet.enqueued}
    assert most_within(fleet.wire.failed(), 300) <= 30
