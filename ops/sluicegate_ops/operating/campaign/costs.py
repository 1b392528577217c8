"""What a campaign cost, as billed and as was estimated, for a program."""

from collections.abc import Mapping, Sequence
from typing import Any

from sluicegate.campaigns.ledger import Costs, Ledger
from sluicegate.stored import CostSum

from ...inspect import AcceptedPart, amount_text

Estimates = Mapping[str, int]
"""What preflights reckoned, in billionths by currency."""


def costs_document(
    ledger: Ledger, estimates: Estimates, parts: Sequence[AcceptedPart] = ()
) -> dict[str, Any]:
    """The same for a program: amounts are exact texts."""
    totals = by_currency(ledger.costs)
    unknown = totals.pop("", CostSum())
    return {
        "billed": {currency: _entry(sum) for currency, sum in totals.items()},
        "estimated": {currency: amount_text(cost) for currency, cost in estimates.items()},
        "messages_without_a_cost": unknown.messages,
        "carriers": [
            {"carrier": carrier, **_with(currency, sum)}
            for currency, carriers in ledger.costs.items()
            for carrier, sum in carriers.items()
        ],
        "deliveries": [
            {"delivery": part.delivery, "code": part.code, **_with(currency, sum)}
            for part in parts
            for currency, sum in part.costs.items()
        ],
    }


def by_currency(costs: Costs) -> dict[str, CostSum]:
    """What all carriers cost, by currency: ``""`` sums what nobody told."""
    totals: dict[str, CostSum] = {}
    for currency, carriers in costs.items():
        for sum in carriers.values():
            totals[currency] = totals.get(currency, CostSum()) + sum
    return totals


def _entry(sum: CostSum) -> dict[str, Any]:
    cost = amount_text(sum.cost_billionths)
    return {"cost": cost, "messages": sum.messages, "parts": sum.parts}


def _with(currency: str, sum: CostSum) -> dict[str, Any]:
    entry = _entry(sum)
    if not currency:
        entry["cost"] = None
    return {"currency": currency or None, **entry}
