"""Reads single rows of CSV where the csv module gives up: stray quotes, and very long values.

It differs from the csv module in four ways: spaces after a closing quote are dropped, a value may
be as long as a row, a fault names its line, and it is a hundred times slower.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

MAX_ROW = 1_000_000
"""Characters in a row."""

NEVER_CLOSED = 'a quote (") opened in this row is never closed'
NOT_DOUBLED = 'a quote (") within a quoted value is not doubled'


class Quoted(NamedTuple):
    """A row of ``lines`` lines, for which ``characters`` were read.

    Where ``fault`` is not empty, ``values`` is, and only the first line is lost: a row goes on
    below it only where a quote was opened in it.
    """

    values: list[str]
    lines: int
    characters: int
    fault: str = ""


def read_row(lines: Iterable[str], delimiter: str) -> Quoted:
    """Read the row with which ``lines``, with their ends, begin."""
    reader = _RowReader(delimiter)
    count = 0
    for count, line in enumerate(lines, 1):
        if reader.take(line, first=count == 1) or reader.characters > MAX_ROW:
            break
    if count and not reader.ended:
        reader.fault = NEVER_CLOSED
    if reader.fault:
        return Quoted([], 1, reader.characters, reader.fault)
    return Quoted(reader.values, count, reader.characters)


class _RowReader:
    """Takes a row line by line."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        blank = "[ \xa0]" if delimiter == "\t" else "[ \t\xa0]"
        self._spaces = re.compile(f"{blank}*").match
        self.values: list[str] = []
        self.characters = 0
        self.fault, self.ended = "", False
        self._parts: list[str] | None = None  # of the quoted value at hand

    def take(self, line: str, *, first: bool) -> bool:
        """Read one more line; tell whether the row is at its end, or at fault."""
        self.characters += len(line)
        body, at = line.rstrip("\r\n"), 0
        while not self.ended and at >= 0:
            if self._parts is None:
                at = self._begin(body, at)
            else:
                at = self._go_on(line, body, at, first)
        return self.ended

    def _begin(self, body: str, at: int) -> int:
        """Read a value that is not quoted, or open a quoted one; return where to go on."""
        while body.startswith(" ", at):
            at += 1
        if body.startswith('"', at):
            self._parts = []
            return at + 1
        end = body.find(self._delimiter, at)
        self.ended = end < 0
        self.values.append(body[at:] if end < 0 else body[at:end])
        return end + 1

    def _go_on(self, line: str, body: str, at: int, first: bool) -> int:
        """Read a quoted value up to the next quote; return where to go on, -1 for a new line."""
        assert self._parts is not None  # noqa: S101 - the caller looked
        end = line.find('"', at)
        if end < 0:
            self._parts.append(line[at:])
            return -1
        self._parts.append(line[at:end])
        if line.startswith('"', end + 1):
            self._parts.append('"')
            return end + 2
        found = self._spaces(body, end + 1)
        after = found.end() if found else end + 1
        if after == len(body) or body.startswith(self._delimiter, after):
            self.values.append("".join(self._parts))
            self._parts, self.ended = None, after == len(body)
            return after + 1
        self.fault = NOT_DOUBLED if first else NEVER_CLOSED
        self.ended = True
        return -1
