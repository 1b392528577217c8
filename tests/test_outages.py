"""Outages of the provider, as whole drains over the real scripts live through them."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

import msgspec
import pytest
import redis

from sluicegate.config import Account, InDoubt
from sluicegate_worker.claims import Claims
from sluicegate_worker.drain import Drain
from sluicegate_worker.gateway import Attempt
from sluicegate_worker.sweep import sweeping
from sluicegate_worker.telnyx_v2 import TelnyxV2
from sluicegate_worker.transport import GateClosed, MaybeSent, NotSent, Reply, Transport
from support import CLOCK, Bench, message
from virtual import Time

LIMIT = 50
RATE = 10
"""Messages that arrive in a second."""

ANSWER_SECONDS = 0.05
HANG_SECONDS = 30.0
BEFORE_SECONDS = 20.0

Mood = Literal["well", "500", "503", "504", "refused", "hanging", "401", "lost"]
BODIES: Mapping[Mood, bytes] = {
    "500": b'{"errors":[{"code":"10007","title":"Unexpected error"}]}',
    "503": b'{"errors":[{"code":"10016","title":"Service unavailable"}]}',
    "504": b"<html>upstream timed out</html>",
    "401": b'{"errors":[{"code":"10009","title":"Authentication failed"}]}',
}


class Call(NamedTuple):
    """One request that the provider, or the way to it, was asked."""

    at: float
    kind: Literal["post", "probe"]
    failed: bool


class Wire(Transport):
    """The way to a provider of moods, which is told them; it honours keys unless told otherwise."""

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
        self.calls.append(Call(self._time.now, "post", mood not in ("well", "lost")))
        self.under_way += 1
        try:
            return await self._answer(mood, fields["to"], headers["Idempotency-Key"])
        finally:
            self.under_way -= 1

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        mood = self.probe_mood() if self.probe_mood else self.mood("")
        self.calls.append(Call(self._time.now, "probe", mood != "well"))
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

    async def _works(self, number: int) -> None:
        claims = Claims(cast("Any", Server(self)), self.bench.config, "default", f"w{number}", CLOCK)
        sweep = asyncio.create_task(sweeping(claims, lambda: None))
        try:
            while True:
                drain = Drain(
                    claims,
                    Gateway(self.account, self.wire, self.time),
                    self.account,
                    monotonic=lambda: self.time.now,
                )
                self.drains[number] = drain
                await drain.run(25)
        finally:
            sweep.cancel()

    async def arriving(self, seconds: float, every: float = 0.1) -> None:
        """Messages arrive for so long."""
        ends = self.time.now + seconds
        while self.time.now < ends:
            self.enqueue(round(RATE * every))
            await asyncio.sleep(every)

    async def all_accepted(self, within: float) -> None:
        ends = self.time.now + within
        while self.bench.totals()["accepted"] < self.enqueued:
            assert self.time.now < ends, (self.bench.totals(), self.enqueued)
            await asyncio.sleep(1)
