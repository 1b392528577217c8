"""What the simulator bills for a message, what it tells of that and when, and its own books."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import msgspec

UNITS = 10**9
"""Amounts are whole billionths of the currency."""

UNREADABLE = ("-0.0040", "NaN", "1e30", "free", "0.004.0", " ")
"""Amounts that are none."""


OTHERS = "*"
_PLACE = re.compile(r"(?:\*|\+[1-9][0-9]{0,6}) (?:SMS|MMS)")
_PRICE = re.compile(r"-?[0-9]{1,6}(?:\.[0-9]{1,9})?")
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, kw_only=True)
class Billing:
    """What messages cost, and what is told of it; each message's bill is the same each time.

    Raises ``ValueError``, naming the setting, for an invalid value.
    """

    currency: str = "USD"
    #: The price of each part by where the number begins and the message's type; the longest
    #: beginning counts, and ``*`` is all other numbers. An MMS is one part.
    prices: dict[str, str] = field(default_factory=lambda: {"* SMS": "0.004", "* MMS": "0.015"})
    #: What a carrier adds to the price of each part, by its name as it is told.
    carrier_fees: dict[str, str] = field(default_factory=dict)
    #: The share of messages whose final price is the answer's and ``change`` for each part.
    changed_cost: float = 0.0
    change: str = "0.0015"
    #: The share of messages that have one part more in the end than the answer says.
    changed_parts: float = 0.0
    #: The shares of answers, and of final events, whose cost is null.
    silent_answer: float = 0.0
    silent_final: float = 0.0
    #: The share of messages of which only costs are told that can't be read.
    unreadable: float = 0.0

    def __post_init__(self) -> None:
        if not _CURRENCY.fullmatch(self.currency):
            raise ValueError(f"billing.currency = {self.currency!r}: must be as USD is")
        for place in self.prices:
            if not _PLACE.fullmatch(place):
                raise ValueError(f"billing.prices: {place!r} must be as '+44 SMS' or '* MMS' are")
        prices = (*self.prices.values(), *self.carrier_fees.values(), self.change)
        for price in prices:
            if not _PRICE.fullmatch(price):
                reason = "must be an amount as 0.004 is, of at most 9 decimals"
                raise ValueError(f"billing: {price!r} {reason}")
        shares = ("changed_cost", "changed_parts", "silent_answer", "silent_final", "unreadable")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"billing.{name} = {getattr(self, name)!r}: must be 0 to 1")


class ToldCost(NamedTuple):
    """A cost as an answer or an event tells it; ``amount`` need not be a number."""

    parts: int
    #: None tells nothing: the cost is null.
    amount: str | None
    #: The carrier's fee in the amount, and the rest of it; empty where no sound amount is told.
    fee: str
    rate: str
    currency: str


class Billed(msgspec.Struct, gc=False, frozen=True):
    """What one message costs, in billionths, and what is told of it.

    The answer and the event of being sent tell ``parts`` and ``price + fee`` for each of them;
    the final event tells the final ones, which are what is billed.
    """

    parts: int
    final_parts: int
    #: Billionths for each part, without the carrier's fee.
    price: int
    final_price: int
    fee: int
    currency: str
    #: Whether the answer, and the final event, tell a cost at all.
    answered: bool = True
    finally_told: bool = True
    #: What stands where an amount should, if anything.
    garbage: str = ""

    @property
    def cost(self) -> int:
        """What is billed in the end."""
        return self.final_parts * (self.final_price + self.fee)

    @property
    def first_cost(self) -> int:
        """What it costs by the answer."""
        return self.parts * (self.price + self.fee)

    def tells(self, *, final: bool) -> bool:
        """Whether the answer, or the final event, tells a cost that can be read."""
        return (self.finally_told if final else self.answered) and not self.garbage

    def told(self, *, final: bool) -> ToldCost:
        """What the answer tells, or the final event."""
        parts, price = (self.final_parts, self.final_price) if final else (self.parts, self.price)
        fee, rate = parts * self.fee, parts * price
        if self.tells(final=final):
            amounts = (amount_text(fee + rate), amount_text(fee), amount_text(rate))
            return ToldCost(parts, *amounts, self.currency)
        return ToldCost(parts, self.garbage or None, "", "", self.currency)


class CostSums(msgspec.Struct):
    """The books: what was billed, by currency, as amounts such as ``12.3400``."""

    messages: int
    billed: dict[str, str]
    senders: dict[str, dict[str, str]]
    carriers: dict[str, dict[str, str]]
    #: By the day (UTC) of the provider's clock on which a message arrived.
    days: dict[str, dict[str, str]]


class BilledMessage(NamedTuple):
    """One message as the books have it; ``received_at`` in Unix seconds."""

    billed: Billed
    sender: str
    carrier: str
    received_at: float


def bill(
    to: str, kind: str, carrier: str, parts: int, number: int, billing: Billing, seed: int
) -> Billed:
    """Bill message ``number`` (from 0) of ``kind``, SMS or MMS; the same each time."""

    def happens(what: str, share: float) -> bool:
        rolled = crc32(f"{what} {seed} {number}".encode()) / 2**32
        return share > 0 and rolled < share

    price = _price(billing, to, kind)
    changed = happens("cost", billing.changed_cost)
    garbage = happens("garbage", billing.unreadable)
    return Billed(
        parts=parts,
        final_parts=parts + happens("parts", billing.changed_parts),
        price=price,
        final_price=price + _units(billing.change) if changed else price,
        fee=_fee(tuple(billing.carrier_fees.items()), carrier),
        currency=billing.currency,
        answered=not happens("answer", billing.silent_answer),
        finally_told=not happens("final", billing.silent_final),
        garbage=UNREADABLE[number % len(UNREADABLE)] if garbage else "",
    )


def sums(messages: Iterable[BilledMessage]) -> CostSums:
    """Add up the books."""
    count = 0
    billed: Counter[str] = Counter()
    senders: dict[str, Counter[str]] = {}
    carriers: dict[str, Counter[str]] = {}
    days: dict[str, Counter[str]] = {}
    for message in messages:
        day = datetime.fromtimestamp(message.received_at, UTC).date().isoformat()
        cost, currency = message.billed.cost, message.billed.currency
        count += 1
        billed[currency] += cost
        places = ((senders, message.sender), (carriers, message.carrier), (days, day))
        for place, name in places:
            place.setdefault(name, Counter())[currency] += cost
    return CostSums(
        count, _amounts(billed), *(_all_amounts(part) for part in (senders, carriers, days))
    )


def amount_text(billionths: int) -> str:
    """An amount as the provider writes it: with four decimals, or more where it has more."""
    units, rest = divmod(abs(billionths), UNITS)
    decimals = f"{rest:09d}".rstrip("0").ljust(4, "0")
    return f"{'-' if billionths < 0 else ''}{units}.{decimals}"


def _amounts(sums: Mapping[str, int]) -> dict[str, str]:
    return {currency: amount_text(cost) for currency, cost in sums.items()}


def _all_amounts(part: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, str]]:
    return {name: _amounts(sums) for name, sums in part.items()}


def _price(billing: Billing, to: str, kind: str) -> int:
    return _listed(tuple(billing.prices.items()), to[:8], kind)


@lru_cache(maxsize=65_536)
def _listed(prices: tuple[tuple[str, str], ...], start: str, kind: str) -> int:
    """The price of the longest beginning of a number that is listed for the kind."""
    listed = dict(prices)
    places = [start[:length] for length in range(len(start), 1, -1)]
    for place in (*places, OTHERS):
        if price := listed.get(f"{place} {kind}"):
            return _units(price)
    return 0


@lru_cache(maxsize=4096)
def _fee(fees: tuple[tuple[str, str], ...], carrier: str) -> int:
    return _units(dict(fees).get(carrier, "0"))


@lru_cache(maxsize=4096)
def _units(price: str) -> int:
    return int(Decimal(price) * UNITS)
