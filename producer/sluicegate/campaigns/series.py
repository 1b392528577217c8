"""The times at which a campaign is sent again, by a rule of the calendar."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from ..errors import BadTime

EVERY = "daily, weekly, monthly, yearly, or FREQ=WEEKLY;BYDAY=MO,TH"
"""The forms of a rule, for help and for errors."""

_WORDS = {word: f"FREQ={word.upper()}" for word in ("daily", "weekly", "monthly", "yearly")}
_RULE = re.compile(r"FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(;[A-Z]+=[A-Z0-9,+-]+)*")
_OF_A_DAY = ("BYHOUR", "BYMINUTE", "BYSECOND", "DTSTART", "TZID")
_LAST_SURE_DAY = 28
_RRULE_TIME = "%Y%m%dT%H%M%S"
_UNTIL_UTC = re.compile(r"UNTIL=([0-9]{8}T[0-9]{6})Z")


def occurrences(first: datetime, rule: str, now: datetime, times: int) -> list[datetime]:
    """The next ``times`` times after ``now``, fewer where the rule ends, of a series.

    It begins with ``first``, whose zone is named, and comes again by ``rule``, a word or an RRULE
    of RFC 5545 (``EVERY``), at the same time on the clock there; where that skips it, as much
    later as it skips. Raises BadTime, also where none is to come.
    """
    if not (isinstance(first.tzinfo, ZoneInfo) or first.tzinfo is UTC):
        reason = "names no zone whose clock it keeps to: tomorrow 09:00 Europe/Berlin"
        raise BadTime(first.isoformat(timespec="minutes"), reason)
    found = list(islice(_after(now, first, rule), times))
    if not found:
        raise BadTime(rule, "has no time to come")
    return found


def _after(now: datetime, first: datetime, rule: str) -> Iterator[datetime]:
    from dateutil.rrule import rrulestr

    try:
        series = rrulestr(_checked(rule, first), dtstart=first.replace(tzinfo=None))
    except BadTime:  # a ValueError as well, which says all of it
        raise
    except ValueError as error:
        raise BadTime(rule, f"{error}; write {EVERY}") from None
    since = now.astimezone(first.tzinfo).replace(tzinfo=None) - timedelta(days=1)
    for local in series.xafter(since, inc=True):
        at = local.replace(tzinfo=first.tzinfo)
        if at > now:
            yield at.astimezone(UTC).astimezone(first.tzinfo)  # the clock may skip it


def _checked(rule: str, first: datetime) -> str:
    words = rule.strip()
    text = _WORDS.get(words.lower(), words.upper().removeprefix("RRULE:"))
    if not _RULE.fullmatch(text):
        raise BadTime(rule, f"is no rule: write {EVERY}")
    parts = dict(part.split("=") for part in text.split(";"))
    if given := [name for name in _OF_A_DAY if name in parts]:
        raise BadTime(rule, f"names {given[0]}: the time of day is that of --at")
    counts = [parts[name] for name in ("INTERVAL", "COUNT") if name in parts]
    if not all(count.isdecimal() and int(count) for count in counts):
        raise BadTime(rule, "INTERVAL and COUNT are whole numbers above 0")
    is_monthly = parts["FREQ"] in ("MONTHLY", "YEARLY") and not any("BY" in name for name in parts)
    if is_monthly and first.day > _LAST_SURE_DAY:
        day = f"FREQ={parts['FREQ']};BYMONTHDAY"
        reason = f"not every month has a day {first.day}: write {day}=-1 for the last one, "
        raise BadTime(rule, f"{reason}or {day}={first.day} to leave the others out")
    return _UNTIL_UTC.sub(lambda match: f"UNTIL={_on_clock(match[1], first)}", text)


def _on_clock(utc: str, first: datetime) -> str:
    """A time in UTC as the clock of the series shows it: the library compares clocks."""
    at = datetime.strptime(utc, _RRULE_TIME).replace(tzinfo=UTC)
    return at.astimezone(first.tzinfo).strftime(_RRULE_TIME)
