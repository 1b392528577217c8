"""A gateway's exchange: a POST to one URL, and a secret that no text shows."""

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
from .outcome import Accepted, Outcome, maybe_sent, not_sent
from .rate_headers import parse_rate_headers

HEADERS: Mapping[str, str] = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "User-Agent": "sluicegate",
}

PROBE_SECONDS = 5.0
REQUEST_TIMEOUT = 408
_HIDDEN = "(API key)"
_SHOWN = 500


def transport_of(account: Account) -> Transport:
    """A transport of the account's kind."""
    if account.transport == "httpx":
        # Here, since it takes 4 MB of each worker process.
        from ..transport.httpx import HttpxTransport

        return HttpxTransport(account)
    return AiohttpTransport(account)


class Exchange:
    """POSTs to one URL with one secret.

    ``outcome_of`` makes an outcome of each whole answer; ``secret`` is removed from whatever is
    kept or shown.
    """

    def __init__(
        self,
        transport: Transport,
        url: str,
        headers: Mapping[str, str],
        secret: str,
        outcome_of: Callable[[Reply], Outcome],
    ) -> None:
        self._transport, self._url, self._headers = transport, url, {**HEADERS, **headers}
        self._secret, self._outcome_of = secret, outcome_of

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
        outcome, answer = self._outcome_of(reply), ""
        if not isinstance(outcome, Accepted):
            body = reply.body.replace(self._secret.encode(), _HIDDEN.encode())
            reply = msgspec.structs.replace(reply, body=body)
            outcome, answer = self._outcome_of(reply), _shown(reply)
        failing = reply.status >= 500 or reply.status == REQUEST_TIMEOUT
        return Attempt(
            outcome, parse_rate_headers(reply.headers), _ms_since(began), True, answer, failing
        )

    async def get(self, url: str) -> bool:
        """Whether a GET is answered within PROBE_SECONDS, and not by a 5xx."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                return (await self._transport.get(url, self._headers)).status < 500
        except (NotSent, MaybeSent, TimeoutError):
            return False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    def _without_secret(self, error: Exception) -> str:
        """What went wrong. A server that repeats our request in its answer repeats the secret."""
        return str(error).replace(self._secret, _HIDDEN)


def webhooks_of(message: Message, receipts: WebhookUrls | None) -> tuple[str | None, str | None]:
    """The webhook URL and the failover URL that the provider is told.

    With ``receipts`` the webhook URL is ours, which relays to the message's own, and there is no
    failover. Raises InvalidMessage where the message's own is too long to be part of ours.
    """
    if receipts is None:
        return message.webhook_url, message.webhook_failover_url
    return receipts.url(message.id, message.webhook_url), None


def _shown(reply: Reply) -> str:
    return f"HTTP {reply.status} {reply.body.decode('utf-8', 'replace')}"[:_SHOWN]


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000
