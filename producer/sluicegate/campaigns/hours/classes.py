"""Classes of recipients: whose hours are the same, and when these are open, to the millisecond."""

from base64 import b32encode
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from hashlib import blake2b

import msgspec

from .windows import EVERY_MINUTE, DayHours, format_hours, merged
from .zones import zone

Stretch = tuple[float, float]
"""From when to when, in seconds since 1970; the end itself is not of it."""

_DAY_SECONDS = 86_400
_THURSDAY = 3  # 1 January 1970 was one
_PROBE_SECONDS = 3 * 3_600  # how far apart clocks are looked at: no zone changes twice in between


class ZoneHours(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hours that must be open in each of several zones; ``rule`` says whose they are.

    ``windows`` are those of a week, on the zone's own clock, ``closed`` dates (ISO) on which it is
    closed all day. Before ``begins``, a time on the zone's clock (ISO), it is closed as well.
    """

    zones: tuple[str, ...]
    windows: tuple[DayHours, ...] = EVERY_MINUTE
    closed: tuple[str, ...] = ()
    begins: str = ""
    rule: str = ""

    @property
    def said(self) -> str:
        """The hours in words, without their zones."""
        whose = f"{self.rule}: " if self.rule else ""
        days = "1 day" if len(self.closed) == 1 else f"{len(self.closed)} days"
        closed = f"closed on {days}" if self.closed else ""
        begins = f"from {self.begins.replace('T', ' ')} on" if self.begins else ""
        return whose + ", ".join(filter(None, (format_hours(self.windows), closed, begins)))


class HoursClass(msgspec.Struct, frozen=True, omit_defaults=True, dict=True):
    """A class: it is open while all of its ``parts`` are; without any, always.

    ``known_until`` is a date (ISO): which days are holidays from then on is not known, so nothing
    is open; ``""`` where it asks for none.
    """

    parts: tuple[ZoneHours, ...] = ()
    known_until: str = ""

    @cached_property
    def name(self) -> str:
        """Its name, which says what it is: equal classes have equal names."""
        hash = blake2b(msgspec.json.encode(self), digest_size=5).digest()
        return b32encode(hash).decode().lower()

    @property
    def zones(self) -> tuple[str, ...]:
        """All zones that any of its parts asks for, in order."""
        return tuple(sorted({zone for part in self.parts for zone in part.zones}))

    @property
    def rules(self) -> tuple[str, ...]:
        """What must be open, in words: each once."""
        return tuple(dict.fromkeys(part.said for part in self.parts))

    def stretches(self, since: float, until: float) -> list[Stretch]:
        """When it is open between two times, both in seconds since 1970."""
        if self.known_until:
            end = datetime.fromisoformat(self.known_until).replace(tzinfo=UTC)
            until = min(until, end.timestamp() - _DAY_SECONDS)  # wherever that day begins first
        found = [(since, until)] if since < until else []
        for part in self._at_once:
            for name in part.zones:
                found = both(found, _in_zone(part, name, since, until)) if found else []
        return found

    @cached_property
    def _at_once(self) -> list[ZoneHours]:
        """The parts, those of the same zones as one: laws may ask for dozens in dozens."""
        found: dict[tuple[str, ...], ZoneHours] = {}
        for part in self.parts:
            known = found.get(part.zones)
            found[part.zones] = _joined(known, part) if known else part
        return list(found.values())


def _joined(one: ZoneHours, other: ZoneHours) -> ZoneHours:
    """What must be open for two parts in the same zones."""
    windows = (
        DayHours(first.day, max(first.opens, second.opens), min(first.closes, second.closes))
        for first in one.windows
        for second in other.windows
        if first.day == second.day
    )
    open_ = merged({window for window in windows if window.opens < window.closes})
    closed = tuple(sorted({*one.closed, *other.closed}))
    return ZoneHours(one.zones, open_, closed, max(one.begins, other.begins))


def both(one: Sequence[Stretch], other: Iterable[Stretch]) -> list[Stretch]:
    """What two series of stretches, each in order, have in common."""
    found: list[Stretch] = []
    first, iterator = list(one), iter(other)
    at, current = 0, next(iterator, None)
    while current is not None and at < len(first):
        begins, ends = max(first[at][0], current[0]), min(first[at][1], current[1])
        if begins < ends:
            found.append((begins, ends))
        if first[at][1] <= current[1]:
            at += 1
        else:
            current = next(iterator, None)
    return found


def _in_zone(part: ZoneHours, name: str, since: float, until: float) -> list[Stretch]:
    """When a part is open in one of its zones: whenever its clock there says so."""
    closed = frozenset(date.fromisoformat(day).toordinal() for day in part.closed)
    by_day = [[one for one in part.windows if one.day == day] for day in range(7)]
    since = max(since, first_at(name, part.begins)) if part.begins else since
    found: list[Stretch] = []
    for begins, ends, offset in _even(name, since, until):
        for day in range(
            int((begins + offset) // _DAY_SECONDS), int((ends + offset) // _DAY_SECONDS) + 1
        ):
            if day + _EPOCH_ORDINAL in closed:
                continue
            midnight = day * _DAY_SECONDS - offset
            for window in by_day[(day + _THURSDAY) % 7]:
                opens = max(begins, midnight + 60 * window.opens)
                closes = min(ends, midnight + 60 * window.closes)
                if opens < closes:
                    _append(found, opens, closes)
    return found


_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def _append(found: list[Stretch], opens: float, closes: float) -> None:
    if found and found[-1][1] == opens:
        found[-1] = (found[-1][0], closes)
    else:
        found.append((opens, closes))


def first_at(name: str, local: str) -> float:
    """From when on a zone's clock has shown ``local``: the later time, where it comes twice."""
    at = datetime.fromisoformat(local).replace(tzinfo=zone(name))
    return max(at.replace(fold=fold).timestamp() for fold in (0, 1))


@lru_cache(500)
def _even(name: str, since: float, until: float) -> tuple[tuple[float, float, float], ...]:
    """The time between two moments, cut where the zone's clock is set; with its offset."""
    found: list[tuple[float, float, float]] = []
    begins, offset, at = since, _offset(name, since), since
    while at < until:
        ahead = min(at + _PROBE_SECONDS, until)
        if (after := _offset(name, ahead)) != offset:
            ahead = _change(name, int(at), int(ahead) + 1, offset)
            if begins < ahead:
                found.append((begins, ahead, offset))
            begins, offset = ahead, after
        at = ahead
    if begins < until:
        found.append((begins, until, offset))
    return tuple(found)


def _change(name: str, before: int, after: int, offset: float) -> float:
    """The second at which a zone's clock is set, between two."""
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(name, middle) == offset:
            before = middle
        else:
            after = middle
    return float(after)


@lru_cache(20_000)
def _offset(name: str, at: float) -> float:
    offset = datetime.fromtimestamp(at, zone(name)).utcoffset()
    return offset.total_seconds() if offset else 0.0
