"""What trials in the field found about the first hours of a newcomer, in numbered order."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sluicegate.errors import BadTime, InvalidMessage
from sluicegate.message import from_dict
from sluicegate.times import parse_length, parse_time
from support.command_line import NUMBER, SENDER, Cli

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2030, 3, 1, 12, 0, tzinfo=BERLIN)
SEND = ("send", "--to", NUMBER, "--from", SENDER, "--id", "x", "--text")
CAMPAIGN = ("--from", SENDER, "--region", "US", "--text", "hello")


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this machine's time zone be that of Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# 3: one parser for times.


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2030-01-31T09:00Z", "2030-01-31T09:00Z"),
        ("2030-01-31t09:00:00.5z", "2030-01-31T09:00:00.5Z"),
        ("2030-01-31 09:00 +02:00", "2030-01-31T07:00Z"),
        ("2030-01-31 09:00", "2030-01-31T08:00Z"),
        ("2030-07-31 09:00", "2030-07-31T07:00Z"),
        ("20300131T0900", "2030-01-31T08:00Z"),
        ("18:00", "2030-03-01T17:00Z"),
        ("9:30 pm", "2030-03-01T20:30Z"),
        ("6PM", "2030-03-01T17:00Z"),
        ("today at 12:00:01", "2030-03-01T11:00:01Z"),
        (" tomorrow  09:00 ", "2030-03-02T08:00Z"),
        ("Tomorrow 12am", "2030-03-01T23:00Z"),
        ("tomorrow 09:00 America/New_York", "2030-03-02T14:00Z"),
        ("18:00Z", "2030-03-01T18:00Z"),
        ("18:00 UTC", "2030-03-01T18:00Z"),
        ("+2h", "2030-03-01T13:00Z"),
        ("+1h30m", "2030-03-01T12:30Z"),
        ("+2 days", "2030-03-03T11:00Z"),
    ],
)
def test_03_a_time_is_read_as_it_was_meant(text: str, at: str) -> None:
    moment = parse_time(text, NOON, BERLIN)
    assert moment.at == datetime.fromisoformat(at)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("11:00", "has passed today: write tomorrow 11:00"),
        ("12:00", "has passed today"),
        ("2030-01-31", "names no time of that day"),
        ("2030-03-31 02:30", "does not exist: the clocks are set forward"),
        ("2030-10-27 02:30", r"comes twice.*2030-10-27T02:30\+02:00 or 2030-10-27T02:30\+01:00"),
        ("09:00 Mars/Olympus", "no time zone is called Mars/Olympus"),
        ("09:00 Europe", "a zone is named as in 18:00 Europe/Berlin"),
        ("18:00 CET", "a zone is named as in 18:00 Europe/Berlin"),
        ("+2x", "after [+] comes a length of time"),
        ("+", "after [+] comes a length of time"),
        ("+99999999d", "beyond the year 9999"),
        *((text, "give a time such as 2030-01-31T09:00Z, 18:00, tomorrow 09:00 or [+]2h") for text
          in ("", "soon", "1/2/2030", "31.01.2030 09:00", "9", "25:00", "13pm", "monday 09:00",
              "2030-02-30T09:00Z", "\u0661\u0668:00", "1893456000")),
    ],
)  # fmt: skip
def test_03_what_can_be_read_in_two_ways_or_in_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadTime, match=said):
        parse_time(text, NOON, BERLIN)


def test_03_looking_back_an_hour_is_the_one_that_has_passed() -> None:
    assert parse_time("09:00", NOON, BERLIN, past=True).at.hour == 9
    assert parse_time("yesterday 18:00", NOON, BERLIN, past=True).at.day == 28
    with pytest.raises(BadTime, match="still to come today: write yesterday 18:00"):
        parse_time("18:00", NOON, BERLIN, past=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h30m", 5_400), ("1.5h", 5_400), ("2 weeks", 1_209_600), ("0s", 0)]
    + [(text, None) for text in ("", "h", "5", "-1h", "1h-1m", "1 fortnight", "1h30")],
)
def test_03_a_length_of_time_is_read_in_one_way(text: str, seconds: float | None) -> None:
    assert parse_length(text) == seconds


@pytest.mark.usefixtures("in_berlin")
def test_03_what_a_time_left_open_is_said_back(cli: Cli) -> None:
    sent = cli(*SEND, "hello", "--send-at", "2090-01-31 09:00")
    assert "--send-at 2090-01-31 09:00: 2090-01-31 09:00:00 CET (UTC+01:00)" in sent.stderr
    assert "the time zone of this machine" in sent.stderr
    due = datetime(2090, 1, 31, 8, 0, tzinfo=UTC).timestamp() * 1000
    assert cli.document("message", "show", "x")["due_ms"] == due
    assert cli(*SEND[:-3], "--text", "hello", "--send-at", "2090-01-31T09:00Z").stderr == ""


@pytest.mark.parametrize("written", ["2090-01-31T09:00Z", "tomorrow 09:00", "+2h"])
def test_03_every_command_takes_the_same_times(cli: Cli, written: str) -> None:
    cli(*SEND, "hello", "--send-at", written, "--expires-at", "2099-01-01T00:00Z")
    Path("people.csv").write_text("phone\n+15552010001\n")
    cli("campaign", "preflight", "people.csv", *CAMPAIGN, "--expires-at", written)
    cli("dead", "list", "--since", "2020-01-31T09:00Z", "--older-than", "yesterday 09:00")


@pytest.mark.parametrize("option", ["--send-at", "--expires-at"])
def test_03_no_path_of_a_library_is_on_screen(cli: Cli, option: str) -> None:
    said = cli(*SEND, "hello", option, "next friday", exits=2).stderr
    assert said.startswith(f"sluicegate: {option} next friday: give a time such as")
    with pytest.raises(InvalidMessage, match="with its date and zone") as refused:
        from_dict({"to": NUMBER, "send_at": "18:00"})
    assert "$" not in str(refused.value)
    with pytest.raises(InvalidMessage) as refused:
        from_dict({"to": NUMBER, "text": 5})
    assert "$" not in str(refused.value)
    assert from_dict({"to": NUMBER, "send_at": "2030-01-31T09:00Z"}).send_at


# 4: a single message is no template.


@pytest.mark.parametrize("text", ["Hi {{ name }}", "{% if x %}a{% endif %}", "Hi {{name", "{{"])
def test_04_a_template_in_a_single_message_is_asked_about(cli: Cli, text: str) -> None:
    asked = cli(*SEND, text, exits=1)
    assert re.search(r"The text has \{.* in it, which only a campaign fills in", asked.stderr)
    assert "nothing was done. Add --yes" in asked.stderr
    cli("message", "show", "x", exits=2)
    cli(*SEND, text, "--yes")
    assert cli.document("message", "show", "x", "--full")["text"] == text


def test_04_it_is_asked_on_standard_input_too(cli: Cli) -> None:
    cli(*SEND, "-", stdin="Hi {{ name }}\n", exits=1)
    cli(*SEND, "Hi {name}, 50 % off")
