"""Reads lists of phone numbers in the forms that opt-out lists come in.

A list is a CSV file with or without a header, one number a line, JSON (lines, an array, or an
object whose ``data`` is one), a workbook with a header, or what ``sluicegate optout list --full``
prints.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..errors import BadFile, BadNumber
from ..rules import E164
from .columns import matching, variable
from .csv_file import CsvFile
from .phone import Phones
from .row_source import BadRow
from .workbook import is_workbook, open_workbook

NUMBER_COLUMN = re.compile(
    r"to|recipient|msisdn|((cell|mobile|tele|to_|contact_)?_?(phone|number))(_(no|number))?|cell|mobile|tel"
)
"""Variables that columns of phone numbers make."""

_WRITER_COLUMN = re.compile("from|from_number|sender|contact|subscriber|caller|destination")
_LISTED = re.compile(r"(\S+) +\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ( .*)?")
_OPTED_IN = re.compile(r"(un-?stop|start|opt(ed)?[ _-]?in|(re)?subscribed?)", re.IGNORECASE)
_SAMPLE = 100  # rows from which a column without a telling name is recognised
_SHOWN = 40  # columns named in an error
_HIDDEN = "its digits are hidden: write the list with --full"
_NO_NUMBER = "no phone number in it"


class Listed(NamedTuple):
    """A number in E.164 and its line; ``fault`` says why ``number`` is ``""``."""

    line: int
    number: str
    fault: str = ""


class NumberList:
    """The numbers of the list at ``path``; may be iterated more than once, in constant memory.

    ``region`` is the country of national numbers, as ``Phones`` takes it. ``column`` names the
    column of numbers, and where there is no header it is the column's place, from 1 on.
    ``encoding`` and ``delimiter`` are ``CsvFile``'s. A row that says that its person opted in
    again is a fault, unless the list is ``mixed``: of people for any reason.

    Raises BadFile if the file can't be read, or if several columns may hold the numbers, and
    InvalidMessage if there is no such region.
    """

    def __init__(
        self,
        path: Path,
        region: str | None = None,
        column: str | None = None,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        mixed: bool = False,
    ) -> None:
        self._path, self._column, self._phones = path, column, Phones(region)
        self._mixed = mixed
        try:
            with path.open("rb") as file:
                prefix = file.read(4096)
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            raise BadFile(path, "", reason, "give the path of a list of numbers") from error
        self._encoding = encoding or json.detect_encoding(prefix)
        head = prefix.decode(self._encoding, "replace").lstrip("\ufeff \t\r\n")
        self._texts: Callable[[], Iterator[Listed]]
        if is_workbook(prefix):
            self._sheet = open_workbook(path)
            self._place, self._texts = self._chosen(), self._rows
        elif head[:1] in ("{", "["):
            self._texts = self._json
        elif _LISTED.fullmatch(head.partition("\n")[0].rstrip("\r")):
            self._texts = self._listing
        else:
            self._open_csv(encoding, delimiter)
            self._texts = self._rows

    def __iter__(self) -> Iterator[Listed]:
        for line, text, fault in self._texts():
            try:
                yield Listed(line, "", fault) if fault else Listed(line, self._number(text))
            except BadNumber as error:
                yield Listed(line, "", _HIDDEN if "•" in text else error.reason)

    def _number(self, text: str) -> str:
        """Read a number; one in E.164 that no country seems to have is taken as it is."""
        try:
            return self._phones.normalise(text)
        except BadNumber:
            if E164.match(text):
                return text
            raise

    # Each of these yields lines with their numbers as they are written.

    def _listing(self) -> Iterator[Listed]:
        with self._path.open(encoding=self._encoding, errors="replace") as file:
            for line, text in enumerate(file, 1):
                if text := text.strip("\ufeff \t\r\n"):
                    listed = _LISTED.fullmatch(text)
                    yield Listed(line, listed[1] if listed else text)

    def _json(self) -> Iterator[Listed]:
        for line, item in self._items():
            fault = self._back_in(item.values()) if isinstance(item, dict) else ""
            if isinstance(item, dict):
                item = item.get(_key(self._path, line, item, self._column))
            if not isinstance(item, str):
                item, fault = "", fault or _NO_NUMBER
            yield Listed(line, item, fault)

    def _items(self) -> Iterator[tuple[int, Any]]:
        """The values of JSON lines, or of one document."""
        with self._path.open(encoding=self._encoding, errors="replace") as file:
            lines = ((n, text.strip("\ufeff \t\r\n")) for n, text in enumerate(file, 1))
            for line, text in ((n, text) for n, text in lines if text):
                try:
                    item = msgspec.json.decode(text)
                except msgspec.DecodeError:
                    item = None
                whole = item is None or isinstance(item, list) or "data" in item
                if whole and line == 1:
                    yield from self._document()
                    return
                yield line, item

    def _document(self) -> Iterator[tuple[int, Any]]:
        try:
            text = self._path.read_bytes().decode(self._encoding, "replace")
            document = msgspec.json.decode(text.lstrip("\ufeff"))
        except msgspec.DecodeError as error:
            raise BadFile(self._path, "", f"not JSON: {error}", "export the list again") from None
        items = document.get("data") if isinstance(document, dict) else document
        if not isinstance(items, list):
            reason = "its JSON is neither an array nor an object with one as its data"
            raise BadFile(self._path, "", reason, "write one number, or one object, a line")
        for item in items:
            yield 1, item

    def _open_csv(self, encoding: str | None, delimiter: str | None) -> None:
        """Open the file with a header, unless its first row holds a number already."""

        def opened(header: bool) -> CsvFile:
            return CsvFile(self._path, encoding=encoding, delimiter=delimiter, header=header)

        self._sheet = opened(header=False)
        first = next(iter(self._sheet.rows()), None)
        if first is not None and not any(map(_is_like_a_number, first.values)):
            self._sheet = opened(header=True)
        self._place = self._chosen()

    def _rows(self) -> Iterator[Listed]:
        for row in self._sheet.rows():
            if isinstance(row, BadRow):
                yield Listed(row.line, "", row.reason)
            else:
                yield Listed(row.line, row.values[self._place], self._back_in(row.values))

    def _back_in(self, values: Iterable[object]) -> str:
        """The fault of a row whose person opted in again; ``""`` if it does not say so."""
        if self._mixed:
            return ""
        said = (value.strip() for value in values if isinstance(value, str))
        back = next(filter(_OPTED_IN.fullmatch, said), "")
        return f"it says {back!r}: leave out who opted in again" if back else ""

    def _chosen(self) -> int:
        """The column of numbers: named, or told by its name, or the only one of numbers with +."""
        columns = self._sheet.columns
        names = [variable(column).strip("_") for column in columns]
        if self._column is not None:
            found = matching(columns, self._column)
        elif len(columns) == 1:
            return 0
        else:
            found = [n for n, name in enumerate(names) if _may_be_numbers(name)]
            found = found or self._international()
        if len(found) == 1:
            return found[0]
        shown = ", ".join(columns[:_SHOWN])
        reason = "several columns" if found else "no column"
        reason += " may hold the numbers" if self._column is None else f" {self._column!r}"
        raise BadFile(self._path, "", reason, f"name the right one with --column: {shown}")

    def _international(self) -> list[int]:
        rows = [row.values for row in islice(self._sheet.rows(), _SAMPLE)]
        return [
            place
            for place in range(len(self._sheet.columns))
            if _all_international([row[place].strip() for row in rows if len(row) > place])
        ]


def _all_international(values: Sequence[str]) -> bool:
    said = [value for value in values if value]
    return bool(said) and all(value.startswith("+") and _is_like_a_number(value) for value in said)


def _is_like_a_number(text: str) -> bool:
    """Whether ``text`` may be a phone number, and is no name of a column."""
    return sum(map(str.isdecimal, text)) >= 7 and not re.search(r"[^\W\d_]{4}", text)


def _may_be_numbers(name: str) -> bool:
    return bool(NUMBER_COLUMN.fullmatch(name) or _WRITER_COLUMN.fullmatch(name))


def _key(path: Path, line: int, item: Iterable[str], column: str | None) -> str:
    """The field of a JSON object that holds its number."""
    if column is not None:
        return column
    found = [name for name in item if _may_be_numbers(variable(name).strip("_"))]
    if len(found) == 1:
        return found[0]
    reason = f"{'several fields' if found else 'no field'} of the object may hold the number"
    names = ", ".join(list(item)[:_SHOWN])
    raise BadFile(path, f"line {line}", reason, f"name the right one with --column: {names}")
