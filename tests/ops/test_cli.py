"""The command line: what each command does, says and exits with, on a real server."""

import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from sluicegate_ops.cli.app import app
from support.command_line import ANSWER, MASKED, NUMBER, SENDER, Cli, invoked
from support.messages import message


def sending(*more: str, to: str = NUMBER) -> tuple[str, ...]:
    return ("send", "--to", to, "--from", SENDER, *more)


# Sending.


def test_send_prints_the_id_and_nothing_else(cli: Cli) -> None:
    sent = cli(*sending("--text", "hello", "--id", "order-1"))
    assert (sent.stdout, sent.stderr) == ("order-1\n", "")
    assert cli.bench.status("order-1").state == "waiting"


def test_send_takes_every_field(cli: Cli) -> None:
    many = "--media https://a.example/1.png --media https://a.example/2.png --subject S --bulk "
    times = "--send-at 2090-01-31T09:00:00Z --expires-at 2090-01-31T10:00:00Z --profile p"
    cli(*sending("--id", "x", "--text-encoding", "ucs2", "--text", "t", *(many + times).split()))
    found = cli.document("message", "show", "x", "--full")
    assert found["state"] == "scheduled"
    assert found["type"] == "MMS"
    assert found["priority"] == "bulk"
    assert found["media_urls"] == ["https://a.example/1.png", "https://a.example/2.png"]


def test_send_reads_the_text_from_stdin(cli: Cli) -> None:
    cli(*sending("--text", "-", "--id", "x"), stdin="two\nlines\n")
    assert cli.document("message", "show", "x", "--full")["text"] == "two\nlines"


def test_the_same_id_again_sends_nothing_twice_and_says_so(cli: Cli) -> None:
    cli(*sending("--text", "hello", "--id", "x"))
    again = cli(*sending("--text", "hello", "--id", "x"))
    assert again.stdout == "x\n"
    assert "already known" in again.stderr


def test_waiting_ends_when_the_provider_accepted(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send()
    waited = cli(*sending("--text", "hello", "--id", "m1", "--wait", "5"))
    assert waited.stdout == "m1\n"
    assert "accepted as p-m1" in waited.stderr


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("die", "message m1 is dead (40300: HTTP 400 40300 Blocked as spam)"),
        ("doubt", "message m1 is in doubt (no_answer: timed out)"),
    ],
)
def test_waiting_fails_with_the_reason_where_it_ended_badly(
    cli: Cli, state: str, said: str
) -> None:
    getattr(cli, state)(1)
    assert said in cli(*sending("--text", "hello", "--id", "m1", "--wait", "5"), exits=1).stderr


def test_waiting_for_what_nobody_sends_ends_in_time(cli: Cli) -> None:
    late = cli(*sending("--text", "hello", "--id", "x", "--wait", "0.01"), exits=1)
    assert "message x is waiting after 0.01 s. To see why: sluicegate status" in late.stderr


def test_sending_to_who_opted_out_fails(cli: Cli) -> None:
    cli("optout", "add", NUMBER)
    refused = cli(*sending("--text", "hello", "--id", "x"), exits=1)
    assert f"{MASKED} has opted out" in refused.stderr


# Single messages.


def test_a_message_is_shown_with_its_trace(cli: Cli) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    cli.bench.enqueue(message(1, traceparent=f"00-{trace}-b7ad6b7169203331-01"), message(2))
    assert trace in cli("message", "show", "m1").stdout
    assert cli.document("message", "show", "m1")["trace_id"] == trace
    assert "trace" not in cli("message", "show", "m2").stdout


def test_a_message_is_shown_with_number_and_text_hidden(cli: Cli) -> None:
    cli.bench.enqueue(message(1, text="your code is 1234"))
    shown = cli("message", "show", "m1").stdout
    assert MASKED in shown
    assert "waiting" in shown
    assert NUMBER not in shown
    assert "1234" not in shown
    full = cli("message", "show", "m1", "--full").stdout
    assert NUMBER in full
    assert "your code is 1234" in full


def test_a_message_is_shown_with_its_key_age_and_who_decides(cli: Cli) -> None:
    cli.doubt(1)
    assert "first used" in (shown := cli("message", "show", "m1").stdout)
    assert "until you decide: sluicegate doubt resolve m1" in shown
    assert "1, of which 1 may have been acted on" in shown
    assert cli.document("message", "show", "m1")["held"] is True


