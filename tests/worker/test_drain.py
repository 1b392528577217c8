"""The drain, whole and over the real scripts, in a world whose time only passes when all wait."""

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import pytest
import redis

from sluicegate import Message, OutboxUnavailable
from sluicegate.config import Account, InDoubt, RetrySettings
from sluicegate.errors import WrongRenderer
from sluicegate.optouts import OptOuts
from sluicegate_worker.attempt import app_message, settled
from sluicegate_worker.drain import LINGER_SECONDS, Drain
from sluicegate_worker.provider.gateway import Attempt, idempotency_key
from sluicegate_worker.provider.outcome import Accepted, Dead, Doubt, Halt, Outcome, Retry
from sluicegate_worker.provider.rate_headers import RateHeaders
from sluicegate_worker.queue import Queue
from sluicegate_worker.schedule import FLUSH_SECONDS, RIDE_SECONDS
from sluicegate_worker.summary import Summary
from sluicegate_worker.wire import BATCH, Grant, Renewal, Settle, Start, Stepped
from support.bench import Bench
from support.clock import CLOCK
from support.effort import size
from support.messages import message
from support.virtual import FarServer, Provider, Time, accepted, answering, until


class Call(NamedTuple):
    """One step: when, and how much of each it asked for."""

    at: float
    settles: int
    starts: int
    renewals: int
    want: int


class Watched(Queue):
    """Queue that note what each step asks for."""

    world: "World"

    def step_args(
        self,
        settles: Sequence[Settle] = (),
        starts: Sequence[Start] = (),
        renewals: Sequence[Renewal] = (),
        want: int = 0,
        token: str = "",
        probed: tuple[str, bool] = ("", False),
    ) -> Any:
        asked = len(settles), len(starts), len(renewals), want
        self._asked = asked
        return super().step_args(settles, starts, renewals, want, token, probed)

    async def step(self, args: Any, token: str = "") -> Stepped:
        self.world.calls.append(Call(self.world.now, *self._asked))
        return await super().step(args, token)


