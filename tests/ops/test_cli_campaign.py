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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import Result

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.report import Report
from sluicegate.config import Account, Config
from sluicegate.levels import published
from sluicegate.receipts import DELIVERIES
from sluicegate.spreadsheet import bared
from sluicegate_ops.cli.campaign.preflight_screen import show
from sluicegate_ops.operating.campaign.preflight import document
from sluicegate_ops.operating.session import Session
from sluicegate_worker.provider.codes import advice_for
from support.bench import Bench
from support.command_line import invoked
from support.effort import size

SENDER = "+15550000000"
TEXT = "Hi {{ first_name }}"
OPTIONS = ("--text", TEXT, "--from", SENDER, "--region", "US")
NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gil", "Hal", "Ida", "Jan")
COLUMNS = (
    *("NAME", "STATE", "IMPORTED", "PENDING", "ACCEPTED", "DEAD"),
    *("RECEIPTS", "CREATED", "DONE", "PACE"),
)
COMMANDS = (
    *("preflight", "start", "list", "status", "watch"),
    *("pause", "resume", "cancel", "pace", "report", "export"),
)


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
        self.campaigns = Campaigns(client, self.bench.keys)
        self.bench.at(time.time() * 1000 - 2_000)

    def __call__(self, *args: str, exits: int = 0, stdin: str | None = None) -> Result:
        command = args if args[0] == "optout" else ("campaign", *args)
        result = invoked(command, stdin, self.environment)
        assert result.exit_code == exits, (args, result.exit_code, result.output, result.exception)
        return result

    def document(self, *args: str, exits: int = 0) -> Any:
        return json.loads(self(*args, "--json", exits=exits).stdout)

    def file(self, *lines: str, name: str = "people.csv", header: str = "Phone,First Name") -> str:
        path = self.folder / name
        path.write_text("\n".join((header, *lines)) + "\n")
        return str(path)

    def configured(self, text: str) -> None:
        (self.folder / "sluicegate.toml").write_text(text + "\n")

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
        roster = (row for row in Recipients(plan, CsvFile(file)) if isinstance(row, Recipient))
        list(self.campaigns.add(plan.name, [next(roster) for _ in range(count)]))

    def process(self, *args: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sluicegate_ops.cli", "campaign", *args]
        environment = os.environ | {"COLUMNS": "200"} | self.environment
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
    assert re.search(r"rejected +3  written to \S*people\.rejected\.csv\n", shown)
    for reason in ("Phone: too short for US (+1)", "First Name: is empty", "values, but 2"):
        assert reason in shown


def test_the_table_estimates_cost_and_time_and_shows_texts_masked(cli: Cli) -> None:
    cli.file(*rows(200))
    shown = cli(*preflight("--sample", "2")).stdout
    assert re.search(r"SMS TO +TEXTS +SEGMENTS +EACH +COST +NOTE\n", shown)
    assert re.search(r"\nUS +200 +200 +0\.004 +0\.80 USD\ntotal +200 +200 +0\.80 USD\n", shown)
    assert "estimated from one price for every country, as no price_list is set" in shown
    assert "4 s at the rate of the account, 50 requests per 1 s; done at 20" in shown
    assert "line 2, +1312•••00, 1 segment, GSM-7:\n    Hi Ann\n" in shown
    assert "Ben" in shown
    assert "Cleo" not in shown
    assert number(0) not in shown


def test_the_characters_that_cost_segments_are_named(cli: Cli) -> None:
    long = "x" * 90
    cli.file(f"312-555-1000,{long}“", f"312-555-1001,{long}“”", f"312-555-1002,{long}")
    shown = cli(*preflight()).stdout
    assert re.search(r"“ +U\+201C +left double quotation mark +2 texts +write '\"'", shown)
    assert re.search(r"” +U\+201D +right double quotation mark +1 text +write '\"'", shown)
    assert "replacing all of them saves 2 segments, 0.008" in shown
    found = cli.document(*preflight())
    assert found["saved"] == 2
    left, right = found["ucs2"]
    assert (left["character"], left["texts"], left["substitute"]) == ("“", 2, '"')
    assert (right["character"], right["texts"]) == ("”", 1)


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
    assert ("refused by --fail-on" in said.stderr) == bool(exits)
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
    assert len(list(cli.folder.iterdir())) == 3
    (cli.folder / "people.rejected.csv").write_text("corrected")
    assert cli.document(*preflight())["rejects"].endswith("people.rejected-2.csv")
    assert (cli.folder / "people.rejected.csv").read_text() == "corrected"
    said = cli(*preflight("--rejects", "people.rejected.csv")).stderr
    assert (
        "people.rejected.csv exists with other rows, so they are in people.rejected-2.csv" in said
    )
    assert (cli.folder / "people.rejected.csv").read_text() == "corrected"
    cli(*preflight("--rejects", "people.rejected.csv", "--overwrite"))
    assert "555,Short" in (cli.folder / "people.rejected.csv").read_text()
    refused = cli(*preflight("--rejects", "./people.csv"), exits=2)
    assert "rejected rows can't be written there" in refused.stderr
    assert len(list(cli.folder.iterdir())) == 4


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
        ("id,x", (), 2, r"no column looks like.*--to-column: id \(id\), x"),
        ("phone,mobile", (), 2, "any of phone, mobile may be.*--to-column"),
        ("phone,mobile", ("--to-column", "Fax"), 2, r"no column 'Fax'.*phone \(phone\), mobile"),
        ("phone,x", ("--key", "crm"), 2, "no column 'crm'"),
        ("phone,x", ("--text", "{{ y }}"), 2, r"no column for {{ y }}.*x \(x\)"),
        ("phone,x", ("--text", "{% for %}"), 2, "template, line 1"),
        ("phone,x", ("--text", "-"), 2, "--text-file"),
        ("phone,x", ("--text-file", "t.txt"), 2, "either --text or --text-file"),
        ("phone,x", ("--from", "a bad sender!"), 2, "--from = "),
        ("phone,x", ("--media", "ftp://x"), 2, "--media = "),
        ("phone,x", ("--region", "ZZ"), 2, "region.*ISO 3166"),
        ("phone,x", ("--expires-at", "soon"), 2, "--expires-at soon: give a time such as 2030"),
        ("phone,x", ("--expires-at", "2090-01-01"), 2, "names no time of that day"),
        ("phone,x", ("--expires-at", "2020-01-01T00:00Z"), 2, "is in the past"),
        ("phone,x", ("--delimiter", ";;"), 2, "delimit"),
        ("phone,x", ("--encoding", "klingon"), 2, "encoding.*klingon"),
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
        (("gone.csv", *OPTIONS), "gone.csv: cannot be"),
        (("people.csv", "--text", "x"), "--from SENDER, or --profile ID"),
        (("people.csv", "--from", SENDER), "--text or --text-file"),
        (("people.csv", "--from", SENDER, "--text-file", "t"), "t: cannot be read"),
    ],
)
def test_what_is_missing_is_named(cli: Cli, args: tuple[str, ...], said: str) -> None:
    cli.file(*rows(1))
    assert said in cli("preflight", *args, exits=2).stderr


