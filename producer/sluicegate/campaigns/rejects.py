"""The file of a campaign's rejected rows, which people correct and import again."""

from pathlib import Path
from typing import Self

from ..spreadsheet import SheetFile
from .layout import NOTES
from .recipients import Rejected
from .row_source import RowSource


class Rejects:
    """Writes the rejected rows of ``sheet`` to ``path``, in its delimiter and encoding.

    The file has the columns of ``NOTES``, then those of the original; if the original is such a
    file itself, its notes are replaced. The file is created with its first row: until then,
    ``path`` is None. ``spreadsheet.py`` says how its values are written.
    """

    def __init__(self, path: Path, sheet: RowSource) -> None:
        self._columns = list(sheet.columns)
        self._noted = len(NOTES) if tuple(self._columns[: len(NOTES)]) == NOTES else 0
        self._sheet = SheetFile(path, sheet.delimiter, sheet.encoding)
        self.path: Path | None = None

    def add(self, row: Rejected) -> None:
        """Append a row; raises OSError if the file can't be written."""
        if self.path is None:
            self.path = self._sheet.path
            self._sheet.row([*NOTES, *self._columns[self._noted :]])
        # A row with broken quotes has one value: its whole line.
        values = row.values[self._noted :] or row.values
        self._sheet.row([row.line, row.column, row.value, row.reason, *values])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._sheet.__exit__(*error)