class World:
    """A Redis, a provider, and the time that passes for both."""

    def __init__(self, store: redis.Redis, **fields: Any) -> None:
        self.store, self._time = cast("Any", store), Time()
        self.bench = Bench(store, **{"limit": 1000} | fields)
        self.account: Account = self.bench.config.account("default")
        self.provider = Provider(self)
        self.calls: list[Call] = []
        self.ended: list[tuple[str, float]] = []
        self.latency = 0.001
        self.fails: Callable[[Call], Exception | None] = lambda call: None
        self.slow: Callable[[Call], float] = lambda call: 0.0
        self.loses: Callable[[Call], bool] = lambda call: False
        self.read: Callable[[Grant], Awaitable[Message]] = app_message
        self.enqueue(0)  # the first answer heard opens the way for more than probes
        self.sync()
        self.bench.send()
        self.sync()

    @property
    def now(self) -> float:
        return self._time.now

    @property
    def turns(self) -> int:
        return self._time.turns

    def sync(self) -> None:
        """Set the server's clock to the world's."""
        self.bench.at(1_700_000_000_000.0 + 1000 * self.now)

    def enqueue(self, *numbers: int, **fields: Any) -> None:
        self.sync()
        for at in range(0, len(numbers), 200):
            self.bench.enqueue(*(message(n, **fields) for n in numbers[at : at + 200]))

    def drain(
        self,
        seconds: float = 25,
        alongside: Callable[[Drain], Awaitable[None]] | None = None,
    ) -> Summary:
        """Run one drain, and ``alongside`` it what a test does meanwhile."""

        async def main() -> Summary:
            client = cast("Any", FarServer(self.store, self._called))
            claims = Watched(client, self.bench.config, "default", time=CLOCK)
            claims.world = self
            drain = Drain(
                claims,
                self.provider,
                self.account,
                read=self.read,
                on_end=lambda why: self.ended.append((why, self.now)),
                monotonic=lambda: self.now,
            )
            tasks: list[asyncio.Task[Any]] = [asyncio.create_task(drain.run(seconds))]
            if alongside is not None:
                tasks.append(asyncio.create_task(self._while(alongside, drain)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in tasks[::-1]:
                if task.done():
                    task.result()
            summary: Summary = await tasks[0]
            assert len(asyncio.all_tasks()) == 1, "it left a task behind"
            return summary

        with asyncio.Runner(loop_factory=self._time.loop) as runner:
            return runner.run(main())

    async def _called(self, script: Callable[[], Any]) -> Any:
        """Call a server that is ``latency`` away, and fails as the world says."""
        call = self.calls[-1]
        await asyncio.sleep(self.latency / 2)
        if error := self.fails(call):
            raise error
        self.sync()
        answer = script()
        await asyncio.sleep(self.latency / 2 + self.slow(call))
        if self.loses(call):
            raise redis.ConnectionError("the connection broke before the reply")
        return answer

    @staticmethod
    async def _while(alongside: Callable[[Drain], Awaitable[None]], drain: Drain) -> None:
        await asyncio.wait_for(alongside(drain), 1000)

    def sweep(self) -> None:
        self.sync()
        self.bench.sweep()

    def status(self, number: int) -> Any:
        return self.bench.status(f"m{number}")


@pytest.fixture
def world(valkey: redis.Redis, request: pytest.FixtureRequest) -> World:
    return World(valkey, **getattr(request, "param", {}))


def configured(**fields: Any) -> pytest.MarkDecorator:
    """A parameter for ``world``: an account with these fields."""
    return pytest.mark.parametrize("world", [fields], indirect=True)


def once(*numbers: int) -> Counter[str]:
    return Counter(f"m{n}" for n in numbers)


# -- the ordinary way


def test_everything_is_sent_once_and_settled(world: World) -> None:
    world.enqueue(*range(1, 301))
    summary = world.drain()
    assert world.provider.posted() == once(*range(1, 301))
    assert world.bench.check() == {"accepted": 301}
    assert summary.outcomes == {"accepted": 300}
    assert summary.unsettled == []
    assert [why for why, _ in world.ended] == ["idle"]
    assert str(summary) == f"300 accepted in {summary.seconds:.1f} s (idle)"


def test_calls_on_redis_are_shared(world: World) -> None:
    world.latency = 0.01
    world.enqueue(*range(1, 501))
    world.drain()
    assert len([call for call in world.calls if call.settles or call.starts]) < 200


@configured(limit=50)
@pytest.mark.parametrize("seconds", [0.002, 0.3])
def test_at_a_low_rate_one_call_settles_starts_and_claims(world: World, seconds: float) -> None:
    world.enqueue(*range(1, 151))
    world.provider.seconds = lambda name: seconds
    world.drain()
    sent = [post.at for post in world.provider.posts][30:]  # once the pace is known
    calls = [call for call in world.calls if sent[0] <= call.at < sent[-1]]
    assert len(calls) / len(sent) <= 1.1
    assert world.bench.check() == {"accepted": 151}


@configured(limit=50)
@pytest.mark.parametrize(
    ("outcome", "rides"),
    [
        (Accepted("p"), True),
        (Accepted("p", wait_seconds=3.0), False),
        (Retry("429", "10011", 0.0, charged=False, throttled=True), False),
        (Retry("broke", "10037"), False),
        (Dead("40300", "stop"), False),
        (Doubt("no answer", "no_answer"), False),
        (Halt("account", "HTTP 401", "10009"), False),
    ],
)
def test_only_what_nobody_waits_for_rides_on_the_next_start(
    world: World, outcome: Outcome, rides: bool
) -> None:
    world.enqueue(*range(1, 41))
    world.provider.seconds = lambda name: 0.002
    world.provider.answer = answering(outcome, "m30", times=1)
    world.drain(3)
    [ended, *_] = [post.at + 0.002 for post in world.provider.posts if post.id == "m30"]
    settles = (call.at for call in world.calls if call.settles)
    settled_in = next(at - ended for at in settles if at >= ended)
    assert (settled_in > FLUSH_SECONDS + 0.002) is rides
    assert settled_in <= RIDE_SECONDS


@configured(limit=10)
def test_where_no_start_is_due_soon_an_outcome_does_not_wait_for_it(world: World) -> None:
    world.enqueue(*range(1, 11))
    world.provider.seconds = lambda name: 0.002
    world.drain(3)
    settles = [call.at for call in world.calls if call.settles]
    assert all(
        at - (post.at + 0.002) <= FLUSH_SECONDS + 0.002
        for post, at in zip(world.provider.posts, settles, strict=True)
    )


@configured(limit=100_000, concurrency=200, worker_concurrency=100)
def test_places_are_refilled_as_they_become_free(world: World) -> None:
    world.enqueue(*range(1, 2001))
    world.provider.seconds = lambda name: 0.05
    world.drain()
    sent = [post.at for post in world.provider.posts]
    under_way = max(sum(at <= one < at + 0.05 for at in sent) for one in sent[::10])
    assert under_way <= 100
    # 100 places and 50 ms allow 2,000 a second.
    assert 1000 / (sent[1500] - sent[500]) > 0.92 * 2000


@configured(limit=100_000, concurrency=200, worker_concurrency=100)
def test_where_places_do_not_become_free_nothing_is_claimed_ahead(world: World) -> None:
    world.enqueue(*range(1, 1001))
    stalls_at = world.now + 0.3

    def seconds(name: str) -> float:
        return 0.05 if world.now < stalls_at else 5.0

    world.provider.seconds = seconds
    world.drain(4)
    stalled = [call for call in world.calls if stalls_at + 0.2 < call.at < stalls_at + 4]
    assert sum(call.want > 0 for call in stalled) <= 1
    assert sum(call.settles for call in stalled) <= 100
    late = [post.at for post in world.provider.posts if stalls_at + 0.1 < post.at < stalls_at + 4]
    assert not late


@configured(limit=100_000, concurrency=200, worker_concurrency=100)
def test_where_starts_come_too_late_less_is_claimed(world: World) -> None:
    world.enqueue(*range(1, 301))
    world.slow = lambda call: 0.06 if call.want > 25 else 0.0
    summary = world.drain()
    assert world.provider.posted() == once(*range(1, 301))
    assert summary.outcomes["refused at start"] <= 150


@configured(limit=100_000, concurrency=200, worker_concurrency=100)
def test_a_call_carries_no_more_than_the_server_has_time_for(world: World) -> None:
    world.enqueue(*range(1, 1001))
    world.drain()
    carried = [call.settles + call.starts + call.renewals + call.want for call in world.calls]
    assert max(carried) <= BATCH
    assert sum(call.starts + call.settles > 30 and call.want > 10 for call in world.calls) > 5


def test_each_post_has_its_messages_key_and_bytes(world: World) -> None:
    world.enqueue(1)
    world.drain()
    assert [post.key for post in world.provider.posts] == [
        idempotency_key("default", "default", "m1", 0)
    ]


@configured(limit=1000, worker_concurrency=7)
def test_no_more_posts_are_under_way_than_the_worker_may(world: World) -> None:
    world.enqueue(*range(1, 201))
    world.provider.seconds = lambda name: 0.3 if name.endswith("3") else 0.02
    world.drain()
    assert world.provider.most == 7
    assert world.bench.check() == {"accepted": 201}


@configured(limit=1000, concurrency=5)
def test_no_more_posts_are_under_way_than_the_account_may(world: World) -> None:
    world.enqueue(*range(1, 51))
    world.drain()
    assert world.provider.most <= 5
    assert world.bench.check() == {"accepted": 51}


@configured(limit=10)
def test_the_rate_is_kept(world: World) -> None:
    world.enqueue(*range(1, 41))
    world.drain()
    times = [post.at for post in world.provider.posts]
    assert len(times) == 40
    assert all(later - one > 0.95 for one, later in zip(times, times[10:], strict=False))
    assert times[-1] - times[0] < 4.5


def test_a_message_for_another_version_of_the_worker_waits_for_one_uncharged(world: World) -> None:
    async def read(grant: Grant) -> Message:
        raise WrongRenderer("july", "other/9")

    world.read = read
    world.enqueue(1)
    world.drain()
    assert world.provider.posted() == once()
    status = world.status(1)
    assert (status.state, status.attempts) == ("retrying", 0)
    assert "other/9" in status.reason
    assert world.bench.check() == {"accepted": 1, "retrying": 1}


def test_a_message_goes_back_where_its_plan_cannot_be_read(world: World) -> None:
    reads = 0

    async def read(grant: Grant) -> Message:
        nonlocal reads
        reads += 1
        if reads == 1:
            raise OutboxUnavailable("Redis did not answer")
        return await app_message(grant)

    world.read = read
    world.enqueue(1)
    world.drain()
    assert world.provider.posted() == once(1)
    assert world.status(1).attempts == 1


def test_a_message_that_cant_be_read_is_a_dead_letter(world: World) -> None:
    world.enqueue(1, 2)
    world.store.hset(world.bench.keys.record("m1"), "content", b"junk")
    summary = world.drain()
    assert world.provider.posted() == once(2)
    assert (world.status(1).state, world.status(1).code) == ("dead", "invalid_content")
    assert summary.outcomes == {"accepted": 1, "dead": 1}
    assert world.bench.check() == {"accepted": 2, "dead": 1}


# -- waiting for work


def test_an_idle_drain_claims_once_a_second_and_ends(world: World) -> None:
    before = world.turns
    summary = world.drain()
    assert summary.ended == "idle"
    assert str(summary).startswith("nothing to do in ")
    assert LINGER_SECONDS <= summary.seconds < LINGER_SECONDS + 1.1
    assert 5 <= len(world.calls) <= 7
    assert world.turns - before < 200, "it slept in between"


def test_a_drain_at_its_limit_does_not_spin(world: World) -> None:
    world.enqueue(*range(1, 51))
    for n in range(1, 51):
        world.provider.events[f"m{n}"] = asyncio.Event()

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(50)
        turns, calls = world.turns, len(world.calls)
        await asyncio.sleep(4)
        assert world.turns - turns < 100
        assert len(world.calls) - calls < 10
        for event in world.provider.events.values():
            event.set()

    world.drain(alongside=alongside)
    assert world.bench.check() == {"accepted": 51}


def test_a_wake_claims_at_once(world: World) -> None:
    async def alongside(drain: Drain) -> None:
        await asyncio.sleep(0.5)
        world.enqueue(1)
        drain.wake()
        began = world.now
        await world.provider.has_posted(1)
        assert world.now - began < 0.05

    world.drain(alongside=alongside)


def test_a_wake_during_a_claim_is_not_lost(world: World) -> None:
    """The claim under way was decided before there was work; its "idle" is out of date."""
    world.latency = 0.02

    async def alongside(drain: Drain) -> None:
        await until(lambda: world.calls)
        await asyncio.sleep(0.015)  # decided, and its answer is on the way
        world.enqueue(1)
        drain.wake()
        began = world.now
        await world.provider.has_posted(1)
        assert world.now - began < 0.1

    world.drain(alongside=alongside)


def test_a_wake_during_the_last_claim_is_not_lost(world: World) -> None:
    """Whoever wakes a drain that still claims sends no signal: the drain must not end now."""
    world.latency = 0.02

    async def alongside(drain: Drain) -> None:
        await asyncio.sleep(LINGER_SECONDS - 1.5)
        calls = len(world.calls)
        await until(lambda: len(world.calls) > calls)
        await asyncio.sleep(0.015)
        world.enqueue(1)
        assert drain.claiming
        drain.wake()

    world.drain(alongside=alongside)
    assert world.provider.posted() == once(1)


def test_work_that_becomes_due_is_found_without_a_wake(world: World) -> None:
    world.enqueue(1)
    world.provider.answer = answering(Retry("later", "x", 2.5), "m1", times=1)
    world.drain()
    first, second = (post.at for post in world.provider.posts)
    assert 2.5 <= second - first < 2.7
    assert world.status(1).attempts == 2


# -- how it ends


def test_when_its_time_is_up_it_says_so_while_a_post_still_waits(world: World) -> None:
    world.enqueue(1)
    event = world.provider.events["m1"] = asyncio.Event()

    async def alongside(drain: Drain) -> None:
        began = world.now
        await asyncio.sleep(3)
        assert not drain.claiming
        [(why, at)] = world.ended
        assert why == "its time was up"
        assert at - began == pytest.approx(2, abs=0.01)
        world.enqueue(2)
        drain.wake()
        turns = world.turns
        await asyncio.sleep(4)
        assert world.turns - turns < 50
        event.set()

    summary = world.drain(2, alongside)
    assert summary.outcomes == {"accepted": 1}
    assert summary.ended == "its time was up"
    assert world.provider.posted() == once(1)
    assert world.bench.check() == {"accepted": 2, "waiting": 1}


@configured(limit=20)
def test_stop_gives_back_what_was_granted_and_finishes_what_was_started(world: World) -> None:
    world.enqueue(*range(1, 21))
    world.provider.seconds = lambda name: 1.0

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(1)
        await until(lambda: "granted" in zsets(world))
        drain.stop(grace_seconds=10)

    summary = world.drain(alongside=alongside)
    sent = len(world.provider.posts)
    assert 1 <= sent < 20
    assert summary.outcomes == {"accepted": sent}
    assert summary.ended == "stopped"
    assert 1.0 <= summary.seconds < 2.5
    assert world.bench.check() == {"accepted": sent + 1, "waiting": 20 - sent}
    assert zsets(world) == []
    assert all(world.status(n).attempts == 0 for n in range(sent + 1, 21))


def zsets(world: World) -> list[str]:
    """Names of the sorted sets of leases that hold any."""
    return [name for name in ("granted", "started") if world.store.exists(world.bench.keys(name))]


def test_stopping_an_idle_drain_ends_it_at_once(world: World) -> None:
    async def alongside(drain: Drain) -> None:
        await asyncio.sleep(0.3)
        drain.stop(grace_seconds=10)
        drain.stop(grace_seconds=99)

    summary = world.drain(alongside=alongside)
    assert summary.seconds < 0.4
    assert world.ended[0][0] == "stopped"


def test_when_the_grace_is_over_what_is_unanswered_is_in_doubt(world: World) -> None:
    world.enqueue(1, 2)
    world.provider.events["m1"] = asyncio.Event()

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(2)
        drain.stop(grace_seconds=3)
        turns = world.turns
        await asyncio.sleep(2.9)
        assert world.turns - turns < 100

    summary = world.drain(alongside=alongside)
    assert summary.outcomes == {"accepted": 1, "doubt": 1}
    assert summary.unsettled == [], "Redis is there, so nothing is for the spool"
    assert world.status(1).state == "in_doubt"
    assert world.status(1).code == "stopped"
    assert world.bench.check() == {"accepted": 2, "in_doubt": 1}
    assert summary.seconds < 3.5


def test_what_was_not_written_when_the_grace_was_over_is_not_in_doubt(world: World) -> None:
    world.enqueue(1)
    world.provider.opening_seconds = 60

    async def alongside(drain: Drain) -> None:
        await asyncio.sleep(0.5)
        drain.stop(grace_seconds=1)

    summary = world.drain(alongside=alongside)
    assert summary.outcomes == {"not begun": 1}
    assert world.provider.posts == []
    assert world.bench.check() == {"accepted": 1, "waiting": 1}


def test_with_redis_away_until_after_the_grace_outcomes_are_handed_out(world: World) -> None:
    world.enqueue(1, 2, 3)
    world.provider.events["m3"] = asyncio.Event()

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(3)
        world.fails = lambda call: redis.ConnectionError("away")
        await asyncio.sleep(1)
        drain.stop(grace_seconds=2)

    summary = world.drain(alongside=alongside)
    assert summary.outcomes == {"accepted": 2, "doubt": 1}
    assert {settle.id: settle.kind for settle in summary.unsettled} == {
        "m1": "accepted",
        "m2": "accepted",
        "m3": "doubt",
    }
    assert summary.seconds < 5


def test_a_post_that_starts_when_the_grace_is_over_comes_to_an_end(world: World) -> None:
    """Its task may be cancelled before it ever ran."""
    world.enqueue(1)

    async def alongside(drain: Drain) -> None:
        await until(lambda: world.calls and world.calls[-1].starts)
        drain.stop(grace_seconds=0)

    world.drain(alongside=alongside)
    states = world.bench.check()
    assert states["waiting"] + states["in_doubt"] == 1
    assert states["in_doubt"] == len(world.provider.posts)


def test_a_redis_that_fails_without_waiting_does_not_hang_the_end(world: World) -> None:
    """Past the grace each call fails at once: the cancelled POSTs must get their turn."""
    world.enqueue(*range(1, 6))
    world.latency = 0.0
    for n in range(1, 6):
        world.provider.events[f"m{n}"] = asyncio.Event()

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(5)
        world.fails = lambda call: redis.ConnectionError("away")
        drain.stop(grace_seconds=0)

    summary = world.drain(alongside=alongside)
    assert summary.outcomes == {"doubt": 5}
    assert len(summary.unsettled) == 5


# -- between the start and the POST


def test_a_start_that_was_answered_too_late_is_not_posted(world: World) -> None:
    world.enqueue(1)
    slow = iter([0.05])
    world.slow = lambda call: next(slow, 0.0) if call.starts else 0.0
    summary = world.drain()
    assert world.provider.shut == 1
    assert world.provider.posted() == once(1)
    assert summary.outcomes == {"accepted": 1, "not begun": 1}
    assert world.status(1).attempts == 1, "the one that was not begun is not charged"
    assert world.bench.check() == {"accepted": 2}


def test_a_connection_that_opens_slowly_shuts_the_gate(world: World) -> None:
    world.enqueue(1)
    world.provider.opening_seconds = 0.1

    async def alongside(drain: Drain) -> None:
        await asyncio.sleep(0.5)
        assert world.provider.shut > 1
        world.provider.opening_seconds = 0.0

    world.drain(alongside=alongside)
    assert world.provider.posted() == once(1)
    assert world.status(1).attempts == 1


def test_a_slot_that_was_overslept_is_refused_at_start(world: World) -> None:
    world.enqueue(1)
    slow = iter([0.2])
    world.slow = lambda call: next(slow, 0.0) if call.want else 0.0
    summary = world.drain()
    assert summary.outcomes == {"accepted": 1, "refused at start": 1}
    assert world.provider.posted() == once(1)


def test_an_opt_out_between_claim_and_start_is_obeyed(world: World) -> None:
    world.enqueue(1)

    def opt_out(call: Call) -> Exception | None:
        if call.starts:
            OptOuts(world.store, world.bench.keys, lambda seconds: None).add([message(1).to])
        return None

    world.fails = opt_out
    world.drain()
    assert world.provider.posts == []
    assert world.bench.check() == {"accepted": 1, "suppressed": 1}


# -- Redis fails


@pytest.mark.parametrize("chance", [0.05, 0.3, 0.6])
def test_a_lost_reply_is_asked_for_again_and_doubles_nothing(world: World, chance: float) -> None:
    world.enqueue(*range(1, 101))
    dice = random.Random(7)
    world.loses = lambda call: dice.random() < chance
    world.drain(600)
    assert world.provider.posted() == once(*range(1, 101))
    assert world.bench.check() == {"accepted": 101}


def test_redis_may_be_away_for_a_while(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.enqueue(*range(1, 101))
    until = 0.0

    async def alongside(drain: Drain) -> None:
        nonlocal until
        await world.provider.has_posted(20)
        until = world.now + 8
        world.fails = lambda call: redis.ConnectionError("away") if world.now < until else None
        calls = len(world.calls)
        await asyncio.sleep(7)
        assert len(world.calls) - calls < 15, "it backs off"

    with caplog.at_level(logging.WARNING):
        world.drain(alongside=alongside)
    assert world.provider.posted() == once(*range(1, 101))
    assert world.bench.check() == {"accepted": 101}
    assert caplog.text.count("until Redis takes it") == 1


@pytest.mark.parametrize(
    "text",
    [
        "MISCONF Errors writing to the AOF file: No space left on device",
        "READONLY You can't write against a read only replica.",
        "NOREPLICAS Not enough good replicas to write.",
    ],
)
def test_a_redis_that_refuses_for_a_while_is_asked_again(world: World, text: str) -> None:
    """Nothing of such a call was done; the answers that came meanwhile must not be lost."""
    world.enqueue(*range(1, 31))

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(10)
        until = world.now + 3
        refused = redis.ResponseError(text)
        world.fails = lambda call: refused if world.now < until else None

    world.drain(alongside=alongside)
    assert world.provider.posted() == once(*range(1, 31))
    assert world.bench.check() == {"accepted": 31}


def test_a_full_redis_pauses_claims_and_still_settles(world: World) -> None:
    world.enqueue(*range(1, 31))
    for n in (1, 2):
        world.provider.events[f"m{n}"] = asyncio.Event()
    oom = redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'")

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(10)
        world.fails = lambda call: None if call.settles or call.starts or call.renewals else oom
        await asyncio.sleep(1)
        calls, posts = len(world.calls), len(world.provider.posts)
        for event in world.provider.events.values():
            event.set()
        await asyncio.sleep(1)
        assert world.status(1).state == world.status(2).state == "accepted"
        assert len(world.calls) - calls < 8, "it asks about once a second"
        world.fails = lambda call: None
        assert posts >= 10

    world.drain(alongside=alongside)
    assert world.provider.posted() == once(*range(1, 31))
    assert world.bench.check() == {"accepted": 31}


@configured(limit=1000, lease_seconds=3.0)
def test_a_full_redis_that_refuses_a_start_or_a_renewal_is_not_hammered(world: World) -> None:
    world.enqueue(*range(1, 6))
    world.provider.seconds = lambda name: 2.0
    oom = redis.ResponseError("OOM command not allowed when used memory > 'maxmemory'")

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(2)
        world.fails = lambda call: oom
        calls = len(world.calls)
        await asyncio.sleep(2)
        assert len(world.calls) - calls < 60
        world.fails = lambda call: None

    world.drain(alongside=alongside)
    assert world.provider.posted() == once(*range(1, 6))
    assert world.bench.check() == {"accepted": 6}


# -- leases


@configured(limit=1000, lease_seconds=3.0)
def test_a_long_post_keeps_its_lease(world: World) -> None:
    world.enqueue(*range(1, 61))
    long = {"m1", "m7", "m60"}
    world.provider.seconds = lambda name: 12.0 if name in long else 0.05

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(60)
        for _ in range(23):
            await asyncio.sleep(0.5)
            world.sweep()
            assert world.bench.totals().get("in_doubt", 0) == 0

    world.drain(alongside=alongside)
    assert world.bench.check() == {"accepted": 61}
    renewals = sum(call.renewals for call in world.calls)
    assert 3 * 11 <= renewals <= 3 * 13, "a third of the lease apart"


@configured(limit=1000, lease_seconds=3.0)
def test_renewals_go_on_after_the_drains_time(world: World) -> None:
    world.enqueue(1)
    world.provider.seconds = lambda name: 9.0

    async def alongside(drain: Drain) -> None:
        await asyncio.sleep(8)
        world.sweep()
        assert world.status(1).state == "started"

    world.drain(1, alongside)
    assert world.bench.check() == {"accepted": 2}


@configured(limit=1000, lease_seconds=3.0)
def test_an_answer_after_the_lease_was_lost_still_counts(world: World) -> None:
    world.enqueue(1)
    world.provider.seconds = lambda name: 20.0

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(1)
        world.fails = lambda call: redis.ConnectionError("away")
        await asyncio.sleep(5)
        world.sync()
        world.sweep()
        await asyncio.sleep(12)
        world.sweep()
        assert world.status(1).state == "in_doubt"
        world.fails = lambda call: None

    world.drain(alongside=alongside)
    assert world.provider.posted() == once(1)
    assert world.bench.check() == {"accepted": 2}


# -- outcomes


def test_a_fault_of_ours_is_in_doubt_and_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.enqueue(1, 2)

    def broken(id: str) -> Attempt:
        if id == "m1":
            raise ZeroDivisionError("oh")
        return accepted(id)

    world.provider.answer = broken
    summary = world.drain()
    assert summary.outcomes == {"accepted": 1, "doubt": 1}
    assert world.status(1).state == "in_doubt"
    assert "ZeroDivisionError" in world.status(1).reason
    assert "m1" in caplog.text


def test_a_message_that_cant_be_made_for_a_fault_of_ours_stops_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.enqueue(1, 2, 3)
    made = world.provider.request

    def broken(message: Message) -> bytes:
        if message.id == "m2":
            raise ZeroDivisionError("oh")
        return made(message)

    world.provider.request = broken  # type: ignore[method-assign] # breaks the fake
    world.drain(seconds=2)
    assert world.provider.posted() == once(1, 3)
    assert world.bench.check() == {"accepted": 3, "retrying": 1}
    assert "ZeroDivisionError" in world.status(2).reason
    assert world.status(2).attempts == 0
    assert "m2" in caplog.text


def test_a_retry_is_charged_and_comes_back(world: World) -> None:
    world.enqueue(1)
    world.provider.answer = answering(Retry("broke", "10037"), "m1", times=2)
    world.drain()
    assert world.provider.posted() == {"m1": 3}
    assert world.status(1).attempts == 3
    gaps = [
        b.at - a.at for a, b in zip(world.provider.posts, world.provider.posts[1:], strict=False)
    ]
    assert 0.5 <= gaps[0] <= 1.7
    assert 1.0 <= gaps[1] <= 3.2
    assert len({post.key for post in world.provider.posts}) == 1


@configured(limit=1000, retry=RetrySettings(max_attempts=3, base_seconds=0.1))
def test_the_last_attempt_makes_a_dead_letter(world: World) -> None:
    world.enqueue(1)
    world.provider.answer = answering(Retry("broke", "10037"))
    summary = world.drain()
    assert world.provider.posted() == {"m1": 3}
    assert summary.outcomes == {"retry": 2, "dead": 1}
    assert world.status(1).state == "dead"
    assert "3 attempts" in world.status(1).reason


@configured(limit=1000, retry=RetrySettings(base_seconds=0.1))  # sooner than a drain is idle
def test_a_throttle_is_not_an_attempt_and_blocks_everyone(world: World) -> None:
    world.enqueue(1, 2, 3)
    throttle = Retry("429", "10011", 0.0, charged=False, throttled=True)

    def answer(id: str) -> Attempt:
        if id == "m1" and world.provider.posted()["m1"] <= 3:
            return Attempt(throttle, RateHeaders(10, 0, 1000.0), 50, heard=True)
        return accepted(id)

    world.provider.answer = answer
    world.drain(60)
    assert world.provider.posted()["m1"] == 4
    assert world.status(1).attempts == 1
    assert world.bench.check() == {"accepted": 4}
    assert world.bench.totals()["throttled"] == 3


def test_a_halt_keeps_every_message_and_stops_claiming(world: World) -> None:
    world.enqueue(*range(1, 31))
    world.provider.answer = answering(Halt("account", "HTTP 401", "10009"))

    async def alongside(drain: Drain) -> None:
        await world.provider.has_posted(1)
        await asyncio.sleep(5)
        posts, calls = len(world.provider.posts), len(world.calls)
        await asyncio.sleep(5)
        assert len(world.provider.posts) == posts
        assert len(world.calls) - calls < 10
        assert world.bench.check() == {"accepted": 1, "waiting": 30}
        world.provider.answer = accepted
        world.store.delete(world.bench.keys("halts"))

    world.drain(alongside=alongside)
    assert world.bench.check() == {"accepted": 31}
    assert all(world.status(n).attempts == 1 for n in range(1, 31))


@configured(limit=1000, in_doubt=InDoubt(policy="hold"))
def test_where_doubts_are_held_a_perhaps_is_not_repeated(world: World) -> None:
    world.enqueue(1, 2)
    perhaps = Retry("HTTP 500", "10007", perhaps=True)
    world.provider.answer = lambda name: Attempt(
        perhaps if name == "m1" else Doubt("who knows"), heard=True
    )
    world.drain()
    assert world.provider.posted() == once(1, 2)
    assert world.bench.check() == {"accepted": 1, "in_doubt": 2}
    assert all(score == float("inf") for _, score in doubts(world))


def doubts(world: World) -> list[tuple[bytes, float]]:
    found: Any = world.store.zrange(world.bench.keys("doubts"), 0, -1, withscores=True)
    return cast("list[tuple[bytes, float]]", found)


def test_a_doubt_waits_as_its_priority_says(world: World) -> None:
    world.enqueue(1)
    world.enqueue(2, priority="bulk", text='he said "priority":"transactional"')
    world.enqueue(3, text='{"priority":"bulk"}')
    world.provider.answer = answering(Doubt("no answer", "no_answer"))
    world.drain(2)
    now = 1_700_000_000_000.0 + 1000 * world.now
    waits = {id.decode(): round((at - now) / 1000) for id, at in doubts(world)}
    assert 25 <= waits["m1"] <= 30
    assert 595 <= waits["m2"] <= 600
    assert 25 <= waits["m3"] <= 30


def grant(**fields: Any) -> Grant:
    made: dict[str, Any] = {
        "id": "m1",
        "token": "t",
        "slot_ms": 0.0,
        "attempts": 0,
        "maybe": 0,
        "age_ms": 0,
        "generation": 0,
        "content": b"{}",
        "request": b"",
    }
    return Grant(**(made | fields))


HEARD: dict[str, Any] = {
    "answer": "a",
    "took_ms": 5.0,
    "heard": True,
    "rate": RateHeaders(limit=9, remaining=8),
}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Accepted("p"), {"kind": "accepted", "provider_id": "p"}),
        (
            Accepted("p", True),
            {"kind": "accepted", "provider_id": "p", "replayed": True},
        ),
        (
            Retry("w", "c", 2.5),
            {"kind": "retry", "delay_ms": 2500.0, "code": "c", "reason": "w"},
        ),
        (
            Retry("w", "c", 1.0, charged=False, perhaps=True),
            {
                "kind": "retry",
                "delay_ms": 1000.0,
                "code": "c",
                "reason": "w",
                "perhaps": True,
                "uncharged": True,
            },
        ),
        (
            Retry("w", "c", 0.0, charged=False, throttled=True),
            {
                "kind": "back",
                "code": "c",
                "reason": "w",
                "throttled": True,
                "rate": RateHeaders(9, 8, wait_ms=1000.0),
            },
        ),
        (Dead("c", "w"), {"kind": "dead", "code": "c", "reason": "w"}),
        (
            Dead("c", "w", perhaps=True),
            {"kind": "dead", "code": "c", "reason": "w", "perhaps": True},
        ),
        (
            Doubt("w", "c"),
            {
                "kind": "doubt",
                "delay_ms": 30_000.0,
                "bulk_delay_ms": 600_000.0,
                "code": "c",
                "reason": "w",
            },
        ),
        (
            Doubt("w", "c", hold=True),
            {"kind": "doubt", "delay_ms": -1.0, "code": "c", "reason": "w"},
        ),
        (
            Halt("account", "w", "c"),
            {"kind": "back", "code": "c", "reason": "w", "halt": "account"},
        ),
        (
            Halt("sender", "w", "c", seconds=7),
            {
                "kind": "back",
                "code": "c",
                "reason": "w",
                "halt": "sender",
                "halt_ends": "7000",
            },
        ),
        (
            Halt("sender", "w", "c", "midnight_utc"),
            {
                "kind": "back",
                "code": "c",
                "reason": "w",
                "halt": "sender",
                "halt_ends": "midnight",
            },
        ),
        (
            Accepted("p", wait_seconds=2.5),
            {"kind": "accepted", "provider_id": "p", "hold_ms": 2500.0},
        ),
        (
            Retry("w", "40318", charged=False, queue_full=True),
            {"kind": "back", "code": "40318", "reason": "w", "queue_full": True},
        ),
    ],
)
def test_what_is_settled(outcome: Outcome, expected: dict[str, Any]) -> None:
    attempt = Attempt(outcome, RateHeaders(9, 8), 5.0, heard=True, answer="a")
    made = settled(grant(), attempt, Account(in_doubt=InDoubt()), outcome)
    assert made == Settle(id="m1", token="t", **(HEARD | expected))


