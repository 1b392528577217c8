"""``sluicegate optout export``: the list, or its whole history, in a file."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sluicegate.optouts import OptOuts

from ...operating.session import Session
from ...operating.words import counted, when
from ..kit.acts import by_whom, note
from ..kit.command import command, option_set
from ..kit.files import sheet_output, text_output
from ..kit.options import ExportFormat, FormatOption, Overwrite, WhoOption, WhyOption

_LIST = ("number", "since", "source", "profile")
_HISTORY = ("number", "at", "act", "source", "profile", "who", "why", "text")


@option_set
class OptOutExportOptions:
    """The options of ``optout export``."""

    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write; - is standard output.")
    ]
    history: Annotated[
        bool, typer.Option("--history", help="All that was ever said and done, not the list.")
    ] = False
    format: FormatOption = ExportFormat.CSV
    overwrite: Overwrite = False
    who: WhoOption = None
    why: WhyOption = ""


@command
def export(session: Session, options: OptOutExportOptions) -> None:
    """Write the list to a file, with whole numbers.

    A number has a line for each reason why it is on the list; "optout import"
    reads the file again. With --history it is all that was ever said and done.
    Keep the file where personal data belongs.

    \b
    Example:
      sluicegate optout export optouts.csv
      sluicegate optout export consent.jsonl --history --format jsonl
    """
    file = None if str(options.file) == "-" else options.file
    optouts = session.sluice.optouts
    rows = _history(optouts) if options.history else _entries(optouts)
    columns = _HISTORY if options.history else _LIST
    count = 0
    if options.format is ExportFormat.JSONL:
        with text_output(file, options.overwrite) as out:
            for row in rows:
                count += 1
                out.write(msgspec.json.encode(_named(columns, row)).decode() + "\n")
    else:
        with sheet_output(file, options.overwrite) as sheet:
            sheet.row(columns)
            for row in rows:
                count += 1
                sheet.row([when(cell) if type(cell) is int else cell for cell in row])
    by = by_whom(options.who, options.why, needed=False)
    about = {"file": options.file.name} | ({"history": "yes"} if options.history else {})
    note(session, by, "export optouts", about, count)
    if file is not None:
        typer.echo(f"{counted(count, 'line')} in {file}")


def _entries(optouts: OptOuts) -> Iterator[Sequence[object]]:
    for entry in optouts:
        for reason in entry.reasons:
            yield entry.number, reason.since_ms, reason.source, reason.profile


def _history(optouts: OptOuts) -> Iterator[Sequence[object]]:
    for number, events in optouts.histories():
        for event in events:
            said = (event.source, event.profile, event.who, event.why, event.text)
            yield number, event.at_ms, event.act, *said


def _named(columns: Iterable[str], row: Iterable[object]) -> dict[str, object]:
    """A row for programs: times are wall milliseconds, and their names say so."""
    pairs = zip(columns, row, strict=True)
    return {f"{name}_ms" if name in ("at", "since") else name: cell for name, cell in pairs}
