"""The JSON of an accepted message, in the provider's format."""

from datetime import UTC, datetime

import msgspec

from sluicegate.segments import MAX_PARTS, Segments

from ..billing import ToldCost
from ..delivery import DELIVERY_ERRORS, QUEUED, DeliveryState
from ..message import AcceptedMessage
from ..settings import QUEUE_SECONDS
from .validation import Body

ORGANIZATION = "5b6f9f0e-7d0c-4a55-9c3f-1f0f5a1c0de5"
PROFILE = "40017f3a-52c6-4d4a-8a39-0c5d9f6b7a11"


class Address(msgspec.Struct, omit_defaults=True):
    phone_number: str
    carrier: str
    line_type: str
    status: str | None = None


class _Media(msgspec.Struct):
    url: str
    content_type: str | None = None
    sha256: str | None = None
    size: int | None = None


class Money(msgspec.Struct):
    amount: str
    currency: str = "USD"


class CostBreakdown(msgspec.Struct):
    carrier_fee: Money
    rate: Money


class Error(msgspec.Struct):
    code: str
    title: str
    detail: str
    source: dict[str, str]


class MessagePayload(msgspec.Struct, rename={"from_": "from"}):
    """A message as the provider shows it in answers and in webhooks."""

    id: str
    type: str
    messaging_profile_id: str
    from_: Address
    to: list[Address]
    text: str
    subject: str | None
    media: list[_Media]
    webhook_url: str | None
    webhook_failover_url: str | None
    encoding: str
    parts: int
    num_chars: int
    cost: Money | None
    received_at: str
    valid_until: str | None
    cc: list[Address] = []
    record_type: str = "message"
    direction: str = "outbound"
    organization_id: str = ORGANIZATION
    tags: list[str] = []
    cost_breakdown: CostBreakdown | None = None
    tcr_campaign_id: None = None
    tcr_campaign_billable: bool = False
    tcr_campaign_registered: None = None
    smart_encoding_applied: bool = False
    wait_seconds: float = 0.0
    sent_at: str | None = None
    completed_at: str | None = None
    errors: list[Error] = []


class _Envelope(msgspec.Struct):
    data: MessagePayload


_encoder = msgspec.json.Encoder()


def kind_of(body: Body) -> str:
    """``SMS`` or ``MMS``."""
    return "MMS" if body.media_urls or body.type == "MMS" else "SMS"


def parts_of(body: Body, segments: Segments) -> int:
    """The number of segments that the message counts and is charged as."""
    return 1 if kind_of(body) == "MMS" else min(segments.parts, MAX_PARTS)


def render(
    id: str,
    message: AcceptedMessage,
    body: Body,
    segments: Segments,
    state: DeliveryState = QUEUED,
) -> bytes:
    """The answer to a send or a retrieval; the same bytes for the same state."""
    return _encoder.encode(_Envelope(shown(id, message, body, segments, state)))


def shown(
    id: str, message: AcceptedMessage, body: Body, segments: Segments, state: DeliveryState
) -> MessagePayload:
    """The message in a state; ``body`` has passed ``validation.check``."""
    text = str(body.text or "")
    kind, received_at = kind_of(body), message.received_at
    told = message.billed.told(final=state.completed_at is not None)
    cost, breakdown = _cost(told)
    status = "scheduled" if body.send_at else state.status
    return MessagePayload(
        id=id,
        type=kind,
        messaging_profile_id=message.profile,
        from_=Address(_text(body.from_) or "+15555550000", "Telnyx", "VoIP"),
        to=[Address(str(body.to), message.carrier, "Wireless", status)],
        text=text,
        subject=_text(body.subject),
        media=[_Media(url) for url in body.media_urls]
        if isinstance(body.media_urls, list)
        else [],
        webhook_url=_text(body.webhook_url),
        webhook_failover_url=_text(body.webhook_failover_url),
        encoding=segments.encoding,
        parts=told.parts,
        num_chars=len(text),
        cost=cost,
        cost_breakdown=breakdown,
        received_at=iso(received_at),
        valid_until=iso(received_at + QUEUE_SECONDS) if state.sent_at is None else None,
        wait_seconds=round(message.wait_seconds, 3),
        sent_at=None if state.sent_at is None else iso(state.sent_at),
        completed_at=None if state.completed_at is None else iso(state.completed_at),
        errors=[_error(state.code)] if state.code else [],
    )


def _cost(told: ToldCost) -> tuple[Money | None, CostBreakdown | None]:
    if told.amount is None:
        return None, None
    cost = Money(told.amount, told.currency)
    if not told.fee:
        return cost, None
    parts = (Money(told.fee, told.currency), Money(told.rate, told.currency))
    return cost, CostBreakdown(*parts)


def _error(code: str) -> Error:
    title = DELIVERY_ERRORS.get(code, "Not delivered")
    return Error(code, title, "The message did not reach its recipient.", {"pointer": "/to/0"})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def iso(unix_seconds: float) -> str:
    """A UTC time in the provider's format."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds")
