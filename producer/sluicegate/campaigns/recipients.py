"""Turns the rows of a campaign's file into recipients, or rejects them with a reason."""

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import BadFile, BadNumber, BadValue, InvalidMessage
from .columns import matching, variable
from .csv_file import BadRow, CsvFile, Row
from .phone import Phones
from .plan import Plan, key_hash, ticket

# A file of rejected rows has U+FFFD in place of each unreadable byte.
_UNREAD = "it holds U+FFFD, which stands for an unreadable character: write the right one"

_SHOWN = 40  # columns named in an error


class Recipient(NamedTuple):
    """A row that can be sent.

    ``line`` is where it begins in the file, ``hash`` that of its key, ``to`` an E.164 number,
    ``text`` the rendered text in ``parts`` segments, and ``ticket`` what is stored of it.
    """

    line: int
    hash: int
    to: str
    text: str
    parts: int
    encoding: str
    ticket: bytes


class Rejected(NamedTuple):
    """A row that can't be sent: the column at fault, its value, and the reason.

    ``column`` and ``value`` are ``""`` where the whole row is at fault. ``values`` are the row's.
    """

    line: int
    column: str
    value: str
    reason: str
    values: list[str]


class Recipients:
    """The rows of ``file``, each as a Recipient or a Rejected; may be iterated more than once.

    Raises BadFile if a column or a variable of the plan matches no column of the file, or several.
    """

    def __init__(self, plan: Plan, file: CsvFile) -> None:
        self._plan, self._template, self._file = plan, plan.template, file
        self._phones = Phones(plan.region)
        self._to = _named(file, plan.to_column)
        self._key = None if plan.key_column is None else _named(file, plan.key_column)
        self._variables = _mapped(file, plan)
        key = self._to if self._key is None else self._key
        self._used = sorted({key, *(index for _, index in self._variables)})

    def __iter__(self) -> Iterator[Recipient | Rejected]:
        for row in self._file.rows():
            if isinstance(row, BadRow):
                yield Rejected(row.line, "", "", row.reason, row.values)
            else:
                yield self._read(row)

    def _read(self, row: Row) -> Recipient | Rejected:
        values = row.values
        column = self._file.columns[self._to]
        try:
            to = self._phones.normalise(values[self._to])
            key = to
            if self._key is not None and not (key := values[self._key].strip()):
                column = self._file.columns[self._key]
                return Rejected(row.line, column, "", "the key is empty", values)
            if "\ufffd" in "".join(values):  # rare, and perhaps only in unused columns
                for used in self._used:
                    if "\ufffd" in values[used]:
                        column = self._file.columns[used]
                        return Rejected(row.line, column, values[used], _UNREAD, values)
            named = {name: values[index] for name, index in self._variables}
            text = self._template.render(named)
            segments = self._plan.segments(to, text)
        except BadNumber as error:
            return Rejected(row.line, column, error.text, error.reason, values)
        except BadValue as error:
            index = dict(self._variables).get(error.variable)
            shown = "" if index is None else values[index]
            column = error.variable if index is None else self._file.columns[index]
            return Rejected(row.line, column, shown, error.reason, values)
        except InvalidMessage as error:
            return Rejected(row.line, error.field, str(error.value), error.reason, values)
        hash = key_hash(key)
        waiting = ticket(self._plan, hash, to, segments.parts, list(named.values()))
        recipient = (row.line, hash, to, text, segments.parts, segments.encoding, waiting)
        return tuple.__new__(Recipient, recipient)  # three times faster than Recipient()


def _named(file: CsvFile, name: str) -> int:
    return _column(file, name, f"no column {name!r}")


def _column(file: CsvFile, name: str, missing: str) -> int:
    """Return the index of the column that ``name`` means."""
    matches = matching(file.columns, name)
    if len(matches) == 1:
        return matches[0]
    if not matches:
        names = ", ".join(f"{column} ({variable(column)})" for column in file.columns[:_SHOWN])
        left = len(file.columns) - _SHOWN
        more = f", and {left} more" if left > 0 else ""
        way_out = f"the columns, with their variables: {names}{more}"
        raise BadFile(file.path, "line 1", missing, way_out)
    several = " and ".join(repr(file.columns[index]) for index in matches)
    raise BadFile(file.path, "line 1", f"{name!r} matches {several}", "rename one of them")


def _mapped(file: CsvFile, plan: Plan) -> list[tuple[str, int]]:
    """Pair each of the template's variables with the index of its column."""
    return [
        (name, _column(file, name, f"no column for {{{{ {name} }}}} in the text"))
        for name in plan.template.variables
    ]
