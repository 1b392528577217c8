"""Hours that laws set: each number at each instant, against a reading of the file of its own."""

import random
import tomllib
from bisect import bisect_right
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import phonenumbers
import pytest
from phonenumbers import timezone

import sluicegate.campaigns.hours as package
from sluicegate.campaigns.hours import Classes, HoursClass, SendingHours, parse_hours, presets
from sluicegate.errors import BadHours

FILE = Path(package.__file__).with_name("presets.toml")
SINCE = datetime(2026, 11, 29, tzinfo=UTC)
DAYS = 370
DAY_SECONDS = 86_400
NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

US = tomllib.loads(FILE.read_text())["us"]
STATES = {area: code for code, of in US["states"].items() for area in of["areas"].split()}


@cache
def zones_there(number: str) -> tuple[ZoneInfo, ...]:
    names = timezone.time_zones_for_geographical_number(phonenumbers.parse(number))
    return tuple(map(ZoneInfo, names))


@cache
def closed_days(calendar: str) -> frozenset[date]:
    country, _, part = calendar.partition("-")
    return frozenset(holidays.country_holidays(country, subdiv=part, years=range(2026, 2028)))


def rules_for(number: str) -> list[dict[str, Any]]:
    """The rules of the file that hold for a number: those of all states where it has none."""
    state = STATES.get(number[2:5])
    return [rule for rule in US["rules"] if state is None or rule.get("state", state) == state]


