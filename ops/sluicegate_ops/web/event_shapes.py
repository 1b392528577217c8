"""Events as an app gets them: in the provider's form where it has one, with facts of our own."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from sluicegate.errors import Malformed
from sluicegate.stored import Bill
from sluicegate.trace_context import TraceContext, stored_trace

from ..inspect import AppEvent
from .shapes import iso

STATUSES: Final[Mapping[str, str]] = {
    "accepted": "sending",
    "sent": "sent",
    "delivered": "delivered",
    "failed": "delivery_failed",
    "unconfirmed": "delivery_unconfirmed",
    "dead": "sending_failed",
    "suppressed": "sending_failed",
    "purged": "sending_failed",
    "expired": "expired",
    "cancelled": "cancelled",
    "in_doubt": "sending",
    "replayed": "queued",
    "sent_twice": "sending",
}
"""A kind of event about a message -> the provider's status for it."""

_PROVIDERS: Final[Mapping[str, str]] = {
    "sent": "message.sent",
    "delivered": "message.finalized",
    "failed": "message.finalized",
    "unconfirmed": "message.finalized",
}
"""What the provider calls an event; it has none of the others."""

_SENT: Final = ("sent", "delivered", "failed", "unconfirmed")
_TITLES: Final[Mapping[str, str]] = {
    "dead": "Not sent; a person decides what becomes of it",
    "suppressed": "Not sent: the recipient has opted out, or gets no more for now",
    "failed": "Not delivered",
    "purged": "Not sent",
}


def event_id(account: str, event: AppEvent) -> str:
    """The id that an event has at each try: unique also where numbers begin anew."""
    return f"{account}-{event.number}-{event.told_ms}"


def event_body(account: str, app: str, event: AppEvent) -> bytes:
    """An event as the JSON that ``app`` is sent, or reads: the same whenever it is made."""
    kind = _TYPES[event.kind](event) if event.kind in _TYPES else f"message.{event.kind}"
    happened = iso(_number(event.facts.get("at")) or event.told_ms)
    facts: dict[str, Any] = {"kind": event.kind, "number": event.number, "account": account}
    data = {
        "record_type": "event",
        "event_type": _PROVIDERS.get(event.kind, kind),
        "id": event_id(account, event),
        "occurred_at": happened,
    }
    if event.kind == "inbound":
        data |= _inbound(event)
    elif event.kind in _TYPES:
        data["payload"] = _plain(event)
    else:
        data["payload"] = _message(app, event)
        facts |= _about_message(event)
    trace = context.headers if (context := event_trace(event)) else {}
    whole = {"type": kind, "timestamp": happened, **trace, "data": data | {"sluicegate": facts}}
    return msgspec.json.encode(whole)


def event_trace(event: AppEvent) -> TraceContext | None:
    """The trace that the message of an event was enqueued in, if there was one."""
    return stored_trace(event.facts.get("trace", ""))


def trimmed_body(account: str, after: int, trimmed: int) -> bytes:
    """What tells an app that events behind a number are kept no longer."""
    data = {"account": account, "after": after, "trimmed": trimmed, "next": after + trimmed + 1}
    return msgspec.json.encode({"type": "events.trimmed", "data": data})


_TYPES: Final[Mapping[str, Any]] = {
    "campaign": lambda event: f"campaign.{event.facts.get('state', 'changed')}",
    "consent": lambda event: f"consent.{event.facts.get('act', 'changed').replace(' ', '_')}",
    "inbound": lambda event: "message.received",
}
"""What is about no message of ours -> its type."""


def _message(app: str, event: AppEvent) -> dict[str, Any]:
    facts, bill, parsed = event.facts, _bill(event), event.message
    recipient = {
        "phone_number": facts.get("to", ""),
        "status": STATUSES.get(event.kind, event.kind),
        "carrier": bill.carrier_name,
        "line_type": bill.line_type,
    }
    own = parsed.app == app and app != ""
    payload: dict[str, Any] = {
        "record_type": "message",
        "direction": "outbound",
        "id": parsed.key if own else event.id,
        "from": {"phone_number": facts.get("sender", ""), "carrier": "", "line_type": ""},
        "to": [recipient],
        "errors": _errors(event),
    }
    at = iso(_number(facts.get("at")) or event.told_ms)
    if event.kind in _SENT:
        payload |= {"sent_at": at} if event.kind == "sent" else {"completed_at": at}
    if bill.parts:
        payload["parts"] = bill.parts
    if bill.cost_billionths is not None:
        amount = f"{bill.cost_billionths / 1e9:.9f}".rstrip("0").rstrip(".")
        payload["cost"] = {"amount": amount, "currency": bill.currency}
    return payload


def _about_message(event: AppEvent) -> dict[str, Any]:
    facts = event.facts
    known = {
        "app": event.app,
        "campaign": event.message.campaign,
        "state": facts.get("state", ""),
        "provider_id": facts.get("provider_id", ""),
        "second_provider_id": facts.get("second_provider_id", ""),
        "code": facts.get("delivery_code") or facts.get("code", ""),
        "reason": facts.get("reason", ""),
    }
    return {name: value for name, value in known.items() if value} | {
        "attempts": _number(facts.get("attempts"))
    }


def _errors(event: AppEvent) -> list[dict[str, Any]]:
    if event.kind not in _TITLES:
        return []
    facts = event.facts
    code = facts.get("delivery_code") or facts.get("code", "")
    if event.kind == "suppressed" and not code:
        code = "40300"
    detail = "" if event.kind == "failed" else facts.get("reason", "")
    return [{"code": code, "title": _TITLES[event.kind], "detail": detail}]


def _plain(event: AppEvent) -> dict[str, Any]:
    facts: dict[str, Any] = dict(event.facts)
    said = facts.pop("said", "")
    try:
        more = msgspec.json.decode(said) if said else {}
    except msgspec.DecodeError:
        more = {}
    return (more if isinstance(more, dict) else {}) | facts


def _inbound(event: AppEvent) -> dict[str, Any]:
    """What the provider sent, where it was no larger than is kept."""
    try:
        sent = msgspec.json.decode(event.facts.get("body", ""))
    except msgspec.DecodeError:
        sent = {}
    data = sent.get("data") if isinstance(sent, dict) else None
    payload = data.get("payload") if isinstance(data, dict) else None
    return {"event_type": "message.received", "payload": payload or _plain(event)}


def _bill(event: AppEvent) -> Bill:
    try:
        return Bill.parse(event.facts["bill"]) if "bill" in event.facts else Bill()
    except Malformed:
        return Bill()


def _number(text: str | None) -> int:
    try:
        return int(float(text or 0))
    except ValueError:
        return 0
