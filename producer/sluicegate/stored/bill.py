"""What the provider says of a message that it took: carrier of the number, parts and cost."""

import re
from typing import Final

import msgspec
from msgspec.structs import force_setattr

from ..carriers import CARRIERS, Carrier
from ..errors import Malformed
from ..words import code_word, title_word

MOST_PARTS: Final = 100
MOST_COST: Final = 1_000_000_000_000_000
"""Billionths; more is no price of a message, and sums of as much stay exact in Lua."""

_currency = re.compile(r"[A-Z]{3}").fullmatch
_LETTERS: Final[dict[Carrier, str]] = {"t_mobile": "t", "att": "a", "other": "o", "unknown": ""}
_CARRIERS: Final = {letter: carrier for carrier, letter in _LETTERS.items()}


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer or a receipt says of a message: each part may be missing.

        carrier|parts|billionths|currency|line_type|registration|name

    ``carrier`` is by ``carrier_name`` (``carriers.py``), the first letter when stored and nothing
    for an unknown one. ``parts`` are those that the provider counted, 0 where it didn't say.
    ``cost_billionths`` is in 10^-9 of ``currency`` (ISO 4217), None where it didn't say.
    ``registration`` is the 10DLC campaign's id at the registry. What can't be is left out.
    Mirrored by ``parse`` and ``merged`` in ``bills.lua``.
    """

    carrier: Carrier = "unknown"
    parts: int = 0
    cost_billionths: int | None = None
    currency: str = ""
    line_type: str = ""
    registration: str = ""
    carrier_name: str = ""

    def __post_init__(self) -> None:
        """The provider's words are as the gate for them lets them through, its figures sound."""
        cost = self.cost_billionths
        if self.carrier not in CARRIERS:
            force_setattr(self, "carrier", "unknown")
        if not 0 < self.parts <= MOST_PARTS:
            force_setattr(self, "parts", 0)
        if cost is None or not 0 <= cost <= MOST_COST or not _currency(self.currency):
            force_setattr(self, "cost_billionths", None)
            force_setattr(self, "currency", "")
        force_setattr(self, "line_type", code_word(self.line_type))
        force_setattr(self, "registration", code_word(self.registration))
        force_setattr(self, "carrier_name", title_word(self.carrier_name))

    @classmethod
    def parse(cls, text: str) -> "Bill":
        """Read a record's field ``bill``; raises Malformed."""
        try:
            letter, parts, cost, currency, line_type, registration, name = text.split("|", 6)
            return cls(
                carrier=_CARRIERS.get(letter, "unknown"),
                parts=int(parts or 0),
                cost_billionths=int(cost) if cost else None,
                currency=currency,
                line_type=line_type,
                registration=registration,
                carrier_name=name,
            )
        except ValueError as error:
            raise Malformed("bill", text) from error

    @property
    def carrier_letter(self) -> str:
        """The carrier as it is stored."""
        return _LETTERS[self.carrier]

    def format(self) -> str:
        """As it is stored; ``""`` if it says nothing."""
        cost = "" if self.cost_billionths is None else self.cost_billionths
        parts = self.parts or ""
        head = f"{_LETTERS[self.carrier]}|{parts}|{cost}|{self.currency}"
        text = f"{head}|{self.line_type}|{self.registration}|{self.carrier_name}"
        return "" if text == _NOTHING else text


_NOTHING: Final = "||||||"
NO_BILL: Final = Bill()


def carrier_of_letter(letter: str) -> Carrier:
    """The carrier that is stored as ``letter``."""
    return _CARRIERS.get(letter, "unknown")
