"""Times and lengths of time as people write them: one reading of each, or an error.

    2030-01-31T09:00Z    2030-01-31 09:00     ISO 8601, with its zone or without
    18:00    9:30 pm     today 18:00          the next such time, while it is still to come today
    tomorrow 09:00       yesterday 9am
    ... Europe/Berlin    ... UTC              any of them, in a named zone
    +2h    +1h30m    +3d                      from now on

A time that names no zone is read in the zone of this machine, and ``ReadTime.said`` says so. What
can be read in two ways is refused: an hour that has passed today where the next is meant, a date
without a time, an hour that the clocks skip or repeat.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .errors import BadTime

EXAMPLE = "2030-01-31T09:00Z"
FORMS = f"{EXAMPLE}, 18:00, tomorrow 09:00 or +2h"
"""The forms of a time, for help and for errors."""

_RULE = f"give a time such as {FORMS}; a zone is named as in 18:00 Europe/Berlin"
_UNIT_SECONDS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3_600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
}
_PART = r"([0-9]+(?:\.[0-9]+)?) ?([a-z]+)"
_LENGTH = re.compile(rf"{_PART}(?: ?{_PART})*")
_CLOCK = re.compile(
    r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?)? ?(?P<half>[ap]m)?"
)
_DAY = re.compile(r"(?P<day>today|tomorrow|yesterday)(?: at)? (?P<clock>.+)")
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}
_ZONE = re.compile(r"(?P<time>.+?) ?(?P<zone>UTC|GMT|Z|\b[A-Za-z_]+/[A-Za-z_/+-]+[0-9]*)")

_SPACED_OFFSET = re.compile(r" ([+-][0-9]{2}:?[0-9]{2})$")


class ReadTime(NamedTuple):
    """A time as it was understood.

    ``said`` repeats it with its date and zone where the text left one of them out, else ``""``.
    """

    at: datetime
    said: str


def exact_time(text: str) -> datetime:
    """Read a time in ISO 8601 that names its date and its zone, in any of its forms.

    This is what programs may write. Raises BadTime.
    """
    moment = _iso(text)
    if moment is None or moment.tzinfo is None:
        raise BadTime(text, f"must be a time with its date and zone, such as {EXAMPLE}")
    return moment


def parse_time(
    text: str, now: datetime, zone: tzinfo | None = None, *, past: bool = False
) -> ReadTime:
    """Read a time as people write it; ``zone`` None is the zone of this machine.

    An hour without a date is today's; where it is ``past`` that is meant it must have passed, and
    otherwise it must be still to come.

    Raises BadTime, which says what would be clear.
    """
    words = " ".join(text.split())
    if words.startswith("+"):
        return _from_now(text, words, now)
    if (moment := _iso(words)) and moment.tzinfo is not None:
        return ReadTime(moment, "")
    named = _ZONE.fullmatch(words)
    if named and (found := _zone(named["zone"])):
        words, zone = named["time"], found
    elif named:
        raise BadTime(text, f"no time zone is called {named['zone']}")
    local = _local(text, words, now.astimezone(zone), past)
    at = _placed(text, local, zone)
    whose = "" if named else ", the time zone of this machine"
    return ReadTime(at, f"{shown_time(at)}{whose}")


def parse_clock(text: str, now: datetime) -> datetime:
    """Read a time to come on a clock whose zone is not known yet; the answer has none.

    An hour without a date is today's, by the zone of ``now``. Raises BadTime, also where a zone is
    named, and where it has passed on every clock.
    """
    words = " ".join(text.split())
    moment = _iso(words)
    if words.startswith("+") or (moment and moment.tzinfo) or _ZONE.fullmatch(words):
        reason = "is by the clock of each recipient: name no zone, as in 18:00 or 2030-01-31 18:00"
        raise BadTime(text, reason)
    local = _local(text, words, now, past=False)
    if local < now.replace(tzinfo=None) - timedelta(days=2):
        raise BadTime(text, "has passed on every clock")
    return local


def parse_length(text: str) -> float | None:
    """The seconds in ``90s``, ``15m``, ``1h30m`` or ``30d``; None if ``text`` has another form."""
    words = text.strip().lower()
    if not _LENGTH.fullmatch(words):
        return None
    parts = [(float(count), _UNIT_SECONDS.get(unit)) for count, unit in re.findall(_PART, words)]
    if any(size is None for _, size in parts):
        return None
    return sum(count * size for count, size in parts if size)


def shown_time(at: datetime) -> str:
    """A time with its zone: ``2030-01-31 09:00:00 CET (UTC+01:00)``."""
    name, offset = at.tzname() or "", _offset(at)
    zone = "UTC" if name == "UTC" else f"{name} ({offset})" if name.isalpha() else offset
    return f"{at:%Y-%m-%d %H:%M:%S} {zone}"


def _offset(at: datetime) -> str:
    minutes = round((at.utcoffset() or timedelta()).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def _iso(text: str) -> datetime | None:
    """A time in ISO 8601; None for another form, and for a date without a time."""
    try:
        moment = datetime.fromisoformat(_SPACED_OFFSET.sub(r"\1", text.upper()))
    except ValueError:
        return None
    return None if _is_date(text) else moment


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _from_now(text: str, words: str, now: datetime) -> ReadTime:
    seconds = parse_length(words[1:])
    if seconds is None:
        raise BadTime(text, "after + comes a length of time such as 90s, 15m, 2h or 1d")
    try:
        at = now + timedelta(seconds=seconds)
    except OverflowError:
        raise BadTime(text, "is beyond the year 9999") from None
    return ReadTime(at, shown_time(at))


def _zone(name: str) -> tzinfo | None:
    if name in ("UTC", "GMT", "Z"):
        return UTC
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # OSError: a folder of the database, as Europe
        return None


def _local(text: str, words: str, now: datetime, past: bool) -> datetime:
    """The date and time on the clock that ``words`` mean; ``now`` is in the clock's zone."""
    if moment := _iso(words):
        return moment
    if _is_date(words):
        raise BadTime(text, f"names no time of that day: {words} 00:00 is its beginning")
    day = _DAY.fullmatch(words.lower())
    clock = _clock(text, day["clock"] if day else words.lower())
    days = _DAYS[day["day"]] if day else 0
    moment = datetime.combine(now.date() + timedelta(days=days), clock)
    if not days and (moment <= now.replace(tzinfo=None)) is not past:
        other = f"write {'yesterday' if past else 'tomorrow'} {clock:%H:%M}, or the date"
        raise BadTime(text, f"{'is still to come' if past else 'has passed'} today: {other}")
    return moment


