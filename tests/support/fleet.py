"""Whole drains over the real scripts and a provider of moods, in time that passes by itself."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec
import redis

from sluicegate.config import Account
from sluicegate_worker.drain import Drain
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.telnyx.v2 import TelnyxV2
from sluicegate_worker.queue import Queue
from sluicegate_worker.sweep import sweeping
from sluicegate_worker.transport import GateClosed, MaybeSent, NotSent, Reply, Transport

from .bench import Bench
from .clock import CLOCK
from .effort import size
from .messages import message
from .virtual import FarServer, Time

LIMIT = 50
RATE = size(4, 10)
"""Messages that arrive in a second."""

ANSWER_SECONDS = 0.05
HANG_SECONDS = 30.0
BEFORE_SECONDS = size(4, 10)
Mood = Literal[
    "well", "500", "503", "504", "refused", "hanging", "401", "403", "lost", "400", "429", "409",
]  # fmt: skip
BODIES: Mapping[Mood, bytes] = {
    "500": b'{"errors":[{"code":"10007","title":"Unexpected error"}]}',
    "503": b'{"errors":[{"code":"10016","title":"Service unavailable"}]}',
    "504": b"<html>upstream timed out</html>",
    "403": b'{"errors":[{"code":"40305","title":"Not assigned to the messaging profile"}]}',
    "400": b'{"errors":[{"code":"40310","title":"Invalid to address"}]}',
    "429": b'{"errors":[{"code":"10011","title":"Too many requests"}]}',
    "409": b'{"errors":[{"code":"40318","title":"Queue full"}]}',
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
        self,
        request: bytes,
        key: str,
        gate: Callable[[], bool] = lambda: True,
        trace: Mapping[str, str] = {},
    ) -> Attempt:
        began = self._time.now
        attempt = await super().send(request, key, gate, trace)
        return msgspec.structs.replace(attempt, took_ms=1000 * (self._time.now - began))


class Fleet:
    """So many workers on one account: each a drain after the other, and the sweep beside it."""

    def __init__(self, store: redis.Redis, workers: int = 1, **fields: Any) -> None:
        self.time, self.store = Time(), store
        self.bench = Bench(store, **{"limit": LIMIT} | fields)
        self.wire = Wire(self.time)
        self.account = self.bench.config.account("default")
        self.workers, self.drains = workers, dict[int, Drain]()
        self._queues = dict[int, Queue]()
        self.enqueued = 0
        self.away_seconds = 0.001
        """How long a call on Redis takes."""

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

    def queue(self, worker: int) -> Queue:
        if worker not in self._queues:
            server, config = cast("Any", FarServer(self.store, self._called)), self.bench.config
            self._queues[worker] = Queue(server, config, "default", f"worker{worker}", CLOCK)
        return self._queues[worker]

    def drain(self, worker: int) -> Drain:
        gateway = Gateway(self.account, self.wire, self.time)
        claims, now = self.queue(worker), lambda: self.time.now
        self.drains[worker] = Drain(claims, gateway, self.account, monotonic=now)
        return self.drains[worker]

    async def _called(self, script: Callable[[], Any]) -> Any:
        await asyncio.sleep(self.away_seconds / 2)
        self.sync()
        answer = script()
        await asyncio.sleep(self.away_seconds / 2)
        return answer

    async def _works(self, worker: int) -> None:
        sweep = asyncio.create_task(sweeping(self.queue(worker), lambda swept: None))
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
