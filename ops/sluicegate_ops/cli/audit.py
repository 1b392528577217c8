"""``sluicegate audit``: what people did to messages, who they were, and why."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated

import msgspec
import typer

from sluicegate_worker.operator.audit import Audit, Entry

from .kit.output import Full, Lines, clean, counted, hidden, table, when, write, write_lines
from .kit.session import Session

audit = typer.Typer(help="What people did to messages, and why.", no_args_is_help=True)


@audit.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 50,
    json: Lines = False,
    full: Full = False,
) -> None:
    """List what was replayed, edited, purged and resolved by hand, the latest first.

    \b
    Example:
      sluicegate audit list
    """
    session: Session = ctx.obj
    kept = Audit(session.client, session.keys)
    found = [_masked(one, full) for one in islice(kept, limit or None)]
    if json:
        write_lines(found)
        return
    if not found:
        typer.echo("nothing was done by hand")
        return
    rows = table("AT", "WHO", "ACTION", "MESSAGES", "WHICH", "WHY")
    for one in found:
        about = (one.who, one.action, f"{one.count:,}", " ".join(_which(one)), one.why)
        rows.add_row(when(one.at_ms), *map(clean, about))
    write(rows)
    if len(found) == limit < (total := len(kept)):
        typer.echo(f"{counted(total, 'entry', 'entries')} in all; --limit 0 lists them", err=True)


def _which(one: Entry) -> Iterator[str]:
    yield from one.ids
    for name, text in one.filter.items():
        yield f"{name.replace('_', '-')}={text}"
    if one.generation is not None:
        yield f"generation={one.generation}"
    if one.sender:
        yield f"from={one.sender}"
    if one.text:
        yield f"text={one.text}"


def _masked(one: Entry, full: bool) -> Entry:
    if full:
        return one
    text = f"{len(one.text)} characters" if one.text else ""
    return msgspec.structs.replace(one, why=hidden(one.why), text=text)
