"""Time that only passes when all wait, and a provider in it, for tests of whole drains."""

import asyncio
import json
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import redis

from sluicegate import Message
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Accepted, Outcome

BUSY = 20_000
"""So many turns of the loop in which no time passes are a loop that never ends."""


class Now(Protocol):
    """What knows the time, in seconds."""

    @property
    def now(self) -> float: ...


class Time:
    """A world's clock, in seconds, and how often its loop turned."""

    def __init__(self) -> None:
        self.now, self.turns, self.turns_now = 100.0, 0, 0

    def loop(self) -> asyncio.AbstractEventLoop:
        """An event loop whose time this is."""
        loop: Any = asyncio.SelectorEventLoop(_Selector(self))
        loop.time = lambda: self.now
        return cast("asyncio.AbstractEventLoop", loop)


class _Selector(selectors.SelectSelector):
    """A selector that never waits: where nothing is ready, it sets the clock on instead."""

    def __init__(self, time: Time) -> None:
        super().__init__()
        self._time = time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready, time = super().select(0), self._time
        if timeout is None and not ready:
            raise RuntimeError("everything waits, and for nothing")
        time.turns += 1
        time.turns_now = 0 if timeout and not ready else time.turns_now + 1
        if time.turns_now > BUSY:
            raise RuntimeError("a busy loop")
        if not ready:
            time.now += timeout or 0
        return ready


Around = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Calls what it is given, and lets the world have its say before and behind."""


class FarServer:
    """An asynchronous client, as a drain has one, whose scripts run at one stroke on ``store``.

    A socket of asyncio's would let no time pass in the world while the server works, and the fake
    takes many times as long as the real server does.
    """

    def __init__(self, store: redis.Redis, around: Around) -> None:
        self._store, self._around = store, around

    def register_script(self, source: str) -> Callable[..., Awaitable[Any]]:
        script = self._store.register_script(source)

        async def call(keys: Sequence[str], args: Sequence[Any]) -> Any:
            return await self._around(lambda: script(keys=keys, args=args))

        return call


async def at_once(script: Callable[[], Any]) -> Any:
    """The way to a server that is near and never fails; others have their turn meanwhile."""
    await asyncio.sleep(0)
    answer = script()
    await asyncio.sleep(0)
    return answer


class Post(NamedTuple):
    """One POST that was written."""

    id: str
    key: str
    at: float


async def until(condition: Callable[[], object]) -> None:
    """Let time pass, a tenth of a millisecond at a time, until ``condition`` holds."""
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.0001)


class Provider:
    """A gateway that answers after ``seconds(id)`` with ``answer(id)``, or waits for its event."""

    def __init__(self, time: Now) -> None:
        self._time = time
        self.posts: list[Post] = []
        self.under_way = self.most = self.shut = self.probes = 0
        self.answers_probes = True
        self.opening_seconds = self.probe_seconds = 0.0
        self.events: dict[str, asyncio.Event] = {}
        self.seconds: Callable[[str], float] = lambda name: 0.05
        self.answer: Callable[[str], Attempt] = accepted

    def request(self, message: Message) -> bytes:
        return json.dumps({"id": message.id, "to": message.to}).encode()

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool], trace: Mapping[str, str] = {}
    ) -> Attempt:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.opening_seconds)
            if not gate():
                self.shut += 1
                return Attempt(None)
            id = json.loads(request)["id"]
            self.posts.append(Post(id, key, self._time.now))
            if id in self.events:
                await self.events[id].wait()
            await asyncio.sleep(self.seconds(id))
            return self.answer(id)
        finally:
            self.under_way -= 1

    async def probe(self) -> bool:
        self.probes += 1
        await asyncio.sleep(self.probe_seconds)
        return self.answers_probes

    async def aclose(self) -> None:
        pass

    def posted(self) -> Counter[str]:
        return Counter(post.id for post in self.posts)

    async def has_posted(self, count: int) -> None:
        await until(lambda: len(self.posts) >= count)


def accepted(id: str) -> Attempt:
    return Attempt(Accepted(f"p-{id}"), took_ms=50, heard=True)


def answering(outcome: Outcome, *ids: str, times: int = 10**9) -> Callable[[str], Attempt]:
    """Answer ``ids`` (all, where none is named) with ``outcome`` so many times."""
    left = Counter(dict.fromkeys(ids, times))

    def answer(id: str) -> Attempt:
        if ids and left[id] <= 0:
            return accepted(id)
        left[id] -= 1
        return Attempt(outcome, took_ms=50, heard=True, answer="HTTP")

    return answer
