"""What Telnyx's webhooks tell, on either API: a receipt, or a message that came in."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec

from sluicegate.receipts import Delivery, Receipt

from ..webhooks import InboundMessage, Keyword, UnknownEvent, WebhookEvent
from .bills import v1_bill, v2_bill

DELIVERY_OF: Final[Mapping[str, Delivery]] = {
    "delivered": "delivered",
    "success": "delivered",
    "delivery_failed": "failed",
    "sending_failed": "failed",
    "expired": "failed",
    "failed": "failed",
    "gw_reject": "failed",
    "delivery_unconfirmed": "unconfirmed",
    "dlr_unconfirmed": "unconfirmed",
    "gw_timeout": "unconfirmed",
    "dlr_timeout": "unconfirmed",
}
"""The final statuses of both APIs; with any other status a message is still under way."""

_KEYWORDS: Final[Mapping[str, Keyword]] = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"), "stop"),
    **dict.fromkeys(("START", "UNSTOP"), "start"),
}
"""What Telnyx may name as the kind of a keyword that it acted on, written without spaces."""

_EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,120}")
_PROFILE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


def parse_v2_event(raw: bytes, id: str, heard_ms: int) -> WebhookEvent:
    """What a webhook of API v2 tells; see ``WebhookReader.read``."""
    return _parsed(raw, lambda body: _v2_event(body, raw, id, heard_ms))


def parse_v1_event(raw: bytes, id: str, heard_ms: int) -> WebhookEvent:
    """What a webhook of API v1 tells; see ``WebhookReader.read``."""
    return _parsed(raw, lambda body: _v1_event(body, raw, id, heard_ms))


def keyword_of(acted_on: str) -> Keyword:
    """What the provider says that it acted on: ``STOP``, ``START``, or anything else."""
    return _KEYWORDS.get("".join(acted_on.upper().split()), "")


def _parsed(raw: bytes, event_of: Callable[[Mapping[str, Any]], WebhookEvent]) -> WebhookEvent:
    try:
        return event_of(_table(_decoded(raw)))
    except (ValueError, RecursionError):
        return UnknownEvent("not JSON")


def _decoded(raw: bytes) -> object:
    """The JSON of a webhook; raises ValueError.

    A reply that was cut in the middle of an emoji holds half a character, which is no valid text.
    It may say STOP before: so the reader that takes it is asked where ours does not.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(raw.decode("utf-8", "replace"))


def _v2_event(body: Mapping[str, Any], raw: bytes, id: str, heard_ms: int) -> WebhookEvent:
    data = _table(body.get("data"))
    payload, kind = _table(data.get("payload")), _text(data.get("event_type"))
    occurred_ms = _iso_ms(data.get("occurred_at"), heard_ms)
    if kind == "message.received":
        return InboundMessage(
            event_id=_event_id(_text(data.get("id")), raw),
            number=_number(payload.get("from")),
            profile=_profile(payload.get("messaging_profile_id")),
            text=_text(payload.get("text")),
            keyword=keyword_of(_text(payload.get("autoresponse_type"))),
            occurred_ms=occurred_ms,
        )
    if kind not in ("message.sent", "message.finalized"):
        return UnknownEvent(kind)
    status = _text(_first(payload.get("to")).get("status"))
    return Receipt(
        event_id=_event_id(_text(data.get("id")), raw),
        id=id,
        provider_id=_text(payload.get("id")),
        delivery=DELIVERY_OF.get(status, "sent" if status == "sent" else ""),
        occurred_ms=occurred_ms,
        code=_code(payload),
        bill=v2_bill(payload),
    )


def _v1_event(body: Mapping[str, Any], raw: bytes, id: str, heard_ms: int) -> WebhookEvent:
    """A message detail record: a message has several, and none of them has an id of its own."""
    updated = body.get("updated")
    occurred_ms = updated if type(updated) is int else heard_ms
    if body.get("direction") == "inbound":
        content = body.get("body")
        return InboundMessage(
            event_id=_event_id("", raw),
            number=_number(body.get("from")),
            profile=_profile(body.get("profile_id")),
            text=_text(content) or _text(_table(content).get("text")),
            keyword="",
            occurred_ms=occurred_ms,
        )
    provider_id, status = _text(body.get("sms_id")), _text(body.get("status"))
    if not (provider_id and status):
        return UnknownEvent("")
    delivery_status = _text(body.get("delivery_status"))
    told = ":".join((provider_id, status, delivery_status, str(occurred_ms)))
    return Receipt(
        event_id=_event_id(told, raw),
        id=id,
        provider_id=provider_id,
        delivery=DELIVERY_OF.get(
            status, DELIVERY_OF.get(delivery_status, "sent" if status == "sent" else "")
        ),
        occurred_ms=occurred_ms,
        code=_code(body),
        bill=v1_bill(body),
    )


def _event_id(id: str, raw: bytes) -> str:
    """An id that can be part of a key: the event's own, or a hash of its whole text."""
    return id if _EVENT_ID.fullmatch(id) else blake2b(raw, digest_size=16).hexdigest()


def _code(record: Mapping[str, Any]) -> str:
    code = _first(record.get("errors")).get("code")
    return str(code) if type(code) in (str, int) else ""


def _profile(value: object) -> str:
    """A messaging profile's id, as far as it can be part of a key."""
    text = _text(value)
    return text if _PROFILE_ID.fullmatch(text) else ""


def _number(sender: object) -> str:
    """A sender's number, which Telnyx writes either by itself or inside an object."""
    return _text(sender) or _text(_table(sender).get("phone_number"))


def _iso_ms(value: object, otherwise_ms: int) -> int:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return otherwise_ms
    return int(moment.timestamp() * 1000) if moment.tzinfo else otherwise_ms


def _first(values: object) -> Mapping[str, Any]:
    return _table(values[0]) if isinstance(values, list) and values else {}


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
