"""Outages of the provider, as whole drains over the real scripts live through them."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, cast

import msgspec
import pytest
import redis

from sluicegate.config import Account, InDoubt
from sluicegate_worker.drain import Drain
from sluicegate_worker.provider.exchange import PROBE_SECONDS
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.telnyx.v2 import TelnyxV2
from sluicegate_worker.queue import Queue
from sluicegate_worker.sweep import sweeping
from sluicegate_worker.transport import GateClosed, MaybeSent, NotSent, Reply, Transport
from support.bench import Bench
from support.clock import CLOCK
from support.messages import message
from support.virtual import Time

LIMIT = 50
RATE = 10
"""Messages that arrive in a second."""

ANSWER_SECONDS = 0.05
HANG_SECONDS = 30.0
BEFORE_SECONDS = 10.0
LONGEST_SECONDS = 15.0
"""Between two probes."""

Mood = Literal["well", "500", "503", "504", "refused", "hanging", "401", "403", "lost"]
BODIES: Mapping[Mood, bytes] = {
    "500": b'{"errors":[{"code":"10007","title":"Unexpected error"}]}',
    "503": b'{"errors":[{"code":"10016","title":"Service unavailable"}]}',
    "504": b"<html>upstream timed out</html>",
    "403": b'{"errors":[{"code":"40305","title":"Not assigned to the messaging profile"}]}',
    "401": b'{"errors":[{"code":"10009","title":"Authentication failed"}]}',
}


class Call(NamedTuple):
    """One request that the provider, or the way to it, was asked."""

    at: float
    kind: Literal["post", "probe"]
    mood: Mood
    to: str = ""

    @property
    def failed(self) -> bool:
        return self.mood not in ("well", "lost")

    @property
    def lost(self) -> bool:
        """The provider took it, and its answer did not come."""
        return self.mood == "lost"


class Wire(Transport):
    """The way to a provider of moods; it honours keys unless told otherwise."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.mood: Callable[[str], Mood] = lambda to: "well"
        self.probe_mood: Callable[[], Mood] | None = None
        self.honours_keys = True
        self.calls: list[Call] = []
        self.taken: dict[str, str] = {}
        self.received: Counter[str] = Counter()
        self.under_way = 0

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        if not gate():
            raise GateClosed("too late")
        fields = msgspec.json.decode(body)
        mood = self.mood(fields["to"] + fields["from"])
        self.calls.append(Call(self._time.now, "post", mood, fields["to"]))
        self.under_way += 1
        try:
            return await self._answer(mood, fields["to"], headers["Idempotency-Key"])
        finally:
            self.under_way -= 1

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        mood = self.probe_mood() if self.probe_mood else self.mood("")
        self.calls.append(Call(self._time.now, "probe", mood))
        return await self._answer(mood, "", "")

    async def aclose(self) -> None:
        pass

    async def _answer(self, mood: Mood, to: str, key: str) -> Reply:
        if mood == "refused":
            raise NotSent("ConnectError: connection refused")
        await asyncio.sleep(HANG_SECONDS if mood == "hanging" else ANSWER_SECONDS)
        if mood in BODIES:
            return Reply(int(mood), {}, BODIES[mood])
        replayed = self._take(to, key) if to else False
        if mood in ("hanging", "lost"):
            raise MaybeSent("ReadTimeout")
        body = msgspec.json.encode({"data": {"id": self.taken.get(key, "")}})
        return Reply(200, {"idempotent-replayed": "true"} if replayed else {}, body)

    def _take(self, to: str, key: str) -> bool:
        """Take the message, unless it is known; True where it was known."""
        replayed = self.honours_keys and key in self.taken
        if not replayed:
            self.received[to] += 1
            self.taken[key] = f"p{len(self.calls)}"
        return replayed

    def failed(self) -> list[float]:
        return [call.at for call in self.calls if call.failed]

    def posted(self) -> list[float]:
        return [call.at for call in self.calls if call.kind == "post"]


class Gateway(TelnyxV2):
    """The gateway as it is, but for the clock that it measures with."""

    def __init__(self, account: Account, wire: Wire, time: Time) -> None:
        super().__init__(account, "KEY", wire)
        self._time = time

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool] = lambda: True
    ) -> Attempt:
        began = self._time.now
        attempt = await super().send(request, key, gate)
        return msgspec.structs.replace(attempt, took_ms=1000 * (self._time.now - began))


class Server:
    """A client of the real server as the drains' asynchronous one: it is a millisecond away."""

    def __init__(self, fleet: "Fleet") -> None:
        self._fleet = fleet

    def register_script(self, source: str) -> Callable[..., Awaitable[Any]]:
        script = self._fleet.store.register_script(source)

        async def call(keys: Sequence[str], args: Sequence[Any]) -> Any:
            await asyncio.sleep(0.0005)
            self._fleet.sync()
            answer = script(keys=keys, args=args)
            await asyncio.sleep(0.0005)
            return answer

        return call


