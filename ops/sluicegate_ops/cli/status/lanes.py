"""``sluicegate lanes``: every lane, in the order in which they are served."""

from typing import Annotated

import typer

from ...inspect import LaneState, lanes
from ..kit.output import Lines, counted, local, table, write, write_lines
from ..kit.session import Session
from .reasons import named

_SHOWN = 50


def list_lanes(
    ctx: typer.Context,
    all: Annotated[
        bool, typer.Option("--all", help="All of them, not only the first 50.")
    ] = False,
    json: Lines = False,
) -> None:
    """List the lanes: what waits in each, and whether its turn comes.

    The first is served next; transactional lanes go before bulk, and a level that is used up
    parks its lanes.

    \b
    Example:
      sluicegate lanes
      sluicegate lanes --all --json | jq -r .lane
    """
    session: Session = ctx.obj
    facts = session.waits.facts
    shown, total = lanes(session.client, session.keys, facts, None if all else _SHOWN)
    if json:
        write_lines(shown)
    elif shown:
        _show(shown, facts.now_ms)
    else:
        typer.echo("no lanes: nothing waits")
    if (more := total - len(shown)) > 0:
        typer.echo(f"and {counted(more, 'lane')} more: --all lists them", err=True)


def _show(shown: list[LaneState], now_ms: float) -> None:
    rows = table("NEXT", "CLASS", "FROM", "CAMPAIGN", "WAITING", "WEIGHT", "STATE")
    for at in (0, 4, 5):
        rows.columns[at].justify = "right"
    for lane in shown:
        rows.add_row(
            str(lane.place or ""),
            f"{lane.priority} {lane.type}",
            lane.sender,
            lane.campaign,
            f"{lane.waiting:,}",
            f"{lane.weight:g}",
            _state(lane, now_ms),
        )
    write(rows)


def _state(lane: LaneState, now_ms: float) -> str:
    if not lane.level:
        return lane.state
    ends = "" if lane.until_ms is None else f" until {local(lane.until_ms, now_ms)}"
    return f"{lane.state}{ends} by {named(lane.level)}"
