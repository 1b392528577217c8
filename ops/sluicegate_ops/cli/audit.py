"""``sluicegate audit``: what people did, who they were, and why."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sluicegate.audit import Audit, Entry

from ..operating.audit import masked_entry, which_of
from ..operating.session import Session
from ..operating.words import clean, counted, when
from .kit.acts import note_export
from .kit.command import command, option_set
from .kit.files import sheet_output, text_output
from .kit.groups import group
from .kit.options import (
    AsJsonLines,
    ExportFormat,
    FormatOption,
    ListLimit,
    Overwrite,
    Unmasked,
    WhoOption,
    WhyOption,
)
from .kit.output import table, write, write_lines

audit = group("See what people did, and why.")


@option_set
class AuditOptions:
    """The options of ``audit list``."""

    limit: ListLimit = 50
    json: AsJsonLines = False
    full: Unmasked = False


@option_set
class AuditExportOptions:
    """The options of ``audit export``."""

    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write; - is standard output.")
    ]
    format: FormatOption = ExportFormat.CSV
    overwrite: Overwrite = False
    full: Unmasked = False
    who: WhoOption = None
    why: WhyOption = ""


@audit.command("list")
@command
def list_(session: Session, options: AuditOptions) -> None:
    """List what people did: to messages, halts, campaigns and opt-outs.

    The latest comes first.

    \b
    Example:
      sluicegate audit list
    """
    kept = Audit(session.client, session.keys)
    entries = [masked_entry(entry, options.full) for entry in islice(kept, options.limit or None)]
    if options.json:
        write_lines(entries)
    elif entries:
        _show(entries)
        if len(entries) == options.limit < (total := len(kept)):
            all_of_them = counted(total, "entry", "entries")
            typer.echo(f"{all_of_them} in all; --limit 0 lists them", err=True)
    else:
        typer.echo("nobody has done anything yet")


@audit.command()
@command
def export(session: Session, options: AuditExportOptions) -> None:
    """Write the whole audit to a file, the oldest entry first.

    \b
    Example:
      sluicegate audit export audit.csv
      sluicegate audit export audit.jsonl --format jsonl
    """
    file = None if str(options.file) == "-" else options.file
    kept = [masked_entry(entry, options.full) for entry in Audit(session.client, session.keys)]
    kept.reverse()
    if options.format is ExportFormat.JSONL:
        with text_output(file, options.overwrite) as out:
            out.writelines(msgspec.json.encode(entry).decode() + "\n" for entry in kept)
    else:
        with sheet_output(file, options.overwrite) as sheet:
            sheet.row(("at", "who", "action", "count", "which", "why"))
            for entry in kept:
                which = " ".join(which_of(entry))
                sheet.row(
                    (when(entry.at_ms), entry.who, entry.action, entry.count, which, entry.why)
                )
    note_export(session, options, "audit", len(kept), file)
    if file is not None:
        typer.echo(f"{counted(len(kept), 'entry', 'entries')} in {file}")


def _show(entries: list[Entry]) -> None:
    rows = table("AT", "WHO", "ACTION", "COUNT", "WHICH", "WHY", spare=("AT",))
    for entry in entries:
        which = " ".join(which_of(entry))
        about = (entry.who, entry.action, f"{entry.count:,}", which, entry.why)
        rows.add_row(when(entry.at_ms), *map(clean, about))
    write(rows)
