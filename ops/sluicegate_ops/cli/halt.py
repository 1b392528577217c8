"""``sluicegate halt``: what is stopped as a whole, and going on."""

from typing import Annotated

import typer

from .asking import Yes, confirm
from .failures import fail
from .output import Lines, clean, hidden, table, when, write, write_lines
from .session import Session

halt = typer.Typer(help="Stops that hit every further message.", no_args_is_help=True)


@halt.command("list")
def list_(ctx: typer.Context, json: Lines = False) -> None:
    """List what is halted, and why.

    \b
    Example:
      sluicegate halt list
    """
    session: Session = ctx.obj
    found = session.halts.list()
    if json:
        write_lines(found)
        return
    if not found:
        typer.echo("nothing is halted")
        return
    rows = table("LEVEL", "UNTIL", "WHY")
    for one in found:
        until = "cleared" if one.until_ms is None else when(one.until_ms)
        rows.add_row(one.level, until, clean(hidden(one.why)))
    write(rows)


@halt.command()
def clear(
    ctx: typer.Context,
    level: Annotated[str, typer.Option(help="What to let go on.")] = "account",
    yes: Yes = False,
) -> None:
    """Lift a halt, once its cause is removed.

    Sending goes on at once.

    \b
    Example:
      sluicegate halt clear
    """
    session: Session = ctx.obj
    halts = {one.level: one for one in session.halts.list()}
    if level not in halts:
        others = f"; halted: {', '.join(halts)}" if halts else ""
        fail(f"{level} is not halted{others}")
    confirm(f"{level} is halted: {clean(hidden(halts[level].why))}\nLet it go on?", yes)
    session.halts.clear(level)
    typer.echo(f"{level} goes on")
