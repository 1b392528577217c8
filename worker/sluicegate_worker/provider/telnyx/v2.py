"""Telnyx API v2: one POST /messages per message, under an idempotency key."""

from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from sluicegate.config import Account
from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.webhook_urls import WebhookUrls

from ...transport import Reply, Transport
from ..exchange import Exchange, transport_of, webhooks_of
from ..gateway import Attempt
from ..outcome import Accepted, Doubt, Outcome, decided
from .answers import UNREADABLE, parse_error
from .bills import v2_bill

MAX_WAIT_SECONDS = 14_400.0
"""Telnyx queues a message for at most 4 hours, so a longer ``wait_seconds`` is cut to this."""


class _Body(msgspec.Struct):
    data: dict[str, object]


class _RawBody(msgspec.Struct):
    data: dict[str, msgspec.Raw]


_body, _raw_body = msgspec.json.Decoder(_Body), msgspec.json.Decoder(_RawBody)


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
    data = _data(reply.body)
    provider_id = data.get("id")
    if not provider_id or not isinstance(provider_id, str):
        return Doubt(f"HTTP {reply.status} with an answer that can't be read", "unreadable")
    replayed = reply.headers.get("idempotent-replayed", "").lower() == "true"
    return Accepted(provider_id, replayed, _wait_seconds(data.get("wait_seconds")), v2_bill(data))


def _data(body: bytes) -> Mapping[str, object]:
    """What an answer says of the message; garbage in one field does not hide the others."""
    try:
        return _body.decode(body).data
    except UNREADABLE:
        pass
    try:
        return {name: _value(raw) for name, raw in _raw_body.decode(body).data.items()}
    except UNREADABLE:
        return {}


def _value(raw: msgspec.Raw) -> object:
    with suppress(*UNREADABLE):
        return msgspec.json.decode(raw)
    with suppress(ValueError):  # a number beyond all numbers
        return float(bytes(raw))
    return None


def _wait_seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return min(max(0.0, value), MAX_WAIT_SECONDS)
