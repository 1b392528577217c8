"""Sends events to webhook URLs when they are due, with retries, a failover and a cap."""

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from typing import NamedTuple

from ..http.outgoing import Outgoing
from ..settings import Webhooks

#: As published: three tries at a URL, then three at its failover URL.
TRIES = 3

#: Makes the header lines and body of one try, from its number (from 1) and its URL.
Write = Callable[[int, str], tuple[bytes, bytes]]

#: Posts header lines and a body to a URL within some seconds; returns the status, or 0.
Posting = Callable[[str, bytes, bytes, float], Awaitable[int]]


class QueuedEvent(NamedTuple):
    """An event to be sent; ``due`` is in monotonic seconds."""

    due: float
    #: Keeps events in order that are due at the same time.
    number: int
    #: The number of resets before it, so that a reset also drops events in flight.
    era: int
    urls: tuple[str, ...]
    write: Write
    #: The number of tries in total.
    tries: int
    #: What to do once it is acknowledged.
    acknowledged: Callable[[], None]
    tried: int = 0
    #: The tries so far: Unix seconds, URL and status of each (0: none came in time).
    tries_made: tuple[tuple[float, str, int], ...] = ()


class EndedEvent(NamedTuple):
    """An event that a URL has taken, or that was given up, with its last body and its tries."""

    taken: bool
    body: bytes
    tries: tuple[tuple[float, str, int], ...]


class WebhookSender:
    """Holds the events that are due later or in flight, and sends them.

    ``post`` sends one; ``monotonic`` reads the clock of their due times.
    """

    def __init__(
        self,
        webhooks: Webhooks,
        *,
        post: Posting | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.webhooks, self._wall = webhooks, wall
        #: Called for each event that ended; None keeps no tries.
        self.on_end: Callable[[EndedEvent], None] | None = None
        self._outgoing = Outgoing()
        self._post, self._monotonic = post or self._outgoing.post, monotonic
        self._numbers, self._era = count(), 0
        self._changed: asyncio.Event | None = None
        self._under_way: dict[asyncio.Task[None], QueuedEvent] = {}
        self.forget()

    def forget(self) -> None:
        """Drop all events and counts; an event in flight is not tried again."""
        self._era += 1
        self._waiting: list[QueuedEvent] = []
        self._counts: Counter[str] = Counter()

    def put(
        self,
        due: float,
        urls: Iterable[str],
        write: Write,
        *,
        once: bool = False,
        acknowledged: Callable[[], None] = lambda: None,
    ) -> None:
        """Schedule an event for the first URL that accepts it, or for one try if ``once``.

        ``acknowledged`` is called when one has accepted it.
        """
        given = tuple(url for url in urls if url)
        tries = 1 if once else TRIES * len(given)
        self._counts["events"] += 1
        event = QueuedEvent(due, next(self._numbers), self._era, given, write, tries, acknowledged)
        self._push(event)

    def report(self) -> dict[str, int]:
        """Counts of events and tries so far, by what happened to them."""
        names = ("events", "tries", "acknowledged", "given_up")
        counts = {name: self._counts[name] for name in names}
        return {**counts, "waiting": len(self._waiting), "under_way": len(self._under_way)}

    async def run(self) -> None:
        """Send events until cancelled; an event then in flight is sent again in the next run."""
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
        """Start what is due; return the seconds until the next, None to wait for a change."""
        while self._waiting and len(self._under_way) < self.webhooks.connections:
            ahead = self._waiting[0].due - self._monotonic()
            if ahead > 0:
                return ahead
            event = heapq.heappop(self._waiting)
            task = asyncio.create_task(self._send(event))
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

    async def _send(self, event: QueuedEvent) -> None:
        number = event.tried + 1
        url = event.urls[event.tried // TRIES]
        headers, body = event.write(number, url)
        counts, at = self._counts, self._wall()
        status = await self._post(url, headers, body, self.webhooks.timeout_seconds)
        counts["tries"] += 1
        ended = 200 <= status < 300 or number == event.tries
        if self.on_end is not None:
            event = event._replace(tries_made=(*event.tries_made, (at, url, status)))
            if ended and event.era == self._era:
                self.on_end(EndedEvent(200 <= status < 300, body, event.tries_made))
        if 200 <= status < 300:
            counts["acknowledged"] += 1
            event.acknowledged()
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
            raise error  # to the loop's handler: our fault, not the receiver's
