"""A campaign from the command line: its file, its start, its ends, and what is said of them."""

import csv
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from sluicegate import Config
from sluicegate.campaign import Campaigns
from sluicegate.plan import Plan
from sluicegate.roster import Recipient, Roster
from sluicegate.sheet import Sheet
from sluicegate_ops.cli.app import app
from support import Bench

SENDER = "+15550000000"
TEXT = "Hi {{ first_name }}"
OPTIONS = ("--text", TEXT, "--from", SENDER, "--region", "US")
NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gil", "Hal", "Ida", "Jan")
COMMANDS = "preflight start list status watch pause resume cancel report export".split()


def rows(count: int, first: int = 0) -> list[str]:
    """Rows of sound recipients, of which each number has its own name."""
    return [f"312-555-{1000 + n},{NAMES[n % len(NAMES)]}" for n in range(first, first + count)]


def number(index: int) -> str:
    return f"+1312555{1000 + index}"


class Cli:
    """The command line on one server, in a directory for its files."""

    def __init__(self, url: str, client: redis.Redis, folder: Path) -> None:
        self.environment = {"SLUICEGATE_REDIS_URL": url}
        self.folder = folder
        self.bench = Bench(client)
        self.campaigns = Campaigns(client, self.bench.keys, Config())
        self.bench.at(time.time() * 1000 - 2_000)

    def __call__(self, *args: str, exits: int = 0, stdin: str | None = None) -> Result:
        command = args if args[0] == "optout" else ("campaign", *args)
        result = CliRunner().invoke(app, command, input=stdin, env=self.environment)
        assert result.exit_code == exits, (args, result.exit_code, result.output, result.exception)
        return result

    def document(self, *args: str, exits: int = 0) -> Any:
        return json.loads(self(*args, "--json", exits=exits).stdout)

    def file(self, *lines: str, name: str = "people.csv", header: str = "Phone,First Name") -> str:
        path = self.folder / name
        path.write_text("\n".join((header, *lines)) + "\n")
        return str(path)

    def started(self, count: int = 3, name: str = "july") -> str:
        file = self.file(*rows(count))
        self("start", file, "--name", name, *OPTIONS, "--yes")
        return file

    def plan(self, file: str, name: str = "july") -> Plan:
        return Plan(name=name, text=TEXT, to_column="phone", sender=SENDER, region="US")

    def imported(self, file: str, count: int) -> None:
        """What an import that was killed after ``count`` recipients leaves behind."""
        plan = self.plan(file)
        self.campaigns.create(plan)
        roster = (row for row in Roster(plan, Sheet(file)) if isinstance(row, Recipient))
        list(self.campaigns.add(plan.name, [next(roster) for _ in range(count)]))

    def process(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sluicegate_ops.cli", "campaign", *args]
        environment = os.environ | self.environment
        return subprocess.Popen(command, env=environment, text=True, **options)


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(redis_url, valkey, tmp_path)


class Terminal:
    """A terminal that a command runs on: what it shows, and what is typed."""

    def __init__(self, master: int, child: subprocess.Popen[str]) -> None:
        self._master, self.child, self.shown = master, child, ""

    def until(self, text: str) -> None:
        """Read until ``text`` is shown; fails where nothing more comes."""
        while text not in self.shown:
            ready, _, _ = select.select([self._master], [], [], 30)
            assert ready, f"{text!r} never came: {self.shown}"
            self.shown += os.read(self._master, 10_000).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())


