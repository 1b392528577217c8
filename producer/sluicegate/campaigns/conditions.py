"""Conditions on a row's columns, by which a campaign chooses its recipients.

    condition   column operator value
    operator    = != < <= > >=
    column      a name, in quotes if it holds any of = ! < >
    value       a text, or several with | between them after = and !=; in quotes if it holds a |

    plan=gold           plan=gold|silver        plan!=gold          "a=b"=x
    name=               the value is empty;     name!=  it is not
    age>=18             numbers, as 18 or 17.5
    due<2026-03-01      dates, and times as 2026-03-01T09:00

A text is compared as a campaign's text would show it: without spaces around it, and with one for
each run of them. Where only capital letters differ, it is another text, and that is told. An empty
value is never less or greater; any other that is neither number nor date rejects its row.
"""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import ge, gt, le, lt

from ..errors import BadCondition, BadValue

_FORM = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]+)"|(?P<column>[^=!<>"]*[^=!<>"\s]))\s*"""
    r"(?P<operator>!=|<=|>=|=|<|>)(?!=)\s*(?P<value>.*?)\s*",
    re.DOTALL,
)
_VALUE = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^|"']*))\s*(?:\||$)""")
_NUMBER = re.compile(r"[+-]?\d{1,30}(\.\d{1,30})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_ORDERS: dict[str, Callable[[Decimal | datetime, Decimal | datetime], bool]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
_MOST_NEAR = 20
_MOST_KNOWN = 10_000


class Condition:
    """One condition: ``column`` as it is named in ``text``, and which values meet it.

    ``near`` has the values met so far that differ from a wanted one in capital letters only, each
    with that one, the line of the first and the number of rows; a few of them.

    Raises BadCondition if the text is none.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        found = _FORM.fullmatch(text)
        if not found:
            raise BadCondition(text, "write COLUMN=VALUE, or != < <= > >= in place of =")
        self.column = found["quoted"] or found["column"]
        self._operator = found["operator"]
        self._texts, self._bound = frozenset[str](), None
        self.near: dict[str, tuple[str, int, int]] = {}
        self._known: dict[str, tuple[bool, str]] = {}  # values repeat
        if self._operator in ("=", "!="):
            self._texts = frozenset(_values(text, found["value"]))
            self._folded = {one.casefold(): one for one in self._texts}
        else:
            self._bound = _comparable(found["value"])
            if self._bound is None:
                raise BadCondition(
                    text, "less and greater are for numbers and dates: 18, 2026-03-01"
                )

    def met(self, value: str, line: int) -> bool:
        """Whether ``value``, which stands on ``line``, meets it.

        Raises BadValue if it can't be compared.
        """
        judged = self._known.get(value)
        if judged is None:
            judged = self._judged(" ".join(value.split()))
            if len(self._known) < _MOST_KNOWN:
                self._known[value] = judged
        found, wanted = judged
        if wanted:
            self._note(" ".join(value.split()), wanted, line)
        return found

    def _judged(self, value: str) -> tuple[bool, str]:
        """Whether a value meets it, and which wanted text it nearly is, ``""`` for none."""
        if self._bound is None:
            found = value in self._texts
            wanted = "" if found else self._folded.get(value.casefold(), "")
            return found == (self._operator == "="), wanted
        if not value:
            return False, ""
        compared = _comparable(value)
        if compared is None:
            raise BadValue(self.column, f"is neither a number nor a date, for {self.text}")
        try:
            return _ORDERS[self._operator](compared, self._bound), ""
        except TypeError:
            raise BadValue(self.column, f"can't be compared, for {self.text}") from None

    def _note(self, value: str, wanted: str, line: int) -> None:
        if value in self.near or len(self.near) < _MOST_NEAR:
            _, first, rows = self.near.get(value, (wanted, line, 0))
            self.near[value] = wanted, first, rows + 1


def _values(text: str, values: str) -> Sequence[str]:
    """The texts that bars separate."""
    found, at = [], 0
    while at <= len(values):
        one = _VALUE.match(values, at)
        if not one:
            raise BadCondition(text, "a value with | or a quote in it stands in quotes")
        found.append(" ".join((one[1] or one[2] or one[3] or "").split()))
        if one.end() == len(values) and not one[0].endswith("|"):
            return found
        at = one.end()
    return found


def _comparable(text: str) -> Decimal | datetime | None:
    """A number, or a date, which is its midnight; None for any other text."""
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if _DATE.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    return None
