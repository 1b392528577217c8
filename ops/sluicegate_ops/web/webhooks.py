"""``POST /receipts/...``: the provider's webhooks, which are recorded before they are answered."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sluicegate.deadlines import in_time
from sluicegate.errors import OutboxError
from sluicegate.receipts import Receipt, ReceiptResult
from sluicegate.stored import MessageId
from sluicegate.webhook_urls import verified
from sluicegate_worker.provider.webhooks import Forged, InboundMessage, WebhookEvent, WebhookReader

from .bodies import body_of
from .peers import Proxies
from .problems import HttpProblem, not_found, unavailable
from .site import Site, WebhookAccount

log = logging.getLogger(__name__)

MESSAGE_ID: Final = "Sluicegate-Message-Id"
"""The header of a relayed webhook that holds the app's own id for the message: its body holds only
the provider's."""

ACCOUNT: Final = "Sluicegate-Account"
"""The header of what came in for an account: apps of several accounts may share a URL."""

RECORD_SECONDS: Final = 1.5
"""Telnyx waits 2 s for an answer before it tries again."""


class WebhookRoutes:
    """The endpoints for receipts, opt-outs and every other event of the provider."""

    def __init__(self, site: Site) -> None:
        self._site, web = site, site.config.web
        self._proxies, self._networks = Proxies(web.proxies), Proxies(web.webhook_networks)

    async def of_message(self, request: Request) -> Response:
        """``/receipts/{account}/{id}/{mac}``: what became of one message."""
        site, account = self._site, self._account(request)
        body = await body_of(request, site.config.web.max_body_bytes)
        reader = self._check(request, account, body)
        id, mac = request.path_params["id"], request.path_params["mac"]
        relay = request.query_params.get("relay")
        if not verified(site.receipts_secrets, account.name, id, mac, relay):
            site.counts.note("bad_urls", account.name)
            raise HttpProblem(403, "10010", "Authorization failed", "This URL is not one of ours.")
        async with self._recording(account.name):
            await self._record(account, reader, body, id)
            if relay:
                own = MessageId.parse(id)  # we made the URL, and so the id
                headers = _passed_on(request, reader) | {MESSAGE_ID: own.key}
                await site.relays.put(account.name, "receipt", relay, headers, body, own.app)
        return Response()

    async def of_profile(self, request: Request) -> Response:
        """``/receipts/{account}``: a messaging profile's events, opt-outs above all.

        All of them are passed on to the apps that the accounts concerned name: those of messages
        that we sent have URLs of their own, so none of these is ours alone.
        """
        site, account = self._site, self._account(request)
        body = await body_of(request, site.config.web.max_body_bytes)
        reader = self._check(request, account, body)
        async with self._recording(account.name):
            event = await self._record(account, reader, body, "")
            profile = event.profile if isinstance(event, InboundMessage) else ""
            names = site.inbound_accounts(profile, account.name)
            if not names:
                site.counts.note("inbound_unclaimed", account.name)
            if isinstance(event, InboundMessage):
                concerned = site.keywords.concerned(profile, account.name) if profile else ()
                told = dict.fromkeys([account.name, *concerned])
                await site.tell_inbound(list(told), event.event_id, body)
            for name in names:
                headers = _passed_on(request, reader) | {ACCOUNT: name}
                await site.relays.put(name, "inbound", "", headers, body)
        return Response()

    def _account(self, request: Request) -> WebhookAccount:
        account = self._site.webhook_accounts.get(request.path_params["account"])
        if account is None:
            raise not_found("No webhooks are taken for an account of that name.")
        address = self._sent_from(request)
        if self._site.config.web.webhook_networks and address not in self._networks:
            self._site.counts.note("foreign_addresses", account.name, address)
            title, detail = "Authorization failed", "Webhooks are not taken from this address."
            raise HttpProblem(403, "10010", title, detail)
        return account

    def _sent_from(self, request: Request) -> str:
        """The address that sent a request: its peer's or, behind a proxy, what the proxy saw."""
        peer = request.client.host if request.client else ""
        if peer not in self._proxies:
            return peer
        # A proxy adds its own client at the end; what stands before may be made up.
        return request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()

    def _check(self, request: Request, account: WebhookAccount, body: bytes) -> WebhookReader:
        """Check a webhook's signature before its body is parsed; return what reads it."""
        try:
            reader = _reader_of(account, request.headers)
            reader.check(request.headers, body, self._site.wall())
        except Forged as error:
            self._site.counts.note("forged", account.name, str(error))
            title, detail = "Authentication failed", "The signature is missing, wrong or too old."
            raise HttpProblem(401, "10009", title, detail) from None
        return reader

    @asynccontextmanager
    async def _recording(self, account: str) -> AsyncIterator[None]:
        """Answer 503 where Redis has not taken all of a webhook in time."""
        try:
            async with in_time(RECORD_SECONDS):
                yield
        except (OutboxError, TimeoutError) as error:
            self._site.counts.note("not_recorded", account, _reason(error))
            raise unavailable("It could not be recorded; send it again.", 1) from None

    async def _record(
        self, account: WebhookAccount, reader: WebhookReader, body: bytes, id: str
    ) -> WebhookEvent:
        """Record what a webhook tells us, and return that."""
        now_ms = int(self._site.wall() * 1000)
        event, counts = reader.read(body, id, now_ms), self._site.counts
        match event:
            case Receipt():
                answer = await account.receipts.apply(event)
                counts.note(f"receipts_{answer}", account.name)
                _warn_of_second(account.name, event, answer)
            case InboundMessage():
                heard = await self._site.keywords.hear(event, account.name, now_ms)
                counts.note(f"inbound_{heard}", account.name)
            case _:
                await self._site.keep(account.name, event.kind, body)
        return event


def _passed_on(request: Request, reader: WebhookReader) -> dict[str, str]:
    """The headers that an app needs to check and read a webhook as it came."""
    signed = {name: request.headers.get(name, "") for name in reader.headers}
    return signed | {"content-type": request.headers.get("content-type", "application/json")}


def _reason(error: Exception) -> str:
    return str(error) or f"Redis did not answer within {RECORD_SECONDS:g} s"


def _warn_of_second(account: str, receipt: Receipt, answer: ReceiptResult) -> None:
    if answer == "twice":
        log.warning(
            "%s: message %s was sent twice, the second time as %s: sluicegate twice list",
            account,
            receipt.id,
            receipt.provider_id,
        )


def _reader_of(account: WebhookAccount, headers: Mapping[str, str]) -> WebhookReader:
    """The reader whose signature header the webhook has; raises Forged where none matches."""
    for reader in account.readers:
        if reader.headers[0] in headers:
            return reader
    raise Forged("it has no signature that this account has a key for")
