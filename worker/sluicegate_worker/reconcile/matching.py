"""Which message a record is of, and what it tells of it that our books don't know."""

from collections.abc import Mapping
from enum import Enum
from hashlib import blake2b
from typing import Final, NamedTuple

from msgspec import json

from sluicegate.receipts import DELIVERIES, Receipt
from sluicegate.stored import NO_BILL, Bill, Record
from sluicegate.webhook_urls import owner_of

from ..provider.reports import ProviderRecord

_POOL: Final = "pool:"


class Whose(Enum):
    """Whose message a record is of."""

    OURS = "ours"
    ELSEWHERE = "another account of this deployment's"
    FORGOTTEN = "ours, and no longer in our books"
    STRANGE = "nobody's whom we know"


class RecordOwner(NamedTuple):
    """``id`` is ours, empty for anybody else's; ``sure``: a signature of ours names it."""

    whose: Whose
    id: str = ""
    sure: bool = False


def owner(
    record: ProviderRecord,
    account: str,
    secrets: tuple[str, ...],
    by_provider_id: Mapping[str, str],
) -> RecordOwner:
    """Whose a record is: by our signature in its webhook URL, or else by the provider's id."""
    for url in record.urls:
        if secrets and (named := owner_of(url, secrets)) is not None:
            if named.account != account:
                return RecordOwner(Whose.ELSEWHERE, named.id, sure=True)
            return RecordOwner(Whose.OURS, named.id, sure=True)
    if known := by_provider_id.get(record.id):
        return RecordOwner(Whose.OURS, known)
    return RecordOwner(Whose.STRANGE)


def is_too_old(record: ProviderRecord, ours: Record, skew_ms: int) -> bool:
    """Whether the provider had this before we had the message: an id was used once before."""
    created = record.created_ms
    return bool(created and ours.enqueued and created < ours.enqueued - skew_ms)


def is_known(record: ProviderRecord, ours: Record) -> bool:
    """Whether our books have this send of the message."""
    accepted = ours.state == "accepted"
    return accepted and record.id in (ours.provider_id, ours.provider_id_2)


def booked(record: ProviderRecord, ours: Record) -> Bill:
    """What our books have of this send."""
    if record.id == ours.provider_id:
        return ours.bill
    other = ours.other_bills.get(record.id)
    return other.bill if other else NO_BILL


def cost_differs(record: ProviderRecord, ours: Record) -> bool:
    """Whether the record tells a cost that our books don't have so."""
    told, known = record.bill, booked(record, ours)
    if told.cost_billionths is None:
        return False
    return (told.cost_billionths, told.currency) != (known.cost_billionths, known.currency)


def bill_differs(record: ProviderRecord, ours: Record) -> bool:
    """Whether the record tells another carrier, or other parts."""
    told, known = record.bill, booked(record, ours)
    carrier = told.carrier_name != "" and told.carrier != known.carrier
    named = told.carrier_name != "" and known.carrier_name == ""
    return carrier or named or bool(told.parts and told.parts != known.parts)


def lacks_delivery(record: ProviderRecord, ours: Record) -> bool:
    """Whether the record has a final delivery, and our books have none."""
    return record.delivery in DELIVERIES and not ours.delivery


def deliveries_differ(record: ProviderRecord, ours: Record) -> bool:
    """Whether both have a final delivery of the message's only send, and not the same."""
    only = not ours.provider_id_2
    both = record.delivery in DELIVERIES and bool(ours.delivery)
    return only and both and record.delivery != ours.delivery


def receipt_of(record: ProviderRecord, id: str) -> Receipt:
    """What the record tells, as a receipt that the message never got; each has its own event."""
    return Receipt(
        event_id=_event(record, record.told_ms),
        id=id,
        provider_id=record.id,
        delivery=record.delivery,
        occurred_ms=record.told_ms,
        code=record.code,
        bill=record.bill,
    )


def correction_of(record: ProviderRecord, id: str, ours: Record, now_ms: int) -> Receipt:
    """The cost and the carrier as billed, told after whatever our books heard before."""
    occurred_ms = max(now_ms, ours.cost_told_ms(record.id) + 1)
    return Receipt(
        event_id=_event(record, occurred_ms),
        id=id,
        provider_id=record.id,
        delivery="",
        occurred_ms=occurred_ms,
        bill=record.bill,
    )


def _event(record: ProviderRecord, occurred_ms: int) -> str:
    """An event's id: whoever reads the same again tells nothing new."""
    told = (record.id, record.delivery, record.code, occurred_ms, record.bill.format())
    return f"reconcile-{blake2b(json.encode(told), digest_size=12).hexdigest()}"


def resembles(record: ProviderRecord, ours: Record, skew_ms: int) -> bool:
    """Whether a record without our signature may be that of a message that may have been sent.

    Its recipient and sender are the message's, and its time may be that of a POST. A record with a
    webhook URL that the POST did not name is somebody else's.
    """
    if record.inbound or record.to != ours.to:
        return False
    created_ms = record.created_ms
    if created_ms and not ours.key_at - skew_ms <= created_ms <= ours.at + skew_ms:
        return False
    if any(url.encode() not in ours.request for url in record.urls):
        return False
    return ours.lane is None or _is_sender(record, ours.lane.sender)


def fits(record: ProviderRecord, ours: Record, skew_ms: int) -> bool:
    """Whether it also has the kind and the parts, and the time is known: so it is its own."""
    ticket = ours.ticket
    if not (record.created_ms and ours.key_at and resembles(record, ours, skew_ms)):
        return False
    if ticket is None:
        return True
    same_kind = record.type in ("", ticket.type)
    parts = record.bill.parts
    return same_kind and (ticket.type == "MMS" or not parts or parts == ticket.segments)


def _is_sender(record: ProviderRecord, sender: str) -> bool:
    if sender.startswith(_POOL):
        return record.profile in ("", sender.removeprefix(_POOL))
    return record.sender in ("", sender)
