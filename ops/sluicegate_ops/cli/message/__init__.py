"""``sluicegate message show`` and ``sluicegate cancel``: single messages, by their ids."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import typer

from sluicegate.errors import UnknownMessage

from ...inspect import Member, member
from ..kit.command import command
from ..kit.failures import FAILED, complain, status_of
from ..kit.groups import group
from ..kit.options import AsJsonDocument, MessageArgument, Unmasked
from ..kit.output import lasting, when, write_document, write_pairs
from ..kit.session import Session
from .attempts import write_attempts
from .deliveries import lines, unknown
from .screen import MessageScreen, read_screen

message = group("Look at a single message.")


@dataclass(frozen=True, kw_only=True)
class MessageShowOptions:
    """The options of ``message show``."""

    id: MessageArgument
    json: AsJsonDocument = False
    full: Unmasked = False


@dataclass(frozen=True, kw_only=True)
class CancelOptions:
    """The options of ``cancel``."""

    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The ids of messages.")]


@message.command()
@command
def show(session: Session, options: MessageShowOptions) -> None:
    """Show where a message stands and why, and every attempt.

    \b
    Example:
      sluicegate message show order-1234
    """
    record = read_screen(session, options.id, options.full)
    if options.json:
        write_document(record)
    else:
        write_pairs(_pairs(record, session))
        write_attempts(record.history)


@command
def cancel(session: Session, options: CancelOptions) -> None:
    """Cancel messages whose POST has not begun.

    For the others it says where they stand, and exits with 1.

    \b
    Example:
      sluicegate cancel order-1234 order-1235
    """
    worst = max(_cancel(session, id) for id in options.ids)
    if worst:
        raise typer.Exit(worst)


def _cancel(session: Session, id: str) -> int:
    """Cancel one message, and say what became of it; the exit status."""
    try:
        answer = session.sluice.cancel(id)
    except UnknownMessage as error:
        recipient = member(session.client, session.keys, id)
        if recipient is None:
            complain(error, session)
            return status_of(error)
        typer.echo(f"{id}  {_refusal(recipient)}")
        return FAILED
    typer.echo(f"{id}  {_ANSWERS.get(answer, f'not cancelled: it is already {answer}')}")
    return 0 if answer == "cancelled" else FAILED


_ANSWERS = {
    "cancelled": "cancelled",
    "in_flight": "not cancelled: its POST may be under way",
    "in_doubt": "not cancelled: it may have been sent; see: sluicegate doubt list",
    "dead": "not cancelled: it is a dead letter; to give it up: sluicegate dead purge",
}


def _refusal(recipient: Member) -> str:
    """Why a recipient that was never started can't be cancelled by its id."""
    if recipient.state not in ("waiting", "granted"):
        return f"not cancelled: it is already {recipient.state}"
    return (
        f"not cancelled: it waits in campaign {recipient.campaign}, which can only be cancelled "
        f"as a whole: sluicegate campaign cancel {recipient.campaign}; or keep its number out of "
        "it: sluicegate optout add NUMBER"
    )


def _pairs(record: MessageScreen, session: Session) -> Iterator[tuple[str, object]]:
    yield "id", record.id
    yield "state", record.state.replace("_", " ") + _outlook(record)
    yield "campaign", record.campaign
    yield "why", record.held_by
    yield "delivery", _delivery(record, session)
    yield "to", record.to
    yield "from", record.sender
    yield "type", ", ".join(filter(None, (record.type, record.priority)))
    yield "text", record.text
    yield "segments", record.segments or None
    yield "media", " ".join(record.media_urls)
    yield "enqueued", when(record.enqueued_ms) if record.enqueued_ms else ""
    yield "last change", when(record.changed_ms) if record.changed_ms else ""
    yield "attempts", _attempts(record)
    yield "generation", record.generation or None
    yield "provider id", record.provider_id
    yield "provider id too", record.second_provider_id and f"{record.second_provider_id}: TWICE"
    yield "code", record.code
    yield "reason", record.reason
    yield "last answer", record.answer
    if record.key_age_seconds is not None:
        yield "idempotency key", f"first used {lasting(record.key_age_seconds)} ago"
    if record.delivery_code:
        yield from lines(record.delivery_code)


def _delivery(record: MessageScreen, session: Session) -> str:
    if record.delivery in ("", "unknown"):
        return record.delivery and f"unknown: {unknown(session)}"
    at = "" if record.delivery_ms is None else f" at {when(record.delivery_ms)}"
    return f"{record.delivery}{at}" + f" ({record.delivery_code})" * bool(record.delivery_code)


def _outlook(record: MessageScreen) -> str:
    if record.campaign and record.state == "waiting":
        return f" in campaign {record.campaign}"
    if record.held:
        return f", until you decide: sluicegate doubt resolve {record.id}"
    if record.decided_ms is not None:
        return f", policy decides at {when(record.decided_ms)}"
    return f", due at {when(record.due_ms)}" if record.due_ms is not None else ""


def _attempts(record: MessageScreen) -> str:
    maybe = f", of which {record.maybe} may have been acted on" if record.maybe else ""
    return f"{record.attempts}{maybe}"
