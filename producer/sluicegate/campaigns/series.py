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
    is_monthly = parts["FREQ"] in ("MONTHLY", "YEARLY") and not any("BY" in name for name in parts)
    if is_monthly and first.day > _LAST_SURE_DAY:
        day = f"FREQ={parts['FREQ']};BYMONTHDAY"
        reason = f"not every month has a day {first.day}: write {day}=-1 for the last one, "
        raise BadTime(rule, f"{reason}or {day}={first.day} to leave the others out")
    return text
