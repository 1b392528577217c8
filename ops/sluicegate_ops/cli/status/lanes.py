"""``sluicegate lanes``: every lane, in the order in which they are served."""

from typing import Annotated

import typer

from ...inspect import LaneState
from ...operating.session import Session
from ...operating.status.lanes import lane_words
from ...operating.words import counted
from ..kit.command import command, option_set
from ..kit.options import AsJsonLines
from ..kit.output import table, write, write_lines

_SHOWN = 50
_COLUMNS = ("NEXT", "CLASS", "FROM", "CAMPAIGN", "APP", "WAITING", "WEIGHT", "STATE")


@option_set
class LanesOptions:
    """The options of ``lanes``."""

    all: Annotated[bool, typer.Option("--all", help=f"List all, not only the first {_SHOWN}.")] = (
        False
    )
    json: AsJsonLines = False


@command
def list_lanes(session: Session, options: LanesOptions) -> None:
    """List the lanes in the order in which they are served.

    Transactional lanes go before bulk lanes. A level that is used up parks its
    lanes until it has room again.

    \b
    Example:
      sluicegate lanes
      sluicegate lanes --all --json | jq -r .lane
    """
    waits = session.waits
    shown, total = waits.lanes(None if options.all else _SHOWN)
    if options.json:
        write_lines(shown)
    elif shown:
        _show(shown, waits.facts.now_ms)
    else:
        typer.echo("no lanes: nothing waits")
    if (more := total - len(shown)) > 0:
        typer.echo(f"and {counted(more, 'lane')} more: --all lists them", err=True)


def _show(shown: list[LaneState], now_ms: float) -> None:
    figures = ("NEXT", "WAITING", "WEIGHT")
    rows = table(*_COLUMNS, spare=("WEIGHT", "NEXT"), right=figures)
    for lane in shown:
        rows.add_row(
            str(lane.place or ""),
            f"{lane.priority} {lane.type}",
            lane.sender,
            lane.campaign,
            lane.app,
            f"{lane.waiting:,}",
            f"{lane.weight:g}",
            lane_words(lane, now_ms),
        )
    write(rows)
