"""``sluicegate message show`` and ``sluicegate cancel``: single messages, by their ids."""

from collections.abc import Iterator
from typing import Annotated

import typer

from sluicegate.errors import UnknownMessage

from ...inspect import Member, member
from ..kit.failures import FAILED, complain, status_of
from ..kit.output import Document, Full, lasting, when, write_document, write_pairs
from ..kit.session import Session
from .attempts import write_attempts
from .fates import lines, unknown
from .screen import MessageScreen, read_screen

message = typer.Typer(help="Look at a message.", no_args_is_help=True)

Ids = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of messages.")]


@message.command()
def show(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    json: Document = False,
    full: Full = False,
) -> None:
    """Show where a message stands, why, and each attempt to send it.

    \b
    Example:
      sluicegate message show order-1234
    """
    session: Session = ctx.obj
    record = read_screen(session, id, full)
    if json:
        write_document(record)
    else:
        write_pairs(_pairs(record, session))
        write_attempts(record.history)


def cancel(ctx: typer.Context, ids: Ids) -> None:
    """Cancel messages whose POST has not begun.

    Of the others it says where they are, and exits with 1.

    \b
    Example:
      sluicegate cancel order-1234 order-1235
    """
    session: Session = ctx.obj
    worst = 0
    for id in ids:
        try:
            answer = session.sluice.cancel(id)
        except UnknownMessage as error:
            if found := member(session.client, session.keys, id):
                typer.echo(f"{id}  {_kept(found)}")
                worst = max(worst, FAILED)
                continue
            complain(error, session)
            worst = max(worst, status_of(error))
        else:
            typer.echo(f"{id}  {_ANSWERS.get(answer, f'not cancelled: it is {answer} already')}")
            worst = max(worst, 0 if answer == "cancelled" else FAILED)
    if worst:
        raise typer.Exit(worst)


_ANSWERS = {
    "cancelled": "cancelled",
    "in_flight": "not cancelled: its POST may be under way",
    "in_doubt": "not cancelled: it is in doubt, sent or not; see: sluicegate doubt list",
    "dead": "not cancelled: it is dead already; to be rid of it: sluicegate dead purge",
}


def _kept(found: Member) -> str:
    """Why a recipient that was never started is not cancelled by its id."""
    if found.state not in ("waiting", "granted"):
        return f"not cancelled: it is {found.state} already"
    return (
        f"not cancelled: it waits in campaign {found.campaign}, which only ends as a whole: "
        f"sluicegate campaign cancel {found.campaign}; or keep its number out of it: "
        "sluicegate optout add NUMBER"
    )


def _pairs(record: MessageScreen, session: Session) -> Iterator[tuple[str, object]]:
    yield "id", record.id
    yield "state", record.state.replace("_", " ") + _outlook(record)
    yield "campaign", record.campaign
    yield "why", record.held_by
    yield "fate", _fate(record, session)
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
    if record.fate_code:
        yield from lines(record.fate_code)


def _fate(record: MessageScreen, session: Session) -> str:
    if record.fate in ("", "unknown"):
        return record.fate and f"unknown: {unknown(session)}"
    at = "" if record.fate_ms is None else f" at {when(record.fate_ms)}"
    return f"{record.fate}{at}" + f" ({record.fate_code})" * bool(record.fate_code)


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
