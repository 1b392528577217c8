"""A few recipients whose texts are worth a look before all are sent: the odd, and the first."""

from typing import NamedTuple

from ..segments import count
from .recipients import Recipient

_CLOSE = 5  # units from the edge of a segment
_ACCENTS = 2
_ALONE = {"GSM-7": 160, "UCS-2": 70}
_AMONG = {"GSM-7": 153, "UCS-2": 67}


class Exhibit(NamedTuple):
    """A recipient, and why it is shown; ``units`` is the length of its text."""

    recipient: Recipient
    units: int
    why: tuple[str, ...]


class Showcase:
    """Chooses at most ``most`` of the recipients that it is given, in constant memory.

    In this order: the longest text, the shortest, those with accents or other characters beyond
    ASCII, the one that fills its segments most, the one that is least over one more, one of each
    ``sort`` that recipients are given with, and then the first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._first: list[Recipient] = []
        self._accents: list[Recipient] = []
        self._sorts: dict[str, Recipient] = {}
        self._best: dict[str, tuple[int, Recipient]] = {}

    def add(self, recipient: Recipient, sort: str = "") -> None:
        """Look at one more, of a ``sort`` such as its language."""
        text, parts, encoding = recipient.text, recipient.parts, recipient.encoding
        units = count(text).units
        self._rank("the longest", -(parts * 100_000 + units), recipient)
        self._rank("the shortest", units, recipient)
        room = parts * _AMONG[encoding] if parts > 1 else _ALONE[encoding]
        if room - units <= _CLOSE:
            self._rank("nearly over", room - units, recipient)
        below = (parts - 1) * _AMONG[encoding] if parts > 2 else _ALONE[encoding]
        if parts > 1 and units - below <= _CLOSE:
            self._rank("just over", units - below, recipient)
        if len(self._accents) < _ACCENTS and not text.isascii():
            self._accents.append(recipient)
        if len(self._first) < self._most:
            self._first.append(recipient)
        if sort and sort not in self._sorts and len(self._sorts) < self._most:
            self._sorts[sort] = recipient

    def chosen(self) -> list[Exhibit]:
        """Those worth a look, in the order of their lines."""
        why: dict[int, list[str]] = {}
        known: dict[int, Recipient] = {}
        for reason, recipient in self._candidates():
            if recipient.line not in why and len(why) == self._most:
                continue
            known[recipient.line] = recipient
            why.setdefault(recipient.line, []).extend([reason] * bool(reason))
        return [
            Exhibit(known[line], count(known[line].text).units, tuple(why[line]))
            for line in sorted(known)
        ]

    def _candidates(self) -> list[tuple[str, Recipient]]:
        named = ("the longest", "the shortest")
        edges = ("nearly over", "just over")
        found = [(name, self._best[name][1]) for name in named if name in self._best]
        found += [("beyond ASCII", recipient) for recipient in self._accents]
        found += [(name, self._best[name][1]) for name in edges if name in self._best]
        found += list(self._sorts.items())
        return found + [("", recipient) for recipient in self._first]

    def _rank(self, name: str, cost: int, recipient: Recipient) -> None:
        best = self._best.get(name)
        if best is None or cost < best[0]:
            self._best[name] = cost, recipient
