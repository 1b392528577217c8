"""``sluicegate audit``: what people did to messages, who they were, and why."""

from collections.abc import Iterator
from itertools import islice

import msgspec
import typer

from sluicegate_worker.operator.audit import Audit, Entry

from .kit.command import command, option_set
from .kit.groups import group
from .kit.options import AsJsonLines, ListLimit, Unmasked
from .kit.output import clean, counted, hidden, table, when, write, write_lines
from .kit.session import Session

audit = group("See what people did to messages, and why.")


@option_set
class AuditOptions:
    """The options of ``audit list``."""

    limit: ListLimit = 50
    json: AsJsonLines = False
    full: Unmasked = False


@audit.command("list")
@command
def list_(session: Session, options: AuditOptions) -> None:
    """List what people replayed, edited, purged and resolved.

    The latest comes first.

    \b
    Example:
      sluicegate audit list
    """
    kept = Audit(session.client, session.keys)
    entries = [_masked(entry, options.full) for entry in islice(kept, options.limit or None)]
    if options.json:
        write_lines(entries)
    elif entries:
        _show(entries)
        if len(entries) == options.limit < (total := len(kept)):
            all_of_them = counted(total, "entry", "entries")
            typer.echo(f"{all_of_them} in all; --limit 0 lists them", err=True)
    else:
        typer.echo("nobody has acted on a message")


def _show(entries: list[Entry]) -> None:
    rows = table("AT", "WHO", "ACTION", "MESSAGES", "WHICH", "WHY", spare=("AT",))
    for entry in entries:
        which = " ".join(_which(entry))
        about = (entry.who, entry.action, f"{entry.count:,}", which, entry.why)
        rows.add_row(when(entry.at_ms), *map(clean, about))
    write(rows)


def _which(entry: Entry) -> Iterator[str]:
    yield from entry.ids
    for name, text in entry.filter.items():
        yield f"{name.replace('_', '-')}={text}"
    if entry.generation is not None:
        yield f"generation={entry.generation}"
    if entry.sender:
        yield f"from={entry.sender}"
    if entry.text:
        yield f"text={entry.text}"


def _masked(entry: Entry, full: bool) -> Entry:
    if full:
        return entry
    text = f"{len(entry.text)} characters" if entry.text else ""
    return msgspec.structs.replace(entry, why=hidden(entry.why), text=text)
