"""Passes webhooks on to the apps' own URLs, in the background: bounded, with three tries.

This is best effort: what waits here is lost with the process. The message's delivery is not: it
was recorded before.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self

import httpx

from sluicegate.config.web import is_web_url

from .counts import Counts

TRIES: Final = 3
TRY_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 1.0
STOP_SECONDS: Final = 5.0

Sleep = Callable[[float], Awaitable[None]]


class _Relay(NamedTuple):
    account: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Relays:
    """The webhooks that are still to be passed on; an async context manager.

    At most ``waiting`` wait, and at most ``at_once`` are under way.
    """

    def __init__(
        self,
        counts: Counts,
        client: httpx.AsyncClient | None = None,
        *,
        waiting: int = 1_000,
        at_once: int = 16,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = client or httpx.AsyncClient(timeout=TRY_SECONDS, follow_redirects=False)
        self._queue: asyncio.Queue[_Relay] = asyncio.Queue(waiting)
        self._counts, self._at_once, self._sleep = counts, at_once, sleep
        self._tasks: list[asyncio.Task[None]] = []

    def put(self, account: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        """Queue a webhook, to be passed on as it came; it is dropped where too many wait."""
        if not is_web_url(url):
            self._counts.note("relays_dropped", account, "neither https nor a loopback host")
            return
        try:
            self._queue.put_nowait(_Relay(account, url, headers, body))
        except asyncio.QueueFull:
            self._counts.note("relays_dropped", account)

    async def settled(self) -> None:
        """Wait until nothing waits and nothing is under way."""
        await self._queue.join()

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._at_once)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.settled()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _work(self) -> None:
        while True:
            relay = await self._queue.get()
            try:
                taken = await self._passed_on(relay)
                self._counts.note("relays" if taken else "relays_failed", relay.account)
            finally:
                self._queue.task_done()

    async def _passed_on(self, relay: _Relay) -> bool:
        for number in range(TRIES):
            if number:
                await self._sleep(PAUSE_SECONDS * 2**number)
            try:
                async with asyncio.timeout(TRY_SECONDS):
                    request = self._client.stream(
                        "POST", relay.url, headers=relay.headers, content=relay.body
                    )
                    async with request as answer:  # the body is not read, however long it is
                        if answer.is_success:
                            return True
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError):
                continue
        return False
