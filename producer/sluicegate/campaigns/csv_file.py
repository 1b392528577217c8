"""Reads campaign files as Excel, Google Sheets and CRMs export them: CSV, as a stream.

A faulty row is set aside and never stops the others; a file that can't be read as a whole is
refused. Bytes that are invalid in the file's encoding never become mojibake.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b, file_digest
from io import BufferedReader, StringIO
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadFile
from ..spreadsheet import GUARD, bared

MAX_ROW = 1_000_000
"""Characters in a row. A value has at most ``csv.field_size_limit()``: 131,072 by default."""

_BLOCK = 1 << 18  # bytes read at a time
_PREFIX = 1 << 20  # bytes from which the encoding and the delimiter are guessed
_MARK = "sluicegate.mark"  # the name of the error handler below
_MARKED = re.compile("[\0\ud800-\udfff]")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_FOREIGN = re.compile(
    rb"[\xef\xbb\xbf\s]*(?:(?P<Excel>PK\x03\x04|\xd0\xcf\x11\xe0)|(?P<PDF>%PDF)|(?P<HTML><))"
)
_SEP = re.compile(r'"?sep=([^\w"\r\n])"?[\r\n]+', re.IGNORECASE)  # how Excel names the delimiter
_PHONE = re.compile(  # with a +, with 10 to 15 digits, or as Excel shortens it
    r"[\s'\"=]*(?:\+(?:[\s().-]*\d){7,15}|\(?\d(?:[\s().-]*\d){9,14}|\d[.,]\d+[Ee]\+\d+)[\s'\"]*"
)


class Row(NamedTuple):
    """A sound row. ``line`` is the line of the file on which it begins, counted from 1."""

    line: int
    values: list[str]


class BadRow(NamedTuple):
    """A row that was set aside. In its ``values``, U+FFFD stands for each unreadable byte."""

    line: int
    values: list[str]
    reason: str


@dataclass(slots=True)
class _Position:
    """How far ``rows`` has come.

    ``row`` is the line on which the next row begins. ``lines`` are those of the current block,
    ``before`` is how many come before it. Rows up to line ``marked`` may hold marked characters
    or guarded values.
    """

    row: int
    marked: int = 0
    before: int = 0
    lines: list[str] = field(default_factory=list)


class CsvFile:
    """A CSV file whose first row names its columns; without a ``header`` they have numbers.

    ``encoding`` and ``delimiter`` are guessed if they are not given: UTF-8 or UTF-16, with or
    without a byte order mark, or else Windows-1252; and a comma, semicolon, tab or ``|``. Rows
    without any value are skipped. A value is read without the apostrophe that keeps spreadsheets
    from changing it: see ``spreadsheet.py``. The latest ``rows()`` has read ``read_bytes`` of
    ``size_bytes``.

    Raises BadFile if the file can't be read as CSV; the error says what to do.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        header: bool = True,
    ) -> None:
        self.path, self.read_bytes = Path(path), 0
        with self._open() as file:
            prefix = file.read(_PREFIX)
            self.size_bytes = file.seek(0, 2)
        self.encoding = self._checked_encoding(prefix, encoding)
        complete = self.size_bytes <= _PREFIX
        text = codecs.getincrementaldecoder(self.encoding)(_MARK).decode(prefix, complete)
        lines = StringIO(text.removeprefix("\ufeff"), newline="").readlines()
        lines = lines if complete else lines[:-1] or lines  # the last one may be cut
        sep_line = _SEP.fullmatch(lines[0]) if lines else None
        likely = sep_line[1] if sep_line else max(",;\t|", key=partial(_fitness, lines))
        self.delimiter = delimiter or likely
        if not re.fullmatch(r'[^\w\s"]|\t', self.delimiter):
            raise BadFile(
                self.path, "", f"{delimiter!r} can't be a delimiter", "give , ; | or a tab"
            )
        parse = partial(csv.reader, strict=True, skipinitialspace=True)
        self._reader = partial(parse, delimiter=self.delimiter)
        starts = rf'[\r\n" {re.escape(self.delimiter)}]'  # what a value's first character follows
        self._guarded = re.compile(f"{GUARD}(?<={starts}{GUARD})").search
        read = self._header if header else self._numbered
        self.columns, self._above = read(lines, 1 if sep_line else 0, complete)

    def rows(self) -> Iterator[Row | BadRow]:
        """Yield the rows below the header, in constant memory; each call reads from the start.

        Raises BadFile if a quote is never closed, or if a row or a value is too long.
        """
        width = len(self.columns)
        position = _Position(self._above + 1)
        with self._open() as file:
            lines = chain.from_iterable(self._blocks(file, position))
            reader = self._reader(islice(lines, self._above, None))
            while True:
                try:
                    for values in reader:
                        line, position.row = position.row, self._above + reader.line_num + 1
                        if len(values) == width and values[0] and line > position.marked:
                            yield tuple.__new__(Row, (line, values))  # quicker than Row()
                        elif any(values):
                            yield self._checked_row(line, values, line <= position.marked)
                    return
                except csv.Error as error:
                    reason = self._quote_fault(position.row, error)
                line, position.row = position.row, self._above + reader.line_num + 1
                raw = _MARKED.sub("\ufffd", position.lines[position.row - position.before - 2])
                yield BadRow(line, [raw.rstrip("\r\n")], reason)

    def fingerprint(self) -> str:
        """Hash the file's bytes, as 64 hexadecimal digits, to notice when it changes."""
        with self._open() as file:
            return file_digest(file, partial(blake2b, digest_size=32)).hexdigest()

    def _open(self) -> BufferedReader:
        try:
            if self.path.exists() and not self.path.is_file():
                raise OSError(0, "this is a directory, a pipe or a device")
            return self.path.open("rb")
        except (OSError, ValueError) as error:
            reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise BadFile(self.path, "", reason, "give the path of a CSV file") from error

    def _checked_encoding(self, prefix: bytes, given: str | None) -> str:
        try:
            if foreign := _FOREIGN.match(prefix):
                raise ValueError(f"this is {foreign.lastgroup}, not CSV")
            if given is None:
                return _likely_encoding(prefix)
            "a".encode(given, "ignore")  # fails for a codec that is not a text encoding
            codecs.getincrementaldecoder(given)().decode(prefix)
            return codecs.lookup(given).name
        except (LookupError, ValueError) as error:
            way_out = "export it as CSV (UTF-8), or give its encoding"
            raise BadFile(self.path, "", str(error), way_out) from error

    def _header(self, lines: list[str], above: int, complete: bool) -> tuple[tuple[str, ...], int]:
        """Read the names of the columns, and tell how many lines are above the first row."""
        blank = self.delimiter + '" \r\n'
        above += next((n for n, line in enumerate(lines[above:]) if line.strip(blank)), 0)
        reader = self._reader(lines[above:])
        try:
            names = [" ".join(bared(name).split()) for name in next(reader, list[str]())]
        except csv.Error as error:
            reason = self._quote_fault(above + 1, error)
            raise BadFile(self.path, "the header", reason, "export it again") from error
        above += reader.line_num
        rows = list(_sample_rows(lines[above:], self.delimiter))
        while names and not names[-1] and not any(any(row[len(names) - 1 :]) for row in rows):
            names.pop()
        if not names or (complete and not "".join(lines[above:]).strip(blank)):
            reason = "there is nothing below the header" if names else "the file is empty"
            raise BadFile(self.path, "", reason, "export the file again, with its rows")
        for number, name in enumerate(names, 1):
            if fault := _column_fault(name, names[: number - 1]):
                where = f"line {above}, column {number}"
                raise BadFile(self.path, where, fault, "correct the header line, or add one")
        return tuple(names), above

    def _numbered(
        self, lines: list[str], above: int, complete: bool
    ) -> tuple[tuple[str, ...], int]:
        """Number the columns of a file without a header, and tell the lines above its rows."""
        width = max((len(row) for row in _sample_rows(lines[above:], self.delimiter)), default=0)
        if not width:
            raise BadFile(self.path, "", "the file is empty", "export the file again")
        return tuple(map(str, range(1, width + 1))), above

    def _blocks(self, file: BufferedReader, position: _Position) -> Iterator[list[str]]:
        """Yield the file's lines in blocks, keeping ``position`` up to date."""
        decoder = codecs.getincrementaldecoder(self.encoding)(_MARK)
        self.read_bytes, rest, row, held, data = 0, "", 0, 0, b"."
        while data:
            data = file.read(_BLOCK)
            self.read_bytes += len(data)
            text = rest + decoder.decode(data, not data)
            # A carriage return at the very end may be the first half of a line's end.
            end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1 if data else len(text)
            text, rest = text[:end], text[end:]
            held, row = (held + end if position.row == row else 0), position.row
            if max(held, len(rest)) > MAX_ROW:
                reason = f"the row has more than {MAX_ROW:,} characters"
                raise BadFile(self.path, f"line {row}", reason, "is a quote never closed?")
            position.before += len(position.lines)
            # Not splitlines(), which also splits at form feeds and other separators.
            position.lines = StringIO(text, newline="").readlines()
            odd = (not text.isascii() or "\0" in text) and _MARKED.search(text)
            if odd or text[:1] == GUARD or self._guarded(text):
                position.marked = position.before + len(position.lines)
            yield position.lines

    def _checked_row(self, line: int, values: list[str], marked: bool) -> Row | BadRow:
        """Check a row that may be unsound; ``marked``: see ``_Position``."""
        width = len(self.columns)
        if marked and (mark := _MARKED.search("".join(values))):
            byte = ord(mark[0]) & 0xFF
            reason = f"byte 0x{byte:02X} is not valid {self.encoding}: is it in another encoding?"
            shown = [bared(_MARKED.sub("\ufffd", value)) for value in values]
            return BadRow(line, shown, reason if byte else "it holds a NUL byte")
        if marked:
            values = list(map(bared, values))
        if len(values) >= width and not any(values[width:]):
            return Row(line, values[:width])
        reason = f"{len(values)} values, but {width} columns"
        if len(values) > width:
            reason += f"; a value that holds {self.delimiter!r} must be in quotes"
        return BadRow(line, values, reason)

    def _quote_fault(self, line: int, error: csv.Error) -> str:
        """Say what is wrong with a row; raises BadFile if those below are in doubt too."""
        reason = 'a quote (") opened in this row is never closed'
        if "field limit" in str(error):
            reason = f"a value has over {csv.field_size_limit():,} characters; perhaps {reason}"
        elif "end of data" not in str(error):
            return 'a quote (") within a quoted value is not doubled'
        raise BadFile(self.path, f"line {line}", reason, "close or remove it") from error


