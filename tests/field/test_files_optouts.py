"""What trials in the field found about files, numbers and texts: lists of opted-out numbers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from typer.testing import Result

from sluicegate.campaigns.number_list import NumberList
from sluicegate.errors import BadFile
from sluicegate.keys import Keys
from sluicegate.optouts import OptOuts
from support.command_line import invoked

ANN, BEN = "+14152000001", "+14152000002"
Command = Callable[..., Result]

GOOD = {
    "one a line": f"{ANN}\n\n{BEN}\n",
    "as people write them": "+1 (415) 200-0001\n+1.415.200.0002\n",
    "header": f"phone\n{ANN}\n{BEN}\n",
    "quotes": f'"Phone Number"\n"{ANN}"\n"{BEN}"\n',
    "several columns": f"number,date,keyword\n{ANN},2026-07-01,STOP\n{BEN},2026-07-02,stop\n",
    "semicolons": f"Date;Mobile\n20260701;{ANN}\n20260702;{BEN}\n",
    "no header": f"2026-07-01,{ANN},STOP\n2026-07-02,{BEN},STOP\n",
    "a name that says nothing": f"who,when\n{ANN},20260701\n{BEN},20260702\n",
    "guarded": f"when,to\n2026,'{ANN}\n2026,'{BEN}\n",
    "json lines": "".join(f'{{"number":"{number}","since_ms":1}}\n' for number in (ANN, BEN)),
    "json array": json.dumps([ANN, {"phone_number": BEN}], indent=1),
    "json with data": json.dumps({"data": [{"from": ANN}, {"from": BEN}], "meta": {}}, indent=1),
}


def numbers(path: Path, region: str | None = None, column: str | None = None) -> list[str]:
    found = list(NumberList(path, region, column))
    assert not any(entry.fault for entry in found), found
    return [entry.number for entry in found]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("form", GOOD)
def test_10_a_list_is_read_in_every_form(tmp_path: Path, form: str, encoding: str) -> None:
    path = tmp_path / "list"
    path.write_text(GOOD[form], encoding=encoding)
    for _ in range(2):
        assert numbers(path) == [ANN, BEN]


def test_10_national_numbers_need_the_region(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("Mobile;Datum\n0176 12345678;1.7.2026\n")
    assert numbers(path, "DE") == ["+4917612345678"]
    [wrong] = NumberList(path)
    assert "--region" in wrong.fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"phone,mobile\n{ANN},{BEN}\n", "several columns may hold.*--column: phone, mobile"),
        (f"from,to\n{ANN},{BEN}\n", "several columns may hold"),
        ("id,contact_id\n4152000001,4152000002\n", "no column may hold"),
        (f"{ANN},{BEN}\n", "several columns may hold.*: 1, 2"),
        ('{"from":"+14152000001","to":"+14152000002"}\n', "several fields"),
        ('{"id":"+14152000001"}\n', "no field"),
        ("[1, 2", "not JSON"),
        ('{\n"number": 1\n}', "neither an array"),
    ],
)
def test_10_which_column_is_never_guessed_of_two(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(BadFile, match=said):
        numbers(path)


def test_10_the_column_is_named_by_its_name_or_place(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"from,to,To\n{ANN},{BEN},x\n")
    assert numbers(path, column="from") == [ANN]
    assert numbers(path, column="to") == [BEN]
    path.write_text(f"{ANN},{BEN}\n")
    assert numbers(path, column="2") == [BEN]
    path.write_text(json.dumps({"from": ANN, "to": BEN}))
    assert numbers(path, column="from") == [ANN]
    path.write_text(f"from,to\n{ANN},{BEN}\n")
    with pytest.raises(BadFile, match="no column 'fax'"):
        numbers(path, column="fax")


def test_10_who_opted_in_again_is_not_opted_out(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"phone,keyword\n{ANN},STOP\n{BEN},START\n")
    assert [entry.fault for entry in NumberList(path)][1].startswith("it says 'START'")


@pytest.fixture
def command(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)

    def run(*args: str, exits: int = 0, stdin: str | None = None) -> Result:
        environment = {"SLUICEGATE_REDIS_URL": redis_url}
        result = invoked(["optout", *args], stdin, environment)
        assert result.exit_code == exits, (result.output, result.exception)
        return result

    return run


def test_10_what_the_list_prints_is_read_again(
    command: Command, valkey: redis.Redis, tmp_path: Path
) -> None:
    optouts = OptOuts(valkey, Keys("default"))
    optouts.add([ANN, BEN, "+999123456789"], "a test, with a comma")
    plain, lines = (command("list", "--full", *more).stdout for more in ([], ["--json"]))
    for text, name in ((plain, "plain.txt"), (lines, "lines.jsonl")):
        for encoding in ("utf-8", "utf-16"):
            (tmp_path / name).write_text(text, encoding=encoding)
            assert command("remove", "--file", name).stdout.startswith("3 numbers removed")
            assert command("add", "--file", name).stdout.startswith("3 numbers added")
    assert command("add", "--file", "-", stdin=plain).stdout.startswith("0 numbers added, 3 known")
    masked = command("list").stdout
    refused = command("add", "--file", "-", stdin=masked, exits=2).stderr
    assert "stdin, lines 1, 2, 3: its digits are hidden" in refused
    assert "--full" in refused


def test_10_a_wrong_row_is_named_and_nothing_is_added(
    command: Command, valkey: redis.Redis, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(f"phone,name\n{ANN},Ann\n12,Ben\n,Cleo\n")
    said = command("add", "--file", "list.csv", exits=2).stderr
    assert "list.csv, lines 3, 4: " in said
    assert "nothing was changed" in said
    assert len(OptOuts(valkey, Keys("default"))) == 0
    (tmp_path / "list.csv").write_text("Rufnummer,Name\n0176 12345678,Ann\n")
    options = ("--file", "list.csv", "--column", "rufnummer", "--region", "DE")
    assert command("add", *options).stdout == "1 number added, 0 known already\n"
    assert command("add", "0176 12345678", "--region", "DE").stdout.startswith("0 numbers added")
