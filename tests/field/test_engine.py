"""What trials in the field found about the engine: who waits for whom, and for how long."""

import asyncio
from collections import Counter
from typing import NamedTuple, get_args

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.config import RetrySettings
from sluicegate_ops.inspect import Look, Wait, read_facts
from sluicegate_ops.operating.status.reasons import what
from support.bench import warm_bench
from support.clock import CLOCK
from support.effort import size
from support.fleet import Fleet, Mood
from support.messages import SENDER, message

POISON = "+15559999999"
FREE = 5
RETRY = RetrySettings(max_attempts=3, base_seconds=1, cap_seconds=10)
WITHIN_SECONDS = 60

FAILING: list[Mood] = [mood for mood in get_args(Mood) if mood not in ("well", "401", "403")]


class Poisoned(NamedTuple):
    """A provider that fails one recipient alone, and messages that others wait for."""

    mood: Mood
    breaker: str = "closed"
    messages: int = 1
    bulk: bool = False
    others: tuple[int, ...] = (1, 20, 45)
    """When messages to others arrive, in seconds."""

    senders: int = 1
    ends_seconds: int = 90


def live_through(fleet: Fleet, case: Poisoned) -> dict[str, float]:
    """Run it to its end; return for each message to others how long it took."""
    fleet.wire.mood = lambda way: case.mood if way.startswith(POISON) else "well"
    fleet.wire.probe_mood = lambda: "well"
    arrived: dict[str, float] = {}

    async def main() -> None:
        began = fleet.time.now
        fleet.enqueue(1)  # the account has heard an answer before
        await fleet.all_accepted(5)
        fleet.store.hset(fleet.bench.keys("breaker"), "state", case.breaker)
        priority = "bulk" if case.bulk else "transactional"
        for number in range(case.messages):
            fleet.enqueue(1, to=POISON, id=f"poison{number}", priority=priority)
        for number, seconds in enumerate(sorted(case.others)):
            await asyncio.sleep(max(0.0, began + seconds - fleet.time.now))
            sender = SENDER if number % case.senders == 0 else f"+1555888{number:04d}"
            arrived[f"other{number}"] = fleet.time.now
            fleet.enqueue(1, id=f"other{number}", sender=sender)
        await asyncio.sleep(began + case.ends_seconds - fleet.time.now)

    fleet.run(main)
    accepted = {id: int(fleet.bench.record(id).get("at", 0)) / 1000 for id in arrived}
    assert {fleet.bench.status(id).state for id in arrived} == {"accepted"}
    return {id: accepted[id] - 1_700_000_000 - at for id, at in arrived.items()}


def check_poisoned(store: redis.Redis, case: Poisoned) -> None:
    for key in store.scan_iter():
        store.delete(key)
    fleet = Fleet(store, workers=1, retry=RETRY)
    took = live_through(fleet, case)
    assert max(took.values()) <= WITHIN_SECONDS, took
    posts = Counter(call.to for call in fleet.wire.calls if call.kind == "post")
    assert posts[POISON] <= case.messages * (RETRY.max_attempts + FREE), posts
    fleet.bench.check()


@pytest.mark.parametrize("mood", FAILING)
def test_01_one_message_that_always_fails_holds_nobody_up(valkey: redis.Redis, mood: Mood) -> None:
    check_poisoned(valkey, Poisoned(mood, breaker="half"))


POISONED = st.builds(
    Poisoned,
    st.sampled_from(FAILING),
    st.sampled_from(["closed", "open", "half"]),
    st.integers(1, 5),
    st.booleans(),
    st.lists(st.integers(1, 120), min_size=1, max_size=5).map(tuple),
    st.integers(1, 2),
    st.just(240),
)


@given(case=POISONED)
@settings(
    max_examples=size(3, 100),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_01_and_07_whatever_fails_alone_the_others_go_out_and_its_posts_end(
    valkey: redis.Redis, case: Poisoned
) -> None:
    check_poisoned(valkey, case)


def test_01_why_names_the_message_that_failed_the_last_attempts(valkey: redis.Redis) -> None:
    fleet = Fleet(valkey, workers=1, retry=RETRY)
    fleet.wire.mood = lambda way: "503" if way.startswith(POISON) else "well"
    fleet.wire.probe_mood = lambda: "well"

    async def main() -> None:
        fleet.enqueue(1)
        await fleet.all_accepted(5)
        fleet.store.hset(fleet.bench.keys("breaker"), "state", "half")
        fleet.bench.enqueue(message(1, id="poison", to=POISON))
        await asyncio.sleep(20)

    fleet.run(main)
    look = Look(valkey, fleet.bench.keys, CLOCK)
    breaker = read_facts(look).breaker
    assert breaker.state != "closed"
    assert (breaker.culprit, breaker.failures > 2) == ("poison", True)
    wait = Wait(kind="trying", level="account", because="poison", used=breaker.failures)
    assert what(wait, read_facts(look).rate).endswith(
        f" (message poison failed the last {breaker.failures} attempts)"
    )


def test_01_what_should_stop_a_sender_but_stops_one_message_alone_is_that_message_s(
    valkey: redis.Redis,
) -> None:
    bench = warm_bench(valkey)
    bench.enqueue(message(1), message(2), message(3))
    refused = {"heard": True, "halt": "sender", "halt_ends": "1000", "reason": "HTTP 403"}
    assert bench.send(kind="back", **refused).id == "m1"
    assert [halt.level for halt in bench.halts.list()] == [f"sender:{SENDER}"]
    bench.later(61_000)
    assert bench.send().id == "m2", "the next to be tried is another"
    assert bench.send(kind="back", **refused, delay_ms=5000).id == "m1"
    assert not bench.halts.list()
    assert bench.send().id == "m3"
    assert bench.status("m1").state == "retrying"
    bench.check()
