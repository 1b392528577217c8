"""The times of a series: the clock of its zone, the calendar's rules, and what is refused."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.campaigns.series import occurrences
from sluicegate.errors import BadTime

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 3, 2, 9, tzinfo=BERLIN)  # a Monday
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def shown(rule: str, times: int = 3, first: datetime = FIRST, now: datetime = NOW) -> list[str]:
    return [f"{at:%Y-%m-%d %H:%M %z}" for at in occurrences(first, rule, now, times)]


def test_it_comes_at_the_same_time_on_the_clock_whatever_daylight_saving_does() -> None:
    assert shown("weekly", 5)[-2:] == ["2026-03-23 09:00 +0100", "2026-03-30 09:00 +0200"]
    skipped = datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN)
    assert shown("daily", 3, skipped)[1:] == ["2026-03-29 03:30 +0200", "2026-03-30 02:30 +0200"]
    twice = datetime(2026, 10, 24, 2, 30, tzinfo=BERLIN)
    assert shown("daily", 2, twice)[1] == "2026-10-25 02:30 +0200"  # the first of the two


def test_rules_of_the_calendar() -> None:
    days = [day[5:10] for day in shown("FREQ=WEEKLY;BYDAY=MO,TH")]
    assert days == ["03-02", "03-05", "03-09"]
    assert shown("FREQ=MONTHLY;BYMONTHDAY=-1", 1)[0][:10] == "2026-03-31"
    assert shown("freq=monthly;byday=1MO", 2)[1][:10] == "2026-04-06"
    assert len(shown("FREQ=WEEKLY;COUNT=2", 9)) == 2
    assert len(shown("FREQ=DAILY;UNTIL=20260304T235959", 9)) == 3


def test_only_what_is_to_come_counts_and_the_first_time_sets_the_beat() -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC)
    assert shown("FREQ=WEEKLY;INTERVAL=2", 1, now=now)[0][:10] == "2026-03-16"
    at_nine = datetime(2026, 3, 9, 9, tzinfo=BERLIN)
    assert shown("weekly", 1, now=at_nine)[0][:10] == "2026-03-16"


def test_an_end_in_utc_is_compared_with_the_clock() -> None:
    rule = "FREQ=DAILY;UNTIL=20260304T080000Z"  # 09:00 in Berlin, and still of it
    assert [day[5:10] for day in shown(rule, 9)] == ["03-02", "03-03", "03-04"]
    assert len(shown("FREQ=DAILY;UNTIL=20260304T075959Z", 9)) == 2


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("often", "is no rule"),
        ("FREQ=HOURLY", "is no rule"),
        ("FREQ=WEEKLY;BYDAY=XX", "write daily"),
        ("FREQ=WEEKLY;BYEASTER=1;BYFOO=2", "write daily"),
        ("FREQ=DAILY;BYHOUR=9", "that of --at"),
        ("FREQ=DAILY;UNTIL=20260101T000000", "no time to come"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "no time to come"),
        ("FREQ=DAILY;UNTIL=20261399T000000Z", "write daily"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL and COUNT are whole numbers above 0"),
        ("FREQ=DAILY;INTERVAL=1,2", "INTERVAL and COUNT are whole numbers above 0"),
        ("FREQ=DAILY;COUNT=0", "INTERVAL and COUNT are whole numbers above 0"),
    ],
)
def test_rules_that_make_no_sense_are_refused(rule: str, reason: str) -> None:
    with pytest.raises(BadTime, match=reason):
        occurrences(FIRST, rule, NOW, 1)


def test_what_could_mean_two_days_is_refused() -> None:
    last = datetime(2026, 1, 31, 9, tzinfo=BERLIN)
    with pytest.raises(BadTime, match="BYMONTHDAY=-1 for the last one"):
        occurrences(last, "monthly", NOW, 1)
    with pytest.raises(BadTime) as told:
        occurrences(last, "monthly", NOW, 1)
    assert str(told.value).count("monthly:") == 1
    assert shown("FREQ=MONTHLY;BYMONTHDAY=31", 2, last)[1][:10] == "2026-05-31"


def test_a_first_time_without_a_zone_s_name_is_refused() -> None:
    fixed = datetime.fromisoformat("2026-03-02T09:00+01:00")
    with pytest.raises(BadTime, match="names no zone"):
        occurrences(fixed, "weekly", NOW, 1)
    assert shown("weekly", 1, datetime(2026, 3, 2, 9, tzinfo=UTC)) == ["2026-03-02 09:00 +0000"]


@given(st.sampled_from(["daily", "weekly", "monthly"]), st.integers(0, 800))
def test_whenever_it_is_asked_the_next_times_are_the_same(rule: str, days: int) -> None:
    now = NOW + timedelta(days=days, hours=days % 24)
    found = occurrences(FIRST, rule, now, 4)
    assert found == sorted(found)
    assert all(at > now for at in found)
    assert occurrences(FIRST, rule, found[0], 3) == found[1:]
