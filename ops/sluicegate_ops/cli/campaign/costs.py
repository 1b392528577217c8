"""What a campaign cost, as screens and programs are told: as billed, and as was estimated."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import typer

from sluicegate.campaigns.ledger import Costs, Ledger
from sluicegate.carriers import CARRIER_NAMES
from sluicegate.stored import CostSum

from ...inspect import AcceptedPart, amount_text
from ..kit.output import counted, table, write, write_pairs

Estimates = Mapping[str, int]
"""What preflights reckoned, in billionths by currency."""


def costs_pairs(ledger: Ledger, estimates: Estimates) -> Iterator[tuple[str, str]]:
    """What it cost, beside what was estimated, and of how many nobody told the cost."""
    for currency, sum in _totals(ledger.costs).items():
        if currency:
            sent = f"{counted(sum.messages, 'message')} of {counted(sum.parts, 'part')}"
            yield "billed", f"{amount_text(sum.cost_billionths)} {currency} for {sent}"
    for currency, billionths in estimates.items():
        yield "estimated", f"{amount_text(billionths)} {currency} for everybody imported"
    if unknown := _totals(ledger.costs).get(""):
        yield "cost not known", f"of {counted(unknown.messages, 'message')}"


def show_costs(ledger: Ledger, estimates: Estimates, parts: Sequence[AcceptedPart] = ()) -> None:
    """Write what it cost: in all, by carrier, and by what receipts said."""
    pairs = list(costs_pairs(ledger, estimates))
    if not pairs:
        return
    typer.echo()
    write_pairs(pairs)
    rows = table("COST OF", "MESSAGES", "PARTS", "COST", right=("MESSAGES", "PARTS", "COST"))
    for name, currency, sum in (*_carriers(ledger.costs), *_deliveries(parts)):
        cost = f"{amount_text(sum.cost_billionths)} {currency}" if currency else "not known"
        rows.add_row(name, f"{sum.messages:,}", f"{sum.parts:,}", cost)
    if len(rows):
        typer.echo()
        write(rows)


def costs_document(
    ledger: Ledger, estimates: Estimates, parts: Sequence[AcceptedPart] = ()
) -> dict[str, Any]:
    """The same for a program: amounts are exact texts."""
    totals = _totals(ledger.costs)
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


def _totals(costs: Costs) -> dict[str, CostSum]:
    totals: dict[str, CostSum] = {}
    for currency, carriers in costs.items():
        for sum in carriers.values():
            totals[currency] = totals.get(currency, CostSum()) + sum
    return totals


def _carriers(costs: Costs) -> Iterator[tuple[str, str, CostSum]]:
    for currency, carriers in costs.items():
        for carrier, sum in carriers.items():
            yield f"carrier {CARRIER_NAMES[carrier]}", currency, sum


def _deliveries(parts: Sequence[AcceptedPart]) -> Iterator[tuple[str, str, CostSum]]:
    for part in parts:
        name = " ".join(filter(None, (part.delivery, part.code)))
        for currency, sum in part.costs.items():
            yield f"receipt {name}", currency, sum


def _entry(sum: CostSum) -> dict[str, Any]:
    cost = amount_text(sum.cost_billionths)
    return {"cost": cost, "messages": sum.messages, "parts": sum.parts}


def _with(currency: str, sum: CostSum) -> dict[str, Any]:
    entry = _entry(sum)
    if not currency:
        entry["cost"] = None
    return {"currency": currency or None, **entry}
