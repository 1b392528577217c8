"""The hours of campaigns from the command line: what is refused, what is shown, and what waits."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sluicegate.campaigns.campaign import Campaigns
from support.command_line import Cli

OPTIONS = ("--text", "Hi {{ first_name }}", "--from", "+15550000000")
PEOPLE = """phone,first_name,tz
+13055551234,Ann,
+14155551234,Ben,
+12125551234,Cleo,Europe/Berlin
+18005551234,Dan,
+16175551234,Eve,EST
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return str(path)


def closed_hours() -> str:
    """An hour that is open on no clock of today's, nor of any zone, for the next ten hours."""
    day = datetime.now(UTC) + timedelta(days=3)
    return f"{day:%a} 12:00-13:00"


def test_the_preflight_shows_who_may_be_sent_to_when(cli: Cli, file: str) -> None:
    args = ("campaign", "preflight", file, *OPTIONS, "--hours", "8:00-21:00")
    shown = cli(*args, "--zone-column", "tz", "--closed", "2030-12-24").stdout
    assert "tz: is no time zone: write one such as America/New_York, or UTC" in shown
    assert "any of 42 zones" in shown
    assert "08:00-21:00, closed on 1 day" in shown
    report = cli.document(*args)
    by_zone = {tuple(one["zones"]): one["recipients"] for one in report["hours"]}
    assert by_zone[("America/New_York",)] == 3
    assert all(one["opens_ms"] < one["closes_ms"] for one in report["hours"])
    last = max(one["opens_ms"] for one in report["hours"])
    assert report["finished_ms"] >= last - 1000


def test_a_campaign_whose_hours_are_closed_says_so_everywhere(cli: Cli, file: str) -> None:
    hours = ("--hours", f"{closed_hours()} UTC")
    cli("campaign", "start", file, *OPTIONS, *hours, "--name", "july", "--yes")
    cli.bench.sweep()
    assert cli.bench.claim(5).grants == []
    cli.bench.sweep()
    [listed] = cli.lines("campaign", "hours", "july")
    assert (listed["waiting"], listed["zones"], listed["is_open"]) == (5, ["UTC"], False)
    assert "12:00-13:00" in cli("campaign", "hours", "july").stdout
    told = cli.document("campaign", "status", "july")
    [wait] = [wait for wait in told["waits"] if wait["kind"] == "hours"]
    assert (wait["level"], wait["used"], wait["until_ms"]) == ("hours:july", 5, listed["opens_ms"])
    assert told["finish"]["begins_ms"] >= listed["opens_ms"]
    said = "the hours of campaign july are closed for 5 messages that wait"
    assert said in cli("campaign", "status", "july").stdout
    assert said in cli("why").stdout
    assert said in cli("why", "campaign", "july").stdout
    assert "parked until" in cli("lanes").stdout
    assert "open for 0 of 5 who wait, the next from" in cli("campaign", "status", "july").stdout


def test_a_campaign_without_hours_has_none(cli: Cli, file: str) -> None:
    cli("campaign", "start", file, *OPTIONS, "--name", "july", "--yes")
    assert "at any time" in cli("campaign", "hours", "july").stdout
    assert cli.lines("campaign", "hours", "july") == []
    assert cli.document("campaign", "status", "july")["hours"] == []


def test_the_hours_of_laws_are_listed_with_their_sources(cli: Cli, file: str) -> None:
    listed = cli.lines("campaign", "presets")
    assert {"FL", "TX", "OK", "CT", "WA"} <= {rule["state"] for rule in listed}
    assert all(rule["source"] and rule["read"] for rule in listed)
    assert "no legal advice" in cli("campaign", "presets").stdout
    shown = cli("campaign", "preflight", file, *OPTIONS, "--preset", "us").stdout
    assert "us FL: 08:00-20:00" in shown
    assert "us: no legal advice" in shown
    assert "nothing is open in all of 42 zones at once" in shown