def test_a_sender_that_the_account_does_not_have_is_refused(cli: Cli) -> None:
    cli.configured('[accounts.default.senders."+15551111111"]\nkind = "long_code"')
    cli.file(*rows(1))
    assert "not among the account's senders: +15551111111" in cli(*preflight(), exits=2).stderr


LEVELS = f"""
[accounts.default.senders."{SENDER}"]
kind = "10dlc"
registration = "notices"
[accounts.default.registrations.notices]
carrier_class = "T"
brand = "acme"
[accounts.default.brands.acme]
tmobile_daily = 100
"""


@pytest.mark.parametrize(
    ("count", "options", "held", "words"),
    [
        (75, (), "registration:notices", "1 min at the rate of registration notices, 1.25 seg"),
        (
            75,
            ("--rate", "0.5"),
            "campaign",
            "2 min at the rate of the campaign, 0.5 segments per s; ",
        ),
        (101, (), "brand:acme", "1 d at the rate of brand acme, 100 segments a day at T-Mobile; "),
    ],
)
def test_it_says_which_level_takes_so_long_and_when_all_is_sent(
    cli: Cli, count: int, options: tuple[str, ...], held: str, words: str
) -> None:
    cli.configured(LEVELS)
    cli.bench.store.delete(cli.bench.keys("limits"))  # none are in force: the file's count
    cli.file(*rows(count))
    assert words in cli(*preflight(*options)).stdout
    before = datetime.now(UTC)
    found = cli.document(*preflight(*options))
    assert found["held_by"] == held
    finished = datetime.fromtimestamp(found["finished_ms"] / 1000, UTC)
    took = timedelta(seconds=found["seconds"] - 1)
    assert before + took < finished < datetime.now(UTC) + took + timedelta(seconds=2)


