"""``sluicegate cancel``: cancel messages by their ids, as long as their POST has not begun."""

from typing import Annotated

import typer

from sluicegate.errors import UnknownMessage

from ...inspect import Member, member
from ..kit.command import command, option_set
from ..kit.failures import FAILED, complain, status_of
from ..kit.session import Session


@option_set
class CancelOptions:
    """The options of ``cancel``."""

    ids: Annotated[list[str], typer.Argument(metavar="ID", help="The ids of messages.")]


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
