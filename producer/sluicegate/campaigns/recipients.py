"""A campaign's file as recipients: each row normalised, rendered and counted, or set aside."""

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import BadFile, BadNumber, BadValue, InvalidMessage
from .csv_file import BadRow, CsvFile, Row
from .phone import Phones
from .plan import Plan, key_hash, ticket
from .template import variable

# A file of rejected rows has it in place of bytes that could not be read.
_UNREAD = "it holds U+FFFD, which stands for what could not be read: write what it was"

_SHOWN = 40  # columns named in an error


class Recipient(NamedTuple):
    """One row that can be sent: who, what, and how many segments it takes."""

    line: int
    hash: int
    to: str
    text: str
    parts: int
    encoding: str
    ticket: bytes


class Rejected(NamedTuple):
    """One row that can't be sent: where the fault is, the value there, and the reason."""

    line: int
    column: str
    value: str
    reason: str
    values: list[str]


class Recipients:
    """The rows of ``file`` as ``plan`` reads them.

    Raises BadFile where a column or variable of the plan matches none of the file's, or several.
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
            if "\ufffd" in "".join(values):  # seldom, and perhaps in a column that is not used
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
        return tuple.__new__(Recipient, recipient)  # the class's own way is three times slower


def _named(file: CsvFile, name: str) -> int:
    return _column(file, name, f"no column {name!r}")


def _column(file: CsvFile, name: str, missing: str) -> int:
    """The index of the column called ``name``, or else of the one whose variable has that name."""
    columns = list(enumerate(file.columns))
    matches = [index for index, column in columns if column == name]
    matches = matches or [index for index, column in columns if variable(column) == name]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        names = ", ".join(f"{column} ({variable(column)})" for column in file.columns[:_SHOWN])
        left = len(file.columns) - _SHOWN
        more = f", and {left} more" if left > 0 else ""
        way_out = f"its columns, as a text names them: {names}{more}"
        raise BadFile(file.path, "line 1", missing, way_out)
    several = " and ".join(repr(file.columns[index]) for index in matches)
    raise BadFile(file.path, "line 1", f"{name!r} may be {several}", "rename one of them")


def _mapped(file: CsvFile, plan: Plan) -> list[tuple[str, int]]:
    """Each of the template's variables and the column that it stands for."""
    return [
        (name, _column(file, name, f"no column for {{{{ {name} }}}} in the text"))
        for name in plan.template.variables
    ]
