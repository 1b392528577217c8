"""Reads a sheet of an Excel workbook (.xlsx): as the CSV that it would be saved as.

The sheet is copied once into a temporary CSV file, row by row, so that everything which holds for
CSV holds for it: row 7 of the sheet is line 7. openpyxl reads it, in constant memory but for the
texts that cells share; what unpacks to more than any sheet of people does is refused.
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadFile
from .cell_formats import text_of
from .csv_file import CsvFile
from .temporary import OnRow, TemporaryCopy, ignored

_MAGIC = b"PK\x03\x04"
_MOST_ROWS = 1_048_576  # of a sheet, as Excel has it
_MOST_BYTES = 2 << 30  # of all parts, unpacked
_MOST_IN_MEMORY = 128 << 20  # of each part that is read whole: shared texts, styles
_MOST_RATIO = 200  # unpacked to packed bytes, of a part that is large
_LARGE = 32 << 20
_SHEETS = "xl/worksheets/"
_WAY_OUT = "save it as .xlsx or CSV, from the program that it is from"


def is_workbook(prefix: bytes) -> bool:
    """Whether a file that begins with ``prefix`` is a ZIP archive, as a workbook is."""
    return prefix.startswith(_MAGIC)


def open_workbook(
    path: str | Path,
    sheet: str | None = None,
    copy: TemporaryCopy | None = None,
    on_row: OnRow = ignored,
) -> CsvFile:
    """Read a sheet of the workbook at ``path``, or of its ``copy``: the only one, or by its name.

    Raises BadFile if it is no workbook, holds several sheets of which none is named, or is larger
    than any sheet of people; and ModuleNotFoundError without openpyxl.
    """
    path, file = Path(path), copy.path if copy else Path(path)
    _check_size(path, file)
    with _opened(path, file) as workbook:
        chosen = _chosen(path, workbook, sheet)
        rows = _rows(path, chosen)
        written = TemporaryCopy.of_rows(rows, on_row)
    form = f"Excel workbook, sheet {chosen.title!r}"
    return CsvFile(path, encoding="utf-8", delimiter=",", copy=written, form=form)


def _check_size(path: Path, file: Path) -> None:
    """Refuse what unpacks to too much, before anything is unpacked: a reader stops there too."""
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except (OSError, zipfile.BadZipFile, ValueError) as error:
        reason = f"a damaged workbook: {getattr(error, 'strerror', None) or error}"
        raise BadFile(path, "", reason, _WAY_OUT) from error
    if not any(part.filename == "xl/workbook.xml" for part in parts):
        raise BadFile(path, "", "a ZIP archive, but no Excel workbook", _WAY_OUT)
    for part in parts:
        large = part.file_size > _LARGE
        if large and part.file_size > _MOST_RATIO * max(1, part.compress_size):
            sizes = f"{part.compress_size:,} bytes to {part.file_size:,}"
            reason = f"{part.filename} would unpack from {sizes}"
            raise BadFile(path, "", reason, _WAY_OUT)
        if part.file_size > _MOST_IN_MEMORY and not part.filename.startswith(_SHEETS):
            most = f"at most {_MOST_IN_MEMORY:,} are read"
            reason = f"{part.filename} has {part.file_size:,} bytes; {most}"
            raise BadFile(path, "", reason, "save it as CSV: that is read in any size")
    if (total := sum(part.file_size for part in parts)) > _MOST_BYTES:
        reason = f"it unpacks to {total:,} bytes; at most {_MOST_BYTES:,} are read"
        raise BadFile(path, "", reason, "save it as CSV: that is read in any size")


@contextmanager
def _opened(path: Path, file: Path) -> Iterator[Any]:
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "workbooks need openpyxl: install Sluicegate with its extra campaign", name="openpyxl"
        ) from error
    workbook = None
    try:
        with file.open("rb") as opened:
            # Read-only, row by row; of a formula, what it came to when the file was saved.
            workbook = openpyxl.load_workbook(opened, read_only=True, data_only=True)
            yield workbook
    except (BadFile, MemoryError):
        raise
    except Exception as error:  # whatever a damaged or hostile workbook makes its reader raise
        while error.__cause__ is not None and isinstance(error.__cause__, Exception):
            error = error.__cause__  # openpyxl's own words are for programmers
        said = f"{type(error).__name__}: {error}".partition("\n")[0]
        reason = f"it can't be read as a workbook: {said}"
        raise BadFile(path, "", reason, _WAY_OUT) from error
    finally:
        if workbook is not None:
            workbook.close()


def _chosen(path: Path, workbook: Any, name: str | None) -> Any:
    """The sheet called ``name``, else the only visible one that has any cell."""
    sheets = workbook.worksheets
    if name is not None:
        found = [each for each in sheets if each.title == name]
        if found:
            return found[0]
        raise BadFile(path, "", f"no sheet {name!r}", f"there are {_listed(sheets)}")
    visible = [each for each in sheets if each.sheet_state == "visible"]
    filled = [each for each in visible if len(visible) == 1 or _has_cells(each)]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        raise BadFile(path, "", "its sheets are empty", "save it again, with its rows")
    raise BadFile(path, "", "several sheets have rows", f"name one: --sheet {_listed(filled)}")


def _listed(sheets: list[Any]) -> str:
    return ", ".join(repr(each.title) for each in sheets)


def _has_cells(sheet: Any) -> bool:
    sheet.reset_dimensions()
    return any(value is not None for row in sheet.iter_rows(values_only=True) for value in row)


def _rows(path: Path, sheet: Any) -> Iterator[list[str]]:
    """Yield the texts of each row, as many as any above it has: no cell of a sheet is missing."""
    sheet.reset_dimensions()  # what a file says of its own size is often wrong
    blank = width = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        if number > _MOST_ROWS:
            reason = f"it has more than {_MOST_ROWS:,} rows"
            raise BadFile(path, f"sheet {sheet.title!r}", reason, _WAY_OUT)
        values = [_text(cell) for cell in row]
        while values and not values[-1]:
            values.pop()
        if not values:
            blank += 1
            continue
        yield from ([""] for _ in range(blank))  # so that each row keeps its number
        blank, width = 0, max(width, len(values))
        yield values + [""] * (width - len(values))


def _text(cell: Any) -> str:
    value = cell.value
    if type(value) is str:
        return value
    return "" if value is None else text_of(value, cell.number_format)