def _sample_rows(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the rows of the first 200 lines that have any value, up to the first faulty one."""
    with suppress(csv.Error):
        yield from filter(any, csv.reader(lines[:200], delimiter=delimiter, skipinitialspace=True))


def _fitness(lines: list[str], delimiter: str) -> tuple[float, int, bool]:
    """How well ``delimiter`` fits: the share of rows as wide as the first one, then that width.

    Of equal ones the comma comes last, since it also occurs within texts.
    """
    widths = [len(values) for values in _sample_rows(lines, delimiter)]
    if widths[:1] <= [1]:
        return 0, 0, False
    return widths.count(widths[0]) / len(widths), widths[0], delimiter != ","


def _likely_encoding(prefix: bytes) -> str:
    for mark, name in _BOMS.items():
        if prefix.startswith(mark):
            return name
    even, odd = prefix[::2].count(0), prefix[1::2].count(0)
    if (even + odd) * 10 > len(prefix):
        if min(even, odd) * 20 > max(even, odd):
            raise ValueError("this is binary data")
        return "utf-16-le" if odd > even else "utf-16-be"
    text = codecs.getincrementaldecoder("utf-8")(_MARK).decode(prefix)
    wrong = 0 if text.isascii() else len(re.findall("[\udc80-\udcff]", text))
    if not wrong or wrong < len(re.findall("[^\0-\x7f\udc80-\udcff]", text)):
        return "utf-8"  # perhaps with a few invalid bytes
    if 4 * sum(map(len, re.findall(rb"[\x80-\xff]{3,}", prefix))) > wrong:  # not Latin letters
        raise ValueError("the text is neither UTF-8 nor, as it seems, Windows-1252")
    return "cp1252"


def _column_fault(name: str, before: list[str]) -> str | None:
    if name in before:
        return f"{name!r} is also column {before.index(name) + 1}"
    if _PHONE.fullmatch(name):
        return "the first row looks like data: this is a phone number"
    if not name:
        return "the column has no name"
    return None if name.isprintable() else f"{name!a} is not a valid column name"


def _mark(error: Any) -> tuple[str, int]:
    """Decode an invalid byte as a lone surrogate, which no valid text contains."""
    return "".join(chr(0xDC00 | byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARK, _mark)
