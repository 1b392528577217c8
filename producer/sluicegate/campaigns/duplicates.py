"""The file that lists a campaign file's duplicates, each with the line of the row before it."""

from pathlib import Path
from typing import Self

from ..spreadsheet import SheetFile
from .report import Duplicate
from .row_source import RowSource


class Duplicates:
    """Lists the duplicates of ``sheet`` at ``path``, in its delimiter and encoding.

    The file is created with the first of them: until then, ``path`` is None.
    """

    def __init__(self, path: Path, sheet: RowSource) -> None:
        self._sheet = SheetFile(path, sheet.delimiter, sheet.encoding)
        self.path: Path | None = None

    def add(self, duplicate: Duplicate) -> None:
        """Append one; raises OSError if the file can't be written."""
        if self.path is None:
            self.path = self._sheet.path
            self._sheet.row(["line", "line of the first", "number"])
        self._sheet.row([duplicate.line, duplicate.first_line, duplicate.to])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._sheet.__exit__(*error)