def test_it_is_done_so_long_after_now(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session("default", None)
    session.config = Config()
    plan = Plan(name="july", text="x", to_column="phone", sender=SENDER)
    report = Report("people.csv", "", "utf-8", ",", seconds=90.4, held_by="account")
    report.limits = published(Account())
    noon = datetime(2030, 1, 31, 12, tzinfo=UTC)
    show(session, report, plan, None, None, lambda: noon)
    ends = "done at 2030-01-31 12:01:30Z if it starts now and nothing else waits"
    held = "1 min at the rate of the account, 50 requests per 1 s"
    assert f"time    {held}; {ends}\n" in capsys.readouterr().out
    made = document(session, report, None, None, lambda: noon)
    assert made["finished_ms"] == (noon + timedelta(seconds=90)).timestamp() * 1000


@pytest.mark.parametrize(
    ("option", "values", "said"),
    [
        ("--rate", ("0", "-1", "nan", "inf"), "must be above 0"),
        ("--weight", ("0", "-1", "nan", "inf", "101"), "must be from 0.01 to 100"),
    ],
)
def test_a_rate_and_a_weight_are_sound_numbers(
    cli: Cli, option: str, values: tuple[str, ...], said: str
) -> None:
    cli.file(*rows(1))
    for value in values:
        assert said in cli(*preflight(option, value), exits=2).stderr
    cli(*preflight(option, "0.5"))


def test_the_text_comes_from_a_file_and_the_bytes_as_told(cli: Cli) -> None:
    (cli.folder / "text.txt").write_text("Hi {{ name }},\nbye\n")
    (cli.folder / "old.csv").write_bytes("tel\tname\n312-555-1000\tZoë\n".encode("cp1252"))
    told = ("--encoding", "cp1252", "--delimiter", "tab", "--text-file", "text.txt")
    shown = cli("preflight", "old.csv", "--from", SENDER, "--region", "us", *told).stdout
    assert "    Hi Zoë,\n    bye\n" in shown


def test_it_says_when_not_all_can_be_sent_in_time(cli: Cli) -> None:
    cli.file(*rows(100))
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1.5))
    assert "not all can be sent by then" in cli(*preflight("--expires-at", soon)).stdout
    assert "not all" not in cli(*preflight("--expires-at", "2090-01-01T00:00Z")).stdout


def test_progress_is_shown_on_a_terminal(cli: Cli) -> None:
    cli.file(*rows(2_000))
    with terminal(cli, *preflight()) as screen:
        screen.until("sendable")
        assert "reading" in screen.shown
        assert "100%" in screen.shown
        screen.until("Hi Cleo")


# Start.


def test_a_file_is_imported_and_sent(cli: Cli) -> None:
    file = cli.file(*MIXED)
    said = cli("start", file, "--name", "july", *OPTIONS, "--yes").stdout
    assert "sendable" in said
    assert "imported 4 recipients\n" in said
    assert "july is running; next: sluicegate campaign watch july" in said
    assert cli.campaigns.get("july").state == "running"
    assert cli.campaigns.recount("july") == cli.campaigns.ledger("july")
    sent = cli.bench.send()
    assert sent.id.startswith("july.")


def test_start_tells_a_program_what_it_did(cli: Cli) -> None:
    file = cli.file(*rows(3))
    cli("optout", "add", number(0))
    done = cli.document("start", file, "--name", "july", *OPTIONS, "--yes")
    assert (done["name"], done["state"]) == ("july", "running")
    assert done["imported"] == {"added": 2, "already": 0, "suppressed": 1, "excluded": 0}
    assert done["preflight"]["sendable"] == 2


