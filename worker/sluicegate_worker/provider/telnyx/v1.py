"""Telnyx API v1, the legacy one: one POST /messages per message, and no idempotency key.

Telnyx can't tell a repeated request from a second message, so a message that may have been sent is
not sent again automatically: the account's policy on doubts is ``hold`` unless configured.

v1 has no field for a messaging profile (the secret stands for one), a number pool, an encoding, or
the choice between webhooks. What a message says about them is left out. A message that needs a
pool, or has both text and media, is refused.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import msgspec

from sluicegate.config import Account
from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.webhook_urls import WebhookUrls

from ...transport import Reply, Transport
from ..exchange import Exchange, transport_of, webhooks_of
from ..gateway import Attempt
from ..outcome import Accepted, Doubt, ErrorAnswer, Outcome, decided
from .answers import decoded, error_answer, parse_error, text_of
from .bills import v1_bill

_KINDS: Mapping[str, str] = {
    **dict.fromkeys((".mp4", ".mov", ".3gp", ".3gpp", ".webm"), "video"),
    **dict.fromkeys((".mp3", ".m4a", ".aac", ".amr", ".ogg", ".wav"), "audio"),
    **dict.fromkeys((".txt", ".vcf", ".ics"), "text"),
}
"""What v1 calls a medium, by the suffix of its URL, unless the message says so; else a picture."""


class TelnyxV1:
    """The v1 gateway of one account.

    ``secret`` is its messaging profile's. With ``receipts`` each message names a URL of ours.
    """

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
            lambda reply: outcome_of(reply, account.outcomes),
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
            "media_urls": _media(message) or None,
            "delivery_status_webhook_url": webhook_url,
            "delivery_status_failover_url": failover_url,
        }
        return msgspec.json.encode({k: v for k, v in fields.items() if v is not None})

    async def send(
        self,
        request: bytes,
        key: str,
        gate: Callable[[], bool] = lambda: True,
        trace: Mapping[str, str] = {},
    ) -> Attempt:
        """POST ``request`` and say what came of it; v1 has no place for ``key``."""
        return await self._exchange.post(request, gate, trace)

    async def probe(self) -> bool:
        """True: v1 has nothing free to ask for, so the next message finds out."""
        return True

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()


def outcome_of(reply: Reply, overrides: Mapping[str, str] = {}) -> Outcome:
    """The outcome of an answer, whatever it looks like; never raises."""
    if not 200 <= reply.status < 300:
        return decided(_parse_error(reply), overrides)
    body = decoded(reply.body)
    provider_id = body.get("sms_id")
    if not provider_id or not isinstance(provider_id, str):
        return Doubt(f"HTTP {reply.status} with an answer that can't be read", "unreadable")
    return Accepted(provider_id, bill=v1_bill(body))


def _parse_error(reply: Reply) -> ErrorAnswer:
    """An error in v2's form, or in v1's: ``success`` false, a ``status`` and a ``message``."""
    body = decoded(reply.body)
    if "errors" in body or body.get("success") is not False:
        return parse_error(reply)
    status = text_of(body.get("status"))
    code = status if len(status) == 5 and status.isdecimal() else ""
    return error_answer(reply, code, body.get("message") or "refused")


def _media(message: Message) -> list[dict[str, str]]:
    kinds = message.media_kinds or map(_kind, message.media_urls)
    return [{kind: url} for kind, url in zip(kinds, message.media_urls, strict=True)]


def _kind(url: str) -> str:
    return _KINDS.get(PurePosixPath(urlsplit(url).path).suffix.lower(), "img")
