"""What Telnyx's two APIs share: the exchange, the secret that is never shown, and error bodies."""

import asyncio
import time
from collections.abc import Callable, Mapping

import msgspec

from sluicegate.config import Account
from sluicegate.message import Message
from sluicegate.webhook_urls import WebhookUrls

from ..transport import GateClosed, MaybeSent, NotSent, Reply, Transport
from ..transport.aiohttp import AiohttpTransport
from .gateway import Attempt
from .outcome import Accepted, Answer, Outcome, maybe_sent, not_sent
from .rate_headers import parse_rate_headers, parse_retry_after_ms

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a body may raise."""

HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": "sluicegate",
}

PROBE_SECONDS = 5.0
REQUEST_TIMEOUT = 408
_HIDDEN = "(API key)"
_SHOWN, _CODE_SHOWN = 500, 40


def transport_of(account: Account) -> Transport:
    """A transport of the account's kind."""
    if account.transport == "httpx":
        # Here, since it takes 4 MB of each worker process.
        from ..transport.httpx import HttpxTransport

        return HttpxTransport(account)
    return AiohttpTransport(account)


class Exchange:
    """POSTs to one URL with one secret; ``understood`` makes an outcome of each whole answer."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        headers: Mapping[str, str],
        secret: str,
        understood: Callable[[Reply], Outcome],
    ) -> None:
        self._transport, self._url, self._headers = transport, url, {**HEADERS, **headers}
        self._secret, self._understood = secret, understood

    async def post(
        self, request: bytes, gate: Callable[[], bool], headers: Mapping[str, str] | None = None
    ) -> Attempt:
        """POST ``request`` and say what came of it; see ``gateway.Gateway.send``."""
        sent = {**self._headers, **headers} if headers else self._headers
        began = time.monotonic()
        try:
            reply = await self._transport.post(self._url, sent, request, gate)
        except GateClosed:
            return Attempt(None)
        except NotSent as error:
            why = self._without_secret(error)
            return Attempt(not_sent(why), took_ms=_ms_since(began), failing=True)
        except MaybeSent as error:
            why = self._without_secret(error)
            return Attempt(maybe_sent(why), took_ms=_ms_since(began), failing=True)
        outcome, answer = self._understood(reply), ""
        if not isinstance(outcome, Accepted):
            body = reply.body.replace(self._secret.encode(), _HIDDEN.encode())
            reply = msgspec.structs.replace(reply, body=body)
            outcome, answer = self._understood(reply), _shown(reply)
        failing = reply.status >= 500 or reply.status == REQUEST_TIMEOUT
        return Attempt(
            outcome, parse_rate_headers(reply.headers), _ms_since(began), True, answer, failing
        )

    async def get(self, url: str) -> bool:
        """Whether anything but a server's failure answers a GET within PROBE_SECONDS."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return (await self._transport.get(url, self._headers)).status < 500
        except (NotSent, MaybeSent, TimeoutError):
            return False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _without_secret(self, error: Exception) -> str:
        """What went wrong; a server that repeats our request in its answer repeats the secret."""
        return str(error).replace(self._secret, _HIDDEN)


def webhooks_of(message: Message, receipts: WebhookUrls | None) -> tuple[str | None, str | None]:
    """The webhook and the failover URL that go to the provider: ours, where receipts are set up.

    Ours passes on to the message's own. Raises InvalidMessage where that one is too long for it.
    """
    if receipts is None:
        return message.webhook_url, message.webhook_failover_url
    return receipts.url(message.id, message.webhook_url), None


def answered(reply: Reply) -> Answer:
    """What an error says, wherever it says it: only the status is sure to be there."""
    body = decoded(reply.body)
    errors = body.get("errors")
    listed = errors if isinstance(errors, list) else [errors]
    first = next((error for error in listed if isinstance(error, dict)), {})
    return answer(reply, first.get("code"), first.get("title"), first.get("detail"))


def answer(reply: Reply, code: object, title: object, detail: object = None) -> Answer:
    """An answer of these texts; what is no text is taken as none."""
    wait_seconds = max(0.0, parse_retry_after_ms(reply.headers) / 1000)
    return Answer(reply.status, text(code)[:_CODE_SHOWN], text(title), text(detail), wait_seconds)


def decoded(body: bytes) -> dict[str, object]:
    """A body's object, empty where it is none."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    return found if isinstance(found, dict) else {}


def text(value: object) -> str:
    """A code is published as a string and seen as a number."""
    return str(value).strip() if type(value) in (str, int) else ""


def _shown(reply: Reply) -> str:
    return f"HTTP {reply.status} {reply.body.decode('utf-8', 'replace')}"[:_SHOWN]


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000