def test_without_a_terminal_nobody_is_asked_and_nothing_done(cli: Cli) -> None:
    file = cli.file(*rows(3))
    refused = cli("start", file, "--name", "july", *OPTIONS, exits=2, stdin="y\n")
    assert "--yes" in refused.stderr
    assert refused.stdout == ""
    assert list(cli.campaigns) == []


@pytest.mark.parametrize(("answer", "exits", "known"), [("y", 0, 1), ("n", 1, 0)])
def test_on_a_terminal_it_asks(cli: Cli, answer: str, exits: int, known: int) -> None:
    file = cli.file(*rows(3))
    with terminal(cli, "start", file, "--name", "july", *OPTIONS) as screen:
        screen.until("Send to 3 recipients as campaign july, for about 0.012 USD? [y/N]")
        screen.type(f"{answer}\n")
        screen.until("july is running" if known else "nothing was done")
        assert screen.child.wait(30) == exits
    assert len(list(cli.campaigns)) == known


def test_a_file_that_changes_while_it_is_asked_about_is_refused(cli: Cli) -> None:
    file = cli.file(*rows(3))
    with terminal(cli, "start", file, "--name", "july", *OPTIONS) as screen:
        screen.until("[y/N]")
        cli.file(*rows(4))
        screen.type("y\n")
        screen.until("has changed since it was read: nothing was done")
        assert screen.child.wait(30) == 1
    assert list(cli.campaigns) == []


def test_an_import_that_was_killed_goes_on_where_it_stopped(cli: Cli) -> None:
    file = cli.file(*MIXED)
    cli.imported(file, 2)
    said = cli("start", file, "--name", "july", *OPTIONS, "--yes").stdout
    assert "imported 2 recipients, 2 already imported\n" in said
    assert cli.campaigns.get("july").state == "running"
    again = cli("start", file, "--name", "july", *OPTIONS, "--yes").stdout
    assert "imported 0 recipients, 4 already imported\n" in again
    assert cli.campaigns.ledger("july").imported == 4


def test_an_import_is_stopped_with_ctrl_c_and_goes_on_later(cli: Cli) -> None:
    count = size(10_000, 100_000)
    file = cli.file(*(f"312{n:07d},Ann" for n in range(2_000_000, 2_000_000 + count)))
    with terminal(cli, "start", file, "--name", "july", *OPTIONS, "--yes") as screen:
        screen.until("importing")
        screen.child.send_signal(signal.SIGINT)
        screen.until("nothing is sent yet; repeat the command to go on where it stopped")
        assert screen.child.wait(30) == 1
    assert cli.campaigns.get("july").state == "draft"
    assert cli.campaigns.ledger("july").imported < count
    done = cli.document("start", file, "--name", "july", *OPTIONS, "--yes")["imported"]
    assert done["added"] + done["already"] == cli.campaigns.ledger("july").imported == count


def test_it_says_what_is_imported_already_before_it_asks(cli: Cli) -> None:
    file = cli.file(*rows(3))
    cli.imported(file, 2)
    with terminal(cli, "start", file, "--name", "july", *OPTIONS) as screen:
        screen.until("2 of july are already imported. Import the rest, and send to all?")
        screen.type("y\n")
        screen.until("july is running")
    with terminal(cli, "start", file, "--name", "july", *OPTIONS) as screen:
        screen.until(
            "july is running with 3 recipients. Add whoever is new among these 3 recipients"
        )
        screen.type("n\n")
        screen.until("nothing was done")


def test_a_corrected_file_adds_whoever_is_new(cli: Cli) -> None:
    cli.started(3)
    cli.bench.send()
    corrected = cli.file(*rows(3, first=2), name="corrected.csv", header="PHONE,First Name")
    said = cli("start", corrected, "--name", "july", *OPTIONS, "--yes").stdout
    assert "imported 2 recipients, 1 already imported\n" in said
    ledger = cli.campaigns.ledger("july")
    assert (ledger.imported, ledger.states["accepted"], ledger.states["waiting"]) == (5, 1, 4)


