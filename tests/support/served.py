"""A front door for tests: in process, or on a port in a thread; and a provider that signs."""

import asyncio
import json
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import httpx

from sluicegate import Config
from sluicegate.config import Account, App, Web
from sluicegate.webhook_urls import WebhookUrls
from sluicegate_ops.simulator.webhooks.signing import Signer, v1_headers
from sluicegate_ops.web.app import make_app, make_health_app
from sluicegate_ops.web.server import Server, listening
from sluicegate_ops.web.site import Site
from sluicegate_ops.web.wall import LIMITS, Limits

NOW = 1_700_000_000
PUBLIC_URL = "https://sms.example"
PROFILE = "40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3"
TOKEN, OTHER_TOKEN = "token-of-the-shop-0123", "token-of-the-clinic-0123"
V1_SECRET = "secret-of-a-v1-profile"
SENDER, NUMBER = "+15550000000", "+15550000001"

SIGNING_KEY = b64encode(bytes(range(32))).decode()
PROVIDER = Signer(SIGNING_KEY)
FORGER = Signer()
ENVIRON = {
    "SLUICEGATE_TELNYX_PUBLIC_KEY": PROVIDER.public_key,
    "V1_SECRET": V1_SECRET,
    "SLUICEGATE_RECEIPTS_SECRET": "a secret of the receipts' URLs",
    "TOKEN_SHOP": TOKEN,
    "TOKEN_CLINIC": OTHER_TOKEN,
}
URLS = WebhookUrls("", ENVIRON["SLUICEGATE_RECEIPTS_SECRET"], "default")


def config(redis_url: str, **web: Any) -> Config:
    """Two accounts, each with an app; the second listens to ``PROFILE``, and so does the first."""
    account = Account(v1_webhook_secret_env="V1_SECRET", messaging_profiles=(PROFILE,))
    apps = {
        "shop": App(token_env="TOKEN_SHOP"),
        "clinic": App(token_env="TOKEN_CLINIC", account="clinic"),
    }
    return Config(
        redis_url=redis_url,
        accounts={"default": account, "clinic": Account(messaging_profiles=(PROFILE,))},
        web=Web(**{"public_url": PUBLIC_URL, "apps": apps} | web),
    )


class Front:
    """The app, asked in process; ``now`` is its clock, in Unix seconds."""

    def __init__(
        self, config: Config, environ: Mapping[str, str] = ENVIRON, **options: Any
    ) -> None:
        self.now = float(NOW)
        self.site = Site(config, environ, wall=lambda: self.now, **options)
        self.app = make_app(self.site)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://front")
        monitored = httpx.ASGITransport(make_health_app(self.site))
        self.monitoring = httpx.AsyncClient(transport=monitored, base_url="http://health")

    async def hook(
        self, path: str, body: object, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Bring a webhook, as the provider signs it unless ``headers`` say otherwise."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = v2_signed(raw, self.now) if headers is None else headers
        return await self.http.post(path, content=raw, headers=dict(signed))

    async def send(
        self, *, token: str = TOKEN, headers: Mapping[str, str] | None = None, **body: Any
    ) -> httpx.Response:
        """Ask for a message as an app does."""
        fields = {"from": SENDER, "to": NUMBER, "text": "hi"} | body
        return await self.http.post("/v2/messages", json=fields, headers=bearer(token, headers))

    def count(self, what: str, account: str = "default") -> int:
        return self.site.counts[what, account]


@asynccontextmanager
async def opened(config: Config, **options: Any) -> AsyncIterator[Front]:
    front = Front(config, **options)
    async with front.app.router.lifespan_context(front.app), front.http, front.monitoring:
        yield front


def run(config: Config, story: Callable[[Front], Awaitable[None]], **options: Any) -> None:
    """Open a front door and have ``story`` happen at it."""

    async def told() -> None:
        async with opened(config, **options) as front:
            await story(front)

    asyncio.run(told())


class Urls(NamedTuple):
    """Where a server is reached: by everybody, and by whoever watches it."""

    front: str
    monitoring: str


@contextmanager
def serving(
    config: Config, environ: Mapping[str, str] = ENVIRON, limits: Limits = LIMITS
) -> Iterator[Urls]:
    """A real server in a thread."""
    ready = threading.Event()
    with listening("127.0.0.1", 0) as front, listening("127.0.0.1", 0) as monitored:
        sockets = [front, monitored]
        server = Server(Site(config, environ), ready.set, limits)
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets})
        thread.start()
        try:
            assert ready.wait(10), "the server did not start"
            yield Urls(*(f"http://127.0.0.1:{sock.getsockname()[1]}" for sock in sockets))
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def served(config: Config) -> Iterator[str]:
    """``serving``, of which only the front is of interest."""
    with serving(config) as urls:
        yield urls.front


def bearer(token: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} | dict(more or {})


def v2_signed(body: bytes, unix_seconds: float, signer: Signer = PROVIDER) -> dict[str, str]:
    return _named(signer.headers(body, int(unix_seconds)))


def v1_signed(body: bytes, unix_seconds: float, secret: str = V1_SECRET) -> dict[str, str]:
    return _named(v1_headers(secret, body, int(unix_seconds)))


def event(kind: str, payload: Mapping[str, Any], id: str = "event-1", at: float = NOW) -> Any:
    """A webhook of API v2."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at))
    data = {"event_type": kind, "id": id, "occurred_at": moment, "payload": payload}
    return {"data": data | {"record_type": "event"}, "meta": {"attempt": 1}}


def told(status: str, provider_id: str, event_id: str = "event-1", code: str = "") -> Any:
    """The receipt that a message has this status."""
    errors = [{"code": code, "title": "No"}] if code else []
    to = [{"phone_number": NUMBER, "status": status}]
    return event("message.finalized", {"id": provider_id, "to": to, "errors": errors}, event_id)


def wrote(text: str, at: float = NOW, sender: object = None, **payload: Any) -> Any:
    """The event that ``NUMBER``, or another sender, wrote something."""
    said = {"from": sender or {"phone_number": NUMBER}, "text": text}
    said |= {"messaging_profile_id": PROFILE}
    return event("message.received", said | payload, f"in-{text}-{at}", at)


def _named(lines: bytes) -> dict[str, str]:
    pairs = (line.split(": ", 1) for line in lines.decode().split("\r\n") if line)
    return dict(pairs)
