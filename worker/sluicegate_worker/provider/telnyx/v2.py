"""Telnyx API v2: one POST /messages per message, under an idempotency key."""

from collections.abc import Callable, Mapping

import msgspec

from sluicegate.config import Account
from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.stored import Bill
from sluicegate.webhook_urls import WebhookUrls

from ...transport import Reply, Transport
from ..exchange import Exchange, transport_of, webhooks_of
from ..gateway import Attempt
from ..outcome import Accepted, Doubt, Outcome, decided
from .answers import UNREADABLE, parse_error
from .bills import v2_bill

MAX_WAIT_SECONDS = 14_400.0
"""Telnyx queues a message for at most 4 hours, so a longer ``wait_seconds`` is cut to this."""


_UNSAID = msgspec.Raw(b"null")
_BILLED = ("to", "parts", "cost", "cost_breakdown", "tcr_campaign_id")


class _AcceptedMessage(msgspec.Struct):
    id: str = ""
    # All but the id are raw: garbage in one of them must not hide the others.
    wait_seconds: msgspec.Raw = msgspec.Raw(b"0")
    to: msgspec.Raw = _UNSAID
    parts: msgspec.Raw = _UNSAID
    cost: msgspec.Raw = _UNSAID
    cost_breakdown: msgspec.Raw = _UNSAID
    tcr_campaign_id: msgspec.Raw = _UNSAID


class _AcceptedBody(msgspec.Struct):
    data: _AcceptedMessage = msgspec.field(default_factory=_AcceptedMessage)


_accepted_body = msgspec.json.Decoder(_AcceptedBody)


class TelnyxV2:
    """The v2 gateway of one account; with ``receipts`` each message names a URL of ours."""

    def __init__(
        self,
        account: Account,
        api_key: str,
        transport: Transport | None = None,
        receipts: WebhookUrls | None = None,
    ) -> None:
        self._receipts = receipts
        self._balance_url = account.base_url.rstrip("/") + "/balance"
        self._exchange = Exchange(
            transport or transport_of(account),
            account.base_url.rstrip("/") + "/messages",
            {"Authorization": f"Bearer {api_key}"},
            api_key,
            lambda reply: outcome_of(reply, account.outcomes),
        )

    def request(self, message: Message) -> bytes:
        """The body of POST /messages, without the fields that the message leaves open.

        Raises InvalidMessage for what v2 can't send.
        """
        if message.text is None and not message.media_urls:
            reason = "API v2 sends no subject alone: add a text or media, or use API v1"
            raise InvalidMessage("text", None, reason, message.id)
        webhook_url, failover_url = webhooks_of(message, self._receipts)
        fields = {
            "from": message.sender,
            "messaging_profile_id": message.messaging_profile_id,
            "to": message.to,
            "text": message.text,
            "subject": message.subject,
            "media_urls": list(message.media_urls) or None,
            "type": message.type,
            "encoding": None if message.encoding == "auto" else message.encoding,
            "webhook_url": webhook_url,
            "webhook_failover_url": failover_url,
            "use_profile_webhooks": message.use_profile_webhooks,
            "auto_detect": message.auto_detect,
        }
        return msgspec.json.encode({k: v for k, v in fields.items() if v is not None})

    async def send(
        self,
        request: bytes,
        key: str,
        gate: Callable[[], bool] = lambda: True,
        trace: Mapping[str, str] = {},
    ) -> Attempt:
        """POST ``request`` under ``key`` and say what came of it; see ``gateway.Gateway``."""
        return await self._exchange.post(request, gate, {"Idempotency-Key": key, **trace})

    async def probe(self) -> bool:
        """Ask for the balance, which is free."""
        return await self._exchange.get(self._balance_url)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()


def outcome_of(reply: Reply, overrides: Mapping[str, str] = {}) -> Outcome:
    """The outcome of an answer, whatever it looks like; never raises."""
    if 200 <= reply.status < 300:
        return _accepted(reply)
    return decided(parse_error(reply), overrides)


def _accepted(reply: Reply) -> Outcome:
    try:
        data = _accepted_body.decode(reply.body).data
    except UNREADABLE:
        data = _AcceptedMessage()
    if not data.id:
        return Doubt(f"HTTP {reply.status} with an answer that can't be read", "unreadable")
    replayed = reply.headers.get("idempotent-replayed", "").lower() == "true"
    return Accepted(data.id, replayed, _wait_seconds(data.wait_seconds), _bill(data))


def _bill(data: _AcceptedMessage) -> Bill:
    return v2_bill({name: _value(getattr(data, name)) for name in _BILLED})


def _value(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE:  # a number beyond all numbers
        return None


def _wait_seconds(raw: msgspec.Raw) -> float:
    try:
        return min(max(0.0, float(bytes(raw))), MAX_WAIT_SECONDS)
    except ValueError:  # a text, null, true, a list
        return 0.0