def test_a_paused_campaign_stays_paused_and_a_finished_one_goes_on(cli: Cli) -> None:
    file = cli.started(1)
    cli("pause", "july")
    cli.file(*rows(2))
    said = cli("start", file, "--name", "july", *OPTIONS, "--yes").stdout
    assert "july is paused; next: sluicegate campaign resume july" in said
    cli("resume", "july")
    finish(cli)
    assert cli.campaigns.get("july").state == "finished"
    cli.file(*rows(3))
    said = cli("start", file, "--name", "july", *OPTIONS, "--yes").stdout
    assert "july is running" in said


def finish(cli: Cli) -> None:
    """Send whatever waits, and let the sweep find that nothing does any more."""
    for _ in range(cli.campaigns.ledger("july").states["waiting"]):
        cli.bench.send()
    cli.bench.sweep("w1")


@pytest.mark.parametrize(
    ("more", "exits", "said"),
    [
        (("--text", "another"), 2, "july: it exists with another text.*campaign status july"),
        (("--from", "+15550000009"), 2, "it exists with another sender, and"),
        (("--fail-on", "any"), 1, "1 duplicates: refused by --fail-on"),
        (("--name", "July!"), 2, "name = 'July!'"),
    ],
)
def test_a_start_that_would_go_wrong_is_refused(
    cli: Cli, more: tuple[str, ...], exits: int, said: str
) -> None:
    cli.started(2)
    file = cli.file(*rows(4), *rows(1))
    refused = cli("start", file, "--name", "july", *OPTIONS, "--yes", *more, exits=exits)
    assert re.search(said, refused.stderr)
    assert cli.campaigns.ledger("july").imported == 2


def test_a_file_of_nobody_starts_nothing(cli: Cli) -> None:
    file = cli.file("555,Short")
    refused = cli("start", file, "--name", "july", *OPTIONS, "--yes", exits=1)
    assert "nothing in this file can be sent" in refused.stderr
    assert list(cli.campaigns) == []


def test_many_rows_are_imported_with_progress(cli: Cli) -> None:
    file = cli.file(*rows(3_000))
    with terminal(cli, "start", file, "--name", "july", *OPTIONS, "--yes") as screen:
        screen.until("imported 3,000 recipients")
        assert "importing" in screen.shown
        assert "3,000 rows" in screen.shown
    assert cli.campaigns.recount("july").states["waiting"] == 3_000


# Looking at campaigns, and stopping them.


def test_campaigns_are_listed_the_latest_first(cli: Cli) -> None:
    assert cli("list").stdout == "no campaigns\n"
    cli.started(2)
    cli.bench.send()
    cli.started(1, name="august")
    lines = cli("list").stdout.splitlines()
    assert tuple(lines[0].split()) == COLUMNS
    assert {line.split()[0] for line in lines[1:3]} == {"july", "august"}
    assert lines[3:] == ["", "unknown: receipts not set up"]
    [july] = [line.split() for line in lines if line.startswith("july")]
    assert july[1:8] == ["running", "2", "1", "1", "0", "1", "unknown"]
    listed = [json.loads(line) for line in cli("list", "--json").stdout.splitlines()]
    assert {one["name"]: one["ledger"]["imported"] for one in listed} == {"july": 2, "august": 1}


def test_status_has_the_ledger_the_plan_and_what_is_held(cli: Cli) -> None:
    cli.started(4)
    cli.bench.send()
    cli.bench.send(kind="dead", code="40310", reason=f"{number(9)} is no number", heard=True)
    cli.bench.claim_all(1)
    shown = cli("status", "july").stdout
    assert shown.startswith("campaign july: running\n")
    sums = dict(re.findall(r"^[=+ ]  ([a-z ]+?) +([0-9]+)", shown, re.MULTILINE))
    counts = {name: int(count) for name, count in sums.items()}
    told = {delivery: counts.pop(delivery) for delivery in (*DELIVERIES, "unknown")}
    assert sum(told.values()) == told["unknown"] == counts["accepted"]
    assert counts.pop("imported") == sum(counts.values()) == 4
    assert (counts["waiting"], counts["accepted"], counts["dead"]) == (2, 1, 1)
    assert "workers hold 1 of them" in shown
    assert TEXT in shown
    assert SENDER in shown
    assert re.search(r"1 +40310 +\+1312•••09 is no number", shown)
    found = cli.document("status", "july")
    assert (found["claimed"], found["ledger"]["imported"]) == (1, 4)
    assert found["ledger"]["adds_up"] is True
    assert found["dead"][0]["code"] == "40310"


