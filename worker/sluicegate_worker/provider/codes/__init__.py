"""Every code of an answer, a receipt or a record: what follows from it, and advice.

GENERAL, MESSAGES   the provider's codes, 10xxx and 20xxx, then 40xxx
STATUSES            HTTP statuses, where no code decides
RECEIPTS            codes of messages that were accepted and not delivered
OWN                 what Sluicegate itself writes where no answer had a code
"""

from collections.abc import Mapping

from .general import GENERAL
from .messages import MESSAGES, OPTED_OUT, SENSES
from .receipts import RECEIPTS, Undelivered
from .row import RECORDS, Advice, CodeRow, Ends, Verdict
from .statuses import STATUSES, UNREADABLE, row_of

__all__ = [
    "CODES",
    "OPTED_OUT",
    "OWN",
    "RECEIPTS",
    "SENSES",
    "STATUSES",
    "UNREADABLE",
    "Advice",
    "CodeRow",
    "Ends",
    "Undelivered",
    "Verdict",
    "advice_for",
    "delivery_advice",
    "row_of",
]

CODES: Mapping[str, CodeRow] = {**GENERAL, **MESSAGES}
"""By the provider's error code; any other code is decided by its status."""

_IN_DOUBT = (
    "Do nothing: a receipt or the policy on doubts decides, or you do with "
    "sluicegate doubt resolve."
)

OWN: Mapping[str, Advice] = {
    "not_sent": Advice(
        means="Telnyx could not be reached, so nothing was sent",
        advice="Check the network, its proxy and base_url; it is retried, and what is dead of it "
        "you can safely replay.",
    ),
    "no_answer": Advice(
        means="the request was written and no complete answer came back", advice=_IN_DOUBT
    ),
    "unreadable": Advice(
        means="Telnyx said yes in an answer that can't be read", advice=_IN_DOUBT
    ),
    "stopped": Advice(
        means="its worker was stopped before the answer came; a longer "
        "shutdown_grace_seconds makes this rarer",
        advice=_IN_DOUBT,
    ),
    "fault": Advice(
        means="a fault in the worker while it was being sent; its log has the traceback",
        advice=_IN_DOUBT,
    ),
    "in_doubt": Advice(
        means="it may have been sent, and was given up",
        advice="Ask the recipient, or look in Telnyx's message records, before you replay it.",
        portal=RECORDS,
    ),
    "invalid_content": Advice(
        means="the message can't be made, or can't be sent as it is",
        advice="Correct what the reason names, enqueue it under a new id, and purge this one.",
    ),
}
"""Our own codes, for records without a code of the provider's."""


def advice_for(code: str) -> Advice | None:
    """The advice on a record's code: the provider's, an HTTP status, or ours; else None."""
    advice = CODES.get(code) or OWN.get(code) or RECEIPTS.get(code)
    if advice is None and len(code) == 3 and code.isascii() and code.isdigit() and code >= "100":
        return row_of(int(code), explained=True)
    return advice


def delivery_advice(code: str) -> Advice | None:
    """The advice on a receipt's code, which is about a message that had been accepted."""
    return RECEIPTS.get(code) or advice_for(code)
