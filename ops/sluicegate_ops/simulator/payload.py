"""The JSON of an accepted message, in the shape that the provider answers with."""

from datetime import UTC, datetime

import msgspec

from sluicegate.segments import MAX_PARTS, Segments

from .validation import Body

#: What the provider publishes: a message waits in its queue for up to 4 hours.
QUEUE_SECONDS = 4 * 3600.0

_COST_PER_PART = {"SMS": 0.004, "MMS": 0.015}
_ORGANIZATION = "5b6f9f0e-7d0c-4a55-9c3f-1f0f5a1c0de5"
_PROFILE = "40017f3a-52c6-4d4a-8a39-0c5d9f6b7a11"


class _Address(msgspec.Struct, omit_defaults=True):
    phone_number: str
    carrier: str
    line_type: str
    status: str | None = None


class _Media(msgspec.Struct):
    url: str
    content_type: str | None = None
    sha256: str | None = None
    size: int | None = None


class _Money(msgspec.Struct):
    amount: str
    currency: str = "USD"


class _Message(msgspec.Struct, rename={"from_": "from"}):
    id: str
    type: str
    messaging_profile_id: str
    from_: _Address
    to: list[_Address]
    text: str
    subject: str | None
    media: list[_Media]
    webhook_url: str | None
    webhook_failover_url: str | None
    encoding: str
    parts: int
    num_chars: int
    cost: _Money
    received_at: str
    valid_until: str
    cc: list[_Address] = []
    record_type: str = "message"
    direction: str = "outbound"
    organization_id: str = _ORGANIZATION
    tags: list[str] = []
    cost_breakdown: None = None
    tcr_campaign_id: None = None
    tcr_campaign_billable: bool = False
    tcr_campaign_registered: None = None
    smart_encoding_applied: bool = False
    wait_seconds: float = 0.0
    sent_at: None = None
    completed_at: None = None
    errors: list[str] = []


class _Envelope(msgspec.Struct):
    data: _Message


_encoder = msgspec.json.Encoder()


def render(id: str, received_at: float, body: Body, segments: Segments) -> bytes:
    """The answer to a send or a retrieval: the same bytes each time, so a replay is exact.

    ``received_at`` is a Unix time in seconds; ``body`` has passed ``validation.check``.
    """
    text = str(body.text or "")
    kind = "MMS" if body.media_urls or body.type == "MMS" else "SMS"
    parts = 1 if kind == "MMS" else min(segments.parts, MAX_PARTS)
    status = "scheduled" if body.send_at else "queued"
    message = _Message(
        id=id,
        type=kind,
        messaging_profile_id=_text(body.messaging_profile_id) or _PROFILE,
        from_=_Address(_text(body.from_) or "+15555550000", "Telnyx", "VoIP"),
        to=[_Address(str(body.to), "SIMULATED", "Wireless", status)],
        text=text,
        subject=_text(body.subject),
        media=[_Media(url) for url in body.media_urls]
        if isinstance(body.media_urls, list)
        else [],
        webhook_url=_text(body.webhook_url),
        webhook_failover_url=_text(body.webhook_failover_url),
        encoding=segments.encoding,
        parts=parts,
        num_chars=len(text),
        cost=_Money(f"{parts * _COST_PER_PART[kind]:.4f}"),
        received_at=_iso(received_at),
        valid_until=_iso(received_at + QUEUE_SECONDS),
    )
    return _encoder.encode(_Envelope(message))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _iso(unix_seconds: float) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds")
