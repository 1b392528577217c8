"""What trials in the field found about files, numbers and texts: what a campaign will cost."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import Result

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.prices import Prices
from sluicegate.campaigns.report import Report
from sluicegate.config import Account, App, load
from sluicegate.errors import BadFile
from sluicegate.keys import Keys
from sluicegate.levels import published
from sluicegate_ops.operating.campaign.preflight import differs_from_file
from sluicegate_ops.operating.words import cost
from support.command_line import invoked

LIST = "country,type,price\nUS,SMS,0.004\nus,mms,0.015\nGB,SMS,0.0395\n*,SMS,0.1\n"
PEOPLE = "phone,name\n+14152000001,Ann\n+14152000002,José\n+447400123456,Zoë\n+4917612345678,Ben\n"
SENDING = ("--from", "+15557654321", "--text", "Hi {{ name }}")
Command = Callable[..., Result]


@pytest.fixture
def command(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(PEOPLE)

    def run(*args: str, exits: int = 0) -> Result:
        environment = {"SLUICEGATE_REDIS_URL": redis_url}
        words = ["campaign", "preflight", "people.csv", *SENDING, *args]
        result = invoked(words, env=environment)
        assert result.exit_code == exits, (result.output, result.exception)
        return result

    return run


def configured(folder: Path, prices: str = LIST, more: str = "") -> None:
    (folder / "prices.csv").write_text(prices)
    settings = f'[accounts.default]\nprice_list = "prices.csv"\n{more}'
    (folder / "sluicegate.toml").write_text(settings)


def test_09_each_country_and_type_has_its_price(command: Command, tmp_path: Path) -> None:
    configured(tmp_path)
    found = json.loads(command("--json").stdout)
    costs = {each["country"]: (each["texts"], each["price"]) for each in found["countries"]}
    assert costs == {"US": (2, 0.004), "GB": (1, 0.0395), "DE": (1, 0.1)}
    assert found["cost"] == 0.1475
    media = json.loads(command("--json", "--media", "https://example.com/a.png").stdout)
    assert [(each["country"], each["price"]) for each in media["countries"]] == [
        *[("US", 0.015), ("GB", 0.015), ("DE", 0.015)]
    ]
    assert [each["listed"] for each in media["countries"]] == [True, False, False]


def test_09_the_screen_opens_with_what_was_guessed(command: Command, tmp_path: Path) -> None:
    configured(tmp_path)
    shown = command().stdout
    opening = shown[: shown.index("rows  ")]
    assert re.search(r"countries +US 2, GB 1, DE 1\n", opening)
    assert "encoding   utf-8, values separated by ','. Do these read well? José, Zoë" in opening
    assert re.search(r"\nUS +2 +2 +0\.004 +0\.0080 USD\nGB +1 +1 +0\.0395 +0\.0395 USD\n", shown)
    assert re.search(r"\ntotal +4 +4 +0\.1475 USD\n", shown)
    assert "estimated from the prices in prices.csv; without carrier fees" in shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        *[
            ("0.004", "0.0040"),
            ("0.0004", "0.0004"),
            ("0.00412", "0.00412"),
            ("0.0001234", "0.000123"),
        ],
        *[
            ("0.01", "0.01"),
            ("0.0125", "0.0125"),
            ("0.8", "0.80"),
            ("0", "0.00"),
            ("1234.5", "1,234.50"),
        ],
    ],
)
def test_09_an_amount_below_a_cent_keeps_its_digits(amount: str, shown: str) -> None:
    assert cost(Decimal(amount), "EUR") == f"{shown} EUR"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("country,price\nUS,1\n", "line 1: this is no price list"),
        ("country,type,price\nUK,SMS,1\n", "line 2: 'UK' is no country; .*GB"),
        ("country,type,price\nUSA,SMS,1\n", "line 2: 'USA' is no country"),
        ("country,type,price\nUS,RCS,1\n", "line 2: 'RCS' is no type"),
        ("country,type,price\nUS,SMS,free\n", "line 2: 'free' is no price"),
        ("country;type;price\nUS;SMS;1,004\n", "line 2: '1,004' is no price"),
        ("country,type,price\nUS,SMS,-1\n", "line 2: '-1' is no price"),
        ("country,type,price\nUS,SMS,1\nus,sms,2\n", "line 3: US SMS has a price already"),
    ],
)
def test_09_a_price_list_names_the_line_at_fault(
    command: Command, tmp_path: Path, text: str, said: str
) -> None:
    configured(tmp_path, text)
    assert re.search(f"prices.csv, {said}", command(exits=2).stderr)


def test_09_a_price_list_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text("Country;Type;Price;Note\nDE;SMS;0,079;x\n", encoding="utf-16")
    priced = Prices(Account(price_list=str(path)), "SMS").cost("DE", 2, 3)
    assert (priced.price, priced.cost) == (Decimal("0.079"), Decimal("0.237"))
    with pytest.raises(BadFile, match="cannot be read"):
        Prices(Account(price_list="gone.csv"), "SMS")


def test_09_the_list_is_found_beside_the_configuration(tmp_path: Path) -> None:
    configured(tmp_path)
    account = load(tmp_path / "sluicegate.toml", {}).account("default")
    assert account.price_list == str(tmp_path / "prices.csv")


def test_09_the_example_is_sound() -> None:
    example = Path(__file__).parents[2] / "examples/prices.csv"
    assert Prices(Account(price_list=str(example)), "MMS").cost("US", 1, 1).listed


def test_15_warnings_are_counted_and_can_fail(command: Command, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE + "+14152000003,NULL\n+14152000004,NULL\n")
    text = ("--text", "Hi ((name)), {{ name }}")
    shown = command(*text).stdout
    assert re.search(
        r"DOUBTFUL\n +6  text: '\(\(name\)\)' is no variable here: write {{ name }} +", shown
    )
    assert re.search(
        r"\n +2  name: 'NULL' stands for no value: empty the cell +from line 6 on", shown
    )
    found: dict[str, Any] = json.loads(command(*text, "--json").stdout)
    assert [(each["count"], each["line"]) for each in found["warnings"]] == [(6, 2), (2, 6)]
    for fault in ("warnings", "any"):
        assert (
            "8 warnings: refused by --fail-on"
            in command(*text, "--fail-on", fault, exits=1).stderr
        )
    command("--fail-on", "duplicates", *text)


def test_12_the_estimate_is_by_the_limits_in_force(
    command: Command, valkey: redis.Redis, tmp_path: Path
) -> None:
    configured(tmp_path, more="limit = 10\n")
    assert json.loads(command("--json").stdout)["seconds"] == 0.4
    in_force: Any = published(Account(limit=2, sms_per_second=0)) | {"version": "3", "digest": "x"}
    valkey.hset(Keys("default")("limits"), mapping=in_force)
    found = json.loads(command("--json").stdout)
    assert (found["seconds"], found["limit"], found["limits_differ_from_file"]) == (2.0, 2, True)
    shown = command().stdout
    assert "at the rate of the account, 2 requests per 1 s" in shown
    assert "those in force, version 3; this file's differ: sluicegate status" in shown


def test_16_duplicates_are_listed_with_both_lines(command: Command, tmp_path: Path) -> None:
    people = PEOPLE.replace(",", ";") + "(415) 200-0001;Ann again\n+14152000001;Ann\n"
    (tmp_path / "people.csv").write_text(people, encoding="cp1252")
    shown = command("--region", "US").stdout
    assert re.search(r"duplicates +2 +of earlier rows, listed in people.duplicates.csv\n", shown)
    listed = CsvFile(tmp_path / "people.duplicates.csv")
    assert (listed.columns, listed.delimiter) == (("line", "line of the first", "number"), ";")
    assert [row.values for row in listed.rows()] == [
        *[["6", "2", "+14152000001"], ["7", "2", "+14152000001"]]
    ]
    found = json.loads(command("--region", "US", "--json").stdout)
    assert found["duplicates_file"] == "people.duplicates.csv"


def test_what_apps_add_to_the_limits_is_no_difference_to_a_campaign() -> None:
    account, apps = Account(), {"shop": App(token_env="T", events="own", daily_money=5.0)}
    report = Report(file="people.csv", fingerprint="", encoding="utf-8", delimiter=",")
    report.limits = published(account, apps) | {"version": "0", "digest": "d"}
    assert not differs_from_file(report, account)
    assert differs_from_file(report, Account(limit=7))
    assert differs_from_file(report, Account(max_requests_per_second=7))
    report.limits["ceiling"] = "5"
    assert differs_from_file(report, account)
