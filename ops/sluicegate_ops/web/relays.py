"""Passes webhooks on to the apps' URLs, each at least once: they wait in Redis until taken.

What came in for an account waits until its ``inbound_url`` takes it, however long that is away. A
message's receipt is given up after days; where an event would be, its app is passed no more.
Several processes share the work: whoever takes what is due for a target has it to itself for a
while, and what a process leaves undone is due again then.
"""

import asyncio
import logging
import random
import time as clocks
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Literal, NamedTuple, Self
from urllib.parse import urlsplit

import httpx
import redis.asyncio

from sluicegate.config import Config
from sluicegate.config.web import is_web_url
from sluicegate.errors import OutboxError, OutboxFull
from sluicegate.trace_context import TRACEPARENT, TRACESTATE, trace_context
from sluicegate.tracing import traced

from .counts import Counts
from .event_feed import KIND, EventEndpoint
from .guard import EVERYWHERE, GuardedTransport, NotPermitted, Resolver
from .relay_queue import EVENT, INBOUND, RelayedWebhook, RelayKind, RelayQueue, TakenWebhooks

log = logging.getLogger(__name__)

TRY_SECONDS: Final = 10.0
LEASE_SECONDS: Final = 30.0
BATCH: Final = 16
"""Webhooks that are under way to one target at once."""

TARGETS: Final = 8
"""Targets that one process serves at once."""

POLL_SECONDS: Final = 1.0
STOP_SECONDS: Final = 5.0
RECEIPT_SECONDS: Final = 3 * 86_400.0
"""How long a receipt or an event is passed on for, counted from when it came."""

_GONE: Final = "HTTP 410"  # the app says that it wants no more

_TRIES_PER_WARNING: Final = 60
_WHY_SHOWN: Final = 200


class _Passed(NamedTuple):
    """What became of one try: taken; failed, to be tried again; or dropped, and why.

    ``off``: failed, and the app's events are passed on no more.
    """

    outcome: Literal["taken", "failed", "dropped", "off"]
    why: str = ""


