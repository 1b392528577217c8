"""One message's record as screens show it: flat, with numbers and texts hidden by default."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sluicegate.carriers import CARRIER_NAMES
from sluicegate.errors import UnknownCampaign, UnknownMessage
from sluicegate.stored import Bill, History, MessageId

from ...inspect import Look, MessageRecord, amount_text, read_record
from ..session import Session
from ..status.reasons import sentence
from ..words import hidden

_TO_BE_SENT = ("waiting", "scheduled", "retrying")


class AppsMessage(UnknownMessage):
    """No record of that id, but of an app's own message under it: ``stored_id``."""

    def __init__(self, id: str, app: str, stored_id: str) -> None:
        super().__init__(id)
        self.args = (f"message {id}: not known; the app {app} has one: {stored_id}",)


class CostScreen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the provider billed: an exact amount, None where it told none."""

    cost: str | None
    currency: str | None
    parts: int

    @classmethod
    def of(cls, bill: Bill) -> "CostScreen":
        cost = bill.cost_billionths
        amount = None if cost is None else amount_text(cost)
        return cls(amount, bill.currency or None, bill.parts)


class MessageScreen(msgspec.Struct, frozen=True, omit_defaults=True):
    """What ``message show`` and ``doubt show`` tell of one message; times are wall milliseconds.

    ``billed`` is what an accepted message cost, and ``billed_again`` each further time that the
    provider has it. ``held_by`` is what holds it back while it waits. ``carrier`` is whose level
    the number counts at, by the ``carrier_name`` that the provider gave; or, while it is to be
    sent, as an answer about its number told ``carrier_days_ago``. The other fields are those of
    ``MessageRecord`` and of what is in it.
    """

    id: str
    state: str
    to: str
    campaign: str = ""
    app: str = ""
    held_by: str = ""
    sender: str = ""
    type: str = ""
    priority: str = ""
    segments: int = 0
    text: str = ""
    unreadable: str = ""
    media_urls: tuple[str, ...] = ()
    enqueued_ms: int = 0
    changed_ms: int = 0
    attempts: int = 0
    maybe: int = 0
    maybe_sent: bool = False
    generation: int = 0
    provider_id: str = ""
    second_provider_id: str = ""
    code: str = ""
    reason: str = ""
    answer: str = ""
    due_ms: int | None = None
    decided_ms: int | None = None
    held: bool = False
    key_used_ms: int | None = None
    key_age_seconds: int | None = None
    delivery: str = ""
    delivery_ms: int | None = None
    delivery_code: str = ""
    sent_ms: int | None = None
    billed: CostScreen | None = None
    billed_again: Sequence[CostScreen] = ()
    history: History = History()
    carrier: str = ""
    carrier_days_ago: int | None = None
    carrier_name: str = ""
    line_type: str = ""
    trace_id: str = ""


def read_screen(session: Session, id: str, full: bool = True) -> MessageScreen:
    """Read message ``id``; without ``full`` its numbers and texts are hidden.

    Raises UnknownMessage.
    """
    record = _read(session, id)
    fields = msgspec.structs.asdict(record.status) | {
        name: value
        for name, value in msgspec.structs.asdict(record).items()
        if name not in ("status", "message", "bill", "other_bills")
    }
    if record.status.state == "accepted":
        fields["billed"] = CostScreen.of(record.bill)
        fields["billed_again"] = [CostScreen.of(bill) for bill in record.other_bills]
    fields |= {name: hidden(fields[name], full) for name in ("to", "reason", "answer")}
    fields |= _billed(record.bill) or _remembered(session, record)
    return MessageScreen(**fields, **_content(record, full), held_by=_held_by(session, record))


def _read(session: Session, id: str) -> MessageRecord:
    """The record; where there is none, say which app's own id for a message this is."""
    try:
        return read_record(session.client, session.config, session.name, id)
    except UnknownMessage as unknown:
        for app in session.config.web.apps:
            stored_id = MessageId.of_app(app, id).short
            if _known(session, stored_id):
                raise AppsMessage(id, app, stored_id) from unknown
        raise


def _known(session: Session, id: str) -> bool:
    try:
        read_record(session.client, session.config, session.name, id)
    except UnknownMessage:
        return False
    return True


def _held_by(session: Session, record: MessageRecord) -> str:
    """What holds a message back while it waits, by its campaign or its sender."""
    if record.status.state != "waiting":
        return ""
    try:
        waits = session.waits
        why = waits.campaign(record.campaign) if record.campaign else waits.sender(record.sender)
    except UnknownCampaign:
        return ""
    return sentence(why)


def _billed(bill: Bill) -> dict[str, Any]:
    carrier = CARRIER_NAMES[bill.carrier] if bill.carrier_name else ""
    if not (carrier or bill.line_type):
        return {}
    return {
        "carrier": carrier,
        "carrier_name": bill.carrier_name,
        "line_type": bill.line_type,
    }


def _remembered(session: Session, record: MessageRecord) -> dict[str, Any]:
    """Whose the number is of a message that is to be sent, where carriers' levels may ask."""
    if record.status.state not in _TO_BE_SENT or not record.status.to:
        return {}
    carrier, days_ago = Look(session.client, session.keys).whose(record.status.to)
    if days_ago is None:
        return {}
    return {"carrier": CARRIER_NAMES[carrier], "carrier_days_ago": days_ago}


def _content(record: MessageRecord, full: bool) -> dict[str, Any]:
    message = record.message
    if message is None:
        return {}
    text = message.text or ""
    sender = message.sender or f"the pool of {message.messaging_profile_id}"
    return {
        "sender": hidden(sender, full),
        "type": message.type,
        "priority": message.priority,
        "segments": message.segments.parts,
        "text": text if full or not text else f"{len(text)} characters, shown with --full",
        "media_urls": message.media_urls if full else (),
    }
