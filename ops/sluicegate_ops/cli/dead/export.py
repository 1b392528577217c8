"""``sluicegate dead export``: one line for each dead letter, streamed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO

import msgspec
import typer

from sluicegate_worker.operator.deadletters import DeadLetter
from sluicegate_worker.operator.edits import FAULTS, Letters
from sluicegate_worker.provider.codes import advice_for

from ...operating.session import Session
from ...operating.words import counted, hidden, when
from ..kit.acts import note_export
from ..kit.command import command, option_set
from ..kit.files import sheet_output, text_output
from ..kit.options import (
    ExportFormat,
    FormatOption,
    Overwrite,
    Unmasked,
    WhoOption,
    WhyOption,
)
from .choice import filtered, metered
from .options import LetterFilters

_PAGE = 500
_COLUMNS = (
    *("id", "to", "sender", "campaign", "code", "reason", "advice", "attempts", "maybe"),
    *("died_at", "app"),
)


@option_set
class DeadExportOptions(LetterFilters):
    """The options of ``dead export``."""

    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write; - is standard output.")
    ]
    format: FormatOption = ExportFormat.CSV
    overwrite: Overwrite = False
    full: Unmasked = False
    who: WhoOption = None
    why: WhyOption = ""


@command
def export(session: Session, options: DeadExportOptions) -> None:
    """Write one line for each dead letter.

    The oldest comes first. With --full, phone numbers are whole and a last
    column holds the text.

    \b
    Example:
      sluicegate dead export dead.csv --campaign july
      sluicegate dead export - --full > dead.csv
    """
    file = None if str(options.file) == "-" else options.file
    letters = filtered(session, options).letters(session, metered, oldest_first=True)
    columns = (*_COLUMNS, "text") if options.full else _COLUMNS
    count = 0
    with _output(options, file, columns) as write:
        while page := list(islice(letters, _PAGE)):
            texts = _texts(session, page) if options.full else [()] * len(page)
            for letter, text in zip(page, texts, strict=True):
                write(letter, (*_row(letter, options.full), *text))
            count += len(page)
    note_export(session, options, "dead letters", count, file)
    if file is not None:
        typer.echo(f"{counted(count, 'dead letter')} in {file}")


@contextmanager
def _output(
    options: DeadExportOptions, path: Path | None, columns: Sequence[str]
) -> Iterator[Callable[[DeadLetter, Sequence[object]], None]]:
    """What writes a dead letter's values in the format asked for."""
    if options.format is ExportFormat.JSONL:
        with text_output(path, options.overwrite) as file:
            yield lambda letter, values: _write_json(file, letter, columns, values)
        return
    with sheet_output(path, options.overwrite) as sheet:
        sheet.row(columns)
        yield lambda letter, values: sheet.row(values)


def _write_json(
    file: TextIO, letter: DeadLetter, columns: Sequence[str], values: Sequence[object]
) -> None:
    about = dict(zip(columns, values, strict=True))
    del about["died_at"]
    file.write(msgspec.json.encode(about | {"died_ms": letter.died_ms}).decode() + "\n")


def _row(letter: DeadLetter, full: bool) -> tuple[object, ...]:
    advice = advice_for(letter.code)
    return (
        letter.id,
        hidden(letter.to, full),
        letter.sender,
        letter.campaign,
        letter.code,
        hidden(letter.reason, full),
        advice.for_letter if advice else "",
        letter.attempts,
        letter.maybe,
        when(letter.died_ms),
        letter.app,
    )


def _texts(session: Session, page: Sequence[DeadLetter]) -> list[tuple[str]]:
    """The text of each letter; ``""`` if it can't be rendered."""
    letters = Letters(session.client, session.keys, session.account)
    texts: list[tuple[str]] = []
    for stored in session.dead.stored([letter.id for letter in page]):
        try:
            texts.append((letters.message(stored).text or "",))
        except FAULTS:
            texts.append(("",))
    return texts
