"""What a segment or a media message costs in each country, from an account's price list.

    country,type,price
    US,SMS,0.004
    US,MMS,0.015
    *,SMS,0.05

The list is a CSV file of prices in the account's currency: of an SMS for each segment, of an MMS
for each message. ``*`` is every country that is not listed.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from ..config import Account
from ..errors import BadFile
from ..numbering import library
from .columns import matching
from .csv_file import CsvFile
from .row_source import BadRow

OTHERS = "*"
_COLUMNS = ("country", "type", "price")
_PRICE = re.compile(r"[0-9]{1,6}([.][0-9]{1,9})?|0,[0-9]{1,9}")
_LAYOUT = "it needs the columns country, type and price, as in: US,SMS,0.004"


class CountryCost(msgspec.Struct, frozen=True):
    """What a country's texts cost: ``segments`` at ``price`` each, of media messages one each.

    ``country`` is an ISO code, or ``""`` for numbers of no country. ``listed`` says whether the
    price list has the price; else it is the account's.
    """

    country: str
    texts: int
    segments: int
    price: Decimal
    listed: bool

    @property
    def cost(self) -> Decimal:
        return self.segments * self.price


class Prices:
    """The prices of an account for one type of message.

    Raises BadFile, which names the line at fault, if its price list can't be read.
    """

    def __init__(self, account: Account, kind: Literal["SMS", "MMS"]) -> None:
        self.file = account.price_list
        own = account.price_per_segment if kind == "SMS" else account.price_per_mms
        self._own = Decimal(str(own))
        listed = _read(Path(self.file)) if self.file else {}
        self._listed = {place: price for (place, of), price in listed.items() if of == kind}

    def cost(self, country: str, texts: int, segments: int) -> CountryCost:
        """Reckon the cost of a country's texts."""
        known = self._listed.get(country, self._listed.get(OTHERS))
        price = self._own if known is None else known
        return CountryCost(country, texts, segments, price, known is not None)


def _read(path: Path) -> dict[tuple[str, str], Decimal]:
    sheet = CsvFile(path)
    places = [matching(sheet.columns, name) for name in _COLUMNS]
    if any(len(place) != 1 for place in places):
        raise BadFile(path, "line 1", "this is no price list", _LAYOUT)
    prices: dict[tuple[str, str], Decimal] = {}
    for line, values in _rows(sheet, [place[0] for place in places]):
        country, kind, price = values[0].upper(), values[1].upper(), values[2]
        if fault := _fault(country, kind, price):
            raise BadFile(path, f"line {line}", *fault)
        if (country, kind) in prices:
            reason = f"{country} {kind} has a price already"
            raise BadFile(path, f"line {line}", reason, "leave one of them out")
        prices[country, kind] = Decimal(price.replace(",", "."))
    return prices


def _rows(sheet: CsvFile, places: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
    for row in sheet.rows():
        if isinstance(row, BadRow):
            raise BadFile(sheet.path, f"line {row.line}", row.reason, _LAYOUT)
        yield row.line, [row.values[place].strip() for place in places]


def _fault(country: str, kind: str, price: str) -> tuple[str, str] | None:
    """What is wrong with a row, and the way out."""
    if country != OTHERS and country not in library().SUPPORTED_REGIONS:
        hint = "the United Kingdom is GB" if country == "UK" else "such as US; * is all others"
        return f"{country!r} is no country", f"write an ISO 3166 code of two letters ({hint})"
    if kind not in ("SMS", "MMS"):
        return f"{kind!r} is no type", "write SMS or MMS"
    if not _PRICE.fullmatch(price):
        return f"{price!r} is no price", "write it as 0.004, in the account's currency"
    return None
