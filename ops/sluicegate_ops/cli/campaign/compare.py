"""``sluicegate campaign compare``: two campaigns side by side, and whether they differ."""

from decimal import Decimal
from typing import Annotated, Any

import typer

from sluicegate.campaigns.ledger import Ledger
from sluicegate.campaigns.proportions import ShareTest, share_test
from sluicegate.stored import UNITS

from ...operating.session import Session
from ...operating.words import cost
from ..kit.command import command, option_set
from ..kit.options import AsJsonDocument, CampaignArgument
from ..kit.output import table, write, write_document

_TESTED = ("delivered", "failed", "dead")


@option_set
class CompareOptions:
    """The options of ``campaign compare``."""

    name: CampaignArgument
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The other campaign.")]
    json: AsJsonDocument = False


@command
def compare(session: Session, options: CompareOptions) -> None:
    """Show two campaigns side by side.

    Shares are tested: a two-sided two-proportion z-test, with its p-value. Of
    those with a final receipt, delivered and failed; of those that the provider
    answered, dead.

    \b
    Example:
      sluicegate campaign compare july august
    """
    campaigns, names = session.campaigns, (options.name, options.other)
    ledgers = [campaigns.ledger(campaigns.get(name).name) for name in names]
    tests = {what: _tested(what, *ledgers) for what in _TESTED}
    if options.json:
        about = {name: _document(ledger) for name, ledger in zip(names, ledgers, strict=True)}
        write_document({"campaigns": about, "tests": tests})
        return
    rows = table("", *names, "TEST", right=names)
    for what in ("imported", "accepted", "delivered", "failed", "unconfirmed", "dead"):
        counts = [f"{_count(what, ledger):,}" for ledger in ledgers]
        rows.add_row(what, *counts, "")
    for what, test in tests.items():
        shares = [_percent(share) for share in (test.one, test.other)]
        rows.add_row(f"share {what}", *shares, test.said)
    rows.add_row("cost", *(_costs(ledger) for ledger in ledgers), "")
    write(rows)


def _count(what: str, ledger: Ledger) -> int:
    if what == "imported":
        return ledger.imported
    return ledger.deliveries[what] if what in ledger.deliveries else ledger.states[what]


def _tested(what: str, one: Ledger, other: Ledger) -> ShareTest:
    def of(ledger: Ledger) -> int:
        if what == "dead":
            return ledger.states["accepted"] + ledger.states["dead"]
        return sum(ledger.deliveries.values())

    return share_test(_count(what, one), of(one), _count(what, other), of(other))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}%"


def _sums(ledger: Ledger) -> dict[str, Decimal]:
    """What was billed, by currency."""
    sums = {
        currency: sum((Decimal(each.cost_billionths) for each in carriers.values()), Decimal(0))
        for currency, carriers in ledger.costs.items()
        if currency
    }
    return {currency: billionths / UNITS for currency, billionths in sums.items()}


def _costs(ledger: Ledger) -> str:
    return ", ".join(cost(sum, currency) for currency, sum in _sums(ledger).items())


def _document(ledger: Ledger) -> dict[str, Any]:
    costs = {currency: str(sum) for currency, sum in _sums(ledger).items()}
    counts = {"imported": ledger.imported, **ledger.states}
    return counts | {"deliveries": ledger.deliveries, "costs": costs}
