"""How a CSV file is laid out: its delimiter, the row that names its columns, and its numbers.

Everything here is judged from the first 200 lines.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

NOTES = ("_line", "_column", "_value", "_reason")
"""The first columns of a file of rejected rows; they are ignored when it is imported."""

_LINES = 200
_TITLES = 20  # rows above the header, at most

_PHONE = re.compile(  # with a +, with 10 to 15 digits, or as Excel shortens it
    r"[\s'\"=]*(?:\+(?:[\s().-]*\d){7,15}|\(?\d(?:[\s().-]*\d){9,14}|\d[.,]\d+[Ee]\+\d+)[\s'\"]*"
)
_DIGITS = re.compile(r"[\s'\"=]*\+?\(?\d(?:[\s()./-]*\d){6,14}[\s'\"]*")
_DATE = re.compile(r"\s*(?:\d{4}[./-]\d\d?[./-]\d\d?|\d\d?[./-]\d\d?[./-]\d{4})\s*")


class SampleRow(NamedTuple):
    """A row of the first lines; ``line`` is the index of its first line."""

    line: int
    values: list[str]

    @property
    def width(self) -> int:
        """How many values there are up to the last that is not empty."""
        return max((place for place, value in enumerate(self.values, 1) if value), default=0)

    @property
    def is_mostly_filled(self) -> bool:
        """Whether more than half of these have a value, as where they name columns."""
        return 2 * sum(map(bool, self.values)) > self.width


def is_phone(text: str) -> bool:
    """Whether ``text`` is surely a phone number, and no name."""
    return bool(_PHONE.fullmatch(text))


def may_be_phone(text: str) -> bool:
    """Whether ``text`` may be a phone number, as people write them within one country too."""
    return bool(_DIGITS.fullmatch(text)) and not _DATE.fullmatch(text)


def sample_rows(lines: Sequence[str], delimiter: str) -> Iterator[SampleRow]:
    """Yield the rows of the first lines that have any value, up to the first faulty one."""
    reader = csv.reader(lines[:_LINES], delimiter=delimiter, skipinitialspace=True)
    before = 0
    with suppress(csv.Error):
        for values in reader:
            if any(values):
                yield SampleRow(before, values)
            before = reader.line_num


def split_line(line: str, delimiter: str) -> list[str]:
    """The values of one line alone, whatever quotes are open."""
    with suppress(csv.Error):
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return []


def likely_delimiter(lines: Sequence[str]) -> str:
    """The comma, semicolon, tab or ``|`` that splits the lines into the most even rows."""
    return max(",;\t|", key=lambda delimiter: _fitness(lines, delimiter))


def _fitness(lines: Sequence[str], delimiter: str) -> tuple[bool, float, int, bool]:
    """How well ``delimiter`` fits: the share of rows of the most common width, then that width.

    It must split most rows. One that splits the first row fits better than one that does not, for
    which that row is a title. Of equal ones the comma comes last: it also occurs within texts.
    """
    widths = [len(row.values) for row in sample_rows(lines, delimiter)]
    split = Counter(width for width in widths if width > 1)
    if 2 * split.total() <= len(widths):
        return False, 0, 0, False
    count, width = max((count, width) for width, count in split.items())
    return widths[0] > 1, count / len(widths), width, delimiter != ","


def header_line(lines: Sequence[str], delimiter: str) -> int:
    """The index of the line that names the columns: the first, but for titles above it.

    A row above the first data is a title if it is narrower than the data and a row of names as
    wide as they are follows it. A file of rejects has no titles, and rows wider than its header.
    """
    candidates: list[SampleRow] = []
    widths: Counter[int] = Counter()
    for row in sample_rows(lines, delimiter):
        if tuple(row.values[: len(NOTES)]) == NOTES:
            return row.line
        if widths or any(map(may_be_phone, row.values)):
            widths[row.width] += 1
        elif len(candidates) < _TITLES:
            candidates.append(row)
    if not candidates:
        return 0
    usual = widths.most_common(1)[0][0] if widths else 0
    wide = (row for row in candidates if row.width >= usual and row.is_mostly_filled)
    return next(wide, candidates[0]).line


def number_columns(lines: Sequence[str], delimiter: str) -> frozenset[int]:
    """The places of the columns that hold mostly phone numbers, or more than any other does."""
    numbers, filled = Counter[int](), Counter[int]()
    for line in lines[:_LINES]:
        for place, value in enumerate(split_line(line, delimiter)):
            filled[place] += bool(value)
            numbers[place] += may_be_phone(value)
    most = max(numbers.values(), default=0)
    return frozenset(
        place
        for place, count in numbers.items()
        if count and (count == most or 2 * count > filled[place])
    )


def is_row(line: str, delimiter: str, width: int, numbers: frozenset[int]) -> bool:
    """Whether a line within a quoted value looks like a row of its own.

    It does if it has ``width`` values, and a phone number where ``numbers`` says they are.
    """
    values = split_line(line, delimiter)
    if len(values) < width:
        return False
    places = numbers or range(len(values))
    return any(place < len(values) and may_be_phone(values[place]) for place in places)
