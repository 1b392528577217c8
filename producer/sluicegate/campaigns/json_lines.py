"""Reads a campaign's rows from JSON lines: an object on each, or arrays below one of names.

    {"phone": "+15551234567", "name": {"first": "Ann"}}     columns phone and name.first
    ["phone", "name"]                                       columns, for the arrays below
    ["+15551234567", "Ann"]

A value is a text, a number, a truth value or null, and is read as it is written: 2.50 stays 2.50.
A field that holds lists wherever it holds anything is no column.
"""

import codecs
import json
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b, file_digest
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec

from ..errors import BadFile
from .quotes import MAX_ROW
from .row_source import BadRow, LineCount, Row
from .temporary import TemporaryCopy

_MOST_COLUMNS = 10_000
_BLANK = b"\xef\xbb\xbf \t\r\n\x1a"
_AS_LINES = "write each row on a line of its own, as: jq -c '.[]' FILE"
_decode = msgspec.json.Decoder(dict[str, Any] | list[Any], float_hook=str).decode
_FAULTS = (msgspec.DecodeError, UnicodeError, ValueError, RecursionError)
_MOST_DEPTH = 20
_SHOWN = 200  # characters of a line that is no JSON


def is_json(prefix: bytes) -> bool:
    """Whether a file that begins with ``prefix`` holds JSON: no CSV begins so."""
    try:
        head = prefix.decode(json.detect_encoding(prefix), "replace")
    except (UnicodeError, LookupError):
        return False
    head = head.lstrip("\ufeff \t\r\n")
    inner = head[1:].lstrip()[:1]
    begins = {"{": ('"', "}"), "[": ('"', "[", "{", "]")}
    return inner in begins.get(head[:1], ())