def test_status_says_why_it_waits(cli: Cli) -> None:
    file = cli.file(*rows(2))
    cli.imported(file, 1)
    assert (
        "july is a draft: sluicegate campaign start FILE --name july"
        in cli("status", "july").stdout
    )
    cli("start", file, "--name", "july", *OPTIONS, "--yes")
    assert "no worker has been heard from in the last hour" in cli("status", "july").stdout
    cli.bench.at(time.time() * 1000)
    cli.bench.sweep("w1")
    assert "no level holds it back" in cli("status", "july").stdout
    halt = {"code": "20100", "reason": "No credit", "halt": "account"}
    cli.bench.send(kind="back", heard=True, **halt)
    assert "account is halted (No credit)" in cli("status", "july").stdout
    cli("pause", "july")
    assert ": sluicegate campaign resume july" in cli("status", "july").stdout


def test_verify_proves_the_counters(cli: Cli, valkey: redis.Redis) -> None:
    cli.started(3)
    cli.bench.send()
    assert "proved: all 3 were counted" in cli("status", "july", "--verify").stdout
    found = cli.document("status", "july", "--verify")
    assert found["recount"] == found["ledger"]
    valkey.hincrby(cli.bench.keys.ledger("july"), "accepted", 1)
    wrong = cli("status", "july", "--verify", exits=1)
    assert re.search(r"accepted +2 +1  differs", wrong.stdout)
    assert "the counters and the records differ.\n" in wrong.stderr
    cli.bench.claim_all(1)
    assert "pause it" in cli("status", "july", "--verify", exits=1).stderr
    assert cli.document("status", "july", "--verify", exits=1)["recount"]["accepted"] == 1


def test_a_campaign_is_paused_resumed_and_cancelled(cli: Cli) -> None:
    cli.started(3)
    cli.bench.send()
    paused = cli("pause", "july").stdout
    assert paused.startswith("july is paused\n")
    assert re.search(r"waiting +2", paused)
    assert cli("resume", "july").stdout.startswith("july is running\n")
    asked = cli("cancel", "july", stdin="n\n", exits=1)
    assert "Cancel july for good, with 2 recipients not sent to?" in asked.stderr
    cancelled = cli("cancel", "july", "--yes").stdout
    assert cancelled.startswith("july is cancelled\n")
    assert re.search(r"cancelled +2", cancelled)
    assert "proved" in cli("status", "july", "--verify").stdout
    assert cli("cancel", "july", "--yes").stdout.startswith("july is cancelled\n")


@pytest.mark.parametrize(
    ("state", "action", "said"),
    [
        ("draft", "resume", "july is draft: it can't resume.*campaign start FILE --name july"),
        ("cancelled", "resume", "july is cancelled: it can't resume.*another name"),
        ("finished", "pause", "july is finished: it can't pause.*another file to add"),
        ("cancelled", "start", "july is cancelled: it can't take recipients.*another name"),
    ],
)
def test_what_a_state_does_not_allow_is_said_with_the_way_out(
    cli: Cli, state: str, action: str, said: str
) -> None:
    file = cli.file(*rows(1))
    if state == "draft":
        cli.imported(file, 1)
    else:
        cli.started(1)
    if state == "cancelled":
        cli("cancel", "july", "--yes")
    if state == "finished":
        finish(cli)
    args = ("start", file, "--name", "july", *OPTIONS, "--yes") if action == "start" else ()
    assert re.search(said, cli(*(args or (action, "july")), exits=1).stderr)


