"""A temporary copy of what is read but once, or slowly: standard input, a query, a workbook."""

import csv
import os
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from shutil import copyfileobj
from tempfile import mkstemp
from typing import IO, Any

OnRow = Callable[[int], None]

_BLOCK = 1 << 20
_OFTEN = 100


def ignored(rows: int) -> None:
    """Hear of rows, and do nothing."""


class TemporaryCopy:
    """A file at ``path`` that only its owner may read; it is gone once nobody uses it any more.

    Raises OSError where it can't be written.
    """

    def __init__(self) -> None:
        descriptor, name = mkstemp(prefix="sluicegate-")
        os.close(descriptor)
        self.path = Path(name)
        weakref.finalize(self, _removed, self.path)

    @classmethod
    def of(cls, source: IO[bytes]) -> "TemporaryCopy":
        """Copy all that can be read from ``source``."""
        copy = cls()
        with copy.path.open("wb") as file:
            copyfileobj(source, file, _BLOCK)
        return copy

    @classmethod
    def of_rows(cls, rows: Iterable[Iterable[str]], on_row: OnRow = ignored) -> "TemporaryCopy":
        """Write rows as CSV in UTF-8, separated by commas, each of them on one line.

        ``on_row`` is called with the number of rows so far, now and then.
        """
        copy = cls()
        with copy.path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            writer: Any = csv.writer(file, lineterminator="\n")
            for number, row in enumerate(rows, 1):
                writer.writerow([*map(_in_one_line, row)])
                if number % _OFTEN == 0:
                    on_row(number)
        return copy


def _removed(path: Path) -> None:
    with suppress(OSError):  # on Windows, somebody may still read it
        path.unlink(missing_ok=True)


def _in_one_line(value: str) -> str:
    if "\n" not in value and "\r" not in value:
        return value
    return value.replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
