"""The JSON of API v2's webhooks."""

import msgspec

from ..api.payload import ORGANIZATION, Address, Error, MessagePayload, Money


class InboundPayload(msgspec.Struct, rename={"from_": "from"}):
    """An inbound message, as ``message.received`` reports it."""

    id: str
    from_: Address
    to: list[Address]
    text: str
    messaging_profile_id: str
    received_at: str
    encoding: str
    parts: int
    num_chars: int
    #: ``STOP``, ``START`` or ``HELP`` if the text is such a keyword.
    autoresponse_type: str | None
    webhook_url: str | None
    webhook_failover_url: str | None
    type: str = "SMS"
    record_type: str = "message"
    direction: str = "inbound"
    organization_id: str = ORGANIZATION
    cc: list[Address] = []
    media: list[str] = []
    tags: list[str] = []
    errors: list[Error] = []
    cost: Money | None = None
    is_spam: bool = False
    subject: None = None
    sent_at: None = None
    completed_at: None = None
    valid_until: None = None


class _EventData(msgspec.Struct):
    event_type: str
    id: str
    occurred_at: str
    payload: MessagePayload | InboundPayload
    record_type: str = "event"


class _Meta(msgspec.Struct):
    attempt: int
    delivered_to: str


class _Event(msgspec.Struct):
    data: _EventData
    meta: _Meta


_encoder = msgspec.json.Encoder()


def render(
    kind: str,
    id: str,
    occurred_at: str,
    payload: MessagePayload | InboundPayload,
    attempt: int,
    url: str,
) -> bytes:
    """An event's body, for one try (from 1) at a URL."""
    data = _EventData(kind, id, occurred_at, payload)
    return _encoder.encode(_Event(data, _Meta(attempt, url)))