@contextmanager
def terminal(cli: Cli, *args: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    child = cli.process(*args, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    with child:
        yield Terminal(master, child)
    os.close(master)


def preflight(*more: str) -> tuple[str, ...]:
    return ("preflight", "people.csv", *OPTIONS, *more)


MIXED = (
    *rows(3),
    "(312) 555-1000,Ann again",
    "312-555-1003,Zoë",
    "555,Short",
    "312-555-1004,",
    "a,b,c",
)


# Preflight.


def test_the_table_adds_up_and_says_why_rows_are_rejected(cli: Cli) -> None:
    cli.file(*MIXED)
    cli("optout", "add", number(1))
    shown = cli(*preflight()).stdout
    sums = dict(re.findall(r"^[=+ ]  (\w+) +([0-9]+)", shown, re.MULTILINE))
    expected = {"rows": 8, "sendable": 3, "rejected": 3, "duplicates": 1, "suppressed": 1}
    assert {name: int(count) for name, count in sums.items()} == expected
    assert "set aside in" in shown
    for reason in ("phone: too short for US (+1)", "First Name: is empty", "3 values, but 2"):
        assert reason in shown


def test_the_table_estimates_cost_and_time_and_shows_texts_masked(cli: Cli) -> None:
    cli.file(*rows(200))
    shown = cli(*preflight("--sample", "2")).stdout
    assert "0.80 USD, an estimate: 200 segments at 0.004 USD" in shown
    assert "4 s at the limit of 50 per 1 s" in shown
    assert "line 2, +1312•••00, 1 segment, GSM-7:\n    Hi Ann\n" in shown
    assert "Ben" in shown
    assert "Cleo" not in shown
    assert number(0) not in shown


def test_the_characters_that_cost_segments_are_named(cli: Cli) -> None:
    long = "x" * 90
    cli.file(f"312-555-1000,{long}“", f"312-555-1001,{long}“”", f"312-555-1002,{long}")
    shown = cli(*preflight()).stdout
    assert re.search(r"“ +U\+201C +left double quotation mark +2 texts +.*saves 2 segments", shown)
    [found] = cli.document(*preflight())["ucs2"]
    assert (found["character"], found["texts"], found["saves"]) == ("“", 2, 2)


def test_json_has_all_of_it(cli: Cli) -> None:
    cli.file(*MIXED)
    found = cli.document(*preflight("--sample", "1"))
    parts = ("sendable", "rejected", "duplicates", "suppressed")
    assert found["rows"] == sum(found[part] for part in parts) == 8
    assert sum(found["reasons"].values()) == found["rejected"] == 3
    assert found["segments"] == {"1": found["sendable"]}
    assert found["segments_total"] == found["sendable"]
    assert len(found["samples"]) == 1
    assert found["rejects"].endswith("people.rejected.csv")


@pytest.mark.parametrize(
    ("fail_on", "exits"),
    [
        ((), 0),
        (("rejected",), 1),
        (("duplicates",), 1),
        (("suppressed",), 0),
        (("suppressed", "duplicates"), 1),
        (("any",), 1),
    ],
)
def test_fail_on_makes_it_an_error(cli: Cli, fail_on: Sequence[str], exits: int) -> None:
    cli.file(*MIXED)
    flags = [word for fault in fail_on for word in ("--fail-on", fault)]
    said = cli(*preflight(*flags), exits=exits)
    assert ("--fail-on refuses them" in said.stderr) == bool(exits)
    assert "sendable" in said.stdout


def test_a_file_of_which_nothing_can_be_sent_is_an_error(cli: Cli) -> None:
    cli.file("555,Short")
    assert "nothing in this file can be sent" in cli(*preflight(), exits=1).stderr


def test_rejected_rows_are_corrected_and_read_again(cli: Cli) -> None:
    cli.file(*MIXED)
    cli(*preflight())
    rejected = cli.folder / "people.rejected.csv"
    with rejected.open(encoding="utf-8-sig", newline="") as file:
        [header, *found] = csv.reader(file)
    assert header == ["_line", "_column", "_value", "_reason", "Phone", "First Name"]
    assert [row[0] for row in found] == ["7", "8", "9"]
    found[0][4], found[1][5], found[2][4:] = "312-555-1007", "Eve", ["still", "wrong"]
    with (cli.folder / "fixed.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *found])
    again = cli.document("preflight", "fixed.csv", *OPTIONS)
    assert (again["rows"], again["sendable"], again["rejected"]) == (3, 2, 1)
    lines = (cli.folder / "fixed.rejected.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].split(",") == header
    assert lines[1].endswith(",still,wrong")


def test_a_file_of_rejected_rows_overwrites_nothing_that_was_worked_on(cli: Cli) -> None:
    cli.file(*MIXED)
    for _ in range(2):
        cli(*preflight())
    assert len(list(cli.folder.iterdir())) == 2
    (cli.folder / "people.rejected.csv").write_text("corrected")
    assert cli.document(*preflight())["rejects"].endswith("people.rejected-2.csv")
    assert (cli.folder / "people.rejected.csv").read_text() == "corrected"
    cli(*preflight("--rejects", "people.rejected.csv"))
    assert "555,Short" in (cli.folder / "people.rejected.csv").read_text()
    refused = cli(*preflight("--rejects", "./people.csv"), exits=2)
    assert "rejected rows can't go there" in refused.stderr
    assert len(list(cli.folder.iterdir())) == 3


def test_without_rejected_rows_no_file_is_written(cli: Cli) -> None:
    cli.file(*rows(2))
    assert cli.document(*preflight())["rejects"] is None
    assert [path.name for path in cli.folder.iterdir()] == ["people.csv"]


@pytest.mark.parametrize(
    "header", ["to,x", "Mobile Number,x", "MSISDN,x", "id,Cell Phone", "x,Tel."]
)
def test_the_column_of_numbers_is_guessed_where_it_is_plain(cli: Cli, header: str) -> None:
    row = "312-555-1000,312-555-1000"
    file = cli.file(row, header=header)
    sending = ("--from", SENDER, "--region", "US", "--text", "x")
    assert cli.document("preflight", file, *sending)["sendable"] == 1


@pytest.mark.parametrize(
    ("header", "more", "exits", "said"),
    [
        ("id,x", (), 2, "no column looks like.*--to-column: id, x"),
        ("phone,mobile", (), 2, "phone, mobile may all be.*--to-column"),
        ("phone,mobile", ("--to-column", "Fax"), 2, "no column 'Fax'.*phone, mobile"),
        ("phone,x", ("--key", "crm"), 2, "no column 'crm'"),
        ("phone,x", ("--text", "{{ y }}"), 2, r"no column for {{ y }}.*x \(x\)"),
        ("phone,x", ("--text", "{% for %}"), 2, "template, line 1"),
        ("phone,x", ("--text", "-"), 2, "--text-file"),
        ("phone,x", ("--text-file", "t.txt"), 2, "one of them"),
        ("phone,x", ("--from", "a bad sender!"), 2, "sender = "),
        ("phone,x", ("--media", "ftp://x"), 2, "media_urls"),
        ("phone,x", ("--region", "ZZ"), 2, "region.*ISO 3166"),
        ("phone,x", ("--expires-at", "soon"), 2, "must be a time as 2030"),
        ("phone,x", ("--expires-at", "2090-01-01T00:00"), 2, "must have a zone"),
        ("phone,x", ("--expires-at", "2020-01-01T00:00Z"), 2, "is past"),
        ("phone,x", ("--delimiter", ";;"), 2, "delimiter.*one character"),
        ("phone,x", ("--encoding", "klingon"), 2, "not in the encoding klingon"),
        ("phone,x", ("--rejects", "gone/x.csv"), 1, "gone/x.csv: rejected rows can't be written"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cli: Cli, header: str, more: tuple[str, ...], exits: int, said: str
) -> None:
    file = cli.file("555,x", header=header)
    options = ("--from", SENDER, "--region", "US", "--text", "x")
    refused = cli("preflight", file, *options, *more, exits=exits)
    assert re.search(said, refused.stderr)
    assert "Traceback" not in refused.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("gone.csv", *OPTIONS), "gone.csv: cannot be opened"),
        (("people.csv", "--text", "x"), "--from SENDER, or --profile ID"),
        (("people.csv", "--from", SENDER), "--text or --text-file"),
        (("people.csv", "--from", SENDER, "--text-file", "t"), "t: cannot be read"),
    ],
)
def test_what_is_missing_is_named(cli: Cli, args: tuple[str, ...], said: str) -> None:
    cli.file(*rows(1))
    assert said in cli("preflight", *args, exits=2).stderr


def test_a_sender_that_the_account_does_not_have_is_refused(cli: Cli) -> None:
    (cli.folder / "sluicegate.toml").write_text('[accounts.default]\nsenders = ["+15551111111"]\n')
    cli.file(*rows(1))
    assert "not among the account's senders" in cli(*preflight(), exits=2).stderr


def test_the_text_comes_from_a_file_and_the_bytes_as_told(cli: Cli) -> None:
    (cli.folder / "text.txt").write_text("Hi {{ name }},\nbye\n")
    (cli.folder / "old.csv").write_bytes("tel\tname\n312-555-1000\tZoë\n".encode("cp1252"))
    told = ("--encoding", "cp1252", "--delimiter", "tab", "--text-file", "text.txt")
    shown = cli("preflight", "old.csv", "--from", SENDER, "--region", "us", *told).stdout
    assert "    Hi Zoë,\n    bye\n" in shown


def test_it_says_when_not_all_can_be_sent_in_time(cli: Cli) -> None:
    cli.file(*rows(100))
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1.5))
    assert "not all can be sent until then" in cli(*preflight("--expires-at", soon)).stdout
    assert "not all" not in cli(*preflight("--expires-at", "2090-01-01T00:00Z")).stdout


def test_progress_is_shown_on_a_terminal(cli: Cli) -> None:
    cli.file(*rows(2_000))
    with terminal(cli, *preflight()) as screen:
        screen.until("sendable")
        assert "reading" in screen.shown
        assert "100%" in screen.shown
        screen.until("Hi Cleo")


def test_every_command_has_an_example() -> None:
    for command in COMMANDS:
        shown = CliRunner().invoke(app, ["campaign", command, "--help"]).output
        assert f"Example:\n  sluicegate campaign {command}" in re.sub(r"\n +", "\n  ", shown)
