"""The lines of a file, read in blocks; those of the row at hand are kept, to be read again."""

import codecs
import csv
from collections.abc import Callable, Iterator
from io import BufferedReader, StringIO
from itertools import chain
from pathlib import Path

from ..errors import BadFile
from .quotes import MAX_ROW

_BLOCK = 1 << 18  # bytes read at a time
END_OF_FILE = "\x1a"  # Ctrl-Z, which DOS and its heirs write behind the last line


class Lines:
    """Iterates over blocks of lines, each with its end, and keeps those from ``row`` on.

    ``row`` is the line on which the next row begins, counted from 1; whoever reads the rows moves
    it on. Rows up to line ``marked`` may hold characters that ``odd`` finds in a text. A row that
    is longer than ``MAX_ROW`` raises csv.Error, after which one may go on. ``path`` names the file
    in errors.
    """

    def __init__(
        self,
        file: BufferedReader,
        decoder: codecs.IncrementalDecoder,
        odd: Callable[[str], bool],
        above: int,
        path: Path,
    ) -> None:
        self._file, self._decoder, self._odd, self._path = file, decoder, odd, path
        self._kept: list[str] = []
        self._first, self._rest, self._start, self._ended = 1, "", True, False
        self.row, self.marked, self.read_bytes = above + 1, 0, 0
        while len(self._kept) < above and not self._ended:
            self._kept += self._block()

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        self._drop()
        if sum(map(len, self._kept)) > MAX_ROW:
            raise csv.Error("row too long")
        lines = [] if self._ended else self._block()
        if self._ended and not lines:
            raise StopIteration
        self._kept += lines
        return lines

    def ahead(self) -> Iterator[str]:
        """Yield the lines from ``row`` on, which must not move meanwhile."""
        number = self.row
        while True:
            for line in self._kept[number - self._first :]:
                yield line
                number += 1
            try:
                next(self)
            except (StopIteration, csv.Error):
                return

    def rest(self) -> Iterator[str]:
        """The lines from ``row`` on, for a new reader of rows."""
        return chain(self._kept[self.row - self._first :], chain.from_iterable(self))

    def between(self, start: int, end: int) -> list[str]:
        """The lines of a row, from line ``start`` up to ``end``, which is not part of it."""
        return self._kept[start - self._first : end - self._first]

    def _drop(self) -> None:
        """Forget the lines before ``row``."""
        past = min(self.row - self._first, len(self._kept))
        self._first += past
        del self._kept[:past]

    def _block(self) -> list[str]:
        """Read the next lines, or none at the file's end; raises BadFile if one is too long."""
        data = self._file.read(_BLOCK)
        self.read_bytes += len(data)
        text = self._rest + self._decoder.decode(data, not data)
        if self._start:
            text, self._start = text.removeprefix("\ufeff"), False
        if data:
            # A carriage return at the very end may be the first half of a line's end.
            end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
            text, self._rest = text[:end], text[end:]
        else:
            text, self._rest, self._ended = text.rstrip(END_OF_FILE), "", True
        if len(self._rest) > MAX_ROW:
            line = self._first + len(self._kept) + text.count("\n")
            reason = f"the row has more than {MAX_ROW:,} characters"
            raise BadFile(self._path, f"line {line}", reason, "is this a CSV file?")
        # Not splitlines(), which also splits at form feeds and other separators.
        lines = StringIO(text, newline="").readlines()
        if self._odd(text):
            self.marked = self._first + len(self._kept) + len(lines) - 1
        return lines
