"""Where a campaign's rows come from: what all of a CSV file, JSON lines and a query offer."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol


class Row(NamedTuple):
    """A sound row of ``lines`` lines, of which ``line`` is the first, counted from 1."""

    line: int
    values: list[str]
    lines: int = 1


class BadRow(NamedTuple):
    """A row that was set aside. In its ``values``, U+FFFD stands for each unreadable byte.

    Where a quote is at fault, it has one value: all of its text.
    """

    line: int
    values: list[str]
    reason: str
    lines: int = 1


@dataclass
class LineCount:
    """Where the lines of a file went: ``total = above + rows + blank``.

    ``above`` are the header and what precedes it. ``rows`` are those of sound and bad rows, and
    ``tall`` is how many sound rows have more than one line; ``tallest`` has the first and the
    number of lines of a few.
    """

    above: int
    total: int = 0
    blank: int = 0
    tall: int = 0
    tallest: list[tuple[int, int]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Lines of all rows."""
        return self.total - self.above - self.blank


class RowSource(Protocol):
    """Rows with named columns; ``rows()`` may be called more than once, and yields the same.

    ``path`` names the source in errors, and the files beside it: of rejected rows and duplicates,
    which are written in its ``encoding`` and ``delimiter``. ``form`` says in a few words what it
    was taken for, as people are to check it. The latest ``rows()`` has come to ``read_bytes`` of
    ``size_bytes``, and counted the lines in ``counted``. Columns may lack a name or share it.
    """

    path: Path
    columns: tuple[str, ...]
    encoding: str
    delimiter: str
    size_bytes: int
    counted: LineCount

    @property
    def form(self) -> str:
        """What the source was taken for, such as ``cp1252, values separated by ';'``."""

    @property
    def read_bytes(self) -> int:
        """How far the latest ``rows()`` has come."""

    def rows(self, needed: int | None = None) -> Iterator[Row | BadRow]:
        """Yield the rows, in constant memory; see ``CsvFile.rows`` for ``needed``.

        Raises BadFile if it can't be read on.
        """

    def fingerprint(self) -> str:
        """Hash all of it, as 64 hexadecimal digits, to notice when it changes."""
