"""What the routes work with: accounts, apps and secrets, read and checked once at the start."""

import asyncio
import hmac
import os
import re
import time as clocks
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from types import TracebackType
from typing import NamedTuple, Self

import httpx
import redis
from starlette.datastructures import Headers

from sluicegate.config import Account, Config
from sluicegate.connections import connect, connect_async_client
from sluicegate.errors import InvalidConfig
from sluicegate.keys import Keys
from sluicegate.receipts import AsyncReceipts
from sluicegate.redis_errors import translated
from sluicegate.scripts import Script, Scripts
from sluicegate_worker.provider.registry import provider_of
from sluicegate_worker.provider.webhooks import WebhookReader

from ..metrics import AccountScrape
from .counts import AppAnswers, Counts
from .event_feed import EventFeed, event_endpoints
from .gathering import Gathering
from .heartbeat import Heartbeat
from .keywords import Keywords
from .problems import HttpProblem
from .relays import Relays
from .tenants import Tenant

EVENTS_KEPT = 100
"""How many events of unknown kinds are kept for a person to look at."""

EVENTS_KEPT_MS = 7 * 86_400_000
"""For how long: they may hold numbers and texts."""

KEEP = Script("sluicegate_ops.web.keep")

EVENT_IN = Script("sluicegate_ops.web.event_in")

_INBOUND_BYTES = 16_384
_EVENT_BYTES = 4_096
_KIND = re.compile(r"[a-z._-]{1,60}")  # what may stand in a log


class WebhookAccount(NamedTuple):
    """One account whose webhooks are taken: what reads them, and what records its receipts."""

    name: str
    readers: Sequence[WebhookReader]
    receipts: Gathering


