"""What trials in the field found about the options of the command line, and its JSON."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sluicegate_ops.cli.app import app
from support.command_line import NUMBER, SENDER, Cli, invoked
from support.messages import message, plan, recipient

TWO = """
redis_url = "{url}"
[accounts.default]
[accounts.marketing]
"""
READS = {
    *("campaign list", "campaign status", "campaign report", "campaign preflight"),
    *("campaign export", "campaign watch", "dead list", "dead show", "dead export", "doubt list"),
    *("doubt show", "message show", "optout list", "halt list", "status", "why"),
    *("optout history", "optout export"),
    *("audit list", "audit export", "export"),
    *("lanes", "serve", "simulate", "probe", "mcp"),
}


def commands(group: Any, *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)
        else:
            yield (*above, name), command


ALL = dict(commands(get_command(app)))
ACTS = [path for path in ALL if " ".join(path) not in READS]


@pytest.fixture
def two(cli: Cli) -> Cli:
    """The command line with two accounts in its configuration."""
    url = cli.environment["SLUICEGATE_REDIS_URL"]
    Path("sluicegate.toml").write_text(TWO.format(url=url))
    return cli


def test_10_an_account_is_named_before_the_command_or_behind_it(two: Cli) -> None:
    for args in (("--account", "marketing", "status"), ("status", "--account", "marketing")):
        assert "account marketing" in two(*args).stdout
    two("halt", "set", "account", "--why", "drill", "--yes", "--account", "marketing")
    assert "nothing is halted" in two("halt", "list").stdout
    both = ("--account", "default", "status", "--account", "marketing")
    assert "default or marketing? Name one account" in two(*both, exits=2).stderr
    two("--account", "marketing", "lanes", "--account", "marketing")


def test_10_a_configuration_is_named_in_both_places(two: Cli) -> None:
    Path("sluicegate.toml").rename("other.toml")
    assert (
        "account marketing: not configured"
        in two("status", "--account", "marketing", exits=2).stderr
    )
    two("status", "--account", "marketing", "--config", "other.toml")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_10_every_command_takes_both_and_its_help_fits_80_columns(path: tuple[str, ...]) -> None:
    options = {name for parameter in ALL[path].params for name in parameter.opts}
    assert {"--account", "--config"} <= options
    for flag in ("-h", "--help"):
        shown = invoked([*path, flag], env={"COLUMNS": "80"}).output
        assert shown.startswith("Usage:")
        prose = [line for line in shown.splitlines() if not re.match(r"    |  .*-- ", line)]
        assert not [line for line in prose if len(line) > 80]


@pytest.mark.parametrize("path", ACTS, ids=" ".join)
def test_10_every_act_takes_json(path: tuple[str, ...]) -> None:
    assert "--json" in {name for parameter in ALL[path].params for name in parameter.opts}


def test_10_completion_is_there_for_the_usual_shells() -> None:
    code = "import sluicegate_ops.cli as c; c.main()"
    for shell, typed in (("bash", "sluicegate camp"),):
        asked = {
            "_SLUICEGATE_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": typed,
            "COMP_CWORD": "1",
            "_TYPER_COMPLETE_ARGS": typed,
        }
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=asked
        )
        assert "campaign" in run.stdout, run.stderr


def test_10_preflight_takes_the_name_and_says_if_it_is_taken(cli: Cli) -> None:
    Path("people.csv").write_text("phone\n+15552010001\n")
    file = ("people.csv", "--name", "july", "--from", SENDER, "--text")
    cli("campaign", "preflight", *file, "hello")
    cli("campaign", "start", *file, "hello", "--yes")
    cli("campaign", "preflight", *file, "hello")
    taken = cli("campaign", "preflight", *file, "other", exits=2).stderr
    assert "july: it exists with another text" in taken
    assert (
        "name = 'J!'"
        in cli("campaign", "preflight", *file[:2], "J!", *file[3:], "x", exits=2).stderr
    )


def test_10_an_encoding_is_that_of_a_file_alone(cli: Cli) -> None:
    sending = ("send", "--to", NUMBER, "--from", SENDER, "--text", "hello")
    cli(*sending, "--text-encoding", "ucs2")
    cli(*sending, "--encoding", "ucs2", exits=2)
    meanings = {
        parameter.help
        for command in ALL.values()
        for parameter in command.params
        if "--encoding" in parameter.opts
    }
    assert meanings == {"The file's encoding; else detected."}


def test_10_each_act_tells_a_program_what_it_did(cli: Cli) -> None:
    def act(*args: str, exits: int = 0) -> Any:
        return json.loads(cli(*args, "--json", exits=exits).stdout)

    sent = act("send", "--to", NUMBER, "--from", SENDER, "--text", "hi", "--id", "x")
    assert sent == {"id": "x", "outcome": "enqueued"}
    waited = act("send", "--to", NUMBER, "--from", SENDER, "--text", "hi", "--id", "x",
                 "--wait", "0", exits=1)  # fmt: skip
    assert (waited["outcome"], waited["state"]) == ("known", "waiting")
    assert act("cancel", "x") == {"id": "x", "result": "cancelled", "detail": "cancelled"}
    assert act("cancel", "lost", exits=2)["result"] == "unknown"
    assert act("optout", "add", "+14152000001") == {"added": 1, "known": 0}
    assert act("optout", "remove", "+14152000001", "+14152000002") == {"removed": 1, "unknown": 1}
    level = {"account": "default", "level": "account"}
    assert act("halt", "set", "account", "--why", "y", "--yes") == level | {"halted": True}
    cleared = act("halt", "clear", "--yes")
    assert cleared.pop("behind")["waiting"] == 1
    assert cleared == level | {"halted": False}
    cli.die(1, 2)
    dry = act("dead", "purge", "--all", "--why", "gone", "--dry-run")
    assert dry == {"act": "purged", "count": 2, "meant": 2, "dry_run": True}
    replayed = act("dead", "replay", "m1", "--yes")
    assert replayed == {"act": "replayed", "count": 1, "meant": 1, "dry_run": False}
    assert act("dead", "purge", "m2", "--yes")["count"] == 1
    cli.doubt(3)
    cli.bench.check()
    resolved = act("doubt", "resolve", cli.lines("doubt", "list")[0]["id"], "--accepted")
    assert resolved["resolution"] == "accepted"


def test_10_a_campaign_s_acts_tell_its_ledger(cli: Cli) -> None:
    july = plan()
    cli.bench.campaigns.create(july)
    cli.bench.add("july", *[recipient(july, n) for n in range(3)])
    cli.bench.act("july", "start")
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        yes = ["--yes"] * (action == "cancel")
        found = cli.document("campaign", action, "july", *yes)
        assert (found["name"], found["state"]) == ("july", state)
        assert found["ledger"]["imported"] == 3
    assert cli.document("campaign", "pace", "july", "--rate", "5")["per_second"] == 5
    [watched] = cli.lines("campaign", "watch", "july")
    assert (watched["state"], watched["ledger"]["cancelled"]) == ("cancelled", 3)


def keys(found: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(found, dict):
        for name, value in found.items():
            yield name, value
            yield from keys(value)
    elif isinstance(found, list):
        for entry in found:
            yield from keys(entry)


def test_10_json_has_one_form_of_a_time_and_the_screens_words(cli: Cli) -> None:
    Path("people.csv").write_text("phone\n+15552010001\n")
    file = ("people.csv", "--from", SENDER, "--text", "hello", "--expires-at", "2090-01-31T09:00Z")
    found = [cli.document("campaign", "preflight", *file)]
    cli("campaign", "start", *file, "--name", "july", "--yes")
    cli.bench.enqueue(message(1))
    found += [cli.document("campaign", "status", "july"), cli.document("status", exits=1)]
    found += [cli.document("message", "show", "m1"), *cli.lines("campaign", "list")]
    found += map(
        json.loads, cli("campaign", "export", "july", "--format", "jsonl").stdout.splitlines()
    )
    for name, value in keys(found):
        assert not (isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value)), (name, value)
        assert name not in ("due", "when", "finished_at", "delivery_at")
    assert {"scheduled_or_retrying", "in_doubt_held"} <= set(found[2]["counts"])


def test_10_a_cost_below_a_cent_is_not_nothing(cli: Cli) -> None:
    Path("people.csv").write_text("phone\n+15552010001\n")
    found = cli.document(
        "campaign", "preflight", "people.csv", "--from", SENDER, "--text", "hello"
    )
    assert 0 < found["cost"] < 0.01
