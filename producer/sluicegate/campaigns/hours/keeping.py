"""Keeps in Redis what the classes of a campaign are, and when each is open."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import count
from typing import Any, NamedTuple

import msgspec

from ...errors import Malformed
from ...scripts import Argument, Script, Scripts
from ...stored import OpenTimes, StoredHours
from .classes import HoursClass
from .reckoning import due_ms, open_times, over_ms
from .setting import SendingHours

OPEN_HOURS = Script("sluicegate.open_hours")


class KeptHours(NamedTuple):
    """The hours of a campaign as they are kept, and the server's time: wall milliseconds."""

    now_ms: int
    stored: StoredHours


class HoursKeeper:
    """The hours of one account's campaigns, by its scripts; all raise what redis-py does."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def read(self, name: str) -> KeptHours:
        """What is kept of a campaign's hours."""
        return _kept(self._scripts.call(OPEN_HOURS, [name, ""]))

    def begin(self, name: str) -> None:
        """From now on, nothing of the campaign is sent but in the hours of its recipients."""
        self._scripts.call(OPEN_HOURS, [name, ""])

    def put(
        self,
        name: str,
        hours: SendingHours,
        expires_at: datetime | None,
        classes: Collection[HoursClass],
        starts_ms: int,
        is_draft: bool,
    ) -> dict[str, str]:
        """Keep these classes, if they are new, of a campaign that starts at ``starts_ms``.

        Returns by the name of each under which name its recipients wait: another one, where those
        who waited under it have ended, so that whoever comes later has hours of their own.
        """
        kept = self.read(name)
        since_ms = max(kept.now_ms, starts_ms)
        names = {
            found.name: _free(found.name, kept.stored.times, None if is_draft else kept.now_ms)
            for found in classes
        }
        new = [found for found in classes if names[found.name] not in kept.stored.times]
        args = _args(
            (names[found.name], found, _over(hours, expires_at, found, since_ms), since_ms)
            for found in new
        )
        if args:
            self._scripts.call(OPEN_HOURS, [name, due_ms(kept.now_ms / 1000), *args])
        return names

    def start(
        self, name: str, hours: SendingHours, expires_at: datetime | None, starts_ms: int = 0
    ) -> None:
        """Reckon the hours of a draft anew, which begins to be sent now, or at ``starts_ms``."""
        kept = self.read(name)
        since_ms = max(kept.now_ms, starts_ms)
        args = _args(
            (class_name, found, _over(hours, expires_at, found, since_ms), since_ms)
            for class_name, found in classes_of(kept.stored).items()
        )
        self._scripts.call(OPEN_HOURS, [name, due_ms(kept.now_ms / 1000), *args])


def further_args(name: str, stored: StoredHours, now_ms: int) -> list[Argument]:
    """The arguments of ``OPEN_HOURS`` that tell the times of a campaign's classes from now on."""
    args = _args(
        (class_name, found, stored.times[class_name].over_ms, now_ms)
        for class_name, found in classes_of(stored).items()
    )
    return [name, due_ms(now_ms / 1000), *args]


def classes_of(stored: StoredHours) -> dict[str, HoursClass]:
    """The classes of a campaign, by the names under which they are kept; raises Malformed."""
    return {name: _class(text) for name, text in stored.classes.items() if name in stored.times}


def _class(text: bytes) -> HoursClass:
    try:
        return msgspec.json.decode(text, type=HoursClass)
    except msgspec.MsgspecError:
        raise Malformed("class of hours", text) from None


def parse_hours_fields(fields: Any) -> StoredHours:
    """Read the answer of a script that tells a campaign's hash of hours."""
    return StoredHours.parse(dict(zip(fields[::2], fields[1::2], strict=True)))


def _kept(answer: Any) -> KeptHours:
    now_ms, fields = answer
    return KeptHours(int(now_ms), parse_hours_fields(fields))


def _free(name: str, times: Mapping[str, OpenTimes], now_ms: int | None) -> str:
    for number in count(1):
        candidate = name if number == 1 else f"{name}{number}"
        known = times.get(candidate)
        if known is None or now_ms is None or known.over_ms is None or now_ms < known.over_ms:
            return candidate
    raise AssertionError("count() never ends")


def _over(
    hours: SendingHours, expires_at: datetime | None, found: HoursClass, since_ms: int
) -> int | None:
    expires = None if expires_at is None else expires_at.timestamp()
    return over_ms(found, since_ms / 1000, hours.on_close, expires)


def _args(
    classes: Iterable[tuple[str, HoursClass, int | None, int]],
) -> list[Argument]:
    args: list[Argument] = []
    for name, found, over, since_ms in classes:
        times = open_times(found, since_ms / 1000, over)
        args += (name, msgspec.json.encode(found), times.format())
    return args
