"""Who a campaign from the command line goes to: its sources of rows, and how they are read."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from support.command_line import Cli
from support.command_line import cli as cli  # the fixture
from support.receipts import tell

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


def report_of(cli: Cli, *given: str) -> dict[str, Any]:
    report: dict[str, Any] = cli.document("campaign", "preflight", *given, *GREETING)
    assert report["rows"] == sum(
        report[part]
        for part in ("sendable", "rejected", "duplicates", "suppressed", "excluded", "filtered")
    )
    return report


def test_conditions_choose_rows_and_what_nearly_meets_them_is_shown(
    cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text(
        "Phone,First Name,plan,age\n3125551000,Ann,gold,18\n3125551001,Ben,Gold,20\n"
        "3125551002,Cleo,gold,old\n3125551003,Dan,silver,30\n3125551004,Eve,gold,17\n"
    )
    report = report_of(cli, "people.csv", "--where", "plan=gold", "--where", "age>=18")
    assert (report["sendable"], report["filtered"], report["rejected"]) == (1, 3, 1)
    assert report["filtered_by"] == {"plan=gold": 2, "age>=18": 1}
    [warning] = [each for each in report["warnings"] if each["where"] == "plan"]
    assert (warning["what"], warning["line"]) == ("'Gold' is not 'gold', as plan=gold takes it", 3)
    shown = cli("campaign", "preflight", "people.csv", "--where", "plan=gold", *GREETING).stdout
    assert "not asked for: 2 by plan=gold" in shown
    said = cli("campaign", "preflight", "people.csv", "--where", "gold", *GREETING, exits=2)
    assert "write COLUMN=VALUE" in said.output
    where = ("--where", "plan=gold", "--where", "age>=18")
    cli("campaign", "start", "people.csv", "--name", "july", *where, *GREETING, "--yes")
    assert imported(cli) == 1


def test_lists_and_campaigns_are_left_out(cli: Cli, tmp_path: Path) -> None:
    people = "".join(f"312555100{n},Ann\n" for n in range(6))
    (tmp_path / "people.csv").write_text(f"Phone,First Name\n{people}")
    (tmp_path / "first.csv").write_text("Phone,First Name\n3125551000,Ann\n")
    cli("campaign", "start", "first.csv", "--name", "may", *GREETING, "--yes")
    (tmp_path / "staff.csv").write_text("phone,status\n+13125551001,subscribed\n")
    book = openpyxl.Workbook()
    book.active.append(["phone"])
    book.active.append([13125551002])
    book.save("board.xlsx")
    given = ("--exclude", "may", "--exclude", "staff.csv", "--exclude", "board.xlsx")
    report = report_of(cli, "people.csv", *given)
    assert report["excluded_by"] == {"may": 1, "staff.csv": 1, "board.xlsx": 1}
    assert "left out: 1 by" in cli("campaign", "preflight", "people.csv", *given, *GREETING).stdout
    cli("campaign", "start", "people.csv", "--name", "july", *given, *GREETING, "--yes")
    assert imported(cli) == 3
    (tmp_path / "may").write_text("phone\n+13125551001\n")
    (tmp_path / "bad.csv").write_text("phone\n+13125551001\nnobody\n")
    for name, reason in {
        "may": "there is a file and a campaign of that name",
        "nothing": "there is no such file and no such campaign",
        "bad.csv": "line 3: not a phone number",
    }.items():
        said = cli("campaign", "preflight", "people.csv", "--exclude", name, *GREETING, exits=2)
        assert reason in " ".join(said.output.split())


def test_outcomes_of_an_earlier_campaign_choose_its_recipients(cli: Cli, tmp_path: Path) -> None:
    people = "".join(f"312555100{n},Ann\n" for n in range(6))
    (tmp_path / "people.csv").write_text(f"Phone,First Name\n{people}")
    cli("campaign", "start", "people.csv", "--name", "july", *GREETING, "--yes")
    sent = [cli.bench.send() for _ in range(4)]
    for grant, status in zip(sent, ("delivered",) * 3 + ("delivery_failed",), strict=True):
        assert tell(cli.bench, grant.id, status) == "applied"
    number = cli.bench.record(sent[0].id)["to"]
    cli("optout", "add", number)
    from_july = ("--from-campaign", "july")
    text = (*OPTIONS, "--text", "Again")

    def count(*given: str) -> int:
        return int(cli.document("campaign", "preflight", *given, *text)["sendable"])

    assert count(*from_july, "--delivered", "--not-opted-out") == 2
    assert count(*from_july, "--not-delivered") == 3
    assert count("people.csv", *from_july, "--delivered") == 2
    assert count("people.csv", "--not-reached-for", "1d") == 2
    assert count("people.csv", "--not-reached-for", "1s") == 5
    said = cli("campaign", "preflight", *from_july, *text)
    assert "july is running: what becomes of its recipients may still change" in said.stderr
    for given, reason in {
        ("people.csv", "--delivered"): "name the campaign: --from-campaign NAME",
        ("--from-campaign", "june"): "june",
        ("people.csv", "--not-reached-for", "never"): "give a length of time",
    }.items():
        said = cli("campaign", "preflight", *given, *text, exits=2)
        assert reason in " ".join(said.output.split())


def test_a_preview_shows_the_rows_that_are_worth_a_look(cli: Cli, tmp_path: Path) -> None:
    names = {10: "x" * 200, 20: "Jos\u00e9 \u017b", 30: "y" * 157, 40: "z" * 158, 50: "q"}
    people = [f"312555{1000 + n},{names.get(n, 'Ann Lee')}" for n in range(60)]
    (tmp_path / "people.csv").write_text("Phone,First Name\n" + "\n".join([*people, "x,y"]))
    shown = cli.document("campaign", "preview", "people.csv", *GREETING, "--sample", "7")
    assert shown["rejected"] == 1
    why = {each["line"]: (each["why"], each["parts"]) for each in shown["rows"]}
    assert why == {
        2: ([], 1),
        3: ([], 1),
        12: (["the longest"], 2),
        22: (["beyond ASCII"], 1),
        32: (["nearly over"], 1),
        42: (["just over"], 2),
        52: (["the shortest"], 1),
    }
    said = cli("campaign", "preview", "people.csv", *GREETING, "--sample", "7")
    assert "2 segments, 203 septets of GSM-7 (the longest):" in said.stdout
    assert "1 segment, 9 units of UCS-2 (beyond ASCII):" in said.stdout
    assert "+13125551010" not in said.stdout
    assert "1 row can't be sent" in said.stderr
    assert "+13125551010" in cli("campaign", "preview", "people.csv", *GREETING, "--full").stdout


def test_a_test_goes_to_your_own_phone_marked(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(ROWS)
    given = ("campaign", "test", "people.csv", *GREETING)
    said = cli(*given, "--to", "(312) 555-9999", "--sample", "2", "--json")
    messages = json.loads(said.stdout)["messages"]
    assert [(each["line"], each["outcome"]) for each in messages] == [
        (2, "enqueued"),
        (3, "enqueued"),
    ]
    shown = cli.document("message", "show", messages[0]["id"], "--full")
    assert shown["to"] == "+13125559999"
    assert '"TEST: Hi Ann"' in cli.bench.record(messages[0]["id"])["content"]
    cli("optout", "add", "+13125559998")
    refused = cli(*given, "--to", "+13125559998", "--to", "+13125559999", exits=1)
    assert "not sent, this number has opted out" in refused.stderr
    assert refused.stdout.count("1 segment") == 2
    for more, reason in {
        ("--to", "nobody"): "not a phone number",
        ("--to", "+13125559999", "--sample", "21"): "a test has at most 20: see --sample",
    }.items():
        assert reason in " ".join(cli(*given, *more, exits=2).output.split())
    assert cli.lines("campaign", "list") == []


def test_nothing_to_show_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("Phone,First Name\nx,y\n")
    cli("campaign", "preview", "people.csv", *GREETING, exits=1)
    cli("campaign", "test", "people.csv", *GREETING, "--to", "+13125559999", exits=1)


def test_each_row_gets_the_text_of_its_language(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(
        "Phone,First Name,Lang\n3125551000,Ann,de-AT\n3125551001,Ben,fr\n3125551002,Cleo,\n"
    )
    (tmp_path / "de.txt").write_text("Hallo {{ First Name }}")
    (tmp_path / "fr.txt").write_text("Salut")
    languages = ("--language", "de=de.txt", "--language", "fr=fr.txt")
    shown = cli.document("campaign", "preview", "people.csv", *languages, *GREETING)
    assert [row["text"] for row in shown["rows"]] == ["Hallo Ann", "Salut", "Hi Cleo"]
    assert "in de" in shown["rows"][0]["why"]
    assert "in no language of its own" in shown["rows"][2]["why"]
    report = report_of(cli, "people.csv", *languages)
    assert report["languages"] == {"de": 1, "fr": 1, "": 1}
    said = cli("campaign", "preflight", "people.csv", *languages, *OPTIONS).stdout
    assert "Lang:" in said
    assert "has no text: there are de, fr" in said
    assert "languages  de 1, fr 1" in said
    cli("campaign", "start", "people.csv", "--name", "july", *languages, *GREETING, "--yes")
    [grant] = cli.bench.claim_all(1)
    assert grant.content.endswith(b'|["de","Ann"]')
    (tmp_path / "de.txt").write_text("Servus {{ First Name }}")
    revised = cli.document("campaign", "revise", "july", *languages, "--text", "Hi!", "--yes")
    assert revised["version"] == 2
    assert '"de" %}Servus {{ first_name }}{%' in cli.bench.campaigns.get("july").current.text
    said = cli("campaign", "revise", "july", "--text", "Hi!", "--yes", exits=2).output
    assert "july has texts for de, fr: give each with --language again" in " ".join(said.split())
    (tmp_path / "bad.txt").write_text("{% for %}")
    for given, reason in {
        ("--language", "de"): "write LANGUAGE=FILE",
        ("--language", "de=de.txt", "--language", "DE=fr.txt"): "de has a text already",
        ("--language", "de=bad.txt"): "bad.txt, line 1",
        (*languages, "--b-text", "Hello"): "--b-text is one text",
        ("--language-column", "Lang"): "--language-column is for --language",
    }.items():
        said = cli("campaign", "preflight", "people.csv", *given, *GREETING, exits=2).output
        assert reason in " ".join(said.split())
    (tmp_path / "none.csv").write_text("Phone,First Name\n3125551000,Ann\n")
    said = cli("campaign", "preflight", "none.csv", *languages, *GREETING, exits=2).output
    assert "no column looks like languages" in " ".join(said.split())


def test_plain_punctuation_is_offered_with_what_it_saves(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("Phone\n3125551000\n3125551001\n")
    text = (*OPTIONS, "--text", "It\u2019s " + "x" * 140)
    said = cli("campaign", "preflight", "people.csv", *text)
    assert "--plain-punctuation writes" in said.stdout
    assert "and saves 4 segments" in said.stdout
    report = cli.document("campaign", "preflight", "people.csv", *text, "--plain-punctuation")
    assert (report["segments_total"], report["saved_by_plain"]) == (2, 0)
