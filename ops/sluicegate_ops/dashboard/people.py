"""Opt-outs with the replies that a person should read, and the audit."""

from itertools import islice
from typing import Any

from ..operating.audit import masked_entry, which_of
from ..operating.reviews import masked_review
from ..operating.session import Session

SHOWN = 50
"""Rows on a page; the command line lists them all."""


def optouts(session: Session) -> dict[str, Any]:
    """How many opted out, and the replies of ``optout review --json``, the oldest first."""
    listed = session.sluice.optouts
    waiting = listed.reviews()
    return {
        "opted_out": len(listed),
        "total": len(waiting),
        "reviews": [masked_review(review, False) for review in waiting[:SHOWN]],
    }


def audit(session: Session) -> dict[str, Any]:
    """The latest of ``audit list --json``, and what each was about in words."""
    entries = [masked_entry(entry, False) for entry in islice(session.audit, SHOWN)]
    return {
        "total": len(session.audit),
        "entries": entries,
        "which": [" ".join(which_of(entry)) for entry in entries],
    }