class JsonRows:
    """JSON lines at ``path``, read from its ``copy`` where there is one; see ``RowSource``.

    ``encoding`` is told by the first bytes, unless it is given.

    Raises BadFile if it can't be read as JSON lines.
    """

    delimiter = ","

    def __init__(
        self, path: str | Path, *, encoding: str | None = None, copy: TemporaryCopy | None = None
    ) -> None:
        self.path, self._copy = Path(path), copy
        with self._open() as file:
            prefix = file.read(4096)
            self.size_bytes = file.seek(0, 2)
        try:
            self.encoding = codecs.lookup(encoding or json.detect_encoding(prefix)).name
        except LookupError as error:
            way_out = "leave --encoding out: JSON tells its own"
            raise BadFile(self.path, "", str(error), way_out) from error
        self.read_bytes, self._arrays = 0, False
        self.columns, above = self._named()
        self.counted = LineCount(above)

    @property
    def form(self) -> str:
        """What the file was taken for."""
        return f"JSON lines in {self.encoding}"

    def fingerprint(self) -> str:
        """Hash the file's bytes, as 64 hexadecimal digits."""
        with self._open() as file:
            return file_digest(file, partial(blake2b, digest_size=32)).hexdigest()

    def rows(self, needed: int | None = None) -> Iterator[Row | BadRow]:
        """Yield the rows; a field that a row lacks is empty, whatever is ``needed``."""
        self.counted, line = LineCount(self.counted.above), 0
        for line, text in self._lines():
            if line > self.counted.above:
                if text:
                    yield self._row(line, text)
                else:
                    self.counted.blank += 1
        self.counted.total = line

    def _row(self, line: int, text: bytes) -> Row | BadRow:
        try:
            item = _decode(text)
            values = self._of_array(item) if self._arrays else self._of_object(item)
        except _FAULTS as error:
            shown = text[: 4 * _SHOWN].decode(errors="replace")[:_SHOWN]
            return BadRow(line, [shown], _fault(error))
        return Row(line, values)

    def _of_object(self, item: Any) -> list[str]:
        if not isinstance(item, dict):
            raise ValueError("this line is no object, as the others are")
        found = dict(_flat(item))
        return [_text(name, found.get(name)) for name in self.columns]

    def _of_array(self, item: Any) -> list[str]:
        if not isinstance(item, list):
            raise ValueError("this line is no array, as the others are")
        if len(item) > len(self.columns):
            raise ValueError(f"{len(item)} values, but {len(self.columns)} columns")
        values = [_text(name, value) for name, value in zip(self.columns, item, strict=False)]
        return values + [""] * (len(self.columns) - len(values))

    def _named(self) -> tuple[tuple[str, ...], int]:
        """Name the columns, from all lines; tell how many lines are above the first row."""
        names = dict[str, None]()
        first = True
        for line, text in self._lines():
            if not text:
                continue
            item = self._decoded(line, text, first)
            if first and isinstance(item, list):
                return self._header(line, item)
            first = False
            for name, value in _fields(item):
                if name not in names and value is not None and not isinstance(value, list):
                    names[name] = None
            if len(names) > _MOST_COLUMNS:
                reason = f"its objects have more than {_MOST_COLUMNS:,} different fields"
                raise BadFile(self.path, f"line {line}", reason, "give each the same fields")
        if not names:
            reason = "there is nothing in it" if first else "its objects have no values"
            raise BadFile(self.path, "", reason, "export it again, with its rows")
        return tuple(names), 0

    def _decoded(self, line: int, text: bytes, first: bool) -> Any:
        """What a line holds, None if it is no JSON; raises BadFile if the first one is none."""
        try:
            return _decode(text)
        except _FAULTS as error:
            if first:
                reason = f"not JSON lines: {_fault(error)}"
                raise BadFile(self.path, f"line {line}", reason, _AS_LINES) from None
            return None

    def _header(self, line: int, item: list[Any]) -> tuple[tuple[str, ...], int]:
        """The names of columns, from the array above all others."""
        if any(not isinstance(name, str) for name in item) or not any(item):
            reason = "the first array names no columns"
            raise BadFile(self.path, f"line {line}", reason, _AS_LINES)
        self._arrays = True
        return tuple(" ".join(name.split()) for name in item), line

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each line in UTF-8, without what is blank around it, and its number."""
        self.read_bytes = 0
        with self._open() as file:
            if self.encoding in ("utf-8", "utf-8-sig", "ascii"):
                lines = iter(partial(file.readline, MAX_ROW), b"")
            else:
                reader = TextIOWrapper(file, self.encoding, "replace", newline="\n")
                texts = iter(partial(reader.readline, MAX_ROW), "")
                lines = (text.encode(errors="replace") for text in texts)
            for number, text in enumerate(lines, 1):
                if len(text) >= MAX_ROW:
                    reason = f"it has {MAX_ROW:,} bytes or more"
                    raise BadFile(self.path, f"line {number}", reason, _AS_LINES)
                self.read_bytes = file.tell() if number % 1000 == 0 else self.read_bytes
                yield number, text.strip(_BLANK)
            self.read_bytes = self.size_bytes

    def _open(self) -> BufferedReader:
        path = self._copy.path if self._copy else self.path
        try:
            return path.open("rb")
        except (OSError, ValueError) as error:
            reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise BadFile(self.path, "", reason, "give the path of a file") from error


def _fields(item: Any) -> list[tuple[str, Any]]:
    """The fields of a line; none if it is no object, or nested too deeply."""
    try:
        return list(_flat(item)) if isinstance(item, dict) else []
    except ValueError:
        return []


def _flat(item: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each field with its name; one within another has both names, with a dot between."""
    if above.count(".") > _MOST_DEPTH:
        raise ValueError(f"its objects are nested more than {_MOST_DEPTH} deep")
    for name, value in item.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    what = "a list" if isinstance(value, list) else "an object"
    raise ValueError(f"{name!r} holds {what}, where one value is needed")


def _fault(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "it is not valid UTF-8"
    if isinstance(error, msgspec.ValidationError):
        return "neither an object nor an array"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return f"not JSON: {error}" if isinstance(error, msgspec.DecodeError) else str(error)
