"""A gateway's exchange: a POST to one URL, and a secret that no text shows."""

import asyncio
import time
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from sluicegate.config import Account
from sluicegate.message import Message
from sluicegate.redaction import Redaction
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
        self._redaction, self._outcome_of = Redaction([secret], _HIDDEN), outcome_of

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
            why = self._redaction.hide(str(error))
            return Attempt(not_sent(why), took_ms=_ms_since(began), failing=True)
        except MaybeSent as error:
            why = self._redaction.hide(str(error))
            return Attempt(maybe_sent(why), took_ms=_ms_since(began), failing=True)
        outcome, answer = self._outcome_of(reply), ""
        if not isinstance(outcome, Accepted):
            outcome, answer = self._without_secret(reply)
        failing = reply.status >= 500 or reply.status == REQUEST_TIMEOUT
        rate, took_ms = parse_rate_headers(reply.headers), _ms_since(began)
        return Attempt(outcome, rate, took_ms, True, answer, failing, reply.status)

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

    def _without_secret(self, reply: Reply) -> tuple[Outcome, str]:
        """The outcome of an answer, and the answer as people see it.

        A server that repeats our request in its answer repeats the secret, in whatever spelling.
        It is cut out before the texts are cut to their lengths, or half of it would stay.
        """
        body = self._redaction.cut(reply.body.decode("utf-8", "surrogateescape"))
        outcome = self._outcome_of(replace(reply, body=body.encode("utf-8", "surrogateescape")))
        if isinstance(outcome, Accepted):
            return outcome, ""
        if self._redaction.repeats(body):
            body = self._redaction.notice
            code = outcome.code if outcome.code.isdigit() else str(reply.status)
            outcome = replace(outcome, why=f"HTTP {reply.status} {body}", code=code)
        shown = body.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        outcome = replace(outcome, code=self._redaction.hide(outcome.code))
        return outcome, f"HTTP {reply.status} {shown}"[:_SHOWN]


def webhooks_of(message: Message, receipts: WebhookUrls | None) -> tuple[str | None, str | None]:
    """The webhook URL and the failover URL that the provider is told.

    With ``receipts`` the webhook URL is ours, which relays to the message's own; its failover
    stays, for when ours does not answer. Raises InvalidMessage where the message's own is too long
    to be part of ours.
    """
    if receipts is None:
        return message.webhook_url, message.webhook_failover_url
    return receipts.url(message.id, message.webhook_url), message.webhook_failover_url


def _ms_since(began: float) -> float:
    return (time.monotonic() - began) * 1000
