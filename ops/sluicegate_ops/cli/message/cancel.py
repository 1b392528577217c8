"""``sluicegate cancel``: cancel messages by their ids, as long as their POST has not begun."""

from typing import Annotated

import typer

from sluicegate.errors import UnknownMessage

from ...inspect import Member, member
from ...operating.pasting import pasted
from ...operating.session import Session
from ..kit.acts import by_whom, note
from ..kit.command import command, option_set
from ..kit.failures import FAILED, complain, status_of
from ..kit.options import AsJsonLines, WhoOption, WhyOption
from ..kit.output import write_lines


@option_set
class CancelOptions:
    """The options of ``cancel``."""

    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The ids of messages.")]
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonLines = False


@command
def cancel(session: Session, options: CancelOptions) -> None:
    """Cancel messages whose POST has not begun.

    For the others it says where they stand, and exits with 1. Whatever it
    says, no further POST of them begins.

    \b
    Example:
      sluicegate cancel order-1234 order-1235
    """
    by = by_whom(options.who, options.why, needed=False)
    answers = {id: _cancel(session, id, options.json) for id in options.ids}
    if cancelled := [id for id, (answer, _) in answers.items() if answer in _ENDED]:
        note(session, by, "cancel", {}, len(cancelled), cancelled)
    if worst := max(status for _, status in answers.values()):
        raise typer.Exit(worst)


def _cancel(session: Session, id: str, as_json: bool) -> tuple[str, int]:
    """Cancel one message, and say what became of it; the answer and the exit status."""
    answer, status, detail = _cancelled(session, id)
    if as_json:
        write_lines([{"id": id, "result": answer, "detail": detail}])
    elif answer == "unknown":
        complain(UnknownMessage(id), session)
    else:
        typer.echo(f"{id}  {detail}")
    return answer, status


def _cancelled(session: Session, id: str) -> tuple[str, int, str]:
    """The answer, the exit status that it stands for, and what it means."""
    try:
        answer = session.sluice.cancel(id)
    except UnknownMessage as error:
        recipient = member(session.client, session.keys, id)
        if recipient is None:
            return "unknown", status_of(error), str(error)
        return recipient.state, FAILED, _refusal(recipient)
    detail = _ANSWERS.get(answer, f"not cancelled: it is already {answer}")
    return answer, 0 if answer == "cancelled" else FAILED, detail


_ENDED = ("cancelled", "maybe_sent", "in_flight")
"""Answers after which no further POST of it begins, because somebody cancelled it."""

_ANSWERS = {
    "cancelled": "cancelled",
    "maybe_sent": "cancelled, but it may have been sent: an attempt before may have been acted on",
    "in_flight": "not cancelled: its POST may be under way; it is the last",
    "in_doubt": "not cancelled: it may have been sent, and is not sent again; "
    "see: sluicegate doubt list",
    "dead": "not cancelled: it is a dead letter; to give it up: sluicegate dead purge",
}


def _refusal(recipient: Member) -> str:
    """Why a recipient that was never started can't be cancelled by its id."""
    if recipient.state not in ("waiting", "granted"):
        return f"not cancelled: it is already {recipient.state}"
    cancel = f"sluicegate campaign cancel {pasted(recipient.campaign)}"
    return (
        f"not cancelled: it waits in campaign {recipient.campaign}, which can only be cancelled "
        f"as a whole: {cancel}; or keep its number out of "
        "it: sluicegate optout add NUMBER"
    )