class Site:
    """What all routes share; an async context manager that belongs to one event loop.

    ``relay_client`` and ``time`` are for tests: see ``Relays``. Raises InvalidConfig, naming the
    variable, where a secret is missing or malformed.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str] = os.environ,
        *,
        wall: Callable[[], float] = clocks.time,
        relay_client: httpx.AsyncClient | None = None,
        time: str | None = None,
    ) -> None:
        self.config, self.wall, self.counts = config, wall, Counts(config.accounts)
        self.answers = AppAnswers(config.web.apps)
        self.client = connect_async_client(config.redis_url, pack_in_c=True)
        self.blocking = connect(config.redis_url)  # for metrics, which are read in a thread
        self.scrape = AccountScrape(self.blocking, config)
        self.heartbeat = Heartbeat(self.client, config, environ)
        endpoints = event_endpoints(config, environ)
        self.relays = Relays(
            *(self.client, config, self.counts, relay_client),
            time=time,
            wall=wall,
            endpoints=endpoints,
        )
        queues, wake = self.relays.queues, self.relays.wake
        self.feed = EventFeed(self.client, endpoints.values(), queues, wall, wake, time)
        self.keywords = Keywords(self.client, config)
        self.receipts_secrets = _receipts_secrets(config, environ)
        self.webhook_accounts = self._webhook_accounts(environ)
        self._tenants = self._apps(environ)
        self._stack = AsyncExitStack()

    def caller(self, headers: Headers) -> Tenant:
        """The app whose bearer token a request has; raises HttpProblem where no app has it."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        shown = sha256(token.strip().encode(errors="replace")).digest()
        # All are compared, so that the time taken does not tell how close a guess was.
        callers = [
            tenant for hash, tenant in self._tenants.items() if hmac.compare_digest(hash, shown)
        ]
        if kind.lower() != "bearer" or not callers:
            self.counts.note("unauthorized")
            detail = "Send an app's token: Authorization: Bearer ..."
            challenge = {"www-authenticate": "Bearer"}
            raise HttpProblem(401, "10009", "Authentication failed", detail, headers=challenge)
        return callers[0]

    def inbound_accounts(self, profile: str, account: str) -> list[str]:
        """The accounts that a profile's event concerns, and that name an app for it.

        ``account`` is the one to whose URL it came.
        """
        listed = self.keywords.concerned(profile, account) if profile else ()
        concerned = dict.fromkeys([account, *listed])
        return [name for name in concerned if self.config.account(name).inbound_url]

    async def keep(self, account: str, kind: str, body: bytes) -> None:
        """Keep an event of an unknown kind, for EVENTS_KEPT_MS; raises OutboxUnavailable."""
        self.counts.note("unknown_events", account, kind if _KIND.fullmatch(kind) else "")
        scripts = Scripts(self.client, Keys(account).prefix)
        try:
            await scripts.acall(KEEP, [body[:_EVENT_BYTES], EVENTS_KEPT, EVENTS_KEPT_MS])
        except redis.RedisError as error:
            raise translated(error, ()) from error

    async def tell_inbound(self, accounts: Sequence[str], event_id: str, body: bytes) -> None:
        """Tell apps that want all events of what came in; raises OutboxUnavailable."""
        for account in accounts:
            apps = self.config.apps_of(account).values()
            if not any(app.events == "all" for app in apps):
                continue
            fields = ["body", body] if len(body) <= _INBOUND_BYTES else ["reason", "too large"]
            scripts = Scripts(self.client, Keys(account).prefix)
            try:
                await scripts.acall(EVENT_IN, [event_id, EVENTS_KEPT_MS, *fields])
            except redis.RedisError as error:
                raise translated(error, ()) from error

    async def __aenter__(self) -> Self:
        self._stack.push_async_callback(self.client.aclose)
        self._stack.callback(self.blocking.close)
        await self._stack.enter_async_context(self.relays)
        beating = asyncio.create_task(self.heartbeat.go_on())
        self._stack.push_async_callback(_ended, beating)
        feeding = asyncio.create_task(self.feed.go_on())
        self._stack.push_async_callback(_ended, feeding)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _webhook_accounts(self, environ: Mapping[str, str]) -> dict[str, WebhookAccount]:
        """The accounts whose webhooks can be checked, by name; no other's are taken."""
        webhook_accounts = {}
        for name, account in self.config.accounts.items():
            readers = provider_of(account).webhooks(account, environ)
            if readers:
                receipts = AsyncReceipts(self.client, self.config, name)
                gathering = Gathering(receipts.apply)
                webhook_accounts[name] = WebhookAccount(name, readers, gathering)
            elif self.config.web.public_url and account.receipts:
                raise _no_key(name, account)
        return webhook_accounts

    def _apps(self, environ: Mapping[str, str]) -> dict[bytes, Tenant]:
        """The apps by the hashes of their tokens; one whose token is exchanged has two."""
        tenants: dict[bytes, Tenant] = {}
        for name, app in self.config.web.apps.items():
            tenant = Tenant(self.config, name, self.client)
            for token in app.tokens(environ):
                hash = sha256(token.encode()).digest()
                if hash in tenants:
                    reason = f"the app {tenants[hash].name} has the same token: each needs its own"
                    raise InvalidConfig(app.token_env, reason)
                tenants[hash] = tenant
        return tenants


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel a task until it ends: redis-py may take a cancellation for a timeout."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.1)


def _receipts_secrets(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets that mark URLs as ours; empty where no message has such a URL."""
    asked = any(account.receipts for account in config.accounts.values())
    return config.web.receipts_secrets(environ) if config.web.public_url and asked else ()


def _no_key(name: str, account: Account) -> InvalidConfig:
    """What to say where an account asks for receipts and none could be checked."""
    signed_with = provider_of(account).api.webhooks_signed_with
    public_key = signed_with == "public_key"
    key = "public key that the provider's portal shows" if public_key else "webhooks' secret"
    return InvalidConfig(
        account.webhook_key_env,
        f"set it to the {key}, or no receipt of account {name} can be believed; "
        "or set receipts = false for the account",
    )
