"""The hours of a week as people write them: ``mon-fri 09:00-18:00, sat 10:00-14:00``."""

import re
from typing import NamedTuple

from ...errors import BadHours

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EXAMPLE = "mon-fri 09:00-18:00, sat 10:00-14:00"

_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = re.compile(r"([a-z]+)(?:-([a-z]+))?")
_RANGE = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")
_DAY_MINUTES = 24 * 60


class DayHours(NamedTuple):
    """From when to when it is open on one day of the week: 0 is Monday; minutes since midnight.

    ``closes`` itself is closed; 1440 is the end of the day.
    """

    day: int
    opens: int
    closes: int


EVERY_MINUTE = tuple(DayHours(day, 0, _DAY_MINUTES) for day in range(7))


def parse_hours(text: str) -> tuple[DayHours, ...]:
    """Read the hours of a week, in order and without overlaps; raises BadHours.

    Entries are separated by commas. Each names its days (``mon-fri``, ``mon wed``), or none of
    them does and they are those of every day; then come one or more ranges of times.
    """
    entries = [_entry(text, part.split()) for part in text.lower().split(",")]
    if len({bool(days) for days, _ in entries}) > 1:
        raise BadHours(text, "name the days of each entry, or of none")
    found: set[DayHours] = set()
    for days, ranges in entries:
        found |= {DayHours(day, *range_) for day in days or range(7) for range_ in ranges}
    return merged(found)


def merged(hours: "set[DayHours]") -> tuple[DayHours, ...]:
    """The same hours in order, those that touch or overlap as one."""
    kept: list[DayHours] = []
    for one in sorted(hours):
        last = kept[-1] if kept else None
        if last and last.day == one.day and one.opens <= last.closes:
            kept[-1] = last._replace(closes=max(last.closes, one.closes))
        else:
            kept.append(one)
    return tuple(kept)


def format_hours(hours: tuple[DayHours, ...]) -> str:
    """Write hours so that ``parse_hours`` reads them: days with the same ones together."""
    by_day = {
        day: [(one.opens, one.closes) for one in hours if one.day == day] for day in range(7)
    }
    runs: list[list[int]] = []
    for day, ranges in by_day.items():
        if runs and by_day[runs[-1][0]] == ranges:
            runs[-1].append(day)
        else:
            runs.append([day])
    if len(runs) == 1:
        return _ranges(by_day[0])
    return ", ".join(f"{_days(run)} {_ranges(by_day[run[0]])}" for run in runs if by_day[run[0]])


def _days(run: list[int]) -> str:
    return DAYS[run[0]] if len(run) == 1 else f"{DAYS[run[0]]}-{DAYS[run[-1]]}"


def _ranges(ranges: list[tuple[int, int]]) -> str:
    return " ".join(f"{_clock(opens)}-{_clock(closes)}" for opens, closes in ranges)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _entry(text: str, words: list[str]) -> tuple[set[int], list[tuple[int, int]]]:
    days: set[int] = set()
    ranges: list[tuple[int, int]] = []
    for word in words:
        if match := _RANGE.fullmatch(word):
            ranges.append(_range(text, word, match))
        elif not ranges and (match := _DAY.fullmatch(word)):
            days |= _named(text, match)
        else:
            raise BadHours(text, f"{word!r} is neither a day nor a range of times")
    if not ranges:
        raise BadHours(text, "each entry ends with its times, such as 09:00-18:00")
    return days, ranges


def _range(text: str, word: str, match: re.Match[str]) -> tuple[int, int]:
    hours, minutes, to_hours, to_minutes = map(int, match.groups())
    opens, closes = 60 * hours + minutes, 60 * to_hours + to_minutes
    if minutes > 59 or to_minutes > 59 or closes > _DAY_MINUTES:
        raise BadHours(text, f"{word} is beyond 24:00")
    if opens >= closes:
        fault = f"{word} ends before it begins: past midnight, write {_clock(opens)}-24:00"
        raise BadHours(text, f"{fault}, and 00:00-{_clock(closes)} of the next day")
    return opens, closes


def _named(text: str, match: re.Match[str]) -> set[int]:
    first, last = (_day(text, word) for word in (match[1], match[2] or match[1]))
    return {(first + n) % 7 for n in range((last - first) % 7 + 1)}


def _day(text: str, word: str) -> int:
    for names in (DAYS, _FULL):
        if word in names:
            return names.index(word)
    raise BadHours(text, f"{word} is no day: write {', '.join(DAYS)}")
