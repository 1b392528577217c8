"""What a campaign costs, country by country."""

from collections.abc import Sequence
from decimal import Decimal

import typer

from sluicegate.campaigns.prices import CountryCost
from sluicegate.campaigns.report import Report
from sluicegate.config import Account

from ...operating.words import cost
from ..kit.output import table, tell, write

_SHOWN = 12
"""Countries listed; JSON has all of them."""


def named(country: str) -> str:
    """A country's code, for people."""
    return {"": "unknown", "001": "international"}.get(country, country)


def write_costs(report: Report, kind: str, account: Account) -> None:
    """Write the prices and costs of each country, and the total; ``kind`` is SMS or MMS."""
    figures = ("TEXTS", "SEGMENTS", "EACH", "COST")
    rows = table(f"{kind} TO", *figures, "NOTE", right=figures)
    for each in report.countries[:_SHOWN]:
        note = "" if each.listed or not account.price_list else "not in the price list"
        price = f"{each.price:f}"
        rows.add_row(named(each.country), *_figures([each], price, report.currency), note)
    rest = report.countries[_SHOWN:]
    if rest:
        rows.add_row(f"{len(rest)} more", *_figures(rest, "", report.currency), "see --json")
    rows.add_row("total", *_figures(report.countries, "", report.currency), "")
    typer.echo()
    write(rows)
    own = "one price for every country, as no price_list is set"
    prices = f"the prices in {account.price_list}" if account.price_list else own
    tell(f"estimated from {prices}; without carrier fees and taxes")


def _figures(
    countries: Sequence[CountryCost], price: str, currency: str
) -> tuple[str, str, str, str]:
    texts, segments = (
        sum(getattr(each, of) for each in countries) for of in ("texts", "segments")
    )
    total = sum((each.cost for each in countries), Decimal(0))
    return f"{texts:,}", f"{segments:,}", price, cost(total, currency)
