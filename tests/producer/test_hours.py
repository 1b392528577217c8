"""Hours as people write them, zones, and when a class of recipients is open."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import timezone as of_library

from sluicegate.campaigns.hours import (
    Classes,
    DayHours,
    HoursClass,
    SendingHours,
    ZoneHours,
    format_hours,
    open_times,
    parse_hours,
    zone_named,
    zones_of,
)
from sluicegate.campaigns.hours.reckoning import over_ms
from sluicegate.campaigns.hours.windows import merged
from sluicegate.errors import BadHours
from support.effort import size

DAY = 86_400
ZONES = sorted(name for name in available_timezones() if "/" in name)
FIRST, LAST = datetime.fromisoformat("2016-01-01"), datetime.fromisoformat("2030-01-01")
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC).timestamp()

windows = st.sets(
    st.tuples(st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1440))
    .filter(lambda window: window[1] < window[2])
    .map(lambda window: DayHours(*window)),
    min_size=1,
    max_size=6,
).map(merged)
# Clocks are set about then, somewhere; 2016 has a day that Sao Paulo begins at 1:00.
moments = st.datetimes(FIRST, LAST).map(lambda moment: moment.replace(tzinfo=UTC).timestamp())
parts = st.builds(
    ZoneHours,
    st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True).map(tuple),
    windows,
    st.lists(st.dates(date(2016, 1, 1), date(2030, 1, 1)).map(date.isoformat), max_size=3).map(
        tuple
    ),
)
classes = st.builds(HoursClass, st.lists(parts, max_size=3).map(tuple))


def is_open(found: HoursClass, at: float) -> bool:
    """Whether every clock that a class asks says so: what its stretches must agree with."""
    for part in found.parts:
        for zone in part.zones:
            there = datetime.fromtimestamp(at, ZoneInfo(zone))
            minute = 60 * there.hour + there.minute
            if there.date().isoformat() in part.closed or not any(
                window.day == there.weekday() and window.opens <= minute < window.closes
                for window in part.windows
            ):
                return False
    return True


@given(classes, moments, st.data())
def test_a_class_is_open_exactly_while_all_its_clocks_say_so(
    found: HoursClass, since: float, data: st.DataObject
) -> None:
    stretches = found.stretches(since, since + 9 * DAY)
    assert all(opens < closes for opens, closes in stretches)
    assert all(one[1] < other[0] for one, other in pairwise(stretches))
    edges = [edge for stretch in stretches for edge in stretch]
    asked = [*edges, *(edge - 0.001 for edge in edges)]
    asked += data.draw(st.lists(st.floats(since, since + 9 * DAY - 1), max_size=20))
    for at in (at for at in asked if since <= at < since + 9 * DAY):
        inside = any(opens <= at < closes for opens, closes in stretches)
        assert inside == is_open(found, at), datetime.fromtimestamp(at, UTC)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2017-10-15", 23),  # its day began at 1:00
        ("Pacific/Apia", "2011-12-30", 0),  # it had no such day
    ],
)
def test_a_day_is_as_long_as_its_clocks_make_it(zone: str, day: str, hours: float) -> None:
    weekday = date.fromisoformat(day).weekday()
    found = HoursClass((ZoneHours((zone,), (DayHours(weekday, 0, 1440),)),))
    noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC).timestamp()
    stretches = found.stretches(noon - 2 * DAY, noon + 2 * DAY)
    assert sum(closes - opens for opens, closes in stretches) == 3600 * hours


def test_an_hour_that_the_clocks_skip_is_no_hour() -> None:
    found = HoursClass((ZoneHours(("Europe/Berlin",), (DayHours(6, 120, 180),)),))
    since = datetime(2026, 3, 28, tzinfo=UTC).timestamp()
    assert found.stretches(since, since + 2 * DAY) == []


def test_an_hour_that_comes_twice_is_open_twice() -> None:
    found = HoursClass((ZoneHours(("Europe/Berlin",), (DayHours(6, 135, 150),)),))
    since = datetime(2026, 10, 24, tzinfo=UTC).timestamp()
    first, second = found.stretches(since, since + 2 * DAY)
    assert second[0] - first[0] == 3600


@given(st.sampled_from(ZONES), st.datetimes(FIRST, LAST))
@example("Europe/Berlin", datetime.fromisoformat("2026-03-29T02:30"))  # there was none
@example("Europe/Berlin", datetime.fromisoformat("2026-10-25T02:30"))  # it came twice
def test_nothing_is_open_before_it_begins_on_any_of_its_clocks(
    zone: str, begins: datetime
) -> None:
    begins = begins.replace(microsecond=0)
    found = HoursClass((ZoneHours((zone, "Asia/Tokyo"), begins=begins.isoformat()),))
    since = begins.replace(tzinfo=UTC).timestamp() - 2 * DAY
    [(opens, _)] = found.stretches(since, since + 5 * DAY)
    for name in (zone, "Asia/Tokyo"):
        assert datetime.fromtimestamp(opens, ZoneInfo(name)).replace(tzinfo=None) >= begins


@given(windows)
def test_hours_are_read_as_they_are_written(hours: tuple[DayHours, ...]) -> None:
    assert parse_hours(format_hours(hours)) == hours


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("9:00-18:00", "09:00-18:00"),
        ("mon-fri 09:00-18:00, sat 10:00-14:00", "mon-fri 09:00-18:00, sat 10:00-14:00"),
        ("Monday wed 09:00-12:00", "mon 09:00-12:00, wed 09:00-12:00"),
        ("mon 09:00-12:00 14:00-16:00", "mon 09:00-12:00 14:00-16:00"),
        ("sat-mon 00:00-24:00", "mon 00:00-24:00, sat-sun 00:00-24:00"),
        ("mon 09:00-12:00, mon 11:00-13:00", "mon 09:00-13:00"),
    ],
)  # fmt: skip
def test_hours_as_people_write_them(text: str, written: str) -> None:
    assert format_hours(parse_hours(text)) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "ends with its times"),
        ("mon-fri", "ends with its times"),
        ("mon-fri 09:00-12:00, 14:00-18:00", "name the days of each entry, or of none"),
        ("22:00-06:00", "past midnight, write 22:00-24:00, and 00:00-06:00"),
        ("09:00-09:00", "ends before it begins"),
        ("09:00-24:01", "beyond 24:00"),
        ("09:60-10:00", "beyond 24:00"),
        ("mo 09:00-18:00", "mo is no day"),
        ("9-18", "neither a day nor a range"),
        ("09:00-18:00 mon", "neither a day nor a range"),
    ],
)
def test_hours_that_can_be_read_in_two_ways_are_refused(text: str, reason: str) -> None:
    with pytest.raises(BadHours, match=reason):
        parse_hours(text)


def test_zones_have_their_names_in_the_database_and_no_abbreviations() -> None:
    assert zone_named(" europe/berlin ") == "Europe/Berlin"
    assert zone_named("utc") == "UTC"
    for text in ("EST", "CST", "CEST", "Berlin", "+02:00", "", "Europe"):
        with pytest.raises(BadHours, match="is no time zone"):
            zone_named(text)


def test_a_number_has_all_zones_that_it_leaves_possible() -> None:
    assert zones_of("+13055551234") == ("America/New_York",)
    assert zones_of("+18502001234") == ("America/Chicago",)
    assert zones_of("+493012345678") == ("Europe/Berlin",)
    assert len(zones_of("+18005551234")) > 30  # toll-free: anywhere in North America
    assert len(zones_of("+79161234567")) > 10  # a mobile: anywhere in Russia
    assert zones_of("+5511961234567") == ("America/Sao_Paulo",)  # a mobile with an area code
    assert zones_of("+882161234567") == ()


def test_zones_are_those_of_the_library() -> None:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)[:: size(8, 1)]:
        for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            theirs = set(of_library.time_zones_for_number(number)) - {"Etc/Unknown"}
            assert set(zones_of(text)) <= theirs or theirs <= set(zones_of(text)), text


def classes_of(**fields: Any) -> Classes:
    return Classes(SendingHours(**fields).checked(), lambda: NOW)


def test_a_recipient_s_zone_is_its_column_s_else_its_number_s_else_the_campaign_s() -> None:
    by_all = classes_of(windows="09:00-18:00", zone="Asia/Tokyo", zone_column="tz")
    assert by_all.of("+13055551234", "Europe/Paris").zones == ("Europe/Paris",)
    assert by_all.of("+13055551234").zones == ("America/New_York",)
    assert by_all.of("+882161234567").zones == ("Asia/Tokyo",)
    with pytest.raises(BadHours, match="no time zone is known"):
        classes_of(windows="09:00-18:00").of("+882161234567")
    fixed = classes_of(windows="09:00-18:00", fixed_zone="Europe/Berlin")
    assert fixed.of("+13055551234").zones == ("Europe/Berlin",)


def test_several_possible_zones_leave_what_is_open_in_all() -> None:
    found = classes_of(windows="08:00-21:00").of("+79161234567")
    stretches = found.stretches(NOW, NOW + DAY)
    assert sum(closes - opens for opens, closes in stretches) < 4 * 3600
    with pytest.raises(BadHours, match="at once: name its zone in a column"):
        classes_of(windows="09:00-12:00").of("+79161234567")


def test_hours_that_do_not_open_before_the_expiry_are_refused() -> None:
    hours = SendingHours(windows="12:00-13:00", fixed_zone="UTC")
    opens = next(iter(Classes(hours, lambda: NOW).of("+1").stretches(NOW, NOW + DAY)))[0]
    with pytest.raises(BadHours, match="before it expires"):
        Classes(hours, lambda: NOW, expires_at=opens).of("+13055551234")
    assert Classes(hours, lambda: NOW, expires_at=opens + 1).of("+13055551234").parts
    late = {"starts_at": opens + 3_600, "expires_at": opens + 7_200}
    with pytest.raises(BadHours, match="before it expires"):
        Classes(hours, lambda: NOW, **late).of("+13055551234")


def test_a_local_time_that_had_passed_on_a_clock_when_it_was_made_is_refused() -> None:
    here = datetime.fromtimestamp(NOW, UTC)
    hours = SendingHours(begins=f"{here + timedelta(hours=2):%Y-%m-%dT%H:%M}")
    found = Classes(hours, lambda: NOW + DAY, made_at=NOW)
    assert found.of("+13055551234").parts, "also when it is imported later"
    with pytest.raises(BadHours, match="had passed on its clock already"):
        found.of("+6495551234")  # Auckland
    assert Classes(hours, lambda: NOW).of("+6495551234").parts


def test_equal_hours_are_one_class_with_one_name() -> None:
    one = classes_of(windows="09:00-18:00").of("+13055551234")
    other = classes_of(windows="9:00-12:00 12:00-18:00").of("+12125551234")
    assert one == other
    assert one.name == other.name
    assert classes_of(windows="09:00-17:00").of("+13055551234").name != one.name


def test_it_is_closed_on_holidays_and_never_open_where_they_are_not_known() -> None:
    found = classes_of(holidays=("DE-BY",), closed=("2026-12-24",), zone="UTC").of("+493012345678")
    christmas = datetime(2026, 12, 23, 23, tzinfo=UTC).timestamp()
    stretches = found.stretches(christmas - DAY, christmas + 5 * DAY)
    assert stretches == [(christmas - DAY, christmas), (christmas + 3 * DAY, christmas + 5 * DAY)]
    end = datetime(2027, 12, 31, tzinfo=UTC).timestamp()
    assert found.stretches(end, end + 400 * DAY) == []
    with pytest.raises(BadHours, match="DE has no part XX"):
        classes_of(holidays=("DE-XX",))


def test_times_are_reckoned_until_something_opens() -> None:
    soon = HoursClass((ZoneHours(("UTC",), begins="2027-03-01T00:00"),))
    times = open_times(soon, NOW, None)
    assert times.next_ms(NOW * 1000) == datetime(2027, 3, 1, tzinfo=UTC).timestamp() * 1000
    assert len(open_times(HoursClass(), NOW, None).stretches) == 1


def test_hours_are_over_at_their_first_close_or_at_the_expiry() -> None:
    found = classes_of(windows="09:00-18:00", fixed_zone="UTC").of("+13055551234")
    at_six = datetime(2026, 11, 29, 18, tzinfo=UTC).timestamp()
    assert over_ms(found, NOW, "expire", None) == at_six * 1000
    assert over_ms(found, at_six, "expire", None) == (at_six + DAY) * 1000
    assert over_ms(found, NOW, "expire", NOW + 60) == (NOW + 60) * 1000
    assert over_ms(found, NOW, "hold", NOW + 60) == (NOW + 60) * 1000
    assert over_ms(found, NOW, "hold", None) is None
    assert over_ms(HoursClass(), NOW, "expire", None) is None  # it never closes


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"windows": "never"}, "is no day"),
        ({"zone": "europe/berlin"}, "is written Europe/Berlin"),
        ({"fixed_zone": "UTC", "zone": "UTC"}, "everybody's zone"),
        ({"closed": ("24.12.2026",)}, "no date"),
        ({"closed": ("20261224",)}, "no date"),
        ({"holidays": ("XX",)}, "no known holidays"),
        ({"begins": "18:00"}, "no time on a clock"),
        ({"begins": "2026-12-01T18:00Z"}, "no time on a clock"),
    ],
)
def test_settings_that_make_no_sense(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadHours, match=reason):
        SendingHours(**fields).checked()


def test_a_class_changes_with_the_clocks_and_not_with_the_date() -> None:
    found = classes_of(windows="09:00-18:00").of("+13055551234")
    for month in (1, 7):
        day = datetime(2026, month, 6, tzinfo=ZoneInfo("America/New_York"))
        [stretch] = found.stretches(day.timestamp(), (day + timedelta(days=1)).timestamp())
        assert [datetime.fromtimestamp(at, day.tzinfo).hour for at in stretch] == [9, 18]
