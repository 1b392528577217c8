"""``sluicegate dead show``: one dead letter with its request, its answer and its attempts."""

from typing import Any

import msgspec
import typer

from sluicegate_worker.operator.deadletters import DeadLetter, Stored
from sluicegate_worker.operator.edits import FAULTS, Letters

from ...inspect import worker_names
from ...operating.advice import advised
from ...operating.choosing import dead_letter
from ...operating.letters import masked_letter
from ...operating.pasting import pasted
from ...operating.replaying import why_not
from ...operating.session import Session
from ...operating.words import hidden, when
from ..kit.advice import pairs
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, MessageArgument, Unmasked
from ..kit.output import write_document, write_pairs
from ..message.attempts import write_attempts

_TEXTS = ("text", "body", "subject", "media_urls")  # of a request, in both versions of the API


@option_set
class DeadShowOptions:
    """The options of ``dead show``."""

    id: MessageArgument
    json: AsJsonDocument = False
    full: Unmasked = False


@command
def show(session: Session, options: DeadShowOptions) -> None:
    """Show one dead letter, and what to do about it.

    Shows the last request and answer, every attempt, and the advice on its code.

    \b
    Example:
      sluicegate dead show order-1234
    """
    id, full = options.id, options.full
    letter = masked_letter(dead_letter(session, id), full)
    [stored] = session.dead.stored([id])
    history = stored.history
    request, text = _request(stored.request, full), _text(session, stored, full)
    if options.json:
        fields: dict[str, Any] = msgspec.structs.asdict(letter)
        more = {"text": text, "request": request, "history": msgspec.to_builtins(history)}
        write_document(fields | advised(letter.code) | more)
        return
    write_pairs([*_pairs(letter), ("text", text), ("request", request), *pairs(letter.code)])
    write_attempts(history, worker_names(session.client, session.keys))
    typer.echo(f"\nsend it again: sluicegate dead replay {pasted(id)}")
    typer.echo(
        f"  or edited:   sluicegate dead replay --from SENDER --text TEXT --why WHY {pasted(id)}"
    )
    typer.echo(f"give it up:    sluicegate dead purge {pasted(id)}")


_NAMES = {
    "died_ms": "died",
    "sender": "from",
    "maybe": "maybe sent",
    "replayed_by": "replayed by",
    "answer": "last answer",
}


def _pairs(letter: DeadLetter) -> list[tuple[str, object]]:
    fields: dict[str, Any] = msgspec.structs.asdict(letter)
    fields["died_ms"] = when(letter.died_ms)
    return [(_NAMES.get(name, name), value) for name, value in fields.items()]


def _text(session: Session, stored: Stored, full: bool) -> str:
    """The text of the message, or why it can't be rendered."""
    try:
        text = Letters(session.client, session.keys, session.account).message(stored).text or ""
    except FAULTS as error:
        return f"can't be rendered: {why_not(error)}"
    return text if full or not text else _covered(text)


def _covered(text: object) -> str:
    return f"{len(str(text))} characters, shown with --full"


def _request(request: bytes, full: bool) -> str:
    """The body of the last POST; unless ``full``, its numbers and texts are hidden."""
    if full or not request:
        return request.decode(errors="replace")
    try:
        body = msgspec.json.decode(request, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{len(request)} bytes, shown with --full"
    covered = {
        name: _covered(value) if name in _TEXTS and value else value
        for name, value in body.items()
    }
    return hidden(msgspec.json.encode(covered).decode())
