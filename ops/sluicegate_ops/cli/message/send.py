"""``sluicegate send``: one message from the command line, followed to its end if you like."""

import sys
import time
from typing import Annotated, Any

import typer

from sluicegate.outbox import MessageStatus

from ..kit.failures import fail, say
from ..kit.output import clean, hidden
from ..kit.session import Session

_POLL_SECONDS = 0.1


def send(
    ctx: typer.Context,
    to: Annotated[str, typer.Option(help="Recipient, as +15551234567.")],
    sender: Annotated[
        str | None,
        typer.Option("--from", "--sender", help="A number, short code or alphanumeric sender."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="The text; - reads it from stdin.")] = None,
    media: Annotated[
        list[str] | None, typer.Option(help="URL of a picture or file; may be repeated.")
    ] = None,
    id: Annotated[
        str | None, typer.Option(help="Your own id: the same id again sends nothing twice.")
    ] = None,
    bulk: Annotated[bool, typer.Option("--bulk", help="Behind transactional messages.")] = False,
    send_at: Annotated[str | None, typer.Option(help="Not before, as 2030-01-31T09:00Z.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="Not after; same form.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="Messaging profile; its pool sends where --from is absent.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Subject of an MMS.")] = None,
    encoding: Annotated[str | None, typer.Option(help="auto, gsm7 or ucs2.")] = None,
    wait: Annotated[
        float | None, typer.Option(help="Seconds to follow it: until accepted, dead or in doubt.")
    ] = None,
) -> None:
    """Enqueue one message and print its id.

    \b
    Example:
      sluicegate send --to +15551234567 --from +15557654321 --text "Hello" --wait 30
      fortune | sluicegate send --to +15551234567 --from +15557654321 --text -
    """
    session: Session = ctx.obj
    fields = {
        "to": to,
        "sender": sender,
        "text": _standard_input() if text == "-" else text,
        "media_urls": media,
        "id": id,
        "priority": "bulk" if bulk else None,
        "send_at": send_at,
        "expires_at": expires_at,
        "messaging_profile_id": profile,
        "subject": subject,
        "encoding": encoding,
    }
    given: dict[str, Any] = {
        name: value for name, value in fields.items() if value is not None and value != []
    }
    result = session.sluice.enqueue(**given)
    typer.echo(result.id)
    if result.outcome == "suppressed":
        fail(f"message {result.id}: not sent, {hidden(to)} has opted out")
    if result.outcome == "known":
        say(f"message {result.id}: known already, nothing was enqueued")
    if wait is not None:
        _conclude(_followed(session, result.id, wait), wait)


def _standard_input() -> str:
    """All of it, without the line end that ``echo`` adds."""
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _followed(session: Session, id: str, seconds: float) -> MessageStatus:
    ends, seen = time.monotonic() + seconds, ""
    while True:
        status = session.sluice.status(id)
        if status.finished or status.state in ("dead", "in_doubt") or time.monotonic() >= ends:
            return status
        if status.state != seen:
            seen = status.state
            typer.echo(seen, err=True)
        time.sleep(_POLL_SECONDS)


def _conclude(status: MessageStatus, seconds: float) -> None:
    about = f"message {status.id} is {status.state.replace('_', ' ')}"
    why = clean(hidden(": ".join(filter(None, (status.code, status.reason)))))
    match status.state:
        case "accepted":
            typer.echo(f"accepted as {status.provider_id}", err=True)
        case "dead":
            fail(f"{about} ({why}). See: sluicegate dead show {status.id}")
        case "in_doubt":
            fail(f"{about} ({why}). See: sluicegate message show {status.id}")
        case _ if status.finished:
            fail(about)
        case _:
            fail(f"{about} after {seconds:g} s. Why: sluicegate status")
