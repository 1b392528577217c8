"""When the recipients of each zone may be sent to, in words."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from ..words import local

_ZONES_SHOWN = 2


class OpeningLine(msgspec.Struct, frozen=True):
    """Recipients with the same hours: how many, where, and when they may be sent to."""

    recipients: int
    where: str
    rules: str
    state: str


def where(zones: Sequence[str]) -> str:
    """The zones of a class, for people."""
    if len(zones) > _ZONES_SHOWN:
        return f"any of {len(zones)} zones"
    return " and ".join(zones) or "anywhere"


def opening_line(
    recipients: int,
    zones: Sequence[str],
    rules: Sequence[str],
    opens_ms: int | None,
    closes_ms: int | None,
    now_ms: float,
) -> OpeningLine:
    """When they begin, by their own clock and by the reader's; None where no time is known."""
    if opens_ms is None or closes_ms is None:
        state = "closed: no time is known"
    elif opens_ms <= now_ms:
        state = f"open now, until {_by_both(closes_ms, zones, now_ms)}"
    else:
        state = f"begins {_by_both(opens_ms, zones, now_ms)}"
    return OpeningLine(recipients, where(zones), "; ".join(rules) or "any time", state)


def _by_both(wall_ms: int, zones: Sequence[str], now_ms: float) -> str:
    """A time by the one clock of ``zones``, if it is one, and by the reader's."""
    here = local(wall_ms, now_ms)
    if len(zones) != 1:
        return here
    there = datetime.fromtimestamp(wall_ms / 1000, ZoneInfo(zones[0]))
    return f"{there:%a} {there.day} {there:%b %H:%M} there, {here} here"