def test_hours_are_part_of_the_plan(cli: Cli, file: str) -> None:
    start = ("campaign", "start", file, *OPTIONS, "--name", "july", "--yes")
    cli(*start, "--hours", "9:00-18:00 Europe/Berlin", "--on-close", "expire")
    plan = Campaigns(cli.bench.store, cli.bench.keys).get("july").plan
    assert plan.hours
    assert (plan.hours.windows, plan.hours.fixed_zone) == ("9:00-18:00", "Europe/Berlin")
    assert "hours" in cli(*start, exits=2).stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--hours", "25:00-26:00"), "25:00-26:00 is beyond 24:00"),
        (("--hours", "9:00-18:00 Europe/Berlyn"), "is no time zone"),
        (("--hours", "9:00-18:00 UTC", "--zone", "Asia/Tokyo"), "everybody's zone"),
        (("--zone", "Asia/Tokyo"), "say when it is open"),
        (("--on-close", "expire", "--zone-column", "tz"), "--zone-column and --on-close"),
        (("--hours", "9:00-18:00", "--zone-column", "zone"), "no column"),
        (("--holidays", "XX"), "no known holidays"),
        (("--closed", "24.12.2030"), "no date"),
        (("--preset", "usa"), "no preset: there is us"),
        (("--hours", "9:00-18:00", "--state-column", "tz"), "name a preset"),
        (("--hours", "9:00-18:00", "--zone", "EST"), "is no time zone"),
    ],
)
def test_hours_that_make_no_sense_are_refused(
    cli: Cli, file: str, args: tuple[str, ...], said: str
) -> None:
    assert said in cli("campaign", "preflight", file, *OPTIONS, *args, exits=2).stderr


def test_a_campaign_starts_by_itself_at_a_time(cli: Cli, file: str) -> None:
    start = ("campaign", "start", file, *OPTIONS, "--name", "july", "--yes")
    assert "july is scheduled for 2" in cli(*start, "--at", "+2h").stdout
    assert cli.document("campaign", "status", "july")["state"] == "scheduled"
    shown = cli("campaign", "status", "july").stdout
    assert "campaign july is scheduled, until" in shown
    assert "starts   2" in shown
    assert "campaign july is scheduled: 5 messages waiting" in cli("why").stdout
    assert "scheduled" in cli("lanes").stdout
    assert "july is scheduled" in cli(*start).stdout  # who comes later changes nothing
    assert "starts it now" in cli("campaign", "pause", "july", exits=1).stderr
    cli("campaign", "schedule", "july", "--at", "+3h")
    assert "july is draft" in cli("campaign", "schedule", "july", "--off").stdout
    assert cli.document("campaign", "schedule", "july", "--now")["state"] == "running"
    assert "can't be scheduled" in cli("campaign", "schedule", "july", "--off", exits=1).stderr
    more = Path(file).with_name("more.csv")
    more.write_text("phone,first_name\n+13055559999,Zoe\n")
    late = ("campaign", "start", str(more), *start[3:], "--at", "+2h")
    assert "--at: july is running already" in cli(*late, exits=2).stderr
    assert Campaigns(cli.bench.store, cli.bench.keys).ledger("july").imported == 5


def test_a_local_time_is_part_of_the_hours(cli: Cli, file: str) -> None:
    args = ("campaign", "preflight", file, *OPTIONS, "--at-local")
    report = cli.document(*args, "2100-01-31 18:00", exits=1)
    assert report["sendable"] == 0  # nobody reckons so far ahead
    tomorrow = cli.document(*args, "tomorrow 18:00")
    opens = {share["zones"][0]: share["opens_ms"] for share in tomorrow["hours"]}
    assert opens["America/Los_Angeles"] - opens["America/New_York"] == 3 * 3_600_000


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--at", "2020-01-01T00:00Z"), "has passed"),
        (("--at", "+2h", "--expires-at", "+1h"), "everything has expired"),
        (("--at", "soon"), "give a time"),
        (("--at", ""), "--at is empty"),
        (("--hours", " "), "--hours is empty"),
        (("--preset", ""), "--preset is empty"),
        (("--hours", "9:00-18:00", "--zone", ""), "--zone is empty"),
        (("--holidays", "DE", "--holidays", ""), "--holidays is empty"),
        (("--not-reached-for", ""), "--not-reached-for is empty"),
        (("--at-local", "18:00 UTC"), "name no zone"),
        (("--at-local", "+2h"), "name no zone"),
        (("--at-local", "2030-01-31T18:00Z"), "name no zone"),
        (("--at-local", "2020-01-31 18:00"), "has passed on every clock"),
    ],
)
def test_times_that_make_no_sense_are_refused(
    cli: Cli, file: str, args: tuple[str, ...], said: str
) -> None:
    start = ("campaign", "start", file, *OPTIONS, "--name", "july", "--yes")
    assert said in cli(*start, *args, exits=2).stderr