def test_cancelling_says_of_each_message_what_became_of_it(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send()
    cli.bench.enqueue(message(2))
    answer = cli("cancel", "m2", "m1", exits=1)
    assert answer.stdout == "m2  cancelled\nm1  not cancelled: it is already accepted\n"
    assert "message nope: not known" in cli("cancel", "nope", exits=2).stderr


# Messages in doubt.


def test_doubts_are_listed_with_who_decides(cli: Cli) -> None:
    cli.doubt(1)
    cli.doubt(2, delay_ms=60_000)
    listed = cli("doubt", "list").stdout
    assert re.search(r"m1 .* by you ", listed)
    assert re.search(r"m2 .* by policy 2", listed)
    assert NUMBER not in listed
    assert {one["decided_ms"] is None for one in cli.lines("doubt", "list")} == {True, False}


def test_a_doubt_is_shown_with_what_to_do(cli: Cli) -> None:
    cli.doubt(1)
    shown = cli("doubt", "show", "m1").stdout
    assert re.search(r"decided +by you\n", shown)
    assert "the request was written and no complete answer came back" in shown
    assert "sluicegate doubt resolve --accepted, --resend or --drop m1" in shown
    assert NUMBER not in shown
    assert cli.document("doubt", "show", "m1", "--full")["to"] == NUMBER
    cli("doubt", "resolve", "m1", "--accepted")
    assert "m1 is accepted: not in doubt" in cli("doubt", "show", "m1", exits=1).stderr


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (("--accepted", "--provider-id", "p1"), "accepted"),
        (("--resend",), "waiting"),
        (("--drop", "--reason", "called them"), "dead"),
    ],
)
def test_a_doubt_ends_by_a_persons_word(cli: Cli, verdict: tuple[str, ...], state: str) -> None:
    cli.doubt(1)
    cli("doubt", "resolve", "m1", *verdict)
    status = cli.bench.status("m1")
    assert status.state == state
    assert status.provider_id == ("p1" if state == "accepted" else "")
    assert state != "dead" or status.reason == "called them"


def test_a_resend_under_an_old_key_is_asked_about(cli: Cli) -> None:
    cli.bench.at(time.time() * 1000 - 25 * 3_600_000)
    cli.doubt(1)
    asked = cli("doubt", "resolve", "m1", "--resend", stdin="n\n", exits=1)
    assert "first used 1 d 1 h ago" in asked.stderr
    assert "twice" in asked.stderr
    cli("doubt", "resolve", "m1", "--resend", "--yes")
    assert cli.bench.status("m1").state == "waiting"


# Opt-outs.


def test_numbers_are_added_listed_and_removed(cli: Cli) -> None:
    assert cli("optout", "add", NUMBER, SENDER).stdout == "2 numbers added, 0 known already\n"
    assert cli("optout", "add", NUMBER).stdout == "0 numbers added, 1 known already\n"
    listed = cli("optout", "list").stdout
    assert MASKED in listed
    assert NUMBER not in listed
    full = cli("optout", "list", "--full", "--json").stdout.splitlines()
    assert {json.loads(line)["number"] for line in full} == {NUMBER, SENDER}
    assert cli("optout", "remove", SENDER).stdout == "1 number removed, 0 not on the list\n"