def _clock(text: str, words: str) -> time:
    match = _CLOCK.fullmatch(words)
    if match is None or not (match["minute"] or match["half"]):
        raise BadTime(text, _RULE)
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise BadTime(text, _RULE)
        hour = hour % 12 + 12 * (match["half"] == "pm")
    try:
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0))
    except ValueError:
        raise BadTime(text, _RULE) from None


def _placed(text: str, local: datetime, zone: tzinfo | None) -> datetime:
    """A clock's time in its zone; raises BadTime where that day's clocks skip or repeat it."""
    try:
        first, second = (_in_zone(local.replace(fold=fold), zone) for fold in (0, 1))
        back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    except (OverflowError, OSError):
        raise BadTime(text, "must be within the years 1 to 9999") from None
    if first.utcoffset() == second.utcoffset():
        return first
    if back != local:
        raise BadTime(text, "does not exist: the clocks are set forward then")
    offsets = " or ".join(f"{local:%Y-%m-%dT%H:%M}{_offset(at)[3:]}" for at in (first, second))
    raise BadTime(text, f"comes twice, since the clocks are set back then: write {offsets}")


def _in_zone(local: datetime, zone: tzinfo | None) -> datetime:
    return local.astimezone() if zone is None else local.replace(tzinfo=zone)
