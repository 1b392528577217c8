"""Turns the rows of a campaign's file into recipients, or rejects them with a reason."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

from ..config import Account
from ..declared import country_fault
from ..errors import BadHours, BadNumber, BadValue, InvalidMessage
from ..numbering import kind_of
from .ab import VARIANT, side_of
from .columns import place, variable
from .conditions import Condition
from .countries import region_named
from .hours import Classes, HoursClass
from .languages import chooser
from .number_set import NumberSet
from .phone import Phones
from .plan import Plan, key_hash, ticket_end
from .row_source import BadRow, Row, RowSource
from .short_links import ANY_ID, LINK_ID

_LANDLINE = "a landline, by its country's numbering plan"
# A file of rejected rows has U+FFFD in place of each unreadable byte.
_UNREAD = "it holds U+FFFD, which stands for an unreadable character: write the right one"


class Recipient(NamedTuple):
    """A row that can be sent.

    ``line`` is where it begins in the file, ``to`` an E.164 number, and ``text`` the rendered text
    in ``parts`` segments. ``hash`` is the bare hash of its key, and ``ticket_end`` its ticket
    without any: ``members`` makes of both what is stored. ``hours`` is its class, if its campaign
    has hours.
    """

    line: int
    hash: int
    to: str
    text: str
    parts: int
    encoding: str
    ticket_end: bytes
    hours: HoursClass | None = None


class Rejected(NamedTuple):
    """A row that can't be sent: the column at fault, its value, and the reason.

    ``column`` and ``value`` are ``""`` where the whole row is at fault. ``values`` are the row's.
    """

    line: int
    column: str
    value: str
    reason: str
    values: list[str]


class RowReading(msgspec.Struct, frozen=True):
    """How one source of rows is read: what differs between the sources of one campaign.

    ``columns`` maps what the plan calls a column, as a variable, to the source's own name of it.
    Rows are left out that don't meet all ``conditions``, whose number is in one of ``without``, or
    is not in each of ``within``. Their campaign starts at ``starts_at``, None for now, and was
    made at ``made_at``, None where that does not matter; both in seconds since 1970.
    """

    columns: Mapping[str, str] = {}
    conditions: tuple[Condition, ...] = ()
    without: tuple[NumberSet, ...] = ()
    within: tuple[NumberSet, ...] = ()
    starts_at: float | None = None
    made_at: float | None = None

    def place(self, file: RowSource, name: str, missing: str = "") -> int:
        """The index of the column that the plan calls ``name``; raises as ``columns.place``."""
        return place(file.path, file.columns, self.columns.get(variable(name), name), missing)


AS_IT_IS = RowReading()


class Recipients:
    """The rows of ``file``, each as a Recipient or a Rejected; may be iterated more than once.

    Numbers of countries that the ``account`` does not send to are rejected. What ``reading``
    leaves out is not yielded: the latest iteration has counted it, by condition or set, in
    ``filtered``, and in ``excluded`` what is in one of ``without``.

    Raises BadFile if a column or a variable of the plan matches no column of the file, or several.
    """

    def __init__(
        self,
        plan: Plan,
        file: RowSource,
        account: Account | None = None,
        reading: RowReading = AS_IT_IS,
    ) -> None:
        self._account, self._reading = account, reading
        self._plan, self._template, self._file = plan, plan.template, file
        self._phones = Phones(plan.region)
        self._to = reading.place(file, plan.to_column)
        key = plan.key_column
        self._key = None if key is None else reading.place(file, key)
        self._variables = _mapped(file, plan, reading)
        used = {index for _, index in self._variables if index is not None}
        region = plan.region_column
        self._region = None if region is None else reading.place(file, region)
        self._classes = _classes(plan, reading)
        self._zone = self._state = None
        if plan.hours and plan.hours.zone_column:
            self._zone = reading.place(file, plan.hours.zone_column)
        if plan.hours and plan.hours.state_column:
            self._state = reading.place(file, plan.hours.state_column)
        self._by_region = {plan.region: self._phones}
        language = plan.language_column
        self._language = None if language is None else variable(language)
        self._language_of = chooser(plan.languages)
        self._conditions = [
            (each, reading.place(file, each.column)) for each in reading.conditions
        ]
        self.filtered, self.excluded = Counter[str](), Counter[str]()
        self._used = sorted(used | {self._to if self._key is None else self._key})
        # A row may lack what follows: spreadsheets drop trailing empty cells.
        compared = [index for _, index in self._conditions]
        asked = [self._to, self._region, self._zone, self._state, *compared, *self._used]
        self._needed = max(index for index in asked if index is not None) + 1

    def __iter__(self) -> Iterator[Recipient | Rejected]:
        self.filtered.clear()
        self.excluded.clear()
        for condition, _ in self._conditions:
            condition.near.clear()
        chooses = bool(self._reading.without or self._reading.within)
        takes_all = not self._conditions and not chooses
        for row in self._file.rows(self._needed):
            if isinstance(row, BadRow):
                yield Rejected(row.line, "", "", row.reason, row.values)
                continue
            if takes_all:
                yield self._read(row)
                continue
            if self._conditions and (fault := self._unmet(row)) is not None:
                if fault:
                    yield fault
                continue
            found = self._read(row)
            if not chooses or isinstance(found, Rejected) or self._chosen(found):
                yield found

    @property
    def left_out(self) -> int:
        """How many rows the latest iteration has left out so far."""
        return self.filtered.total() + self.excluded.total()

    @property
    def near(self) -> Iterator[tuple[Condition, str, str, int, int]]:
        """Each condition with a value, the one it may have meant, the first line and the rows."""
        for condition, _ in self._conditions:
            for value, (wanted, line, rows) in condition.near.items():
                yield condition, value, wanted, line, rows

    def _unmet(self, row: Row) -> Rejected | Literal[False] | None:
        """None if a row meets all conditions, False if not; or the row that can't be judged."""
        for condition, index in self._conditions:
            try:
                if not condition.met(row.values[index], row.line):
                    self.filtered[condition.text] += 1
                    return False
            except BadValue as error:
                column, value = self._file.columns[index], row.values[index]
                return Rejected(row.line, column, value, error.reason, row.values)
        return None

    def _chosen(self, recipient: Recipient) -> bool:
        hash = recipient.hash if self._key is None else key_hash(recipient.to)
        for each in self._reading.without:
            if each.holds(hash):
                self.excluded[each.name] += 1
                return False
        for each in self._reading.within:
            if not each.holds(hash):
                self.filtered[each.name] += 1
                return False
        return True

    def with_rows(self) -> Iterator[tuple[Row, Recipient]]:
        """Yield the recipients, each with the row that it is from."""
        for row in self._file.rows(self._needed):
            if isinstance(row, Row) and isinstance(recipient := self._read(row), Recipient):
                yield row, recipient

    def _read(self, row: Row) -> Recipient | Rejected:
        values = row.values
        column = self._file.columns[self._to]
        try:
            phones = (
                self._phones if self._region is None else self._phones_of(values, self._region)
            )
            to = phones.normalise(values[self._to])
            if not self._plan.landlines and kind_of(to) == "landline":
                raise BadNumber(values[self._to], _LANDLINE)
            if self._account and (fault := country_fault(self._account, to)):
                raise BadNumber(values[self._to], fault)
            key = to
            if self._key is not None and not (key := values[self._key].strip()):
                column = self._file.columns[self._key]
                return Rejected(row.line, column, "", "the key is empty", values)
            if "\ufffd" in "".join(values) and (found := self._unread(row)):  # rare
                return found
            named = self._named(values, to)
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
        hours = None
        if self._classes:
            hours = self._hours_of(self._classes, row, to)
            if isinstance(hours, Rejected):
                return hours
        parts, encoding = segments.parts, segments.encoding
        kept = _without_link(named) if self._plan.short_links else list(named.values())
        end = ticket_end(self._plan, to, parts, kept)
        fields = (row.line, key_hash(key), to, text, parts, encoding, end, hours)
        return tuple.__new__(Recipient, fields)  # three times faster than Recipient()

    def _unread(self, row: Row) -> Rejected | None:
        """What an unreadable character makes of a row; None where it is in unused columns."""
        for used in self._used:
            if "\ufffd" in (value := row.values[used]):
                column = self._file.columns[used]
                return Rejected(row.line, column, value, _UNREAD, row.values)
        return None

    def _hours_of(self, classes: Classes, row: Row, to: str) -> HoursClass | Rejected:
        """The class of a row; rejected where its hours are not known."""
        at = self._zone, self._state
        zone, state = ("" if n is None else row.values[n].strip() for n in at)
        try:
            return classes.of(to, zone, state)
        except BadHours as error:
            named = [n for n in at if n is not None and row.values[n].strip() == error.text]
            column = named[0] if named else self._to
            return Rejected(
                row.line, self._file.columns[column], row.values[column], error.reason, row.values
            )

    def _named(self, values: list[str], to: str) -> dict[str, str]:
        """A row's values by variable; raises BadValue if there is no text for its language."""
        named = {
            name: values[index] if index is not None else self._of_no_column(name, to)
            for name, index in self._variables
        }
        if self._language is not None:
            chosen = named[self._language] = self._language_of(named[self._language])
            if not chosen and "" not in self._plan.languages:
                reason = f"has no text: there are {', '.join(self._plan.languages)}"
                raise BadValue(self._language, reason)
        return named

    def _of_no_column(self, name: str, to: str) -> str:
        if name == LINK_ID:
            return ANY_ID
        return side_of(self._plan.dealer, to, self._plan.b_share)

    def _phones_of(self, values: list[str], region_column: int) -> Phones:
        """The reader of the row's numbers; raises BadNumber if its country is unclear."""
        if not (country := values[region_column].strip()):
            return self._phones
        region = region_named(country) or None
        if region is None and values[self._to].lstrip()[:1] != "+":
            name = self._file.columns[region_column]
            reason = f"its {name} names no country: write a code, such as GB, or write it with +"
            raise BadNumber(values[self._to], reason)
        if region not in self._by_region:
            self._by_region[region] = Phones(region)
        return self._by_region[region]


def _without_link(named: dict[str, str]) -> list[str]:
    """What a ticket holds of a row: a recipient's part of short links is that of the id."""
    return ["" if name == LINK_ID else value for name, value in named.items()]


def _mapped(file: RowSource, plan: Plan, reading: RowReading) -> list[tuple[str, int | None]]:
    """Pair the name of each value that a ticket holds with the index of its column.

    Which of two texts somebody gets, and what of a short link is theirs, stand in no column: None.
    """
    made = {VARIANT: plan.b_share > 0, LINK_ID: bool(plan.short_links)}
    return [
        (name, None) if made.get(name) else (name, reading.place(file, name, _missing(plan, name)))
        for name in plan.values
    ]


def _classes(plan: Plan, reading: RowReading) -> Classes | None:
    if plan.hours is None:
        return None
    return Classes(
        plan.hours,
        expires_at=None if plan.expires_at is None else plan.expires_at.timestamp(),
        starts_at=reading.starts_at,
        made_at=reading.made_at,
    )


def _missing(plan: Plan, name: str) -> str:
    if name in plan.template.variables:
        return f"no column for {{{{ {name} }}}} in the text"
    return f"no column {name}, which is to be kept"
