"""Replies that a person should read, as they are shown."""

import msgspec

from sluicegate.stored import OptOutEvent, ReviewedNumber

from .session import Session
from .words import clean, hidden, listed, when


def masked_review(review: ReviewedNumber, full: bool) -> ReviewedNumber:
    """The reply with its phone numbers hidden, unless ``full``."""
    return msgspec.structs.replace(
        review, number=hidden(review.number, full), text=hidden(review.text, full)
    )


def standing(session: Session, number: str, shown: str) -> str:
    """How a number stands at this moment."""
    entry = session.sluice.optouts.get(number)
    if entry is not None:
        sources = [clean(reason.source) for reason in entry.reasons]
        return f"{shown} has opted out since {when(entry.since_ms)}, by {listed(sources)}"
    if session.sluice.optouts.under_review(number) is not None:
        return f"{shown} is sent nothing until its reply is read: sluicegate optout review"
    return f"{shown} may be sent to"


def masked_event(event: OptOutEvent, full: bool) -> OptOutEvent:
    """What was said or done, with its phone numbers hidden, unless ``full``."""
    return msgspec.structs.replace(
        event, text=hidden(event.text, full), why=hidden(event.why, full)
    )