@cache
def ranges(hours: str, day: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for entry in hours.split(","):
        days, *clocks = entry.split()
        if days[0].isdigit():
            days, clocks = "mon-sun", [days]
        first, _, last = days.partition("-")
        if NAMES.index(first) <= NAMES.index(day) <= NAMES.index(last or first):
            found += [(clock[:5], clock[6:]) for clock in clocks]
    return tuple(found)


def allowed(number: str, at: datetime) -> bool:
    """Whether the file lets a number be sent to, read line by line and clock by clock."""
    for zone in zones_there(number):
        there = at.astimezone(zone)
        day, clock = NAMES[there.weekday()], f"{there:%H:%M}"
        for rule in rules_for(number):
            if any(there.date() in closed_days(code) for code in rule.get("holidays", ())):
                return False
            if not any(opens <= clock < closes for opens, closes in ranges(rule["hours"], day)):
                return False
    return True


class Ours:
    """What we reckon for a number, for all of the days at once."""

    def __init__(self) -> None:
        self._classes = Classes(SendingHours(preset="us"), SINCE.timestamp)
        self._edges: dict[str, list[float]] = {}

    def allow(self, number: str, at: datetime) -> bool:
        try:
            found = self._classes.of(number)
        except BadHours:
            return False
        if found.name not in self._edges:
            self._edges[found.name] = self._edges_of(found)
        return bisect_right(self._edges[found.name], at.timestamp()) % 2 == 1

    def _edges_of(self, found: HoursClass) -> list[float]:
        since = SINCE.timestamp()
        return [
            edge
            for stretch in found.stretches(since, since + DAYS * DAY_SECONDS)
            for edge in stretch
        ]


def compare(pairs: int, seed: int) -> int:
    """Numbers and instants at random, half of them near a full hour; how many were allowed."""
    chosen, ours, open_ = random.Random(seed), Ours(), 0
    areas = [area for area in STATES for _ in range(4)]
    areas += ["800", "888", "500", "900", "298", "372", "210", "555"] * 3
    numbers = [
        f"+1{chosen.choice(areas)}{chosen.randrange(200, 999)}{chosen.randrange(10_000):04}"
        for _ in range(max(50, pairs // 100))
    ]
    for _ in range(pairs):
        number = chosen.choice(numbers)
        second = chosen.randrange(DAYS * DAY_SECONDS)
        if chosen.random() < 0.5:
            second = round(second, -3) // 3600 * 3600 + chosen.choice((-1, 0, 1))
        second = min(max(0, second), DAYS * DAY_SECONDS - 1)
        at = datetime.fromtimestamp(SINCE.timestamp() + second, UTC)
        ours_says = ours.allow(number, at)
        assert ours_says == allowed(number, at), (number, at)
        open_ += ours_says
    return open_


def test_a_number_is_sent_to_exactly_when_the_file_says_so() -> None:
    assert 300 < compare(1_000, seed=1) < 700


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_million_numbers_and_instants_agree_with_the_file() -> None:
    assert compare(1_000_000, seed=2) > 300_000


def test_every_rule_names_its_source_and_the_day_on_which_it_was_read() -> None:
    text = FILE.read_text()
    assert "This is no legal advice." in text
    for preset in presets().values():
        for rule in preset.rules:
            assert rule.source.startswith(("https://", "http://"))
            assert rule.read >= date(2026, 11, 29)
            assert rule.law
            assert rule.state in ("", *preset.states)
            assert parse_hours(rule.hours)
            assert all(closed_days(code) for code in rule.holidays)


def test_no_state_is_laxer_than_the_federal_rule_and_these_are_narrower() -> None:
    rules = presets()["us"].rules
    federal = next(rule for rule in rules if not rule.state)
    assert federal.hours == "08:00-21:00"
    narrower = {rule.state for rule in rules if rule.state and rule.hours != federal.hours}
    assert {"FL", "TX", "OK", "CT", "WA"} <= narrower
    for rule in rules:
        assert all(
            one.opens >= 8 * 60 and one.closes <= 21 * 60 for one in parse_hours(rule.hours)
        )


def test_each_area_code_is_of_one_state() -> None:
    areas = [area for of in US["states"].values() for area in of["areas"].split()]
    assert len(areas) == len(set(areas)) > 350


def classes(**fields: Any) -> Classes:
    return Classes(SendingHours(preset="us", **fields).checked(), SINCE.timestamp)


def test_other_countries_numbers_have_no_such_rules() -> None:
    for number in ("+493012345678", "+14165551234", "+441212345678"):
        assert classes().of(number) == HoursClass()
    assert classes(state_column="state").of("+14165551234", "", "ON") == HoursClass()
    with pytest.raises(BadHours, match="is no state"):
        classes(state_column="state").of("+13055551234", "", "ON")
    assert classes().of("+17875551234").rules == ("us: 08:00-21:00",)  # Puerto Rico


def test_a_row_s_state_goes_before_its_number_s() -> None:
    found = classes(state_column="state").of("+13055551234", "", "Texas")
    assert found.zones == ("America/Chicago", "America/Denver")
    assert [part.rule for part in found.parts] == ["us", "us TX"]
    assert classes().of("+13055551234", "", "tx") == found
    assert classes().of("+493012345678", "", "US-TX") == found
    assert classes().of("+13055551234", "America/Chicago", "TX").zones == ("America/Chicago",)
    with pytest.raises(BadHours, match="is no state"):
        classes().of("+13055551234", "", "Texxas")


def test_where_the_state_is_not_known_all_rules_hold() -> None:
    found = classes().of("+18005551234", "America/New_York")
    assert len(found.parts) == len(US["rules"])
    with pytest.raises(BadHours, match="nothing is open in all of 42 zones"):
        classes().of("+18005551234")


def test_a_preset_and_hours_of_one_s_own_must_both_be_open() -> None:
    found = classes(windows="10:00-23:00").of("+13055551234")
    monday = datetime(2026, 11, 30, 5, tzinfo=UTC).timestamp()  # midnight in Miami
    [stretch] = found.stretches(monday, monday + DAY_SECONDS)
    assert [(at - monday) / 3600 for at in stretch] == [10, 20]


def test_what_is_no_preset_is_refused() -> None:
    with pytest.raises(BadHours, match="there is us"):
        SendingHours(preset="usa").checked()
    with pytest.raises(BadHours, match="name a preset"):
        SendingHours(windows="09:00-18:00", state_column="state").checked()