def test_what_was_not_begun_frees_its_slot() -> None:
    made = settled(grant(), Attempt(None), Account(in_doubt=InDoubt()), None)
    assert made == Settle(id="m1", token="t", kind="unused")


def test_a_throttle_waits_as_long_as_it_said() -> None:
    throttle = Retry("w", "c", 0.0, charged=False, throttled=True)
    attempt = Attempt(throttle, RateHeaders(wait_ms=7000.0), heard=True)
    made = settled(grant(), attempt, Account(in_doubt=InDoubt()), throttle)
    assert made.rate.wait_ms == 7000.0


# -- everything at once


class Moody(Provider):
    """A provider of many moods that knows its idempotency keys; ``taken`` is what it accepted."""

    def __init__(self, world: World, dice: random.Random) -> None:
        super().__init__(world)
        self.dice, self.taken = dice, dict[str, str]()
        self.seconds = lambda name: dice.choice([0.01, 0.05, 0.3])

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool], trace: Mapping[str, str] = {}
    ) -> Attempt:
        self.opening_seconds = self.dice.choice([0, 0, 0, 0.01, 0.08])
        attempt = await super().send(request, key, gate, trace)
        if attempt.outcome is None:
            return attempt
        mood = self.dice.choice(
            ["good"] * 6 + ["full", "busy", "limit", "lost", "broken", "fault"]
        )
        refused = {
            "full": Retry("full", "40318", 1.0, charged=False),
            "busy": Retry("busy", "10037"),
            "limit": Retry("limit", "10011", 0.0, charged=False, throttled=True),
        }
        if mood in refused:
            return Attempt(refused[mood], RateHeaders(wait_ms=50.0), 50, heard=True)
        replayed = key in self.taken
        id = self.taken.setdefault(key, json.loads(request)["id"])
        if mood == "lost":
            return Attempt(Doubt("no answer", "no_answer"), took_ms=50)
        if mood == "broken":
            return Attempt(Retry("HTTP 500", "10007", perhaps=True), took_ms=50, heard=True)
        if mood == "fault":
            raise RuntimeError("a fault of ours")
        return Attempt(Accepted(f"p-{id}", replayed), took_ms=50, heard=True)


