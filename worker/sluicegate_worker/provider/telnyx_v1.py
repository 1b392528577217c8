"""Telnyx API v1, the legacy one: one POST /messages per message, and no idempotency key.

So nothing tells a repeated request from a second message: what may have been sent must not be
sent again by itself. The account's policy on doubts says so, and is ``hold`` unless configured.

v1 has no field for a profile (the secret stands for one), a number pool, an encoding, or the
choice between webhooks; what a message says on them is not sent, but a message that needs a pool
or both text and media can't be made.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import msgspec

from sluicegate.config import Account
from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.webhook_urls import WebhookUrls

from ..transport import Reply, Transport
from .gateway import Attempt
from .outcome import Accepted, Answer, Doubt, Outcome, decided
from .telnyx import Exchange, answer, answered, decoded, text, transport_of, webhooks_of

_KINDS: Mapping[str, str] = {
    **dict.fromkeys((".mp4", ".mov", ".3gp", ".3gpp", ".webm"), "video"),
    **dict.fromkeys((".mp3", ".m4a", ".aac", ".amr", ".ogg", ".wav"), "audio"),
    **dict.fromkeys((".txt", ".vcf", ".ics"), "text"),
}
"""What v1 calls a medium, by the ending of its URL; all others are pictures."""


class TelnyxV1:
    """The v1 gateway of one account; ``secret`` is its profile's, ``receipts`` as in v2."""

    def __init__(
        self,
        account: Account,
        secret: str,
        transport: Transport | None = None,
        receipts: WebhookUrls | None = None,
    ) -> None:
        self._receipts = receipts
        self._exchange = Exchange(
            transport or transport_of(account),
            account.base_url.rstrip("/") + "/messages",
            {"X-Profile-Secret": secret},
            secret,
            lambda reply: understood(reply, account.outcomes),
        )

    def request(self, message: Message) -> bytes:
        """The body of POST /messages; raises InvalidMessage for what v1 can't send."""
        if message.sender is None:
            raise InvalidMessage("sender", None, "API v1 has no number pool: name one", message.id)
        if message.media_urls and message.text:
            reason = "API v1 sends an MMS without text: put it into subject, or use API v2"
            raise InvalidMessage("text", message.text, reason, message.id)
        webhook_url, failover_url = webhooks_of(message, self._receipts)
        fields = {
            "from": message.sender,
            "to": message.to,
            "body": message.text or None,
            "subject": message.subject,
            "media_urls": [{_kind(url): url} for url in message.media_urls] or None,
            "delivery_status_webhook_url": webhook_url,
            "delivery_status_failover_url": failover_url,
        }
        return msgspec.json.encode({k: v for k, v in fields.items() if v is not None})

    async def send(
        self, request: bytes, key: str, gate: Callable[[], bool] = lambda: True
    ) -> Attempt:
        """POST ``request`` and say what came of it; v1 has no place for ``key``."""
        return await self._exchange.post(request, gate)

    async def probe(self) -> bool:
        """True: there is nothing free to ask for, so one message finds out."""
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()


def understood(reply: Reply, overrides: Mapping[str, str] = {}) -> Outcome:
    """The outcome of an answer, whatever it looks like; never raises."""
    if not 200 <= reply.status < 300:
        return decided(_answer(reply), overrides)
    provider_id = decoded(reply.body).get("sms_id")
    if not provider_id or not isinstance(provider_id, str):
        return Doubt(f"HTTP {reply.status} with an answer that can't be read", "unreadable")
    return Accepted(provider_id)


def _answer(reply: Reply) -> Answer:
    """An error in v2's form, or in v1's: ``success`` false, a ``status`` and a ``message``."""
    body = decoded(reply.body)
    if "errors" in body or body.get("success") is not False:
        return answered(reply)
    said = text(body.get("status"))
    code = said if len(said) == 5 and said.isdecimal() else ""
    return answer(reply, code, body.get("message") or "refused")


def _kind(url: str) -> str:
    return _KINDS.get(PurePosixPath(urlsplit(url).path).suffix.lower(), "img")
