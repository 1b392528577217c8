"""What became of accepted messages according to receipts, and why it may not be known."""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.campaigns.ledger import Ledger
from sluicegate_worker.provider.codes import delivery_advice

from ...inspect import receipts_are_set_up
from ..session import Session

NOT_SET_UP = "receipts not set up"
NO_RECEIPT = "no receipt yet"


def set_up(session: Session) -> bool:
    """Whether messages ask for receipts, according to the configuration read here."""
    return receipts_are_set_up(session.config, session.name)


def unknown(session: Session) -> str:
    """Why the delivery of an accepted message is unknown."""
    return NO_RECEIPT if set_up(session) else NOT_SET_UP


def deliveries_of(ledger: Ledger) -> dict[str, int]:
    """A campaign's accepted messages by delivery; ``unknown`` counts those without a receipt."""
    return {**ledger.deliveries, "unknown": ledger.unknown}


def summed(deliveries: Mapping[str, int]) -> str:
    """The deliveries that are not 0, on one line: ``3 delivered, 1 unknown``."""
    return ", ".join(f"{count:,} {delivery}" for delivery, count in deliveries.items() if count)


def advice_on(code: str) -> dict[str, str]:
    """``means``, ``advice``, ``portal`` and ``again`` of a receipt's code; ``""`` if unknown."""
    advice: Any = delivery_advice(code)
    words = ("means", "advice", "portal", "again")
    return {word: getattr(advice, word, "") if advice else "" for word in words}


def lines(code: str) -> Iterator[tuple[str, str]]:
    """The advice on a receipt's code, as lines of a screen."""
    advice = advice_on(code)
    yield "means", advice["means"]
    yield "do", advice["advice"]
    yield "again", _AGAIN.get(advice["again"], "")
    yield "portal", advice["portal"]


_AGAIN = {
    "never": "no",
    "changed": "after the cause is removed",
    "later": "later, if it still matters",
}
