"""A campaign's file as recipients: each row normalised, rendered and counted, or set aside."""

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import BadFile, BadNumber, BadValue, InvalidMessage
from .csv_file import BadRow, CsvFile, Row
from .phone import Phones
from .plan import Plan, key_hash, ticket
from .template import variable

# A file of rejects has it where its row had bytes that nobody could read.
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
    """One row that can't be sent: where, what stood there, and what would be right."""

    line: int
    column: str
    value: str
    reason: str
    values: list[str]


class Recipients:
    """The rows of ``sheet`` as ``plan`` reads them.

    Raises BadFile where the plan's columns or variables are not among the file's, or may be two.
    """

    def __init__(self, plan: Plan, sheet: CsvFile) -> None:
        self._plan, self._template, self.sheet = plan, plan.template, sheet
        self._phones = Phones(plan.region)
        self._to = _named(sheet, plan.to_column)
        self._key = None if plan.key_column is None else _named(sheet, plan.key_column)
        self._variables = _mapped(sheet, plan)
        key = self._to if self._key is None else self._key
        self._used = sorted({key, *(at for _, at in self._variables)})

    def __iter__(self) -> Iterator[Recipient | Rejected]:
        for row in self.sheet.rows():
            if isinstance(row, BadRow):
                yield Rejected(row.line, "", "", row.reason, row.values)
            else:
                yield self._read(row)

    def _read(self, row: Row) -> Recipient | Rejected:
        values = row.values
        column = self.sheet.columns[self._to]
        try:
            to = self._phones.normalise(values[self._to])
            key = to
            if self._key is not None and not (key := values[self._key].strip()):
                column = self.sheet.columns[self._key]
                return Rejected(row.line, column, "", "the key is empty", values)
            if "\ufffd" in "".join(values):  # seldom, and perhaps in a column that is not used
                for used in self._used:
                    if "\ufffd" in values[used]:
                        column = self.sheet.columns[used]
                        return Rejected(row.line, column, values[used], _UNREAD, values)
            named = {name: values[at] for name, at in self._variables}
            text = self._template.render(named)
            segments = self._plan.segments(to, text)
        except BadNumber as error:
            return Rejected(row.line, column, error.text, error.reason, values)
        except BadValue as error:
            at = dict(self._variables).get(error.variable)
            shown = "" if at is None else values[at]
            column = error.variable if at is None else self.sheet.columns[at]
            return Rejected(row.line, column, shown, error.reason, values)
        except InvalidMessage as error:
            return Rejected(row.line, error.field, str(error.value), error.reason, values)
        hash = key_hash(key)
        made = ticket(self._plan, hash, to, segments.parts, list(named.values()))
        recipient = (row.line, hash, to, text, segments.parts, segments.encoding, made)
        return tuple.__new__(Recipient, recipient)  # the class's own way is three times slower


def _named(sheet: CsvFile, name: str) -> int:
    return _column(sheet, name, f"no column {name!r}")


def _column(sheet: CsvFile, name: str, missing: str) -> int:
    """The place of the column called ``name``, or else of the one whose variable that is."""
    found = [at for at, column in enumerate(sheet.columns) if column == name]
    found = found or [at for at, column in enumerate(sheet.columns) if variable(column) == name]
    if len(found) == 1:
        return found[0]
    if not found:
        names = ", ".join(f"{column} ({variable(column)})" for column in sheet.columns[:_SHOWN])
        left = len(sheet.columns) - _SHOWN
        more = f", and {left} more" if left > 0 else ""
        way_out = f"its columns, as a text names them: {names}{more}"
        raise BadFile(sheet.path, "line 1", missing, way_out)
    several = " and ".join(repr(sheet.columns[at]) for at in found)
    raise BadFile(sheet.path, "line 1", f"{name!r} may be {several}", "rename one of them")


def _mapped(sheet: CsvFile, plan: Plan) -> list[tuple[str, int]]:
    """Each of the template's variables and the column that it stands for."""
    return [
        (name, _column(sheet, name, f"no column for {{{{ {name} }}}} in the text"))
        for name in plan.template.variables
    ]
