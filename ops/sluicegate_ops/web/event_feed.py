"""Gives apps their events: from the stream of an account to what waits for each app's URL.

Each app has a place of its own in the stream. What it was given waits among the webhooks that are
passed on (``relays.py``), those of one message one after the other. A process that dies between
the two leaves the place where it was: what is given twice has the same id.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import redis
import redis.asyncio

from sluicegate.config import App, Config
from sluicegate.errors import OutboxError
from sluicegate.keys import Keys
from sluicegate.redis_errors import translated
from sluicegate.scripts import Argument, Script, Scripts

from ..inspect import AppEvent, event_of
from .event_shapes import event_body, event_id, event_trace, trimmed_body
from .event_signing import EventSigner
from .relay_queue import RelayedWebhook, RelayQueue, target_of_events

log = logging.getLogger(__name__)

TAKE = Script("sluicegate_ops.web.event_take")
GIVEN = Script("sluicegate_ops.web.event_given")

MOST_WAITING: Final = 1_000
"""Messages whose events may wait for one app's URL; the others stay in the stream."""

PAGE: Final = 100
POLL_SECONDS: Final = 0.25
TAKEN_MS: Final = 30_000
KIND: Final = "sluicegate-event"
_TRIES_PER_WARNING: Final = 240


class EventEndpoint(NamedTuple):
    """Where one app's events are passed on to, and what signs them."""

    account: str
    app: str
    settings: App
    signer: EventSigner


def event_endpoints(
    config: Config, environ: Mapping[str, str] = os.environ
) -> dict[tuple[str, str], EventEndpoint]:
    """The endpoints of all apps that have one, by account and app; raises InvalidConfig."""
    found = {}
    for name, app in config.web.apps.items():
        if app.events_url:
            signer = EventSigner(app.events_secret_env, app.events_secrets(environ))
            found[app.account, name] = EventEndpoint(app.account, name, app, signer)
    return found


class EventFeed:
    """Gives every endpoint its events; tests pass ``time``, see ``Script.source``."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        endpoints: Iterable[EventEndpoint],
        queues: Mapping[str, RelayQueue],
        wall: Callable[[], float],
        on_given: Callable[[], None],
        time: str | None = None,
    ) -> None:
        self._endpoints, self._queues = list(endpoints), queues
        self._wall, self._on_given = wall, on_given
        self._scripts = {
            endpoint.account: Scripts(client, Keys(endpoint.account).prefix, time)
            for endpoint in self._endpoints
        }

    async def feed(self) -> int:
        """Give each endpoint what it was not given yet; return how many events that were."""
        count = 0
        for endpoint in self._endpoints:
            while given := await self._give(endpoint):
                count += given
        if count:
            self._on_given()
        return count

    async def go_on(self) -> None:
        """Give until cancelled, whatever Redis does meanwhile."""
        tries = 0
        while self._endpoints:
            try:
                await self.feed()
                tries = 0
            except OutboxError as error:
                if tries % _TRIES_PER_WARNING == 0:
                    log.warning("events are not passed on: %s", error)
                tries += 1
            except Exception:  # one that we did not think of must not end all that follow
                log.exception("events are not passed on")
            await asyncio.sleep(POLL_SECONDS)

    async def _give(self, endpoint: EventEndpoint) -> int:
        """Give one endpoint a page; return how many events were taken, also others' than its."""
        target = target_of_events(endpoint.app)
        args: list[Argument] = [endpoint.app, TAKEN_MS, PAGE, target, MOST_WAITING]
        taken = cast("Sequence[Any]", await self._call(endpoint, TAKE, args))
        if not taken:
            return 0
        given, oldest, entries = taken
        events = [event_of(entry) for entry in entries]
        trimmed = max(0, int(oldest) - int(given) - 1)
        if trimmed:
            await self._tell_trimmed(endpoint, int(given), trimmed)
        last = int(given)
        for event in events:
            if not await self._put(endpoint, event):
                break
            last = event.number
        if not events:  # all of them are kept no longer
            last = max(last, int(oldest) - 1)
        await self._call(endpoint, GIVEN, [endpoint.app, given, last])
        return last - int(given)

    async def _tell_trimmed(self, endpoint: EventEndpoint, given: int, trimmed: int) -> None:
        """Tell an app, and whoever reads the log, that events are kept no longer."""
        account, app, last = endpoint.account, endpoint.app, given + trimmed
        said = "%s: %d events were not given to the app %s: they are kept no longer"
        log.warning(said, account, trimmed, app)
        body = trimmed_body(account, given, trimmed)
        headers = {"content-type": "application/json", KIND: "trimmed"}
        headers["webhook-id"] = f"{account}-{last}-trimmed"
        now_ms = int(self._wall() * 1000)
        webhook = RelayedWebhook("event", "", headers, body, now_ms, app, last, "account")
        await self._queues[account].put(webhook)

    async def _put(self, endpoint: EventEndpoint, event: AppEvent) -> bool:
        """Keep one event for its URL, if it is the app's; False where there is no room."""
        wants_all = endpoint.settings.events == "all"
        if not event.is_for(endpoint.app, wants_all=wants_all):
            return True
        id, trace = event_id(endpoint.account, event), event_trace(event)
        headers = {"content-type": "application/json", KIND: event.kind, "webhook-id": id}
        webhook = RelayedWebhook(
            "event",
            "",
            headers | (trace.headers if trace else {}),
            event_body(endpoint.account, endpoint.app, event),
            int(self._wall() * 1000),
            endpoint.app,
            event.number,
            event.line,
        )
        return await self._queues[endpoint.account].put(webhook) != "full"

    async def _call(
        self, endpoint: EventEndpoint, script: Script, args: Sequence[Argument]
    ) -> object:
        try:
            return await self._scripts[endpoint.account].acall(script, args)
        except redis.RedisError as error:
            raise translated(error, ()) from error
