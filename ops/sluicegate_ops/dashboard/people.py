"""Opt-outs with the replies that a person should read, and the audit."""

from itertools import islice
from typing import Any

from sluicegate.stored import OptOutEvent

from ..operating.audit import masked_entry, which_of
from ..operating.conversation import Conversations
from ..operating.numbers import BadNumbers, numbers_of
from ..operating.reviews import masked_event, masked_review, standing
from ..operating.session import Session
from ..operating.words import hidden
from .acts.optouts import reference

SHOWN = 50
"""Rows on a page; the command line lists them all."""


SHOWN_REPLIES = 10
"""Replies on a page of their own: beside each stands what its number was sent."""


def inbox(session: Session, full: bool = False) -> dict[str, Any]:
    """The replies that a person should read, each with what its number was sent."""
    waiting = session.sluice.optouts.reviews()
    shown = waiting[:SHOWN_REPLIES]
    conversations = Conversations(session) if shown else None
    return {
        "total": len(waiting),
        "replies": [masked_review(review, full) for review in shown],
        "references": [reference(review) for review in shown],
        "sent": [
            conversations.with_number(review.number) if conversations else [] for review in shown
        ],
    }


def optouts(session: Session, number: str = "", full: bool = False) -> dict[str, Any]:
    """How many opted out, and the replies of ``optout review --json``, the oldest first.

    With ``number`` also how that number stands, and its history.
    """
    listed = session.sluice.optouts
    waiting = listed.reviews()
    return {
        "opted_out": len(listed),
        "total": len(waiting),
        "reviews": [masked_review(review, full) for review in waiting[:SHOWN]],
        "references": [reference(review) for review in waiting[:SHOWN]],
        "number": number,
    } | _of_number(session, number, full)


def _of_number(session: Session, number: str, full: bool) -> dict[str, Any]:
    """What is known of one number; ``standing`` says what is wrong with it where it is none."""
    events: list[OptOutEvent] = []
    said = ""
    if number:
        try:
            [found] = numbers_of([number], None)
        except BadNumbers as error:
            said = str(error)
        else:
            said = standing(session, found, hidden(found, full))
            events = [masked_event(one, full) for one in session.sluice.optouts.history(found)]
    return {"standing": said, "history": events}


def audit(session: Session, full: bool = False) -> dict[str, Any]:
    """The latest of ``audit list --json``, and what each was about in words."""
    entries = [masked_entry(entry, full) for entry in islice(session.audit, SHOWN)]
    return {
        "total": len(session.audit),
        "entries": entries,
        "which": [" ".join(which_of(entry)) for entry in entries],
    }