@pytest.mark.parametrize(
    "command", ["status", "watch", "pause", "resume", "cancel", "report", "export"]
)
def test_a_campaign_that_is_not_there_is_bad_input(cli: Cli, command: str) -> None:
    said = cli(command, "july", exits=2).stderr
    assert said.startswith("sluicegate: campaign july: not known on this account. ")
    assert said.endswith("sluicegate campaign list\n")


# Watch.


def test_watching_ends_with_the_campaign(cli: Cli) -> None:
    cli.started(2)
    finish(cli)
    said = cli("watch", "july").stdout
    assert said.startswith("finished  2 of 2, ")
    assert "july is finished" in said
    assert re.search(r"accepted +2", said)


def test_watching_ends_when_the_campaign_is_cancelled_meanwhile(cli: Cli) -> None:
    cli.started(2)
    cli.bench.send(kind="dead", code="40310", reason="no number", heard=True)
    with cli.process("watch", "july", stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        cli.campaigns.act("july", "cancel")
        rest = child.stdout.read()
    assert re.match(r"running  1 of 2, 0\.0/s, limit 50 per 1 s, dead: 1 x 40310  \(no w", first)
    assert "july is cancelled" in rest
    assert child.returncode == 0


def test_watching_says_that_the_provider_fails(cli: Cli, valkey: redis.Redis) -> None:
    cli.started(2)
    cli.bench.at(time.time() * 1000)
    cli.bench.sweep("w1")
    fields: Any = {"state": "open", "probe_at": f"{cli.bench.now_ms + 40_000:.0f}"}
    valkey.hset(cli.bench.keys("breaker"), mapping=fields)
    with cli.process("watch", "july", stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        cli.campaigns.act("july", "cancel")
        child.stdout.read()
    fails = "the provider has been failing or silent, so nothing is sent"
    ends = "nothing to do, it ends within 15 s of the provider's recovery"
    assert re.search(rf"\({fails}, next probe ..:..:.. \S+, in \S+ s: {ends}", first)


def test_watching_is_left_with_ctrl_c(cli: Cli) -> None:
    cli.started(2)
    with terminal(cli, "watch", "july") as screen:
        screen.until("0 of 2")
        screen.child.send_signal(signal.SIGINT)
        screen.until("july is running; it goes on without being watched")
        assert screen.child.wait(30) == 0


# Report and export.


def test_a_report_says_what_became_of_everybody_and_what_to_do(cli: Cli) -> None:
    cli.started(6)
    cli.bench.send()
    for _ in range(2):
        cli.bench.send(kind="dead", code="40310", reason=f"{number(9)} is none", heard=True)
    cli.bench.send(kind="dead", code="49999", reason="never heard of", heard=True)
    cli.bench.send(kind="doubt", delay_ms=-1, code="no_answer", reason="timed out")
    cli.bench.send(kind="retry", delay_ms=60_000, code="10007", reason="in passing", heard=True)
    shown = cli("report", "july").stdout
    assert re.search(r"accepted +1\n", shown)
    told = advice_for("40310")
    assert told is not None
    because = (
        f"    why     +1312•••09 is none\n    means   {told.means}\n    do      {told.advice}\n"
    )
    assert f"2 recipients dead 40310\n{because}" in shown
    assert "look at them: sluicegate dead list --all --code 49999" in shown
    assert "1 recipient in doubt no_answer\n    why     timed out\n    means   " in shown
    assert "1 recipient retrying 10007\n" in shown
    found = cli.document("report", "july")
    codes = {(one["state"], one["code"]): one["count"] for one in found["codes"]}
    assert codes[("dead", "40310")] == 2
    assert sum(codes.values()) + found["states"]["accepted"] == found["states"]["imported"] == 6
    assert all(one["advice"] for one in found["codes"])


def test_a_report_says_why_some_were_never_sent_to(cli: Cli) -> None:
    file = cli.file(*rows(3))
    cli("optout", "add", number(0))
    cli("start", file, "--name", "july", *OPTIONS, "--yes")
    cli("cancel", "july", "--yes")
    shown = cli("report", "july").stdout
    assert "1 recipient suppressed\n    why     they opted out" in shown
    assert "2 recipients cancelled\n    why     the campaign was cancelled" in shown


def exported(cli: Cli, *more: str) -> dict[str, dict[str, str]]:
    """The lines of an export by recipient; each is in it only once."""
    lines = list(csv.DictReader(cli("export", "july", *more).stdout.splitlines()))
    lines = [{name: bared(value) for name, value in line.items()} for line in lines]
    by_number = {line["to"]: line for line in lines}
    assert len(by_number) == len(lines)
    return by_number


def in_every_state(cli: Cli) -> None:
    """Accepted, dead, in doubt, retrying, started, granted, waiting, opted out: one of each."""
    cli("optout", "add", number(7))
    cli.started(8)
    cli.bench.send()
    cli.bench.send(kind="dead", code="40310", reason=f"{number(1)} is none", heard=True)
    cli.bench.send(kind="doubt", delay_ms=-1, code="no_answer", reason="timed out")
    cli.bench.send(kind="retry", delay_ms=60_000, code="10007", reason="in passing", heard=True)
    cli.bench.begin()
    cli.bench.claim_all(1)


def test_an_export_has_each_recipient_once_in_its_state(cli: Cli) -> None:
    in_every_state(cli)
    found = exported(cli, "--full")
    states = ["accepted", "dead", "in_doubt", "retrying", *["waiting"] * 3, "suppressed"]
    assert [found[number(n)]["state"] for n in range(8)] == states
    accepted, dead, waiting = found[number(0)], found[number(1)], found[number(6)]
    assert accepted["provider_id"] == f"p-{accepted['id']}"
    assert accepted["when"].startswith("20")
    assert (dead["code"], dead["reason"]) == ("40310", f"{number(1)} is none")
    assert dead["attempts"] == "1"
    assert (waiting["attempts"], waiting["when"]) == ("0", "")
    ledger = cli.campaigns.ledger("july")
    assert ledger == cli.campaigns.recount("july")
    assert sum(state == "waiting" for state in states) == ledger.states["waiting"]


def test_an_export_of_a_cancelled_campaign_has_nobody_waiting_but_in_a_workers_hands(
    cli: Cli,
) -> None:
    in_every_state(cli)
    cli("cancel", "july", "--yes")
    found = exported(cli, "--full")
    states = {n: found[number(n)]["state"] for n in range(8)}
    assert states[6] == "cancelled"
    assert [states[n] for n in (0, 1, 2, 7)] == ["accepted", "dead", "in_doubt", "suppressed"]


def test_what_goes_back_after_its_start_is_cancelled_with_its_campaign(cli: Cli) -> None:
    cli.started(2)
    cli.bench.send(kind="back", heard=True, throttled=True, reason="HTTP 429", wait_ms=1)
    cli("cancel", "july", "--yes")
    assert {line["state"] for line in exported(cli, "--full").values()} == {"cancelled"}
    assert "proved" in cli("status", "july", "--verify").stdout


def test_an_export_hides_numbers_unless_they_are_asked_for(cli: Cli) -> None:
    cli.started(1)
    cli.bench.send(kind="dead", code="1", reason=f"{number(0)} is none", heard=True)
    [line] = cli("export", "july", "--format", "jsonl").stdout.splitlines()
    person = json.loads(line)
    assert (person["to"], person["reason"]) == ("+1312•••00", "+1312•••00 is none")
    assert person["state"] == "dead"
    assert number(0) in cli("export", "july", "--full").stdout


def test_an_export_goes_to_a_file(cli: Cli) -> None:
    cli.started(2_500)
    said = cli("export", "july", "--out", "july.csv", "--full")
    assert said.stdout == "2,500 recipients in july.csv\n"
    numbers = {f"'{number(n)}" for n in range(2_500)}
    with (cli.folder / "july.csv").open(encoding="utf-8-sig", newline="") as file:
        assert {line["to"] for line in csv.DictReader(file)} == numbers
    assert "cannot be written" in cli("export", "july", "--out", "gone/x", exits=2).stderr


# Help.


def test_every_command_has_an_example() -> None:
    for command in COMMANDS:
        shown = invoked(["campaign", command, "--help"]).output
        assert f"Example:\n  sluicegate campaign {command}" in re.sub(r"\n +", "\n  ", shown)
