"""A campaign's recipients by what they have in common: what became of them, and its cost."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from sluicegate.campaigns.proportions import ShareTest, share_test

from ...inspect import RecipientStatus
from ...operating.words import clean, cost
from ..kit.listing import Listing
from ..kit.output import table

_SHOWN = 20


class GroupBy(StrEnum):
    """What a report may be broken down by."""

    STATE = "state"
    CODE = "code"
    CARRIER = "carrier"
    COUNTRY = "country"
    AREA = "area"
    VERSION = "version"
    VARIANT = "variant"


class RecipientGroup(msgspec.Struct):
    """Recipients that have ``name`` in common.

    ``unknown`` of the accepted ones have no final receipt. ``others`` have not been sent anything,
    or not yet. ``clicked``: they followed a short link. ``costs`` are what was billed, by
    currency.
    """

    name: str
    recipients: int = 0
    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    unconfirmed: int = 0
    unknown: int = 0
    dead: int = 0
    others: int = 0
    clicked: int = 0
    costs: dict[str, Decimal] = msgspec.field(default_factory=dict)

    def add(self, one: RecipientStatus) -> None:
        """Count one more."""
        self.recipients += 1
        self.clicked += one.clicked
        if one.state == "accepted":
            self.accepted += 1
            setattr(self, one.delivery, getattr(self, one.delivery) + 1)
        elif one.state == "dead":
            self.dead += 1
        else:
            self.others += 1
        if one.cost:
            for amount, currency in zip(
                one.cost.split(", "), one.currency.split(", "), strict=True
            ):
                self.costs[currency] = self.costs.get(currency, Decimal(0)) + Decimal(amount)


def broken_down(
    recipients: Iterable[RecipientStatus], by: Iterable[GroupBy]
) -> dict[GroupBy, list[RecipientGroup]]:
    """Count recipients by each of ``by``, the largest groups first."""
    found: dict[GroupBy, dict[str, RecipientGroup]] = {each: {} for each in by}
    for one in recipients:
        for each, groups in found.items():
            name = _name(one, each)
            if name not in groups:
                groups[name] = RecipientGroup(name)
            groups[name].add(one)
    return {
        each: sorted(groups.values(), key=lambda group: (-group.recipients, group.name))
        for each, groups in found.items()
    }


def _name(one: RecipientStatus, by: GroupBy) -> str:
    if by is GroupBy.CODE:
        return one.delivery_code or one.code
    return str(getattr(one, by.value))


def tables(found: dict[GroupBy, list[RecipientGroup]]) -> Iterator[Listing]:
    """A table for each breakdown."""
    figures = ("SENT TO", "DELIVERED", "FAILED", "UNCONFIRMED", "UNKNOWN", "DEAD", "OTHERS")
    for by, groups in found.items():
        clicks = ("CLICKED",) * any(group.clicked for group in groups)
        columns = (*figures, *clicks, "COST")
        rows = table(by.value.upper(), *columns, right=columns)
        for group in groups[:_SHOWN]:
            counts = (
                *(group.accepted, group.delivered, group.failed, group.unconfirmed),
                *(group.unknown, group.dead, group.others),
                *(group.clicked,) * len(clicks),
            )
            costs = ", ".join(cost(sum, currency) for currency, sum in group.costs.items())
            name = clean(group.name) or "none known"
            rows.add_row(name, *(f"{count:,}" for count in counts), costs)
        if rest := groups[_SHOWN:]:
            rows.add_row(f"{len(rest)} more: see --json", *[""] * (len(figures) + len(clicks) + 1))
        yield rows


def variant_tests(found: dict[GroupBy, list[RecipientGroup]]) -> dict[str, ShareTest]:
    """Whether two texts differ: shares delivered, failed, dead and clicked of a and of b."""
    groups = {group.name: group for group in found.get(GroupBy.VARIANT, ())}
    if not groups.keys() >= {"a", "b"}:
        return {}
    a, b = groups["a"], groups["b"]

    def told(group: RecipientGroup) -> int:
        return group.delivered + group.failed + group.unconfirmed

    return {
        "delivered": share_test(a.delivered, told(a), b.delivered, told(b)),
        "failed": share_test(a.failed, told(a), b.failed, told(b)),
        "dead": share_test(a.dead, a.accepted + a.dead, b.dead, b.accepted + b.dead),
    } | _clicked(a, b)


def _clicked(a: RecipientGroup, b: RecipientGroup) -> dict[str, ShareTest]:
    if not a.clicked + b.clicked:
        return {}
    return {"clicked": share_test(a.clicked, a.accepted, b.clicked, b.accepted)}


def documents(found: dict[GroupBy, list[RecipientGroup]]) -> dict[str, Any]:
    """The same for a program, with exact costs."""
    return {
        by.value: [
            msgspec.structs.asdict(group)
            | {"costs": {currency: str(sum) for currency, sum in group.costs.items()}}
            for group in groups
        ]
        for by, groups in found.items()
    }
