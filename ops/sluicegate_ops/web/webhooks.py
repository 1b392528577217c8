"""``POST /receipts/...``: the provider's webhooks, recorded before they are answered."""

import asyncio
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sluicegate.errors import OutboxError
from sluicegate.receipts import Receipt
from sluicegate.webhook_urls import verified
from sluicegate_worker.provider.webhooks import Forged, InboundMessage, WebhookReader

from .bodies import body_of
from .problems import Problem, not_found, unavailable
from .site import Door, Site

RECORD_SECONDS: Final = 1.5
"""Telnyx waits 2 s for an answer before it tries again."""


class WebhookRoutes:
    """The endpoints for receipts, opt-outs and whatever else the provider tells."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def of_message(self, request: Request) -> Response:
        """``/receipts/{account}/{id}/{mac}``: what became of one message."""
        site, door = self._site, self._door(request)
        body = await body_of(request, site.config.web.max_body_bytes)
        reader = self._check(request, door, body)
        id, mac = request.path_params["id"], request.path_params["mac"]
        relay = request.query_params.get("relay")
        secret = site.receipts_secret
        if not secret or not verified(secret, door.account, id, mac, relay):
            site.counts.note("bad_urls", door.account)
            raise Problem(403, "10010", "Authorization failed", "This URL is not one of ours.")
        await self._record(door, reader, body, id)
        if relay:
            content_type = request.headers.get("content-type", "application/json")
            signed = {name: request.headers.get(name, "") for name in reader.headers}
            headers = signed | {"content-type": content_type}
            site.relays.put(door.account, relay, headers, body)
        return Response()

    async def of_profile(self, request: Request) -> Response:
        """``/receipts/{account}``: what a messaging profile tells, opt-outs above all."""
        door = self._door(request)
        body = await body_of(request, self._site.config.web.max_body_bytes)
        await self._record(door, self._check(request, door, body), body, "")
        return Response()

    def _door(self, request: Request) -> Door:
        door = self._site.doors.get(request.path_params["account"])
        if door is None:
            raise not_found("No webhooks are taken for an account of that name.")
        return door

    def _check(self, request: Request, door: Door, body: bytes) -> WebhookReader:
        """What reads a webhook, once its signature has been checked; nothing is parsed before."""
        try:
            reader = _reader_of(door, request.headers)
            reader.check(request.headers, body, self._site.wall())
        except Forged as error:
            self._site.counts.note("forged", door.account, str(error))
            title, detail = "Authentication failed", "The signature is missing, wrong or too old."
            raise Problem(401, "10009", title, detail) from None
        return reader

    async def _record(self, door: Door, reader: WebhookReader, body: bytes, id: str) -> None:
        event = reader.read(body, id, int(self._site.wall() * 1000))
        counts = self._site.counts
        try:
            async with asyncio.timeout(RECORD_SECONDS):
                match event:
                    case Receipt():
                        answer = await door.receipts.apply(event)
                        counts.note(f"receipts_{answer}", door.account)
                    case InboundMessage():
                        heard = await self._site.keywords.hear(event, door.account)
                        counts.note(f"inbound_{heard}", door.account)
                    case _:
                        await self._site.keep(door.account, event.kind, body)
        except (OutboxError, TimeoutError):
            counts.note("not_recorded", door.account)
            raise unavailable("It could not be recorded; send it again.", 1) from None


def _reader_of(door: Door, headers: Mapping[str, str]) -> WebhookReader:
    """The reader for this kind of webhook, told by its signature's header; raises Forged."""
    for reader in door.readers:
        if reader.headers[0] in headers:
            return reader
    raise Forged("it has no signature that this account has a key for")
