"""What trials in the field found about who did what, since when and why, in numbered order."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from sluicegate.audit import NOTE, By, act
from sluicegate.scripts import new_token
from support.command_line import NUMBER, SENDER, Cli
from support.messages import message, plan, recipient

BY = ("--who", "ann", "--why", "wrong price")
ACTS = {
    "halt": ("halt", "set", f"sender:{SENDER}", "--for", "2h", "--yes"),
    "clear halt": ("halt", "clear", f"sender:{SENDER}", "--yes"),
    "pause": ("campaign", "pause", "july"),
    "resume": ("campaign", "resume", "july"),
    "pace": ("campaign", "pace", "july", "--rate", "5"),
    "cancel": ("campaign", "cancel", "july", "--yes"),
    "add optouts": ("optout", "add", NUMBER),
    "remove optouts": ("optout", "remove", NUMBER),
}


def entries(cli: Cli) -> list[dict[str, Any]]:
    return cli.lines("audit", "list")


def test_10_every_act_on_the_whole_keeps_who_and_why(cli: Cli) -> None:
    july = plan()
    cli.bench.campaigns.create(july)
    cli.bench.add("july", recipient(july, 1, "Ann", "77"))
    cli.bench.act("july", "start")
    for command in ACTS.values():
        cli(*command, *BY)
    listed = [entry for entry in entries(cli) if entry["who"] == "ann"]
    assert [entry["action"] for entry in reversed(listed)] == list(ACTS)
    assert {(entry["who"], entry["why"]) for entry in listed} == {("ann", "wrong price")}
    by_action = {entry["action"]: entry for entry in listed}
    assert by_action["halt"]["filter"] == {"level": f"sender:{SENDER}", "for": "2h"}
    assert by_action["pace"]["filter"] == {"campaign": "july", "rate": "5", "weight": "1"}
    assert all(
        NUMBER not in json.dumps(by_action[act]) for act in ("add optouts", "remove optouts")
    )
    shown = cli("audit", "list").stdout
    assert all(action in shown for action in ACTS)


def test_10_a_start_keeps_who_and_why_and_how_many(cli: Cli, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("Phone,First Name\n+13125550001,Ann\n+13125550002,Bob\n")
    text = ("--text", "Hi {{ first_name }}", "--from", SENDER, "--region", "US", "--yes")
    cli("campaign", "start", str(people), "--name", "july", *text, *BY)
    started, imported = entries(cli)
    assert {(entry["who"], entry["why"]) for entry in (started, imported)} == {
        ("ann", "wrong price")
    }
    assert (started["action"], started["filter"]) == ("start", {"campaign": "july"})
    assert (imported["action"], imported["count"]) == ("import", 2)
    assert imported["filter"] == {"campaign": "july", "file": "people.csv"}


def test_10_a_halt_says_since_when_and_by_whom(cli: Cli) -> None:
    cli("halt", "set", "account", *BY, "--yes")
    cli.bench.enqueue(message(9))
    [halt] = cli.lines("halt", "list")
    assert (halt["who"], halt["why"]) == ("ann", "wrong price")
    assert halt["since_ms"] > 1_700_000_000_000
    shown = cli("halt", "list").stdout
    assert "SINCE" in shown
    assert "ann" in shown


def test_10_a_halt_by_the_provider_says_so(cli: Cli) -> None:
    cli.halt()
    [halt] = cli.lines("halt", "list")
    assert (halt["who"], halt["why"]) == ("provider", "HTTP 402 20100 No credit")
    assert halt["since_ms"]


def test_10_a_halt_of_an_older_version_is_still_read(cli: Cli) -> None:
    cli.bench.store.hset(cli.bench.keys("halts"), "account", "|by a person")
    [halt] = cli.lines("halt", "list")
    assert (halt["why"], halt["since_ms"], halt["until_ms"]) == ("by a person", None, None)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_10_the_audit_is_exported_whole(cli: Cli, form: str) -> None:
    for number in range(3):
        cli("halt", "set", "account", "--who", "ann", "--why", f"reason {number}", "--yes")
    cli("audit", "export", f"audit.{form}", "--format", form)
    text = Path(f"audit.{form}").read_text(encoding="utf-8-sig")
    lines = text.splitlines()
    rows = list(csv.DictReader(lines)) if form == "csv" else [json.loads(line) for line in lines]
    assert [row["why"] for row in rows] == [f"reason {number}" for number in range(3)]


def test_10_a_cancelled_message_is_noted_and_one_that_was_not_is_not(cli: Cli) -> None:
    cli.bench.enqueue(message(1), message(2))
    cli.bench.send()
    cli("cancel", "m1", "m2", *BY, exits=1)
    [entry] = entries(cli)
    assert (entry["action"], entry["ids"], entry["count"]) == ("cancel", ["m2"], 1)


def test_10_a_call_that_comes_twice_is_noted_once(cli: Cli) -> None:
    said, token = act(By("ann", "a test"), "halt").said(), new_token()
    answers = [cli.bench.call(NOTE, [token, said, 1]) for _ in range(2)]
    assert answers == [1, 0]
    assert [entry["count"] for entry in entries(cli)] == [1]
