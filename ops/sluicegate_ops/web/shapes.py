"""Messages as the provider shows them, so that its SDK understands our answers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from sluicegate.keys import ENDED_BY_LIMITS
from sluicegate.message import Message

from ..inspect import MessageRecord

STATUSES: Final[Mapping[str, str]] = {
    "waiting": "queued",
    "granted": "queued",
    "retrying": "queued",
    "scheduled": "scheduled",
    "started": "sending",
    "in_doubt": "sending",
    "accepted": "sending",
    "expired": "expired",
    "cancelled": "cancelled",
    "dead": "sending_failed",
    "suppressed": "sending_failed",
    "purged": "sending_failed",
}
"""Our state of a message -> the provider's status for it."""

_DELIVERIES: Final[Mapping[str, str]] = {
    "delivered": "delivered",
    "failed": "delivery_failed",
    "unconfirmed": "delivery_unconfirmed",
}
SENT: Final = "sent"
"""Handed to the carrier, as a receipt said."""

MESSAGE_STATUSES: Final = frozenset((*STATUSES.values(), SENT, *_DELIVERIES.values()))
"""Every status that a message may be shown with."""

_TITLES: Final[Mapping[str, str]] = {
    "dead": "Not sent; a person decides what becomes of it",
    "suppressed": "Blocked due to STOP message",
    "purged": "Not sent",
}


_LIMITS: Final = dict.fromkeys(ENDED_BY_LIMITS, "Not sent; its recipient gets no more for now")


def shown(
    message: Message, status: str, received_ms: int, cost: Mapping[str, str] | None = None
) -> bytes:
    """A message that was just taken, with its status; ``cost`` is what it is reckoned to."""
    payload = _payload(message.id, message, message.to, status, received_ms)
    return enveloped(payload | {"cost": cost})


def recorded(record: MessageRecord) -> dict[str, Any]:
    """A message as its record shows it now."""
    status = record.status
    state = status.state
    word = _DELIVERIES.get(record.delivery, "") if state == "accepted" else ""
    handed = SENT if state == "accepted" and record.sent_ms else ""
    payload = _payload(
        status.id,
        record.message,
        status.to,
        word or handed or STATUSES.get(state, state),
        status.enqueued_ms,
    )
    if state == "accepted":
        payload["sent_at"] = iso(record.sent_ms or status.changed_ms) if word or handed else None
        payload["completed_at"] = iso(record.delivery_ms or status.changed_ms) if word else None
    elif status.finished:
        payload["completed_at"] = iso(status.changed_ms)
    if record.delivery_code:
        payload["errors"] = [_error(record.delivery_code, "Not delivered", "")]
    elif state in _TITLES:
        title = _LIMITS.get(status.code, _TITLES[state])
        code = status.code or ("40300" if state == "suppressed" else "")
        payload["errors"] = [_error(code, title, status.reason)]
    return payload


def _payload(
    id: str, message: Message | None, to: str, status: str, received_ms: int
) -> dict[str, Any]:
    recipient = {"phone_number": to, "status": status, "carrier": "", "line_type": ""}
    payload: dict[str, Any] = {
        "record_type": "message",
        "direction": "outbound",
        "id": id,
        "to": [recipient],
        "cc": [],
        "received_at": iso(received_ms),
        "sent_at": None,
        "completed_at": None,
        "cost": None,
        "errors": [],
        "tags": [],
    }
    return payload | (_content(message) if message else {})


def _content(message: Message) -> dict[str, Any]:
    segments = message.segments
    expires_at = message.expires_at
    sender = {"phone_number": message.sender or "", "carrier": "", "line_type": ""}
    profile = message.messaging_profile_id
    return ({"messaging_profile_id": profile} if profile else {}) | {
        "type": message.type,
        "from": sender,
        "text": message.text or "",
        "subject": message.subject,
        "media": [
            {"url": url, "content_type": None, "sha256": None, "size": None}
            for url in message.media_urls
        ],
        "webhook_url": message.webhook_url,
        "webhook_failover_url": message.webhook_failover_url,
        "encoding": segments.encoding,
        "parts": segments.parts,
        "valid_until": iso(int(expires_at.timestamp() * 1000)) if expires_at else None,
    }


def _error(code: str, title: str, detail: str) -> dict[str, Any]:
    return {"code": code, "title": title, "detail": detail, "source": {"pointer": "/to/0"}}


def iso(wall_ms: int) -> str:
    """A time as the provider writes it."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="milliseconds")


def enveloped(payload: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"data": payload})
