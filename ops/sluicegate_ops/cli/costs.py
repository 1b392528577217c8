"""``sluicegate costs``: what the provider billed, by day, app, sender, carrier or campaign."""

import re
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from ..inspect import CostRow, day_of, days_of_month, read_costs, server_ms
from ..operating.session import Session
from ..operating.words import clean, counted, hidden
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.options import AsJsonLines, Unmasked
from .kit.output import table, tell, write, write_lines

_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}")
_NAMES = {
    "t_mobile": "T-Mobile",
    "att": "AT&T",
    "other": "another carrier",
    "unknown": "carrier not known",
    "": "no app",
    "*": "the others",
}


class CostsBy(StrEnum):
    """What costs are summed up by."""

    DAY = "day"
    APP = "app"
    SENDER = "sender"
    CARRIER = "carrier"
    CAMPAIGN = "campaign"


@option_set
class CostsOptions:
    """The options of ``costs``."""

    day: Annotated[
        str | None,
        typer.Option(metavar="DAY", help="A day (UTC): 2026-11-29, today or yesterday."),
    ] = None
    month: Annotated[
        str | None,
        typer.Option(metavar="MONTH", help="A month (UTC): 2026-11. The default is this one."),
    ] = None
    by: Annotated[
        CostsBy,
        typer.Option(metavar="WHAT", help="day, app, sender, carrier or campaign."),
    ] = CostsBy.DAY
    json: AsJsonLines = False
    full: Unmasked = False


@command
def costs(session: Session, options: CostsOptions) -> None:
    """Show what the provider billed, exactly.

    A message counts on the day (UTC) on which it was accepted, by the cost that
    was told of it last. Those whose cost nobody told stand by themselves.

    \b
    Example:
      sluicegate costs
      sluicegate costs --month 2026-11 --by carrier
      sluicegate costs --day yesterday --by app --json
    """
    today = day_of(server_ms(session.client))
    days = _days(options, today)
    rows = read_costs(session.client, session.keys, days, options.by.value)
    if options.by is CostsBy.SENDER:
        rows = [_masked(row, options.full) for row in rows]
    if options.json:
        write_lines(rows)
    elif rows:
        _show(rows, options.by)
    else:
        last = "" if len(days) == 1 else f" to {days[-1]}"
        tell(f"nothing was accepted from {days[0]}{last}, or it is not kept any more")


def _days(options: CostsOptions, today: date) -> list[date]:
    if options.day and options.month:
        fail("--day and --month: give one of them", BAD_INPUT)
    if options.day:
        return [_day(options.day, today)]
    days = days_of_month(_month(options.month) if options.month else today)
    return [day for day in days if day <= today] or days


def _day(text: str, today: date) -> date:
    named = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in named:
        return named[text]
    try:
        return date.fromisoformat(text)
    except ValueError:
        return fail(f"--day {text}: no day; write it as 2026-11-29, today or yesterday", BAD_INPUT)


def _month(text: str) -> date:
    try:
        if _MONTH.fullmatch(text):
            return date.fromisoformat(f"{text}-01")
    except ValueError:
        pass
    return fail(f"--month {text}: no month; write it as 2026-11", BAD_INPUT)


def _masked(row: CostRow, full: bool) -> CostRow:
    return CostRow(hidden(row.name, full), row.currency, row.cost, row.messages, row.parts)


def _show(rows: list[CostRow], by: CostsBy) -> None:
    """Write the rows, each name's cost first, and what all of them come to."""
    listing = table(by.upper(), "MESSAGES", "PARTS", "COST", right=("MESSAGES", "PARTS", "COST"))
    for row in rows:
        name = _NAMES.get(row.name, row.name) if by is not CostsBy.DAY else row.name
        cost = "not known" if row.cost is None else f"{row.cost} {row.currency}"
        listing.add_row(clean(name), f"{row.messages:,}", f"{row.parts:,}", cost)
    write(listing)
    unknown = sum(row.messages for row in rows if row.cost is None)
    if unknown:
        tell(f"\nof {counted(unknown, 'message')} nobody told the cost (yet)")
