"""Brings events to their webhook URLs when they are due: bounded, with tries and a failover."""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import NamedTuple

from ..http.outgoing import Outgoing
from ..settings import Webhooks

#: What the provider publishes: three tries at a URL, then three at its failover.
TRIES = 3

#: Header lines and body of one try; of its number, from 1, and its URL.
Write = Callable[[int, str], tuple[bytes, bytes]]

#: Posts header lines and a body to a URL, within seconds; the status, or 0 for no answer.
Posting = Callable[[str, bytes, bytes, float], Awaitable[int]]


class QueuedEvent(NamedTuple):
    """An event on its way; ``due`` is in monotonic seconds."""

    due: float
    #: Keeps the order of those due at the same time.
    number: int
    #: Of which reset it is, so that one under way then is not taken up again.
    era: int
    urls: tuple[str, ...]
    write: Write
    #: Tries in all.
    tries: int
    tried: int = 0


class WebhookSender:
    """The events that are due later or under way.

    ``post`` is how they travel, ``monotonic`` reads the clock that says when.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        *,
        post: Posting | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.webhooks = webhooks
        self._outgoing = Outgoing()
        self._post, self._monotonic = post or self._outgoing.post, monotonic
        self._numbers, self._era = count(), 0
        self._changed: asyncio.Event | None = None
        self._under_way: dict[asyncio.Task[None], QueuedEvent] = {}
        self.forget()

    def forget(self) -> None:
        """Drop all events, begin to count anew; a try that is under way is the last of its own."""
        self._era += 1
        self._waiting: list[QueuedEvent] = []
        self._counts: Counter[str] = Counter()

    def put(self, due: float, urls: Iterable[str], write: Write, *, once: bool = False) -> None:
        """Take an event, to be brought to the first URL that takes it; ``once`` is one try."""
        known = tuple(url for url in urls if url)
        tries = 1 if once else TRIES * len(known)
        self._counts["events"] += 1
        self._push(QueuedEvent(due, next(self._numbers), self._era, known, write, tries))

    def report(self) -> dict[str, int]:
        """How many events there were, tries, and what became of them, up to now."""
        names = ("events", "tries", "acknowledged", "given_up")
        counts = {name: self._counts[name] for name in names}
        return {**counts, "waiting": len(self._waiting), "under_way": len(self._under_way)}

    async def run(self) -> None:
        """Bring events until cancelled; one under way then is due again in the next run."""
        self._changed = asyncio.Event()
        try:
            while True:
                self._changed.clear()
                await self._pause(self._start())
        finally:
            tasks, self._changed = list(self._under_way), None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._outgoing.close()

    def _push(self, event: QueuedEvent) -> None:
        if event.era == self._era:
            heapq.heappush(self._waiting, event)
        if self._changed is not None:
            self._changed.set()

    def _start(self) -> float | None:
        """Start what is due; the seconds until there is more, None until something changes."""
        while self._waiting and len(self._under_way) < self.webhooks.connections:
            ahead = self._waiting[0].due - self._monotonic()
            if ahead > 0:
                return ahead
            event = heapq.heappop(self._waiting)
            task = asyncio.create_task(self._bring(event))
            self._under_way[task] = event
            task.add_done_callback(self._ended)
        return None

    async def _pause(self, seconds: float | None) -> None:
        assert self._changed is not None  # noqa: S101 - only run calls
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _bring(self, event: QueuedEvent) -> None:
        number = event.tried + 1
        url = event.urls[event.tried // TRIES]
        headers, body = event.write(number, url)
        counts = self._counts
        status = await self._post(url, headers, body, self.webhooks.timeout_seconds)
        counts["tries"] += 1
        if 200 <= status < 300:
            counts["acknowledged"] += 1
        elif number == event.tries:
            counts["given_up"] += 1
        else:
            wait_seconds = self.webhooks.retry_seconds * 2 ** (event.tried % TRIES)
            due = self._monotonic() + wait_seconds
            self._push(event._replace(due=due, tried=number))

    def _ended(self, task: asyncio.Task[None]) -> None:
        event = self._under_way.pop(task)
        if self._changed is not None:
            self._changed.set()
        if task.cancelled():
            self._push(event)
        elif (error := task.exception()) is not None:
            raise error  # into the loop's handler: a fault of ours, not of the receiver
