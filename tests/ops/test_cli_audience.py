"""Who a campaign from the command line goes to: its sources of rows, and how they are read."""

import json
import sqlite3
from pathlib import Path

import openpyxl
import pytest

from support.command_line import Cli
from support.command_line import cli as cli  # the fixture

TEXT = "Hi {{ first_name }}"
OPTIONS = ("--from", "+15557654321", "--region", "US")
GREETING = (*OPTIONS, "--text", TEXT)
ROWS = "Phone,First Name,plan\n(312) 555-1000,Ann,gold\n312-555-1001,Ben,silver\nnone,Cleo,gold\n"


def imported(cli: Cli, name: str = "july") -> int:
    return int(cli.document("campaign", "status", name)["ledger"]["imported"])


def database(folder: Path) -> str:
    with sqlite3.connect(folder / "people.db") as link:
        link.execute("CREATE TABLE people (phone, first_name)")
        link.execute("INSERT INTO people VALUES ('+13125551000', 'Ann'), ('+13125551001', 'Ben')")
    link.close()
    return f"sqlite:///{folder}/people.db"


def test_standard_input_is_read_like_a_file(cli: Cli, tmp_path: Path) -> None:
    said = cli("campaign", "preflight", "-", *GREETING, "--json", stdin=ROWS)
    report = json.loads(said.stdout)
    assert (report["file"], report["sendable"], report["rejected"]) == ("stdin", 2, 1)
    assert (tmp_path / "stdin.rejected.csv").read_text("utf-8-sig").count("\n") == 2
    cli("campaign", "start", "-", "--name", "july", *GREETING, "--yes", stdin=ROWS)
    assert imported(cli) == 2


def test_a_query_is_a_source_of_rows(cli: Cli, tmp_path: Path) -> None:
    given = ("--query", "SELECT * FROM people", "--database", database(tmp_path))
    said = cli("campaign", "preflight", *given, *GREETING).stdout
    assert "the result of a query at sqlite:///" in said
    (tmp_path / "people.sql").write_text("SELECT phone, first_name AS vorname FROM people")
    given = ("--query", "@people.sql", "--map", "first_name=vorname")
    environment = {"SLUICEGATE_DATABASE_URL": f"sqlite:///{tmp_path}/people.db"}
    cli("campaign", "start", *given, "--name", "july", *GREETING, "--yes", env=environment)
    assert imported(cli) == 2


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((), "give the rows once"),
        (("people.csv", "--query", "SELECT 1"), "give the rows once"),
        (("--query", "SELECT 1"), "name the database: --database URL"),
        (("--query", " ", "--database", "sqlite://"), "--query is empty"),
        (("--query", "SELECT 1", "--sheet", "May"), "--sheet: for a file, not for --query"),
        (("people.csv", "--sheet", "May"), "it is no workbook; leave --sheet out"),
        (("people.csv", "--map", "first_name"), "write NAME=COLUMN"),
        (("people.csv", "--map", "first_name=nobody"), "no column 'nobody'"),
        (("people.csv", "--map", "a=plan", "--map", "A=Phone"), "A is mapped already"),
    ],
)
def test_a_source_that_is_unclear_is_refused(
    cli: Cli, tmp_path: Path, given: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "people.csv").write_text(ROWS)
    said = cli("campaign", "preflight", *given, *GREETING, exits=2)
    assert reason in " ".join(said.output.split())


def test_a_mapped_export_hides_the_numbers_of_a_workbook(cli: Cli, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["Handy", "Vorname"])
    book.active.append([3125551000, "Ann"])
    book.save("people.xlsx")
    mapped = ("--map", "phone=Handy", "--map", "first_name=Vorname")
    cli("campaign", "start", "people.xlsx", "--name", "july", *mapped, *GREETING, "--yes")
    exported = cli("campaign", "export", "july", "--with", "people.xlsx", *mapped).stdout
    assert "Handy,Vorname" in exported
    assert "3125551000" not in exported
    whole = ("campaign", "export", "july", "--with", "people.xlsx", *mapped, "--full")
    assert "3125551000" in cli(*whole).stdout