class Relays:
    """The webhooks of all accounts that are still to be passed on; an async context manager.

    ``client`` asks the apps, and by default goes only where that is permitted. Tests pass it,
    ``time`` (see ``Script.source``), ``wall`` in Unix seconds and ``dice``.
    """

    def __init__(
        self,
        redis_client: redis.asyncio.Redis,
        config: Config,
        counts: Counts,
        client: httpx.AsyncClient | None = None,
        *,
        time: str | None = None,
        wall: Callable[[], float] = clocks.time,
        dice: Callable[[], float] = random.random,
        endpoints: Mapping[tuple[str, str], EventEndpoint] = {},
    ) -> None:
        self._config, self._counts, self._endpoints = config, counts, endpoints
        self._wall, self._dice = wall, dice
        self.queues = {
            name: RelayQueue(redis_client, name, config.web.relay_bytes, time)
            for name in config.accounts
        }
        self._resolver = Resolver()
        self._clients = {private: client or self._guarded(private) for private in (False, True)}
        self._tasks = set[asyncio.Task[None]]()
        self._dispatch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def put(
        self,
        account: str,
        kind: RelayKind,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        app: str = "",
    ) -> None:
        """Keep a webhook, to be passed on as it came.

        A receipt is dropped where its URL is none, or too many wait: of all apps, or of the one
        whose message it tells of, which may take as much as it leaves free. Raises OutboxError,
        and OutboxFull where too much of what came in waits: then the provider keeps it for a
        while.
        """
        if kind != INBOUND and not is_web_url(url):
            self._counts.note("relays_dropped", account, "neither https nor a loopback host")
            return
        webhook = RelayedWebhook(kind, url, dict(headers), body, int(self._wall() * 1000), app)
        answer = await self.queues[account].put(webhook)
        if answer == "full":
            self._counts.note("relays_dropped", account, "web.relay_bytes of them wait")
            if kind == INBOUND:
                raise OutboxFull("web.relay_bytes of what came in wait for inbound_url")
        self._wake.set()

    async def settle(self) -> float:
        """Pass on all that is due; return the seconds until something more is."""
        while True:
            waits = [await self._take(queue) for queue in self.queues.values()]
            if self._tasks:
                await asyncio.gather(*self._tasks)
            elif min(waits):
                return min(waits)

    async def __aenter__(self) -> Self:
        self._dispatch = asyncio.create_task(self._go_on())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._dispatch is not None and not self._dispatch.done():
            self._dispatch.cancel()
            await asyncio.wait([self._dispatch], timeout=0.1)
        if self._tasks:  # what they leave undone is due again when their leases end
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()
        self._resolver.close()

    def _guarded(self, private: bool) -> httpx.AsyncClient:
        networks = EVERYWHERE if private else self._config.web.private_networks
        transport = GuardedTransport(networks, self._resolver)
        timeout = httpx.Timeout(TRY_SECONDS)
        return httpx.AsyncClient(
            transport=transport,
            headers={"user-agent": "sluicegate"},
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
        )

    async def _go_on(self) -> None:
        """Pass on what is due until cancelled, whatever Redis does meanwhile."""
        tries = 0
        while True:
            self._wake.clear()
            try:
                waits = [await self._take(queue) for queue in self.queues.values()]
                wait, tries = min(waits), 0
            except OutboxError as error:
                if tries % _TRIES_PER_WARNING == 0:
                    log.warning("webhooks are not passed on: %s", error)
                wait, tries = POLL_SECONDS, tries + 1
            if wait > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(wait, POLL_SECONDS)):
                        await self._wake.wait()

    async def _take(self, queue: RelayQueue) -> float:
        """Begin with what is due for one target; return the seconds until more may be due."""
        if len(self._tasks) >= TARGETS:
            return POLL_SECONDS
        taken = await queue.take(LEASE_SECONDS, BATCH)
        if not taken.target:
            return taken.wait_seconds
        task = asyncio.create_task(self._serve(queue, taken))
        self._tasks.add(task)
        task.add_done_callback(self._served)
        return 0.0

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("webhooks passed on are not noted, and go out again: %s", error)

    async def _serve(self, queue: RelayQueue, taken: TakenWebhooks) -> None:
        """Pass on what was taken, all at once, and tell Redis."""
        passed = await asyncio.gather(
            *(self._pass_on(queue.account, webhook) for webhook in taken.webhooks.values())
        )
        by_id = dict(zip(taken.webhooks, passed, strict=True))
        for one in passed:
            self._note(queue.account, one)
        failed = [id for id, one in by_id.items() if one.outcome in ("failed", "off")]
        why = next((one.why for one in passed if one.outcome in ("failed", "off")), "")
        await queue.end(
            taken,
            [id for id in by_id if id not in failed],
            failed,
            any_taken=any(one.outcome == "taken" for one in passed),
            why=why[:_WHY_SHOWN],
            dice=self._dice(),
        )
        over = (by_id[id].why for id in failed if by_id[id].outcome == "off")
        if why := next(over, ""):
            await self._give_up(queue, taken, why[:_WHY_SHOWN])

    async def _give_up(self, queue: RelayQueue, taken: TakenWebhooks, why: str) -> None:
        """Pass nothing more on to an app whose events these are, until a person says so."""
        app = next(one.app for one in taken.webhooks.values() if one is not None)
        if await queue.off(app, why):
            self._counts.note("events_off", queue.account, f"the app {app}: {why}")

    def wake(self) -> None:
        """Look at once for what is due."""
        self._wake.set()

    def _note(self, account: str, passed: _Passed) -> None:
        if passed.outcome == "taken":
            self._counts.note("relays", account)
        elif passed.outcome in ("failed", "off"):
            self._counts.note("relays_failed", account, passed.why)
        else:
            self._counts.note("relays_dropped", account, passed.why)

    async def _pass_on(self, account: str, webhook: RelayedWebhook | None) -> _Passed:
        if webhook is None:
            return _Passed("dropped", "it can't be read any more")
        if webhook.kind == EVENT:
            return await self._pass_event(account, webhook)
        settings = self._config.account(account)
        inbound = webhook.kind == INBOUND
        url = settings.inbound_url if inbound else webhook.url
        if not url:
            return _Passed("failed", "inbound_url is not set")
        client = self._clients[inbound and settings.inbound_private]
        try:
            why = await _asked(client, url, webhook.headers, webhook.body)
        except NotPermitted as error:
            if not inbound:
                return _Passed("dropped", f"{error}; web.relay_networks permits networks")
            why = f"{error}; if it is meant, set inbound_private = true"
        if not why:
            return _Passed("taken")
        return _Passed("dropped" if self._is_late(webhook) and not inbound else "failed", why)

    async def _pass_event(self, account: str, webhook: RelayedWebhook) -> _Passed:
        endpoint = self._endpoints.get((account, webhook.app))
        if endpoint is None:
            return _Passed("dropped", f"the app {webhook.app} has no events_url any more")
        id = webhook.headers["webhook-id"]
        signed = endpoint.signer.headers(id, webhook.body, int(self._wall()))
        headers, client = webhook.headers | signed, self._clients[endpoint.settings.events_private]
        try:
            why = await _delivered(client, account, endpoint, headers, webhook.body)
        except NotPermitted as error:
            why = f"{error}; if it is meant, set events_private = true"
        if not why:
            return _Passed("taken")
        return _Passed("off" if why == _GONE or self._is_late(webhook) else "failed", why)

    def _is_late(self, webhook: RelayedWebhook) -> bool:
        return self._wall() - webhook.put_ms / 1000 > RECEIPT_SECONDS


async def _delivered(
    client: httpx.AsyncClient,
    account: str,
    endpoint: EventEndpoint,
    headers: Mapping[str, str],
    body: bytes,
) -> str:
    """``_asked`` of an event, within the trace of its message."""
    url = endpoint.settings.events_url
    about = {
        "http.request.method": "POST",
        "server.address": urlsplit(url).hostname or "",
        "sluicegate.event": headers.get(KIND, ""),
    }
    parent = trace_context(headers.get(TRACEPARENT), headers.get(TRACESTATE))
    with traced("deliver", account, "CLIENT", parent, about) as span:
        if span is None:
            return await _asked(client, url, headers, body)
        own = span.context.headers if span.context else {}
        why = await _asked(client, url, {**headers, **own}, body)
        if why:
            span.fail(why.removeprefix("HTTP "))
        return why


async def _asked(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], body: bytes
) -> str:
    """Why the app does not take a webhook; ``""`` where it does. Raises NotPermitted."""
    try:
        async with asyncio.timeout(TRY_SECONDS):
            request = client.stream("POST", url, headers=dict(headers), content=body)
            async with request as answer:  # the body is not read, however long it is
                return "" if answer.is_success else f"HTTP {answer.status_code}"
    except NotPermitted:
        raise
    except TimeoutError:
        return f"no answer within {TRY_SECONDS:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return type(error).__name__  # its text may repeat the URL, and what is secret in it
