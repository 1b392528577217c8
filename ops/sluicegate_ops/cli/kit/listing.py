"""Tables and prose that fit the terminal: nothing that names something is ever shortened.

What is too wide loses its spare columns, then it is stacked, a block for each row. Lines break
between words only, and never within a command, so that a printed command can be typed as it is.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain

_GAP = 2
_LEAST_WRAPPED = 24  # a column narrower than this reads badly when it is wrapped
_GLUE = "\x00"  # stands for a space at which no line may break

_WORD = r"-{1,2}[\w-]+(?:[= ][\w.+:@/-]+)?|[A-Z]{2,}\S*|\"[^\"]*\"|\S*[:+@/=_\d]\S*"
_SUBCOMMANDS = (
    "status why lanes costs trend notify send campaign preflight start list watch pause resume "
    "cancel pace report export message show audit dead replay purge doubt resolve optout add "
    "remove halt set clear repair twice review history import sync serve simulate probe worker "
    "profile retrieve doctor setup reconcile"
)
_PART = "|".join([_WORD, *_SUBCOMMANDS.split()])
_NAME = r"[a-z0-9][a-z0-9_-]*"
_COMMAND = re.compile(
    rf"\b(?:sluicegate|celery)(?:(?: (?:{_PART})(?![\w-]))+(?: {_NAME}(?![\w-]))?)+"
)


class Listing:
    """Rows under a head.

    ``spare`` columns may be left out, the first of them first; the others never are. Columns in
    ``right`` stand flush right. The last column may wrap.
    """

    def __init__(
        self, columns: Sequence[str], spare: Sequence[str] = (), right: Sequence[str] = ()
    ) -> None:
        self._rows = [list(columns)]
        self._spare = [columns.index(name) for name in spare]
        self._right = {columns.index(name) for name in right}

    def __len__(self) -> int:
        return len(self._rows) - 1

    def add_row(self, *cells: str) -> None:
        """Add one row, a cell for each column."""
        self._rows.append(list(cells))

    def lines(self, width: int | None) -> Iterator[str]:
        """The lines, the head first, for a terminal of ``width``; None is as wide as needed."""
        if width is None:
            return self._table(range(len(self._rows[0])), None)
        for count in range(len(self._spare) + 1):
            left_out = self._spare[:count]
            shown = [index for index in range(len(self._rows[0])) if index not in left_out]
            room = width - sum(self._width(index) + _GAP for index in shown[:-1])
            if room >= self._needed(shown[-1]):
                names = [self._rows[0][index] for index in left_out]
                note = [f"left out for want of width: {', '.join(names)}"] * bool(names)
                return chain(self._table(shown, room), note)
        return self._stacked(width)

    def _width(self, index: int) -> int:
        return max(cell_width(row[index]) for row in self._rows)

    def _needed(self, last: int) -> int:
        """The least width of the last column at which no word of it breaks."""
        words = (word for row in self._rows for word in glued(row[last]).split(" "))
        return min(self._width(last), max(_LEAST_WRAPPED, *map(cell_width, words)))

    def _table(self, shown: Sequence[int], room: int | None) -> Iterator[str]:
        widths = {index: self._width(index) for index in shown[:-1]}
        for row in self._rows:
            fixed = [
                _padded(row[index], width, right=index in self._right)
                for index, width in widths.items()
            ]
            start = (" " * _GAP).join([*fixed, ""])
            last = row[shown[-1]]
            first, *more = [last] if room is None else wrapped(last, room) or [""]
            yield f"{start}{first}".rstrip()
            yield from (f"{' ' * cell_width(start)}{part}" for part in more)

    def _stacked(self, width: int) -> Iterator[str]:
        head, *rows = self._rows
        for number, row in enumerate(rows):
            if number:
                yield ""
            yield from paired([pair for pair in zip(head, row, strict=True) if pair[1]], width)


def paired(pairs: Sequence[tuple[str, str]], width: int | None) -> Iterator[str]:
    """Names and values below each other; a value's further lines stand below its first."""
    indent = max((cell_width(name) for name, _ in pairs), default=0) + _GAP
    for name, value in pairs:
        parts = [value] if width is None else wrapped(value, width - indent) or [""]
        yield f"{_padded(name, indent)}{parts[0]}".rstrip()
        yield from (f"{' ' * indent}{part}" for part in parts[1:])


def wrapped(text: str, width: int) -> list[str]:
    """The lines of ``text``, broken between words; a word that is wider stands alone."""
    lines: list[str] = []
    line = ""
    for word in glued(text).split(" "):
        longer = f"{line} {word}" if line else word
        if line and cell_width(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    return [each.replace(_GLUE, " ") for each in [*lines, line] if each]


def glued(text: str) -> str:
    """The text with its commands held together."""
    return _COMMAND.sub(lambda command: command[0].replace(" ", _GLUE), text)


def cell_width(text: str) -> int:
    """How many columns of a terminal a text takes: an ideogram takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # heavy, and help does without it

    return cell_len(text)


def _padded(cell: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - cell_width(cell))
    return f"{space}{cell}" if right else f"{cell}{space}"
