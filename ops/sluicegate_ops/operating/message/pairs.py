"""All that is known of a message, as names and values."""

from collections.abc import Iterator

from ..pasting import pasted
from ..session import Session
from ..status.carriers import told_ago
from ..words import counted, lasting, when
from .deliveries import lines, unknown
from .screen import CostScreen, MessageScreen


def message_pairs(record: MessageScreen, session: Session) -> Iterator[tuple[str, object]]:
    """What there is to say of a message, by the words of the screen."""
    yield "id", record.id
    maybe_sent = ", may have been sent" if record.maybe_sent else ""
    yield "state", record.state.replace("_", " ") + maybe_sent + _outlook(record)
    yield "campaign", record.campaign
    yield "app", record.app
    yield "why", record.held_by
    yield "delivery", _delivery(record, session)
    yield "to", record.to
    yield "from", record.sender
    yield "type", ", ".join(filter(None, (record.type, record.priority)))
    yield "text", f"can't be read, {record.unreadable}" if record.unreadable else record.text
    yield "segments", _segments(record)
    yield "carrier", _carrier(record)
    yield "media", " ".join(record.media_urls)
    yield "enqueued", when(record.enqueued_ms) if record.enqueued_ms else ""
    yield "last change", when(record.changed_ms) if record.changed_ms else ""
    yield "attempts", _attempts(record)
    yield "generation", record.generation or None
    yield "provider id", record.provider_id
    yield "provider id too", record.second_provider_id and f"{record.second_provider_id}: TWICE"
    if record.billed:
        yield "cost", _cost(record.billed)
    for again in record.billed_again:
        yield "cost too", _cost(again)
    yield "trace", record.trace_id
    yield "code", record.code
    yield "reason", record.reason
    yield "last answer", record.answer
    if record.key_age_seconds is not None:
        yield "idempotency key", f"first used {lasting(record.key_age_seconds)} ago"
    if record.delivery_code:
        yield from lines(record.delivery_code)


def _segments(record: MessageScreen) -> str:
    parts = record.billed.parts if record.billed else 0
    if not parts:
        return str(record.segments or "")
    estimated = f", {record.segments} estimated" if record.segments else ""
    return f"{parts} as the provider counted{estimated}"


def _carrier(record: MessageScreen) -> str:
    if record.carrier_days_ago is not None:
        return f"{record.carrier}, {told_ago(record.carrier_days_ago)}"
    if not record.carrier_name:
        return record.line_type
    about = ", ".join(filter(None, (record.carrier_name, record.line_type)))
    return f"{record.carrier} ({about})"


def _delivery(record: MessageScreen, session: Session) -> str:
    if record.sent_ms:
        return f"unknown; handed to the carrier at {when(record.sent_ms)}"
    if record.delivery in ("", "unknown"):
        return record.delivery and f"unknown: {unknown(session)}"
    time = "" if record.delivery_ms is None else f" at {when(record.delivery_ms)}"
    return f"{record.delivery}{time}" + f" ({record.delivery_code})" * bool(record.delivery_code)


def _cost(billed: CostScreen) -> str:
    if billed.cost is None:
        return "not known: neither the answer nor a receipt told it"
    parts = f" for {counted(billed.parts, 'part')}" if billed.parts else ""
    return f"{billed.cost} {billed.currency}{parts}"


def _outlook(record: MessageScreen) -> str:
    if record.campaign and record.state == "waiting":
        return f" in campaign {record.campaign}"
    if record.held:
        return f", until you decide: sluicegate doubt resolve {pasted(record.id)}"
    if record.decided_ms is not None:
        return f", policy decides at {when(record.decided_ms)}"
    return f", due at {when(record.due_ms)}" if record.due_ms is not None else ""


def _attempts(record: MessageScreen) -> str:
    maybe = f", of which {record.maybe} may have been acted on" if record.maybe else ""
    return f"{record.attempts}{maybe}"
