"""Opens the rows of a file or a stream by what it holds: CSV, JSON lines or a workbook."""

from pathlib import Path
from typing import IO, NamedTuple

from ..errors import BadFile
from .csv_file import CsvFile
from .json_lines import JsonRows, is_json
from .row_source import RowSource
from .temporary import OnRow, TemporaryCopy, ignored
from .workbook import is_workbook, open_workbook

_PREFIX = 4096
_STDIN = Path("stdin")


class FileForm(NamedTuple):
    """What is known of a file, else found out.

    ``encoding`` is for CSV and JSON lines, ``delimiter`` for CSV, ``sheet`` for a workbook.
    """

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None


_UNKNOWN = FileForm()


def open_rows(
    path: Path,
    form: FileForm = _UNKNOWN,
    copy: TemporaryCopy | None = None,
    on_row: OnRow = ignored,
) -> RowSource:
    """Open the file at ``path``, or its ``copy``, by what it holds, whatever its name is.

    ``on_row`` hears of the rows that are copied, which takes a while where they are many.

    Raises BadFile if it can't be read, or if ``form`` has what is not for such a file.
    """
    prefix = _prefix(path, copy)
    if is_workbook(prefix):
        _refuse(path, "a workbook", encoding=form.encoding, delimiter=form.delimiter)
        return open_workbook(path, form.sheet, copy, on_row)
    _refuse(path, "no workbook", sheet=form.sheet)
    if is_json(prefix) and form.delimiter is None:
        return JsonRows(path, encoding=form.encoding, copy=copy)
    return CsvFile(path, encoding=form.encoding, delimiter=form.delimiter, copy=copy)


def open_stream(
    stream: IO[bytes], form: FileForm = _UNKNOWN, on_row: OnRow = ignored
) -> RowSource:
    """Read all of a stream into a temporary file, and open that; raises BadFile."""
    try:
        copy = TemporaryCopy.of(stream)
    except OSError as error:
        reason = f"cannot be copied into a temporary file: {error.strerror}"
        raise BadFile(_STDIN, "", reason, "set TMPDIR to a folder with room for it") from error
    return open_rows(_STDIN, form, copy, on_row)


def _prefix(path: Path, copy: TemporaryCopy | None) -> bytes:
    try:
        file = copy.path if copy else path
        if not file.is_file():
            return b""  # whoever opens it says why not
        with file.open("rb") as opened:
            return opened.read(_PREFIX)
    except (OSError, ValueError):
        return b""


def _refuse(path: Path, what: str, **options: str | None) -> None:
    given = [f"--{name}" for name, value in options.items() if value is not None]
    if given:
        raise BadFile(path, "", f"it is {what}", f"leave {' and '.join(given)} out")
