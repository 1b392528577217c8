"""The flat JSON of API v1: answers, retrievals, status webhooks and errors."""

import hashlib
from datetime import UTC, datetime

import msgspec

from sluicegate.segments import Segments

from ..delivery import DELIVERY_ERRORS, DeliveryState
from ..message import AcceptedMessage
from .errors import PROBLEMS
from .payload import ORGANIZATION, kind_of
from .validation import Body

#: State: API v1's status and delivery status.
_STATUSES = {
    "queued": ("queued", ""),
    "sent": ("sent", ""),
    "delivered": ("delivered", "success"),
    "delivery_failed": ("failed", "failed"),
    "delivery_unconfirmed": ("dlr_unconfirmed", "unconfirmed"),
    "expired": ("gw_timeout", "failed"),
}


def answer(id: str, message: AcceptedMessage, body: Body, segments: Segments) -> bytes:
    """The answer to a send."""
    common = _common(id, message, body, DeliveryState("queued"), message.received_at)
    text = str(body.text or "")
    is_mms = kind_of(body) == "MMS"
    sent = {"src": body.from_, "dst": body.to, "body": text, "is_mms": is_mms}
    parts = {"coding": _coding(segments), "parts": message.segments}
    return msgspec.json.encode({**common, "gw_sms_id": id, "msg": sent, **parts})


def record(
    id: str, message: AcceptedMessage, body: Body, segments: Segments, state: DeliveryState
) -> bytes:
    """The answer to a retrieval, and the body of a status webhook."""
    updated = state.completed_at or state.sent_at or message.received_at
    text = str(body.text or "")
    raw = text.encode()
    # Both hashes are the same: only a carrier would see the text in another coding.
    digest = hashlib.sha256(raw).hexdigest()
    told = message.billed.told(final=state.completed_at is not None)
    content = {
        "text": text,
        "text_hash": digest,
        "coding": _coding(segments),
        "num_chars": len(text),
        "num_bytes": len(raw),
        "bytes_hash": digest,
        "parts": told.parts,
    }
    return msgspec.json.encode(
        {
            **_common(id, message, body, state, updated),
            "sms_gw_id": id,
            "type": kind_of(body),
            "direction": "outbound",
            "from": body.from_,
            "to": body.to,
            "on_net": False,
            "cost": told.amount,
            "currency": None if told.amount is None else told.currency,
            "body": content,
        }
    )


def error(name: str, status: int) -> bytes:
    """The flat body of an error; ``name`` is a row of the error table."""
    problem = PROBLEMS[name]
    text = f"{problem.title}: {problem.detail}"
    flat = {"success": False, "status": status, "code": problem.code, "message": text}
    return msgspec.json.encode(flat)


def _common(
    id: str, message: AcceptedMessage, body: Body, state: DeliveryState, updated: float
) -> dict[str, object]:
    status, delivery_status = _STATUSES.get(state.status, (state.status, "failed"))
    code = state.code
    return {
        "sms_id": id,
        "user_id": ORGANIZATION,
        "profile_id": message.profile,
        "status": status,
        "delivery_status": delivery_status,
        "created": int(message.received_at * 1000),
        "updated": int(updated * 1000),
        "date_created": _naive(message.received_at),
        "date_updated": _naive(updated),
        "errors": [{"code": code, "title": DELIVERY_ERRORS.get(code, "")}] if code else [],
        "carrier": message.carrier,
        "line_type": "Wireless",
    }


def _coding(segments: Segments) -> int:
    """The data coding scheme: 0 is GSM-7, 8 is UCS-2."""
    return 0 if segments.encoding == "GSM-7" else 8


def _naive(unix_seconds: float) -> str:
    moment = datetime.fromtimestamp(unix_seconds, UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")
