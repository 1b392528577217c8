"""What a campaign cost, as screens and programs are told: as billed, and as was estimated."""

from collections.abc import Iterator, Sequence

import typer

from sluicegate.campaigns.ledger import Costs, Ledger
from sluicegate.carriers import CARRIER_NAMES
from sluicegate.stored import CostSum

from ...inspect import AcceptedPart, amount_text
from ...operating.campaign.costs import Estimates, by_currency
from ...operating.words import counted
from ..kit.output import table, write, write_pairs


def costs_pairs(ledger: Ledger, estimates: Estimates) -> Iterator[tuple[str, str]]:
    """What it cost, beside what was estimated, and of how many nobody told the cost."""
    for currency, sum in by_currency(ledger.costs).items():
        if currency:
            sent = f"{counted(sum.messages, 'message')} of {counted(sum.parts, 'part')}"
            yield "billed", f"{amount_text(sum.cost_billionths)} {currency} for {sent}"
    for currency, billionths in estimates.items():
        yield "estimated", f"{amount_text(billionths)} {currency} for everybody imported"
    if unknown := by_currency(ledger.costs).get(""):
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


def _carriers(costs: Costs) -> Iterator[tuple[str, str, CostSum]]:
    for currency, carriers in costs.items():
        for carrier, sum in carriers.items():
            yield f"carrier {CARRIER_NAMES[carrier]}", currency, sum


def _deliveries(parts: Sequence[AcceptedPart]) -> Iterator[tuple[str, str, CostSum]]:
    for part in parts:
        name = " ".join(filter(None, (part.delivery, part.code)))
        for currency, sum in part.costs.items():
            yield f"receipt {name}", currency, sum