class Fleet:
    """So many workers on one account: each a drain after the other, and the sweep beside it."""

    def __init__(self, store: redis.Redis, workers: int = 1, **fields: Any) -> None:
        self.time, self.store = Time(), store
        self.bench = Bench(store, **{"limit": LIMIT} | fields)
        self.wire = Wire(self.time)
        self.account = self.bench.config.account("default")
        self.workers, self.drains = workers, dict[int, Drain]()
        self.enqueued = 0

    def sync(self) -> None:
        self.bench.at(1_700_000_000_000.0 + 1000 * self.time.now)

    def enqueue(self, count: int, **fields: Any) -> None:
        self.sync()
        numbers = range(self.enqueued, self.enqueued + count)
        for at in range(0, count, 200):
            self.bench.enqueue(*(message(n, **fields) for n in numbers[at : at + 200]))
        self.enqueued += count
        for drain in self.drains.values():
            drain.wake()

    def run(self, main: Callable[[], Awaitable[None]]) -> None:
        """Run the workers while ``main`` lasts."""

        async def body() -> None:
            doing = asyncio.ensure_future(main())
            work = [asyncio.create_task(self._works(n)) for n in range(self.workers)]
            done, _ = await asyncio.wait([doing, *work], return_when=asyncio.FIRST_COMPLETED)
            for task in done:  # a worker only ends by an error
                task.result()

        with asyncio.Runner(loop_factory=self.time.loop) as runner:
            runner.run(body())

    def claims(self, worker: int) -> Queue:
        server = cast("Any", Server(self))
        return Queue(server, self.bench.config, "default", f"worker{worker}", CLOCK)

    def drain(self, worker: int) -> Drain:
        gateway = Gateway(self.account, self.wire, self.time)
        claims, now = self.claims(worker), lambda: self.time.now
        self.drains[worker] = Drain(claims, gateway, self.account, monotonic=now)
        return self.drains[worker]

    async def _works(self, worker: int) -> None:
        sweep = asyncio.create_task(sweeping(self.claims(worker), lambda swept: None))
        try:
            while True:
                await self.drain(worker).run(25)
        finally:
            sweep.cancel()

    async def arriving(self, seconds: float) -> None:
        """Messages arrive for so long."""
        ends = self.time.now + seconds
        while self.time.now < ends:
            self.enqueue(1)
            await asyncio.sleep(1 / RATE)

    async def all_accepted(self, within_seconds: float) -> None:
        ends = self.time.now + within_seconds
        while self.bench.totals()["accepted"] < self.enqueued:
            assert self.time.now < ends, self.bench.totals()
            await asyncio.sleep(0.5)

    def lives_through(self, mood: Mood, seconds: float, probes: Mood | None = None) -> float:
        """Messages arrive, the provider is out for so long; return when that began."""
        began = 0.0

        async def main() -> None:
            nonlocal began
            arriving = asyncio.ensure_future(self.arriving(BEFORE_SECONDS + seconds + 10))
            await asyncio.sleep(BEFORE_SECONDS)
            began = self.time.now
            self.wire.mood = lambda to: mood
            self.wire.probe_mood = (lambda: probes) if probes else None
            await asyncio.sleep(seconds)
            self.wire.mood, self.wire.probe_mood = (lambda to: "well"), None
            await arriving
            await self.all_accepted(60 + seconds)

        self.run(main)
        return began


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


@ONE_AND_FOUR
@pytest.mark.parametrize("mood", ["503", "refused", "hanging"])
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


@pytest.mark.parametrize("workers", [1, 4])
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


@pytest.mark.parametrize("count", [2000, pytest.param(10_000, marks=pytest.mark.long)])
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
        fleet.enqueue(5)
        await fleet.all_accepted(10)
        wire.mood = with_a_fault(*SENDERS)
        from_each(fleet, *SENDERS)
        await asyncio.sleep(30)
        assert "account" in halted(fleet)
        assert len(wire.failed()) <= 20
        assert fleet.bench.check() == {"accepted": 5, "waiting": 200}
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
        wire.mood = with_a_fault(*bad)
        from_each(fleet, good, count=300)
        await asyncio.sleep(1)
        for sender in bad:
            from_each(fleet, sender)
            await asyncio.sleep(1)
        await asyncio.sleep(10)
        assert halted(fleet) == {f"sender:{sender}" for sender in bad}
        assert len(wire.failed()) <= 20
        assert fleet.bench.check() == {"accepted": 300, "waiting": 150}
        assert len(wire.received) == 300

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


COUNTS = pytest.mark.parametrize("count", [1000, pytest.param(5000, marks=pytest.mark.long)])


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
@pytest.mark.parametrize("honours_keys", [True, False])
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