def test_numbers_come_from_a_file_or_stdin(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "stop.txt"
    file.write_text(f"{NUMBER}\n\n{NUMBER}\r\n")
    assert cli("optout", "add", "--file", str(file)).stdout.startswith("1 number added")
    assert cli("optout", "add", "--file", "-", stdin=SENDER).stdout.startswith("1 number added")


def test_a_file_with_a_bad_line_is_refused_whole(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "stop.txt"
    file.write_text(f"{NUMBER}\n5551234\n+1\n")
    refused = cli("optout", "add", "--file", str(file), exits=2)
    assert f"{file}, lines 2, 3: a national number" in refused.stderr
    assert cli.lines("optout", "list") == []


# Halts.


def test_a_halt_is_listed_and_cleared(cli: Cli) -> None:
    cli.halt()
    assert "No credit" in cli("halt", "list").stdout
    assert [one["level"] for one in cli.lines("halt", "list")] == ["account"]
    assert "Let it go on?" in cli("halt", "clear", stdin="n\n", exits=1).stderr
    assert cli("halt", "clear", "--yes").stdout == "account default goes on\n"
    assert cli("halt", "list").stdout == "nothing is halted\n"
    assert "account is not halted" in cli("halt", "clear", exits=1).stderr


# Status.


def test_status_of_an_idle_account_finds_nothing_wrong(cli: Cli) -> None:
    assert "no person is needed" in cli("status").stdout
    found = cli.document("status")
    # The tests' server keeps nothing, and that is said.
    assert [each["why"] for each in found["findings"]] == ["it writes no append-only file"]
    assert found["person_needed"] is False


def test_status_counts_every_message_once(cli: Cli) -> None:
    cli.bench.enqueue(message(1), message(2, send_at=datetime(2090, 1, 1, tzinfo=UTC)))
    cli.bench.send()
    cli.die(3)
    cli.doubt(4)
    cli.doubt(5, delay_ms=60_000)
    cli.bench.enqueue(*map(message, range(6, 10)))
    cli.bench.cancel("m6")
    [grant] = cli.bench.claim_all(1)
    counts = cli.document("status", exits=1)["counts"]
    states = cli.bench.check()
    assert counts["waiting"] == states["waiting"] - 1  # the one that is granted
    assert (counts["granted"], counts["started"]) == (1, 0)
    assert (counts["in_doubt"], counts["in_doubt_held"]) == (2, 1)
    assert (
        counts["scheduled_or_retrying"]
        == counts["dead"]
        == counts["accepted"]
        == counts["cancelled"]
        == 1
    )
    cli.bench.later(grant.slot_ms)
    cli.bench.start(grant)
    assert cli.document("status", exits=1)["counts"]["started"] == 1


@pytest.mark.parametrize(
    ("wrong", "what", "do"),
    [
        ("die", "1 dead letter: not sent again without you", "sluicegate dead list"),
        ("doubt", "1 message in doubt is held for you", "sluicegate doubt list"),
    ],
)
def test_status_says_what_needs_a_person(cli: Cli, wrong: str, what: str, do: str) -> None:
    getattr(cli, wrong)(1)
    shown = cli("status", exits=1).stdout
    assert "1 thing needs a person" in shown
    assert what in shown
    assert do in shown


def test_status_hides_numbers_in_what_the_provider_said(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send(kind="dead", code="1", reason=f"{NUMBER} is no mobile", heard=True)
    for json_too in ((), ("--json",)):
        shown = cli("status", *json_too, exits=1).stdout
        assert f"{MASKED} is no mobile" in shown
        assert NUMBER not in shown


def test_status_names_the_causes_of_death_by_their_number(cli: Cli) -> None:
    cli.die(1, 2)
    cli.die(3, code="40310")
    assert f"2 x 40300 {ANSWER}; 1 x 40310" in cli("status", exits=1).stdout


def test_status_says_why_an_account_is_halted(cli: Cli) -> None:
    cli.halt()
    cli.bench.at(time.time() * 1000)
    cli.bench.sweep("w1")
    shown = cli("status", exits=1).stdout
    assert "account is halted until somebody clears it" in shown
    assert "HTTP 402 20100 No credit" in shown
    assert "sluicegate halt clear" in shown


def test_a_halt_that_ends_by_itself_needs_nobody(cli: Cli) -> None:
    cli.halt("3600000")
    cli.bench.at(time.time() * 1000)
    cli.bench.sweep("w1")
    assert "account is halted for another" in cli("status").stdout


def test_status_says_that_no_worker_is_there_for_the_work(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    assert "no worker has been heard from in the last hour" in cli("status", exits=1).stdout
    cli.bench.at(time.time() * 1000 - 42_000)
    cli.bench.sweep("w1")
    assert "no worker has been heard from for 42 s" in cli("status", exits=1).stdout
    cli.bench.at(time.time() * 1000)
    cli.bench.sweep("w1")
    assert "worker  " in cli("status").stdout


def test_status_shows_the_rate_and_who_else_uses_it(cli: Cli) -> None:
    assert cli.document("status")["rate"]["heard"] is False
    cli.bench.at(time.time() * 1000)
    cli.bench.enqueue(message(1))
    cli.bench.send(limit=20, remaining=9)
    rate = cli.document("status")["rate"]
    assert (rate["limit"], rate["configured"], rate["heard"]) == (20, 50, True)
    assert rate["others"] == 10
    assert "20 per 1 s (50 configured)" in cli("status").stdout


def test_status_says_how_long_the_provider_wants_it_quiet(cli: Cli) -> None:
    cli.bench.at(time.time() * 1000)
    cli.bench.enqueue(message(1))
    cli.bench.send(kind="back", wait_ms=60_000, heard=True, throttled=True, reason="HTTP 429")
    cli.bench.sweep("w1")
    assert re.search(r"sending pauses for (1 min|5\d s)", cli("status").stdout)


# Errors.


@pytest.mark.parametrize(
    ("args", "exits", "said"),
    [
        (("--version",), 0, r"sluicegate \d"),
        (("nonsense",), 2, "nonsense"),
        (("send",), 2, "--to"),
        (sending("--text", "x", to="555"), 2, "to = .*E.164"),
        (sending(), 2, "--text is missing: an SMS needs one"),
        (sending("--text", "x", "--send-at", "soon"), 2, "--send-at soon"),
        (("message", "show", "nope"), 2, "message nope: not known.*account: this is default"),
        (("dead", "show", "nope"), 2, "message nope: not known"),
        (("dead", "replay", "m1", "--yes"), 1, "m1 is waiting: not a dead letter"),
        (("dead", "replay"), 2, "exactly one of these ways"),
        (("dead", "replay", "m1", "--all"), 2, "exactly one of these ways"),
        (("dead", "purge", "nope", "--yes"), 2, "message nope: not known"),
        (("doubt", "resolve", "nope", "--accepted"), 2, "message nope: not known"),
        (("doubt", "resolve", "m1"), 2, "--accepted, --resend or --drop"),
        (("doubt", "resolve", "m1", "--accepted", "--drop"), 2, "exactly one of"),
        (("doubt", "resolve", "m1", "--drop"), 2, "needs --why"),
        (("doubt", "resolve", "m1", "--resend", "--provider-id", "p"), 2, "goes with --accepted"),
        (("doubt", "resolve", "m1", "--accepted"), 1, "m1 is waiting.*sluicegate message show m1"),
        (("doubt", "resolve", "m1", "--resend"), 1, "m1 is waiting"),
        (("optout", "add"), 2, "NUMBER... or --file"),
        (("optout", "add", "5551234567"), 2, "•••.*national number.*nothing was changed"),
        (("optout", "add", "--file", "gone.txt"), 2, "gone.txt: cannot be read"),
        (("halt", "clear", "x"), 1, "x is not halted"),
        (("halt", "clear", "all"), 1, "no account is halted"),
        (
            ("halt", "set", "x", "--why", "y", "--yes"),
            2,
            "x: no such level; a level is account, s",
        ),
        (("halt", "set", "sender:", "--why", "y", "--yes"), 2, "sender:: no such level"),
        (("halt", "set", "sender:15551234567", "--why", "y"), 2, "a number begins with"),
        (("halt", "set", "brand:x", "--why", "y", "--yes"), 2, "brand x: not declared.*are none"),
        (("halt", "set", "campaign:x", "--why", "y"), 2, "campaign x: not known.*campaign list"),
        (("halt", "set", "account", "--yes"), 2, "--why"),
        (("halt", "set", "account", "--why", " ", "--yes"), 2, "say the cause"),
        (("halt", "set", "account", "--why", "y", "--for", "soon"), 2, "--for soon.*90s, 15m"),
        (("why", "campaign"), 2, "campaign: ask why account, why campaign NAME"),
        (("why", "campaign", "x"), 2, "campaign x: not known"),
        (("why", "weather"), 2, "weather: ask why account"),
        (("--account", "other", "status"), 2, "account other: not configured; known: default"),
        (("--config", "gone.toml", "status"), 2, "gone.toml: cannot be read"),
        (("simulate", "--error-500", "0.9", "--hang", "0.9"), 2, "faults add up to"),
        (("simulate", "--limiter", "odd"), 2, "limiter = 'odd': must be fixed, sliding or bucket"),
    ],
)
def test_exit_status_and_words(cli: Cli, args: tuple[str, ...], exits: int, said: str) -> None:
    cli.bench.enqueue(message(1))
    result = cli(*args, exits=exits)
    assert re.search(said, result.stdout if exits == 0 else result.stderr)
    assert "Traceback" not in result.output


def test_an_id_reused_for_other_content_is_bad_input(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    assert "other content" in cli(*sending("--text", "new", "--id", "m1"), exits=2).stderr


@pytest.mark.parametrize(
    "args", [("status",), ("dead", "list"), ("halt", "list"), sending("--text", "x", "--id", "i1")]
)
def test_without_redis_each_command_says_where_it_looked(args: tuple[str, ...], cli: Cli) -> None:
    gone = {"SLUICEGATE_REDIS_URL": "redis://:secret@127.0.0.1:1/5"}
    said = cli(*args, exits=1, env=gone).stderr
    assert len(said.splitlines()) == 1
    assert "127.0.0.1:1/5" in said or "repeat the command with --id i1" in said
    assert "SLUICEGATE_REDIS_URL" in said
    assert "secret" not in said


def test_a_redis_url_that_is_none_is_bad_input(cli: Cli) -> None:
    cli("status", exits=2, env={"SLUICEGATE_REDIS_URL": "http://x"})


def test_what_a_provider_says_cannot_steer_a_terminal(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send(kind="dead", code="1", reason=f"\x1b[2J [red]to\n{NUMBER} failed", heard=True)
    for args, exits in ((("dead", "list"), 0), (("dead", "show", "m1"), 0), (("status",), 1)):
        shown = cli(*args, exits=exits).stdout
        assert f"?[2J [red]to {MASKED} failed" in shown


# The process itself.


def python_m(*args: str) -> list[str]:
    return [sys.executable, "-m", "sluicegate_ops.cli", *args]


def test_help_comes_at_once() -> None:
    code = "import sluicegate_ops.cli.app, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    heavy = {"celery", "httpx", "httptools", "uvloop", "rich.console", "rich.table"}
    assert not loaded & {*heavy, "sluicegate_ops.simulator"}


def paths(group: Any, *above: str) -> Iterator[tuple[str, ...]]:
    """The words of each command below a group of commands, and of the groups themselves."""
    for name, command in group.commands.items():
        yield (*above, name)
        if hasattr(command, "commands"):
            yield from paths(command, *above, name)


ALL = [*paths(get_command(app))]


def test_no_command_is_missing() -> None:
    groups = {
        "": "send campaign status why lanes trend costs message audit cancel erase export repair "
        "dead doubt twice optout halt hold setup doctor archive deployment profile serve simulate "
        "probe reconcile notify relay events user mcp",
        "user": "add remove list",
        "campaign": "preflight preview test start list status watch schedule repeat pause resume "
        "cancel pace guard approve revise hours presets report compare retry export delete "
        "links",
        "archive": "status run adopt off",
        "hold": "add lift list",
        "message": "show retrieve",
        "profile": "list show set-webhook",
        "audit": "list export",
        "dead": "list show replay export purge",
        "doubt": "list show resolve",
        "twice": "list clear",
        "optout": "add remove list review history export import sync",
        "halt": "list set clear",
        "deployment": "show adopt forget",
        "events": "list status replay enable key secret",
    }
    named = [(*group.split(), name) for group, names in groups.items() for name in names.split()]
    assert sorted(ALL) == sorted(named)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_an_example_and_answers_to_h(path: tuple[str, ...]) -> None:
    shown = invoked([*path, "-h"]).output
    assert shown == invoked([*path, "--help"]).output
    if "COMMAND [ARGS]" not in shown:
        command = rf"(.* \| )?sluicegate {' '.join(path)}\b"
        assert re.search(rf"Example:\n(    export .*\n)?    {command}", shown)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_says_what_it_does_and_no_two_say_the_same(path: tuple[str, ...]) -> None:
    command: Any = get_command(app)
    for name in path:
        command = command.commands[name]
    sentences = [parameter.help for parameter in command.params if parameter.name != "help"]
    assert all(sentences)
    assert len({*sentences}) == len(sentences)
    shown = invoked([*path, "--help"]).output
    assert "[[" not in shown
    assert not re.search(r"^  -.* <\w", shown, re.MULTILINE), "a type in place of a name"


@pytest.mark.parametrize("group", [(), *(path for path in ALL if len(path) == 1)], ids=" ".join)
def test_no_summary_is_cut_in_a_list_of_commands(group: tuple[str, ...]) -> None:
    shown = invoked([*group, "--help"], env={"COLUMNS": "80"}).output
    assert "..." not in shown.partition("\nOptions:")[2].partition("\n\n")[2]


def test_commands_are_grouped_by_what_people_do() -> None:
    shown = invoked(["--help"]).output
    assert re.findall(r"^(\w+):$", shown, re.MULTILINE)[1:] == ["Send", "Watch", "Act", "Run"]


def test_without_its_extra_the_command_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; import sluicegate_ops.cli as c; c.main()"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == (
        "sluicegate: typer is missing: install Sluicegate with its extra ops, "
        "as with pip install '.[ops]' in a checkout\n"
    )


def test_a_simulator_runs_until_ctrl_c_and_reports() -> None:
    child = subprocess.Popen(
        python_m("simulate", "--port", "0", "--limit", "5"), stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        url = child.stdout.readline().split()[-1]
        body = json.dumps({"from": SENDER, "to": "+13125550002", "text": "hi"}).encode()
        headers = {"Authorization": "Bearer KEY", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/messages", body, headers)  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  # loopback
            assert answer.headers["x-ratelimit-limit"] == "5"
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
    assert child.returncode == 0
    assert f'base_url = "{url}"' in rest
    assert re.search(r"^accepted +1$", rest, re.MULTILINE)