@pytest.mark.parametrize("seed", range(size(1, 5)))
@configured(
    limit=200,
    lease_seconds=2.0,
    worker_concurrency=20,
    in_doubt=InDoubt(transactional_wait_seconds=1.0),
    retry=RetrySettings(max_attempts=1000, base_seconds=0.1, cap_seconds=1.0),
)
def test_whatever_happens_each_message_is_taken_once(world: World, seed: int) -> None:
    dice = random.Random(seed)
    provider = world.provider = Moody(world, dice)
    world.enqueue(*range(1, 61))
    away = redis.ConnectionError("away")
    until = 0.0

    def fails(call: Call) -> Exception | None:
        nonlocal until
        if dice.random() < 0.01:
            until = world.now + dice.choice([0.1, 1, 4])
        return away if world.now < until or dice.random() < 0.03 else None

    world.fails, world.loses = fails, lambda call: dice.random() < 0.05
    world.slow = lambda call: dice.choice([0, 0, 0, 0, 0.03, 0.2])
    ends = world.now + 3600

    async def alongside(drain: Drain) -> None:
        await asyncio.sleep(dice.choice([0.3, 2, 4]))
        world.sweep()
        if dice.random() < 0.5:
            drain.stop(dice.choice([0, 0.05, 3]))

    unsettled: list[Settle] = []
    while world.bench.totals().get("accepted") != 61 and world.now < ends:
        unsettled += world.drain(5, alongside).unsettled
        world.sweep()
        if dice.random() < 0.3 and unsettled:  # as a spool does
            world.bench.step(settles=unsettled[:BATCH])
            del unsettled[:BATCH]
    assert world.bench.check() == {"accepted": 61}
    assert len(provider.taken) == 60
    assert Counter(provider.taken.values()) == once(*range(1, 61))
    assert provider.most <= 20
    assert all(world.status(n).provider_id == f"p-m{n}" for n in range(1, 61))
    assert "sent_twice" not in world.bench.totals()


# -- a real server


@pytest.mark.parametrize("count", [2 * BATCH + 1])
def test_on_a_real_server_in_real_time(valkey: redis.Redis, redis_url: str, count: int) -> None:
    bench = Bench(valkey, limit=1000)
    bench.enqueue(*(message(n) for n in range(count)))
    provider = Provider(Time())
    provider.seconds = lambda name: 0.001

    async def body() -> Summary:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            claims = Queue(client, bench.config, "default")
            drain = Drain(claims, provider, bench.config.account("default"))
            running = asyncio.create_task(drain.run(60))
            await provider.has_posted(count)
            drain.stop(grace_seconds=30)
            return await running

    summary = asyncio.run(body())
    assert summary.outcomes["accepted"] == count
    assert set(provider.posted().values()) == {1}
    assert bench.check() == {"accepted": count}
