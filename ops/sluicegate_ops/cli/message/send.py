"""``sluicegate send``: one message from the command line, followed to its end if you like."""

import sys
import time
from typing import Annotated, Any

import typer

from sluicegate.outbox import EnqueueResult, MessageStatus
from sluicegate.rules import template_mark
from sluicegate.times import EXAMPLE

from ...operating.pasting import pasted
from ...operating.session import Session
from ...operating.words import clean, hidden
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import FAILED, fail, say
from ..kit.media import check_media
from ..kit.options import (
    AsJsonDocument,
    CheckMediaOption,
    Confirmed,
    ExpiresAtOption,
    MediaOption,
    ProfileOption,
    SenderOption,
)
from ..kit.output import write_document
from ..kit.times import time_option

_POLL_SECONDS = 0.1


@option_set
class SendOptions:
    """The options of ``send``."""

    to: Annotated[str, typer.Option(metavar="NUMBER", help="The recipient, such as +15551234567.")]
    sender: SenderOption = None
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The text; - reads it from stdin.")
    ] = None
    media: MediaOption = None
    check_media: CheckMediaOption = False
    id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Your own id; the same id is never sent twice."),
    ] = None
    bulk: Annotated[bool, typer.Option("--bulk", help="Let transactional messages go first.")] = (
        False
    )
    send_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"Do not send before, such as {EXAMPLE} or 18:00."),
    ] = None
    expires_at: ExpiresAtOption = None
    profile: ProfileOption = None
    subject: Annotated[str | None, typer.Option(metavar="TEXT", help="The subject of an MMS.")] = (
        None
    )
    text_encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="How the text travels: auto, gsm7 or ucs2."),
    ] = None
    json: AsJsonDocument = False
    yes: Confirmed = False
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Follow it until accepted, dead or in doubt; at most so long."
        ),
    ] = None


@command
def send(session: Session, options: SendOptions) -> None:
    """Enqueue one message and print its id.

    The text goes out as it is written: only a campaign fills in columns. Exits
    with 1 if the recipient has opted out. With --wait, it also exits with
    1 unless the provider accepts the message in time.

    \b
    Example:
      sluicegate send --to +15551234567 --from +15557654321 --text "Hello" --wait 30
      fortune | sluicegate send --to +15551234567 --from +15557654321 --text -
    """
    fields = _fields(options)
    if mark := template_mark(fields.get("text", "")):
        what = f"The text has {mark} in it, which only a campaign fills in. Send it as it is?"
        confirm(what, options.yes)
    if options.check_media:
        check_media(options.media or [])
    session.at_stake = (options.id,) if options.id else ()
    result = session.sluice.enqueue(**fields)
    if options.json:
        _send_for_program(session, options, result)
        return
    typer.echo(result.id)
    if result.outcome == "suppressed":
        fail(f"message {result.id}: not sent, {hidden(options.to)} has opted out")
    if result.outcome == "known":
        say(f"message {result.id}: already known, so nothing was enqueued")
    if options.wait is not None:
        _conclude(_followed(session, result.id, options.wait), options.wait)


def _send_for_program(session: Session, options: SendOptions, result: EnqueueResult) -> None:
    """Write what became of the message; exits with 1 where the words would."""
    done: dict[str, Any] = {"id": result.id, "outcome": result.outcome}
    failed = result.outcome == "suppressed"
    if options.wait is not None and not failed:
        status = _followed(session, result.id, options.wait, quiet=True)
        done |= {
            "state": status.state,
            "provider_id": status.provider_id,
            "code": status.code,
            "reason": hidden(status.reason),
        }
        failed = status.state != "accepted"
    write_document(done)
    if failed:
        raise typer.Exit(FAILED)


def _fields(options: SendOptions) -> dict[str, Any]:
    """The fields of the message that were given."""
    fields = {
        "to": options.to,
        "sender": options.sender,
        "text": _standard_input() if options.text == "-" else options.text,
        "media_urls": options.media or None,
        "id": options.id,
        "priority": "bulk" if options.bulk else None,
        "send_at": options.send_at and time_option("--send-at", options.send_at),
        "expires_at": options.expires_at and time_option("--expires-at", options.expires_at),
        "messaging_profile_id": options.profile,
        "subject": options.subject,
        "encoding": options.text_encoding,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _standard_input() -> str:
    """All of stdin, without the line end that ``echo`` adds."""
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _followed(session: Session, id: str, seconds: float, *, quiet: bool = False) -> MessageStatus:
    """The status at which there is nothing more to wait for, or the last one in time."""
    ends, seen = time.monotonic() + seconds, ""
    while True:
        status = session.sluice.status(id)
        if status.finished or status.state in ("dead", "in_doubt") or time.monotonic() >= ends:
            return status
        if status.state != seen:
            seen = status.state
            if not quiet:
                typer.echo(seen, err=True)
        time.sleep(_POLL_SECONDS)


def _conclude(status: MessageStatus, seconds: float) -> None:
    about = f"message {status.id} is {status.state.replace('_', ' ')}"
    why = clean(hidden(": ".join(filter(None, (status.code, status.reason)))))
    match status.state:
        case "accepted":
            typer.echo(f"accepted as {status.provider_id}", err=True)
        case "dead":
            fail(f"{about} ({why}). See: sluicegate dead show {pasted(status.id)}")
        case "in_doubt":
            fail(f"{about} ({why}). See: sluicegate message show {pasted(status.id)}")
        case _ if status.finished:
            fail(about)
        case _:
            fail(f"{about} after {seconds:g} s. To see why: sluicegate status")
