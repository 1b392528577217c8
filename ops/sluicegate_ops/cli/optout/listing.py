"""``sluicegate optout list`` and ``history``: who is on the list, and all that was said before."""

from typing import Annotated

import msgspec
import typer

from sluicegate.optouts import OptOut

from ...operating.numbers import numbers_of
from ...operating.reviews import masked_event, standing
from ...operating.session import Session
from ...operating.words import clean, hidden, when
from ..kit.command import command, option_set
from ..kit.options import AsJsonLines, RegionOption, Unmasked
from ..kit.output import table, tell, write, write_lines


@option_set
class OptOutListOptions:
    """The options of ``optout list``."""

    json: AsJsonLines = False
    full: Unmasked = False


@option_set
class HistoryOptions:
    """The options of ``optout history``."""

    number: Annotated[str, typer.Argument(metavar="NUMBER", help="A number: +15551234567.")]
    region: RegionOption = None
    json: AsJsonLines = False
    full: Unmasked = False


@command
def list_(session: Session, options: OptOutListOptions) -> None:
    """List the numbers, in no particular order.

    \b
    Example:
      sluicegate optout list --full --json > optouts.jsonl
    """
    entries = (
        msgspec.structs.replace(entry, number=hidden(entry.number, options.full))
        for entry in session.sluice.optouts
    )
    if options.json:
        write_lines(entries)
        return
    empty = True
    for entry in entries:
        empty = False
        typer.echo(_listing(entry))
    if empty:
        typer.echo("no number has opted out")


@command
def history(session: Session, options: HistoryOptions) -> None:
    """Show all that was ever said and done about a number's consent.

    What the recipient wrote, when, and who changed the list and why: the oldest
    comes first, and nothing is ever left out.

    \b
    Example:
      sluicegate optout history +15551234567 --full
    """
    [number] = numbers_of([options.number], options.region)
    events = [
        masked_event(event, options.full) for event in session.sluice.optouts.history(number)
    ]
    if options.json:
        write_lines(events)
        return
    tell(standing(session, number, hidden(number, options.full)))
    if not events:
        typer.echo("nothing was ever said of it here")
        return
    rows = table("AT", "ACT", "SOURCE", "WHO", "WHAT WAS WRITTEN, AND WHY")
    for event in events:
        said = [f'"{event.text}"'] * bool(event.text) + [event.why] * bool(event.why)
        about = (event.act, event.source, event.who, "; ".join(said))
        rows.add_row(when(event.at_ms), *map(clean, about))
    write(rows)


def _listing(entry: OptOut) -> str:
    """An entry on a line, as ``number_list.py`` reads it again."""
    return f"{entry.number:<16}  {when(entry.since_ms)}  {clean(entry.source)}"
