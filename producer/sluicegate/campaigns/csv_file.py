"""Reads campaign files as Excel, Google Sheets and CRMs export them: CSV, as a stream.

A faulty row is set aside and never stops the others; a file that can't be read as a whole is
refused. Bytes that are invalid in the file's encoding never become mojibake.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from hashlib import blake2b, file_digest
from io import BufferedReader, StringIO
from itertools import chain
from pathlib import Path
from typing import Any

from ..errors import BadFile
from ..spreadsheet import GUARD, bared
from .encoding import likely_encoding
from .layout import (
    header_line,
    is_phone,
    is_row,
    likely_delimiter,
    number_columns,
    sample_rows,
    split_line,
)
from .lines import END_OF_FILE, Lines
from .quotes import MAX_ROW, NEVER_CLOSED, read_row
from .row_source import BadRow, LineCount, Row
from .temporary import TemporaryCopy

_PREFIX = 1 << 20  # bytes from which the encoding and the delimiter are guessed
_MARK = "sluicegate.mark"  # the name of the error handler below
_MARKED = re.compile("[\0\ud800-\udfff]")
_FOREIGN = re.compile(
    rb"[\xef\xbb\xbf\s]*(?:(?P<Excel>PK\x03\x04|\xd0\xcf\x11\xe0)|(?P<PDF>%PDF)|(?P<HTML><))"
)
_REREAD = 4 * MAX_ROW
"""Characters that may be read twice because of stray quotes, besides four times the file."""

_SEP = re.compile(r'"?sep=([^\w"\r\n])"?[\r\n]+', re.IGNORECASE)  # how Excel names the delimiter
_TALL_SHOWN = 5
_LONGEST_NAME = 1000
_SEVERAL = (
    'these lines look like rows, but stand within one pair of quotes ("): remove the quotes if '
    "each is a row"
)


class CsvFile:
    """A CSV file whose first row names its columns; without a ``header`` they have numbers.

    ``encoding`` and ``delimiter`` are guessed if they are not given: UTF-8 or UTF-16, with or
    without a byte order mark, or else Windows-1252; and a comma, semicolon, tab or ``|``. Rows
    without any value are skipped. A value is read without the apostrophe that keeps spreadsheets
    from changing it: see ``spreadsheet.py``. Columns may lack a name or share it. The latest
    ``rows()`` has read ``read_bytes`` of ``size_bytes``, and counted the lines in ``counted``.

    What another source was copied into is read from ``copy``, and named by its own ``path`` and
    ``form``. Where ``columns`` are given, the file has no header.

    Raises BadFile if the file can't be read as CSV; the error says what to do.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        header: bool = True,
        copy: TemporaryCopy | None = None,
        columns: Sequence[str] | None = None,
        form: str = "",
    ) -> None:
        self.path, self._copy, self._form = Path(path), copy, form
        self._reading: Lines | None = None
        with self._open() as file:
            prefix = file.read(_PREFIX)
            self.size_bytes = file.seek(0, 2)
        self.encoding = self._checked_encoding(prefix, encoding)
        complete = self.size_bytes <= _PREFIX
        text = codecs.getincrementaldecoder(self.encoding)(_MARK).decode(prefix, complete)
        lines = StringIO(text.removeprefix("\ufeff"), newline="").readlines()
        lines = lines if complete else lines[:-1] or lines  # the last one may be cut
        sep_line = _SEP.fullmatch(lines[0]) if lines else None
        self.delimiter = delimiter or (sep_line[1] if sep_line else likely_delimiter(lines))
        if not re.fullmatch(r'[^\w\s"]|\t', self.delimiter):
            raise BadFile(
                self.path, "", f"{delimiter!r} can't be a delimiter", "give , ; | or a tab"
            )
        parse = partial(csv.reader, strict=True, skipinitialspace=True)
        self._reader = partial(parse, delimiter=self.delimiter)
        starts = rf'[\r\n" {re.escape(self.delimiter)}]'  # what a value's first character follows
        self._guarded = re.compile(f"{GUARD}(?<={starts}{GUARD})").search
        if columns is not None:
            self.columns, above = tuple(columns), 0
        else:
            read = self._header if header else self._numbered
            self.columns, above = read(lines, 1 if sep_line else 0, complete)
        self.counted = LineCount(above)
        self._numbers = number_columns(lines[above:], self.delimiter)

    @property
    def form(self) -> str:
        """What the file was taken for."""
        return self._form or f"{self.encoding}, values separated by {self.delimiter!r}"

    @property
    def read_bytes(self) -> int:
        """How far the latest ``rows()`` has come."""
        return self._reading.read_bytes if self._reading else 0

    def rows(self, needed: int | None = None) -> Iterator[Row | BadRow]:
        """Yield the rows below the header, in constant memory; each call reads from the start.

        A row may lack its last values from column ``needed`` on, counted from 0, and all if it is
        None: they are empty. Where a quote is never closed, or followed by text, reading goes on
        at the line after the one on which it was opened.

        Raises BadFile if a row is too long, or if its quotes leave open what the rows are.
        """
        width = len(self.columns)
        least = width if needed is None else min(needed, width)
        self.counted, reread = LineCount(self.counted.above), 0
        with self._open() as file:
            decoder = codecs.getincrementaldecoder(self.encoding)(_MARK)
            lines = self._reading = Lines(
                file, decoder, self._is_odd, self.counted.above, self.path
            )
            while True:
                before, reader = lines.row - 1, self._reader(lines.rest())
                with suppress(csv.Error):
                    for values in reader:
                        line, lines.row = lines.row, before + reader.line_num + 1
                        if (
                            len(values) == width
                            and values[0]
                            and line > lines.marked
                            and lines.row - line == 1
                        ):
                            yield tuple.__new__(Row, (line, values, 1))  # quicker than Row()
                        else:
                            yield from self._judged(line, values, lines, least)
                    self.counted.total = lines.row - 1
                    return
                row = read_row(lines.ahead(), self.delimiter)
                line, lines.row = lines.row, lines.row + row.lines
                if not row.fault:
                    yield from self._judged(line, row.values, lines, least)
                    continue
                text = _MARKED.sub("\ufffd", "".join(lines.between(line, lines.row)))
                yield BadRow(line, [text.rstrip("\r\n")], row.fault)
                reread += row.characters
                if reread > _REREAD + 4 * lines.read_bytes:
                    reason = "so many quotes are never closed that its rows can't be told apart"
                    raise BadFile(self.path, f"line {line}", reason, "export it again")

    def _is_odd(self, text: str) -> bool:
        """Whether ``text`` holds marked characters or guarded values."""
        marked = (not text.isascii() or "\0" in text) and _MARKED.search(text)
        return bool(marked or text[:1] == GUARD or self._guarded(text))

    def _judged(
        self, line: int, values: list[str], lines: Lines, least: int
    ) -> Iterator[Row | BadRow]:
        """Yield a row that may be unsound: as one, or line by line if it may be several."""
        count = lines.row - line
        if not any(value.strip(END_OF_FILE) for value in values):
            self.counted.blank += count
            return
        texts = lines.between(line, lines.row) if count > 1 else []
        width = max(least, *self._numbers, 0)
        if any(is_row(text, self.delimiter, width, self._numbers) for text in texts[1:]):
            for number, text in enumerate(texts, line):
                shown = _MARKED.sub("\ufffd", text).rstrip("\r\n")
                yield BadRow(number, split_line(shown, self.delimiter) or [shown], _SEVERAL)
            return
        row = self._checked_row(line, values, count, least, line <= lines.marked)
        if count > 1 and isinstance(row, Row):
            self.counted.tall += 1
            if len(self.counted.tallest) < _TALL_SHOWN:
                self.counted.tallest.append((line, count))
        yield row

    def fingerprint(self) -> str:
        """Hash the file's bytes, as 64 hexadecimal digits, to notice when it changes."""
        with self._open() as file:
            return file_digest(file, partial(blake2b, digest_size=32)).hexdigest()

    def _open(self) -> BufferedReader:
        try:
            path = self._copy.path if self._copy else self.path
            if path.exists() and not path.is_file():
                raise OSError(0, "this is a directory, a pipe or a device")
            return path.open("rb")
        except (OSError, ValueError) as error:
            reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise BadFile(self.path, "", reason, "give the path of a CSV file") from error

    def _checked_encoding(self, prefix: bytes, given: str | None) -> str:
        try:
            if foreign := _FOREIGN.match(prefix):
                raise ValueError(f"this is {foreign.lastgroup}, not CSV")
            if given is None:
                with self._open() as file:
                    return likely_encoding(prefix, iter(partial(file.read, _PREFIX), b""))
            "a".encode(given, "ignore")  # fails for a codec that is not a text encoding
            codecs.getincrementaldecoder(given)().decode(prefix)
            return codecs.lookup(given).name
        except (LookupError, ValueError) as error:
            way_out = "export it as CSV (UTF-8), or give its encoding with --encoding"
            raise BadFile(self.path, "", str(error), way_out) from error

    def _header(self, lines: list[str], above: int, complete: bool) -> tuple[tuple[str, ...], int]:
        """Read the names of the columns, and tell how many lines are above the first row."""
        above += header_line(lines[above:], self.delimiter)
        row = read_row(lines[above:], self.delimiter)
        within = (
            split_line(text, self.delimiter) for text in lines[above + 1 : above + row.lines]
        )
        if fault := row.fault or (NEVER_CLOSED if any(map(is_phone, chain(*within))) else ""):
            raise BadFile(self.path, f"line {above + 1}, the header", fault, "export it again")
        names = [_name(value) for value in row.values]
        above += row.lines
        used = max((row.width for row in sample_rows(lines[above:], self.delimiter)), default=0)
        while len(names) > used and not names[-1]:
            names.pop()
        blank = self.delimiter + '" \r\n' + END_OF_FILE
        if not any(names) or (complete and not "".join(lines[above:]).strip(blank)):
            reason = "there is nothing below the header" if any(names) else "the file is empty"
            raise BadFile(self.path, "", reason, "export the file again, with its rows")
        for number, name in enumerate(names, 1):
            if unfit := _column_fault(name):
                where = f"line {above}, column {number}"
                raise BadFile(self.path, where, unfit, "correct the header line, or add one")
        return tuple(names), above

    def _numbered(
        self, lines: list[str], above: int, complete: bool
    ) -> tuple[tuple[str, ...], int]:
        """Number the columns of a file without a header, and tell the lines above its rows."""
        rows = sample_rows(lines[above:], self.delimiter)
        width = max((len(row.values) for row in rows), default=0)
        if not width:
            raise BadFile(self.path, "", "the file is empty", "export the file again")
        return tuple(map(str, range(1, width + 1))), above

    def _checked_row(
        self, line: int, values: list[str], count: int, least: int, marked: bool
    ) -> Row | BadRow:
        """Check a row of ``count`` lines; ``marked``: see ``Lines``."""
        width = len(self.columns)
        if marked and (mark := _MARKED.search("".join(values))):
            byte = ord(mark[0]) & 0xFF
            reason = f"byte 0x{byte:02X} is not valid {self.encoding}: is it in another encoding?"
            shown = [bared(_MARKED.sub("\ufffd", value)) for value in values]
            return BadRow(line, shown, reason if byte else "it holds a NUL byte", count)
        if marked:
            values = list(map(bared, values))
        if least <= len(values) and not any(values[width:]):
            missing = [""] * (width - len(values))
            return Row(line, values[:width] + missing, count)
        reason = f"{len(values)} values, but {width} columns"
        if len(values) > width:
            reason += f"; a value that holds {self.delimiter!r} must be in quotes"
        return BadRow(line, values, reason, count)


def _name(value: str) -> str:
    """A column's name, without what can't be seen."""
    spaced = " ".join(bared(value).split())
    return spaced if spaced.isprintable() else "".join(filter(str.isprintable, spaced))


def _column_fault(name: str) -> str | None:
    if is_phone(name):
        return "the first row looks like data: this is a phone number"
    if len(name) > _LONGEST_NAME:
        return f"its name has over {_LONGEST_NAME:,} characters"
    return None


def _mark(error: Any) -> tuple[str, int]:
    """Decode an invalid byte as a lone surrogate, which no valid text contains."""
    return "".join(chr(0xDC00 | byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARK, _mark)
