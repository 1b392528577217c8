"""``sluicegate campaign hours``: when a campaign's recipients may be sent to."""

import typer

from ...inspect import ClassHours, campaign_hours, server_ms
from ...operating.campaign.opening_words import where
from ...operating.session import Session
from ...operating.words import local
from ..kit.command import command, option_set
from ..kit.listing import Listing
from ..kit.options import AsJsonLines
from ..kit.output import table, write, write_lines
from .options import CampaignOptions


@option_set
class HoursOptions(CampaignOptions):
    """The options of ``campaign hours``."""

    json: AsJsonLines = False


@command
def list_hours(session: Session, options: HoursOptions) -> None:
    """List the hours in which a campaign's recipients may be sent to.

    Recipients with the same hours are listed together, with how many of them
    wait. Where several zones are possible, all of them must be open.

    \b
    Example:
      sluicegate campaign hours july
    """
    session.campaigns.get(options.name)
    now_ms = server_ms(session.client)
    found = campaign_hours(session.client, session.keys, options.name, now_ms)
    if options.json:
        write_lines(found)
    elif found:
        write(_listed(found, now_ms))
    else:
        typer.echo(f"{options.name} has no hours: its recipients are sent to at any time")


def _listed(found: list[ClassHours], now_ms: float) -> Listing:
    rows = table("WAITING", "WHERE", "HOURS", "STATE", right=("WAITING",))
    for one in found:
        rows.add_row(
            f"{one.waiting:,}",
            where(one.zones),
            "; ".join(one.rules) or "any",
            _state(one, now_ms),
        )
    return rows


def in_short(found: list[ClassHours], now_ms: float) -> str:
    """How many of those who wait may be sent to now, and when the next may; "" without hours."""
    if not found:
        return ""
    waiting = sum(one.waiting for one in found)
    now = sum(one.waiting for one in found if one.is_open)
    ahead = [one.opens_ms for one in found if one.waiting and not one.is_open and one.opens_ms]
    opens = f", the next from {local(min(ahead), now_ms)} on" if ahead else ""
    return f"open for {now:,} of {waiting:,} who wait{opens}"


def _state(one: ClassHours, now_ms: float) -> str:
    if one.over_ms is not None and now_ms >= one.over_ms:
        return "over"
    if one.opens_ms is None or one.closes_ms is None:
        return "closed: no time is known"
    if one.is_open:
        return f"open until {local(one.closes_ms, now_ms)}"
    return f"opens {local(one.opens_ms, now_ms)}"
