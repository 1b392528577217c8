"""What trials in the field found about files, numbers and texts: what exports hold."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import redis
from typer.testing import Result

from sluicegate.campaigns.csv_file import CsvFile
from support.bench import Bench
from support.command_line import invoked
from support.office import saved

Command = Callable[..., Result]
TEXT = ("--from", "+15550000000", "--text", "Hi {{ name }}", "--region", "US")


@pytest.fixture
def command(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    monkeypatch.chdir(tmp_path)

    def run(*args: str, exits: int = 0) -> Result:
        environment = {"SLUICEGATE_REDIS_URL": redis_url}
        result = invoked(args, env=environment)
        assert result.exit_code == exits, (result.output, result.exception)
        return result

    return run


def started(command: Command, folder: Path, *options: str, encoding: str = "cp1252") -> None:
    rows = [
        "Phone;Name;Ref;State",
        "(415) 200-0001;José;00017;TX",
        "4152000002;Ben;=1+1;NY",
        "12;Al;9;",
    ]
    (folder / "people.csv").write_text("\n".join(rows) + "\n", encoding=encoding)
    command("campaign", "start", "people.csv", "--name", "july", *TEXT, "--yes", *options)


def rows_of(path: Path) -> list[dict[str, str]]:
    sheet = CsvFile(path)
    return [dict(zip(sheet.columns, row.values, strict=True)) for row in sheet.rows()]


def test_17_an_export_has_the_key_and_the_row_s_own_columns(
    command: Command, tmp_path: Path
) -> None:
    started(command, tmp_path, "--key", "ref")
    export = ("campaign", "export", "july", "--with", "people.csv", "--out")
    said = command(*export, "out.csv", "--full")
    assert said.stdout == "2 recipients in out.csv\n"
    sheet = CsvFile(tmp_path / "out.csv")
    assert (sheet.delimiter, sheet.encoding) == (";", "cp1252")
    assert sheet.columns[-4:] == ("Phone", "Name", "Ref", "State")
    by_key = {row["Ref"]: row for row in rows_of(tmp_path / "out.csv")}
    assert set(by_key) == {"00017", "=1+1"}
    ann = by_key["00017"]
    assert (ann["to"], ann["state"], ann["Name"]) == ("+14152000001", "waiting", "José")
    assert ann["Phone"] == "(415) 200-0001"
    assert "';00017" not in (tmp_path / "out.csv").read_text("cp1252")
    assert "'00017;TX" in (tmp_path / "out.csv").read_text("cp1252")
    hint = command("campaign", "export", "july").stderr
    assert "the file has the values of ref: --with FILE" in hint


def test_17_own_columns_are_masked_unless_they_are_asked_for(
    command: Command, tmp_path: Path
) -> None:
    started(command, tmp_path)
    shown = command(
        "campaign", "export", "july", "--with", "people.csv", "--format", "jsonl"
    ).stdout
    people = {person["row"]["Name"]: person for person in map(json.loads, shown.splitlines())}
    assert people["José"]["row"] == {
        "Phone": "+1415•••01",
        "Name": "José",
        "Ref": "00017",
        "State": "TX",
    }
    assert "200" not in shown.replace("+1415•••", "").partition('"row"')[2]


def test_17_several_files_and_who_is_in_none(command: Command, tmp_path: Path) -> None:
    started(command, tmp_path)
    (tmp_path / "fixed.csv").write_text(
        "_line,_column,_value,_reason,Phone,Name,to\n4,,,,4152000003,Al,x\n"
    )
    (tmp_path / "other.csv").write_text("Phone,Name\n4152000009,Zed\n")
    command(
        "campaign", "start", "fixed.csv", "--name", "july", *TEXT, "--yes", "--to-column", "phone"
    )
    files = ("--with", "people.csv", "--with", "fixed.csv", "--with", "other.csv")
    said = command("campaign", "export", "july", *files, "--out", "out.csv", "--full")
    assert "not in july: 1 recipient of people.csv, fixed.csv, other.csv" in said.stderr
    found = {row["Name"]: row for row in rows_of(tmp_path / "out.csv")}
    assert list(found["Al"])[-5:] == ["Phone", "Name", "Ref", "State", "to (file)"]
    assert (found["Al"]["Ref"], found["Al"]["to (file)"], found["José"]["State"]) == (
        "",
        "x",
        "TX",
    )


@pytest.mark.parametrize(
    "export",
    [
        ("campaign", "export", "july", "--out", "out.csv"),
        ("campaign", "export", "july", "--out", "out.csv", "--format", "jsonl"),
        ("dead", "export", "out.csv"),
    ],
)
def test_12_an_export_overwrites_nothing_unasked(
    command: Command, tmp_path: Path, export: Sequence[str]
) -> None:
    started(command, tmp_path)
    (tmp_path / "out.csv").write_text("precious")
    refused = command(*export, exits=2).stderr
    assert "out.csv exists already: name another file, or replace it with --overwrite" in refused
    assert (tmp_path / "out.csv").read_text() == "precious"
    command(*export, "--overwrite")
    assert (tmp_path / "out.csv").read_text() != "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *["out.csv", "people.csv", "people.rejected.csv"]
    ]


def test_07_dead_letters_are_exported_for_programs_too(
    command: Command, valkey: redis.Redis, tmp_path: Path
) -> None:
    started(command, tmp_path)
    bench = Bench(valkey)
    bench.send(kind="dead", code="40310", reason="=HYPERLINK(1)", heard=True)
    [line] = command("dead", "export", "-", "--format", "jsonl").stdout.splitlines()
    assert (json.loads(line)["reason"], json.loads(line)["died_ms"] > 0) == ("=HYPERLINK(1)", True)
    [row] = csv.DictReader(command("dead", "export", "-", "--full").stdout.splitlines())
    assert (row["to"][:2], row["reason"]) == ("'+", "'=HYPERLINK(1)")


@pytest.mark.long
@pytest.mark.timeout(600)  # LibreOffice takes its time on a busy machine
def test_07_an_export_saved_by_libreoffice_is_read_again_without_loss(
    command: Command, tmp_path: Path
) -> None:
    started(command, tmp_path, "--key", "ref")
    command("campaign", "export", "july", "--with", "people.csv", "--out", "out.csv", "--full")
    whole = rows_of(tmp_path / "out.csv")
    assert len(whole) == 2
    path = saved(tmp_path / "out.csv", ";", "cp1252", times=1)
    assert rows_of(path) == whole
    again = ("campaign", "preflight", str(path), *TEXT, "--json")
    assert json.loads(command(*again, "--to-column", "to").stdout)["sendable"] == 2
