"""Reckons ahead when a class of recipients is open, for the scripts, which only compare."""

from ...stored import OpenTimes
from .classes import HoursClass, Stretch
from .setting import OnClose

AHEAD_DAYS = 14
"""So far ahead the times of a class are reckoned; once half of that is over, they are again."""

_DAY_SECONDS = 86_400
_MOST_DAYS = 400  # in which something must be open


def open_times(found: HoursClass, since: float, over_ms: int | None) -> OpenTimes:
    """When a class is open from ``since`` on (seconds since 1970), and when it is over for good.

    That is for AHEAD_DAYS, and until it opens once, if that is later.
    """
    until = float("inf") if over_ms is None else over_ms / 1000
    stretches = _stretches(found, since, until)
    return OpenTimes(over_ms, tuple((_ms(opens), _ms(closes)) for opens, closes in stretches))


def due_ms(since: float) -> int:
    """When times that were reckoned from ``since`` on must be reckoned again."""
    return _ms(since + AHEAD_DAYS * _DAY_SECONDS / 2)


def over_ms(
    found: HoursClass, since: float, on_close: OnClose, expires_at: float | None
) -> int | None:
    """When what waits in a class ends, of a campaign that starts at ``since``; None for never.

    All but ``found`` are in seconds since 1970.
    """
    ends = [] if expires_at is None else [expires_at]
    if on_close == "expire" and (closes := _first_close(found, since)):
        ends.append(closes)
    return _ms(min(ends)) if ends else None


def never_opens(found: HoursClass, since: float, expires_at: float | None = None) -> bool:
    """Whether nothing of a class opens in a year from ``since``, or before it expires."""
    return not _stretches(found, since, float("inf") if expires_at is None else expires_at)


def _first_close(found: HoursClass, since: float) -> float | None:
    for days in (AHEAD_DAYS, _MOST_DAYS):
        end = since + days * _DAY_SECONDS
        for _, closes in found.stretches(since, end):
            return closes if closes < end else None
    return None


def _stretches(found: HoursClass, since: float, until: float) -> list[Stretch]:
    for days in (AHEAD_DAYS, _MOST_DAYS):
        end = min(until, since + days * _DAY_SECONDS)
        if stretches := found.stretches(since, end):
            return stretches if days == AHEAD_DAYS else stretches[:1]
    return []


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
