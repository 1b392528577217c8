"""Campaign files as people really export them (Excel, Google Sheets, CRMs): streamed CSV.

A fault of one row sets that row aside and never stops the others; what makes the whole file
unreadable is refused. Bytes that are not in the file's encoding are never turned into mojibake.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from hashlib import blake2b, file_digest
from io import BufferedReader, StringIO
from itertools import chain, islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from ..errors import BadFile

# In characters. One value has no more than csv.field_size_limit(), the process's own: 131,072.
MAX_ROW = 1_000_000
_BLOCK = 1 << 18
_PREFIX = 1 << 20  # what the encoding is told from
_MARK = "sluicegate.mark"
_MARKED = re.compile("[\0\ud800-\udfff]")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_FOREIGN = re.compile(
    rb"[\xef\xbb\xbf\s]*(?:(?P<Excel>PK\x03\x04|\xd0\xcf\x11\xe0)|(?P<PDF>%PDF)|(?P<HTML><))"
)
_SEP = re.compile(r'"?sep=([^\w"\r\n])"?[\r\n]+', re.IGNORECASE)  # Excel's own way to name it
_PHONE = re.compile(  # with +, or of 10 digits and more, or as Excel shortens it
    r"[\s'\"=]*(?:\+(?:[\s().-]*\d){7,15}|\(?\d(?:[\s().-]*\d){9,14}|\d[.,]\d+[Ee]\+\d+)[\s'\"]*"
)


class Row(NamedTuple):
    """A sound row; ``line`` is the line of the file where it begins, counted from 1."""

    line: int
    values: list[str]


class BadRow(NamedTuple):
    """A row set aside; U+FFFD stands for what is unreadable in ``values``."""

    line: int
    values: list[str]
    reason: str


class CsvFile:
    """A CSV file whose first row names its columns; encoding and delimiter are found by looking.

    UTF-8 or UTF-16, with a byte order mark or without; Windows-1252 where the bytes look like it.
    Rows without any value are passed over. The latest ``rows()`` has read ``read_bytes`` so far.

    Raises BadFile where this cannot be such a file; the error says what to do.
    """

    def __init__(
        self, path: str | Path, *, encoding: str | None = None, delimiter: str | None = None
    ) -> None:
        self.path, self.read_bytes = Path(path), 0
        with self._opened() as file:
            prefix = file.read(_PREFIX)
            self.size_bytes = file.seek(0, 2)
        self.encoding = self._encoding(prefix, encoding)
        complete = self.size_bytes <= _PREFIX
        text = codecs.getincrementaldecoder(self.encoding)(_MARK).decode(prefix, complete)
        lines = StringIO(text.removeprefix("\ufeff"), newline="").readlines()
        lines = lines if complete else lines[:-1] or lines  # the last one may be cut
        told = _SEP.fullmatch(lines[0]) if lines else None
        likely = told[1] if told else max(",;\t|", key=partial(_weight, lines))
        self.delimiter = delimiter or likely
        if not re.fullmatch(r'[^\w\s"]|\t', self.delimiter):
            raise BadFile(self.path, "", f"{delimiter!r} delimits nothing", "give , ; | or a tab")
        parse = partial(csv.reader, strict=True, skipinitialspace=True)
        self._reader = partial(parse, delimiter=self.delimiter)
        self.columns, self._above = self._header(lines, 1 if told else 0, complete)

    def rows(self) -> Iterator[Row | BadRow]:
        """Read the rows below the header, in constant memory; each call begins anew.

        Raises BadFile for a quote that is never closed, and for a row or a value that is too long.
        """
        width = len(self.columns)
        at = SimpleNamespace(row=self._above + 1, marked=0, before=0, lines=[])
        with self._opened() as file:
            lines = chain.from_iterable(self._blocks(file, at))
            reader = self._reader(islice(lines, self._above, None))
            while True:
                try:
                    for values in reader:
                        line, at.row = at.row, self._above + reader.line_num + 1
                        if len(values) == width and values[0] and line > at.marked:
                            yield tuple.__new__(Row, (line, values))  # quicker than Row()
                        elif any(values):
                            yield self._judged(line, values, line <= at.marked)
                    return
                except csv.Error as error:
                    reason = self._torn(at.row, error)
                line, at.row = at.row, self._above + reader.line_num + 1
                raw = _MARKED.sub("\ufffd", at.lines[at.row - at.before - 2])
                yield BadRow(line, [raw.rstrip("\r\n")], reason)

    def fingerprint(self) -> str:
        """Hash the file's bytes (BLAKE2b), to tell whether it has changed since."""
        with self._opened() as file:
            return file_digest(file, partial(blake2b, digest_size=32)).hexdigest()

    def _opened(self) -> BufferedReader:
        try:
            if self.path.exists() and not self.path.is_file():
                raise OSError(0, "this is a directory, a pipe or a device")
            return self.path.open("rb")
        except (OSError, ValueError) as error:
            reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise BadFile(self.path, "", reason, "give the path of a CSV file") from error

    def _encoding(self, prefix: bytes, given: str | None) -> str:
        try:
            if foreign := _FOREIGN.match(prefix):
                raise ValueError(f"this is {foreign.lastgroup}, not CSV")
            if given is None:
                return _likely_encoding(prefix)
            "a".encode(given, "ignore")  # fails for what is a codec but no text encoding
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
            names = [" ".join(name.split()) for name in next(reader, list[str]())]
        except csv.Error as error:
            reason = self._torn(above + 1, error)
            raise BadFile(self.path, "the header", reason, "export it again") from error
        above += reader.line_num
        rows = list(_weighed(lines[above:], self.delimiter))
        while names and not names[-1] and not any(any(row[len(names) - 1 :]) for row in rows):
            names.pop()
        if not names or (complete and not "".join(lines[above:]).strip(blank)):
            reason = "there is nothing below the header" if names else "the file is empty"
            raise BadFile(self.path, "", reason, "export the file again, with its rows")
        for number, name in enumerate(names, 1):
            if fault := _fault(name, names[: number - 1]):
                where = f"line {above}, column {number}"
                raise BadFile(self.path, where, fault, "correct the header line, or add one")
        return tuple(names), above

    def _blocks(self, file: BufferedReader, at: SimpleNamespace) -> Iterator[list[str]]:
        """Read lines; rows that begin up to line ``at.marked`` may hold marked characters."""
        decoder = codecs.getincrementaldecoder(self.encoding)(_MARK)
        self.read_bytes, rest, row, held, data = 0, "", 0, 0, b"."
        while data:
            data = file.read(_BLOCK)
            self.read_bytes += len(data)
            text = rest + decoder.decode(data, not data)
            # A carriage return at the very end may be the first half of a line's end.
            end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1 if data else len(text)
            text, rest = text[:end], text[end:]
            held, row = (held + end if at.row == row else 0), at.row
            if max(held, len(rest)) > MAX_ROW:
                reason = f"the row has more than {MAX_ROW:,} characters"
                raise BadFile(self.path, f"line {row}", reason, "is a quote never closed?")
            at.before += len(at.lines)
            at.lines = StringIO(text, newline="").readlines()  # splitlines() knows more line ends
            if (not text.isascii() or "\0" in text) and _MARKED.search(text):
                at.marked = at.before + len(at.lines)
            yield at.lines

    def _judged(self, line: int, values: list[str], marked: bool) -> Row | BadRow:
        """Look closely at a row that may be unsound."""
        width = len(self.columns)
        if marked and (mark := _MARKED.search("".join(values))):
            byte = ord(mark[0]) & 0xFF
            reason = (
                f"it holds byte 0x{byte:02X}, no {self.encoding}: is the file in another encoding?"
            )
            shown = [_MARKED.sub("\ufffd", value) for value in values]
            return BadRow(line, shown, reason if byte else "it holds a NUL byte")
        if len(values) >= width and not any(values[width:]):
            return Row(line, values[:width])
        reason = f"{len(values)} values, but {width} columns"
        if len(values) > width:
            reason += f"; a value that holds {self.delimiter!r} must stand in quotes"
        return BadRow(line, values, reason)

    def _torn(self, line: int, error: csv.Error) -> str:
        """Say what is wrong with a row, or refuse the file where all that follows is in doubt."""
        reason = 'a quote (") opened in this row is never closed'
        if "field limit" in str(error):
            reason = f"a value has over {csv.field_size_limit():,} characters; perhaps {reason}"
        elif "end of data" not in str(error):
            return 'a quote (") within a quoted value is not doubled'
        raise BadFile(self.path, f"line {line}", reason, "close or remove it") from error


def _weighed(lines: list[str], delimiter: str) -> Iterator[list[str]]:
    with suppress(csv.Error):
        yield from filter(any, csv.reader(lines[:200], delimiter=delimiter, skipinitialspace=True))


def _weight(lines: list[str], delimiter: str) -> tuple[float, int, bool]:
    """Tell how many rows are as wide as the first one, and how wide; commas are in texts too."""
    widths = [len(values) for values in _weighed(lines, delimiter)]
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
        return "utf-8"  # with some wrong bytes, if any
    if 4 * sum(map(len, re.findall(rb"[\x80-\xff]{3,}", prefix))) > wrong:  # not Latin letters
        raise ValueError("the text is neither UTF-8 nor, by its looks, Windows-1252")
    return "cp1252"


def _fault(name: str, before: list[str]) -> str | None:
    if name in before:
        return f"{name!r} is also column {before.index(name) + 1}"
    if _PHONE.fullmatch(name):
        return "the first row looks like data: this is a phone number"
    return None if name and name.isprintable() else f"{name!a} is no name for a column"


def _mark(error: Any) -> tuple[str, int]:
    """Keep a byte that cannot be decoded as a lone surrogate, which no sound text has."""
    return "".join(chr(0xDC00 | byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARK, _mark)
