"""What is stored of costs: sums of what the provider billed, and the bill of a second send."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, cast, get_args

import msgspec

from ..errors import Malformed
from .bill import NO_BILL, Bill

SumKind = Literal["all", "app", "campaign", "sender", "carrier"]
"""What messages are summed up by; ``app`` has those of no app under the name ``""``."""

UNITS: Final = 10**9
"""Amounts are whole billionths of a currency."""

OTHERS: Final = "*"
"""The name of what a day had no room for by its own name."""


class CostSum(msgspec.Struct, frozen=True):
    """What some messages cost together: ``billionths messages parts``.

    Mirrored by ``text_of`` in ``costs.lua``.
    """

    cost_billionths: int = 0
    messages: int = 0
    parts: int = 0

    def __add__(self, other: "CostSum") -> "CostSum":
        return CostSum(
            self.cost_billionths + other.cost_billionths,
            self.messages + other.messages,
            self.parts + other.parts,
        )

    @classmethod
    def of(cls, bill: Bill) -> "CostSum":
        """One send's."""
        return cls(bill.cost_billionths or 0, 1, bill.parts)

    @classmethod
    def parse(cls, text: str | bytes) -> "CostSum":
        """Read a sum; raises Malformed."""
        try:
            cost, messages, parts = map(int, text.split())
            return cls(cost, messages, parts)
        except ValueError as error:
            raise Malformed("sum of costs", text) from error


class SumField(NamedTuple):
    """Where a sum stands in its hash: ``currency|all``, or ``currency|kind|name``.

    Of messages without a cost the currency is ``""``. A carrier's name is its letter, as a bill
    has it. Mirrored by ``spread`` in ``costs.lua``.
    """

    currency: str
    kind: SumKind
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> "SumField":
        """Read a field; raises Malformed."""
        currency, kind, name = [*text.split("|", 2), "", ""][:3]
        if kind not in get_args(SumKind):
            raise Malformed("field of a sum of costs", text)
        return cls(currency, cast("SumKind", kind), name)

    def format(self) -> str:
        end = "" if self.kind == "all" else f"|{self.name}"
        return f"{self.currency}|{self.kind}{end}"


class OtherBill(NamedTuple):
    """The bill of a message's further send: ``at_ms|bill``, when a receipt told its cost.

    Mirrored by ``known`` and ``store`` in ``costs.lua``.
    """

    at_ms: int
    bill: Bill

    @classmethod
    def parse(cls, text: str) -> "OtherBill":
        """Read a record's field ``bill:<provider_id>``; raises Malformed."""
        at, bar, bill = text.partition("|")
        try:
            if bar:
                return cls(int(at or 0), Bill.parse(bill) if bill else NO_BILL)
        except ValueError:
            pass
        raise Malformed("bill of another id", text)

    def format(self) -> str:
        return f"{self.at_ms or ''}|{self.bill.format()}"


class MoneyTerms(NamedTuple):
    """What caps in money are reckoned by: ``currency|sms|mms|share``.

    ``sms`` and ``mms`` are a part's price in billionths, ``share`` that of a cap from which it is
    told. Mirrored by ``of_lane`` and ``note`` in ``caps.lua``.
    """

    currency: str
    sms: int
    mms: int
    share: float

    def format(self) -> str:
        return f"{self.currency}|{self.sms}|{self.mms}|{self.share:.6g}"


class MaxCost(NamedTuple):
    """A campaign's cap: ``billionths|currency|price`` of a part, in billionths.

    Mirrored by ``of_campaign`` in ``caps.lua``.
    """

    cost_billionths: int
    currency: str
    price: int

    @classmethod
    def parse(cls, text: str) -> "MaxCost":
        """Read a campaign's field ``max_cost``; raises Malformed."""
        try:
            cost, currency, price = text.split("|")
            return cls(int(cost), currency, int(price))
        except ValueError as error:
            raise Malformed("cap of a campaign", text) from error

    def format(self) -> str:
        return f"{self.cost_billionths}|{self.currency}|{self.price}"


def parse_sums(stored: Mapping[bytes, bytes]) -> dict[SumField, CostSum]:
    """Read a hash of sums; raises Malformed."""
    return {
        SumField.parse(field.decode()): CostSum.parse(sum.decode())
        for field, sum in stored.items()
    }
