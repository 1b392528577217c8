"""``sluicegate trend``: how an account or a campaign went, by the minute or by the hour."""

from typing import Annotated

import typer

from ..inspect import HOURS, MINUTES, TrendPoint, read_trend, server_ms
from ..operating.session import Session
from ..operating.words import when
from .kit.command import command, option_set
from .kit.options import AsJsonLines
from .kit.output import table, tell, write, write_lines

_COLUMNS = ("FROM", "ACCEPTED", "PER SECOND", "ENQUEUED", "DEAD", "UNSENT", "WAITING", "IN DOUBT")
_SPARE = ("UNSENT", "ENQUEUED", "IN DOUBT", "DEAD")


@option_set
class TrendOptions:
    """The options of ``trend``."""

    campaign: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of this campaign, not the account.")
    ] = None
    hours: Annotated[
        bool, typer.Option("--hours", help="Hours of the last 30 days, not the last 60 minutes.")
    ] = False
    json: AsJsonLines = False


@command
def trend(session: Session, options: TrendOptions) -> None:
    """Show how the last 60 minutes went, or 30 days.

    A minute in which no worker looked is a gap: nobody knows what came then.

    \b
    Example:
      sluicegate trend
      sluicegate trend --campaign july --hours
      sluicegate trend --json | jq .accepted_per_second
    """
    name = options.campaign or ""
    if name:
        session.campaigns.get(name)
    span = HOURS if options.hours else MINUTES
    points = read_trend(session.client, session.keys, span, server_ms(session.client), name)
    if options.json:
        write_lines(points)
        return
    known = [point for point in points if point.so_far is not None]
    if not known:
        tell("nothing is known yet: workers write it down at the end of each minute")
        return
    _show(points[points.index(known[0]) :])


def _show(points: list[TrendPoint]) -> None:
    """Write them from the first that is known on."""
    listing = table(*_COLUMNS, spare=_SPARE, right=_COLUMNS[1:])
    for point in points:
        rate = "-" if point.accepted_per_second is None else f"{point.accepted_per_second:,.2f}"
        listing.add_row(
            when(point.from_ms),
            _count(point.accepted),
            rate,
            _count(point.enqueued),
            _count(point.dead),
            _count(point.unsent),
            _count(point.waiting),
            _count(point.in_doubt),
        )
    write(listing)


def _count(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"
