"""What became of accepted messages, as receipts say, and what is not known of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.campaigns.ledger import Ledger
from sluicegate_worker.provider.codes import delivery_advice

from ...inspect import receipts_are_set_up
from ..kit.session import Session

NOT_SET_UP = "receipts not set up"
NO_RECEIPT = "no receipt yet"


def set_up(session: Session) -> bool:
    """Whether messages ask for receipts, as the configuration read here has it."""
    return receipts_are_set_up(session.config, session.name)


def unknown(session: Session) -> str:
    """Why the fate of an accepted message is not known."""
    return NO_RECEIPT if set_up(session) else NOT_SET_UP


def fates_of(ledger: Ledger) -> dict[str, int]:
    """How many of those accepted met which fate; ``unknown`` of whom no receipt told."""
    return {**ledger.fates, "unknown": ledger.unknown}


def summed(fates: Mapping[str, int]) -> str:
    """Those fates that somebody met, on one line: ``3 delivered, 1 unknown``."""
    return ", ".join(f"{count:,} {fate}" for fate, count in fates.items() if count)


def delivery(code: str) -> dict[str, str]:
    """``means``, ``advice``, ``portal``, ``again`` of a receipt's code, ``""`` where unknown."""
    found: Any = delivery_advice(code)
    words = ("means", "advice", "portal", "again")
    return {word: getattr(found, word, "") if found else "" for word in words}


def lines(code: str) -> Iterator[tuple[str, str]]:
    """The same as lines of a screen."""
    found = delivery(code)
    yield "means", found["means"]
    yield "do", found["advice"]
    yield "again", _AGAIN.get(found["again"], "")
    yield "portal", found["portal"]


_AGAIN = {
    "never": "not at all",
    "changed": "once something has changed",
    "later": "after a while, if it still matters",
}
