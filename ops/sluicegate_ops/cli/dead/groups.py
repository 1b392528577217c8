"""Dead letters by what they have in common: how many, with which codes, and a sample."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from sluicegate_worker.operator.deadletters import DeadLetter

from ..kit.advice import advised, write_codes
from ..kit.output import clean, table, when, write

_CODES_SHOWN = 3


class Grouping(StrEnum):
    """What dead letters are grouped by."""

    CODE = "code"
    CAMPAIGN = "campaign"
    APP = "app"
    SENDER = "sender"


class Group(msgspec.Struct):
    """The ``count`` letters with the same ``name``, ``maybe`` of which may have been sent.

    ``sample`` is the latest of them. Times are wall milliseconds.
    """

    name: str
    sample: DeadLetter
    first_ms: int
    last_ms: int
    count: int = 0
    maybe: int = 0
    codes: Counter[str] = msgspec.field(default_factory=Counter)


def grouped(letters: Iterable[DeadLetter], by: Grouping) -> list[Group]:
    """The groups of ``letters``, the largest first."""
    groups: dict[str, Group] = {}
    for letter in letters:
        name = getattr(letter, by.value)
        died = letter.died_ms
        group = groups.get(name)
        if group is None:
            group = groups[name] = Group(name, letter, died, died)
        group.count += 1
        group.maybe += letter.maybe > 0
        group.codes[letter.code] += 1
        group.first_ms, group.last_ms = min(died, group.first_ms), max(died, group.last_ms)
    return sorted(groups.values(), key=lambda group: (-group.count, group.name))


def line(group: Group, by: Grouping) -> dict[str, Any]:
    """A group as one JSON object."""
    sample = group.sample
    fields = {
        by.value: group.name,
        "count": group.count,
        "maybe_sent": group.maybe,
        "first_ms": group.first_ms,
        "last_ms": group.last_ms,
        "codes": dict(group.codes.most_common()),
        "sample": {"id": sample.id, "to": sample.to, "reason": sample.reason},
    }
    return fields | (advised(group.name) if by is Grouping.CODE else {})


def show(groups: list[Group], by: Grouping) -> None:
    """Write the groups as a table; if they are codes, also the advice on each."""
    shown = [
        by.upper(),
        "LETTERS",
        "MAYBE SENT",
        "LAST",
        *([] if by is Grouping.CODE else ["CODES"]),
    ]
    figures = ("LETTERS", "MAYBE SENT")
    rows = table(*shown, "SUCH AS", "REASON", spare=("LAST",), right=figures)
    for group in groups:
        codes = [] if by is Grouping.CODE else [_codes(group.codes)]
        sample = group.sample
        counts = (f"{group.count:,}", f"{group.maybe:,}", when(group.last_ms))
        about = (*codes, f"{sample.id} to {sample.to}", sample.reason)
        rows.add_row(clean(group.name) or "-", *counts, *map(clean, about))
    write(rows)
    if by is Grouping.CODE:
        write_codes([group.name for group in groups])


def _codes(codes: Counter[str]) -> str:
    shown = [f"{count:,} x {code or '-'}" for code, count in codes.most_common(_CODES_SHOWN)]
    more = len(codes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