def test_a_series_is_prepared_as_campaigns_of_its_own(cli: Cli, file: str) -> None:
    repeat = ("campaign", "repeat", file, *OPTIONS, "--name", "news", "--yes")
    when = ("--at", "2026-01-05 09:00 Europe/Berlin", "--every", "weekly")
    done = cli.document(*repeat, *when, "--times", "2")
    first, second = (one["name"] for one in done["campaigns"])
    assert first < second
    assert first.startswith("news-2")
    assert first.endswith("-0900")
    assert {one["state"] for one in done["campaigns"]} == {"scheduled"}
    campaigns = Campaigns(cli.bench.store, cli.bench.keys)
    assert campaigns.get(first).plan.series == "news"
    apart = timedelta(milliseconds=campaigns.get(second).at_ms - campaigns.get(first).at_ms)
    assert abs(apart - timedelta(days=7)) <= timedelta(hours=1)
    cli("campaign", "cancel", second, "--yes")
    again = cli.document(*repeat, *when, "--times", "3")
    assert again["campaigns"][0]["name"] == first
    assert len(again["campaigns"]) == 2
    assert again["campaigns"][0]["imported"]["already"] == 5
    assert "series   news" in cli("campaign", "status", first).stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--every", "weekly"), "give the first time"),
        (("--every", "weekly", "--at", "2026-01-05T09:00+01:00"), "names no zone"),
        (("--every", "hourly", "--at", "2026-01-05 09:00 UTC"), "is no rule"),
        (("--every", "daily", "--at", "2026-01-05 09:00 UTC", "--expires-at", "+2h"), "all of a"),
    ],
)
def test_a_series_that_makes_no_sense_is_refused(
    cli: Cli, file: str, args: tuple[str, ...], said: str
) -> None:
    repeat = ("campaign", "repeat", file, *OPTIONS, "--name", "news", "--yes")
    assert said in cli(*repeat, *args, exits=2).stderr


def test_a_retry_names_the_columns_that_its_hours_need(cli: Cli, file: str) -> None:
    start = ("campaign", "start", file, "--text", "Hi", *OPTIONS[2:], "--name", "july", "--yes")
    cli(*start, "--hours", "0:00-24:00", "--zone-column", "tz")
    cli("campaign", "cancel", "july", "--yes")
    told = cli("campaign", "retry", "july", "--failed", "any", "--yes", exits=2).stderr
    assert "it needs tz of each row: name the file it was from" in told


def test_nobody_is_texted_at_once_whose_clock_is_past_the_local_time(
    cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "two.csv"
    path.write_text("phone\n+13055551234\n+6495551234\n")
    here = datetime.now(ZoneInfo("America/New_York")) + timedelta(hours=3)
    options = ("--text", "Hi", *OPTIONS[2:], "--at-local", f"{here:%Y-%m-%d %H:%M}")
    report = cli.document("campaign", "preflight", str(path), *options)
    assert (report["sendable"], report["rejected"]) == (1, 1)
    late = ("--expires-at", (here + timedelta(minutes=-30)).isoformat())
    told = cli("campaign", "preflight", str(path), *options, *late, exits=1).output
    assert "before it expires" in told


def test_what_became_of_a_message_is_no_state_whose_laws_hold(cli: Cli, file: str) -> None:
    start = ("campaign", "start", "--text", "Hi", *OPTIONS[2:], "--yes")
    cli(*start, file, "--name", "july")
    again = ("--from-campaign", "july", "--preset", "us", "--state-column", "State")
    assert "no place" in cli(*start, *again, "--name", "june", exits=2).stderr
