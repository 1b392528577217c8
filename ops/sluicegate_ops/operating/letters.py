"""Dead letters as they are shown: masked, and grouped by what they have in common."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec

from sluicegate_worker.operator.deadletters import DeadLetter

from .advice import advised
from .words import hidden


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


def masked_letter(letter: DeadLetter, full: bool) -> DeadLetter:
    """The letter with its phone numbers hidden, unless ``full``."""
    texts = {name: hidden(getattr(letter, name), full) for name in ("to", "reason", "answer")}
    return msgspec.structs.replace(letter, **texts)


def entry(letter: DeadLetter) -> dict[str, Any]:
    """A letter as one JSON object, with the advice on its code."""
    fields: dict[str, Any] = msgspec.structs.asdict(letter)
    return fields | advised(letter.code)
