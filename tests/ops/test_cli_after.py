"""What comes after a campaign: its report by groups, and retrying, comparing, exporting it."""

import csv
from pathlib import Path

import pytest
import redis

from sluicegate.campaigns.ab import side_of
from sluicegate.stored import Bill, Ticket
from support.command_line import Cli
from support.receipts import tell

SENDER = "+15550000000"


def numbers(count: int) -> list[str]:
    return [f"+1{('312', '212')[n % 2]}555{1000 + n}" for n in range(count)]


@pytest.fixture
def cli(redis_url: str, valkey: redis.Redis, tmp_path: Path) -> Cli:
    """A campaign of eight: four delivered, one failed, one dead, two perhaps sent or waiting."""
    cli = Cli(redis_url, valkey)
    path = tmp_path / "people.csv"
    rows = (f"{number},Ann{n}" for n, number in enumerate(numbers(8)))
    path.write_text("\n".join(("Phone,First Name", *rows)) + "\n")
    start = ("campaign", "start", str(path), "--name", "july", "--from", SENDER, "--yes")
    cli(*start, "--text", "Hi {{ First Name }}")
    for n in range(6):
        carrier = ("Acme Mobile", "Best")[n % 2]
        bill = Bill(carrier_name=carrier, cost_billionths=4_000_000, currency="USD", parts=1)
        sent = cli.bench.send(bill=bill)
        fails = n == 4
        status = "delivery_failed" if fails else "delivered"
        if n < 5:
            tell(cli.bench, sent.id, status, code="40008" if fails else "")
        if n == 2:
            cli.bench.campaigns.revise("july", "Dear {{ first_name }}")
    cli.bench.send(kind="dead", code="40310", reason="no", heard=True)
    cli.bench.send(kind="dead", code="50000", reason="no", heard=True, perhaps=True)
    cli.bench.sweep()
    return cli


def test_a_report_tells_groups_apart(cli: Cli) -> None:
    by = ("state", "code", "carrier", "country", "area", "version")
    options = [option for what in by for option in ("--by", what)]
    found = cli.document("campaign", "report", "july", *options)["by"]
    assert set(found) == set(by)
    of = {what: {group["name"]: group for group in found[what]} for what in by}
    assert of["state"]["accepted"]["delivered"] == 4
    assert of["code"]["40008"]["failed"] == 1
    assert of["code"]["40310"]["dead"] == 1
    assert of["carrier"]["Acme Mobile"]["accepted"] == 3
    assert of["carrier"]["Acme Mobile"]["costs"] == {"USD": "0.0120"}
    assert of["country"]["US"]["recipients"] == 8
    assert of["area"]["+1212"]["recipients"] == 4
    assert {name: group["accepted"] for name, group in of["version"].items()} == {"1": 3, "2": 3}
    shown = cli("campaign", "report", "july", "--by", "carrier").output
    assert "Acme Mobile" in shown
    assert "0.012 USD" in shown


def test_whom_it_failed_for_is_tried_again_in_a_campaign_of_its_own(
    cli: Cli, tmp_path: Path
) -> None:
    file = str(tmp_path / "people.csv")
    retry = ("campaign", "retry", "july", "--failed", "40008,40310", "--yes")
    assert "name the file it was from" in cli(*retry, exits=2).output
    done = cli.document(*retry, "--with", file)
    assert done["name"] == "july-2"
    assert done["imported"]["added"] == 2
    again = cli.bench.campaigns.get("july-2")
    assert again.plan.follows == "july"
    assert again.plan.text == "Dear {{ first_name }}", "the text that went out last"
    assert "follows" in cli("campaign", "status", "july-2").output


def test_nobody_is_tried_again_twice(cli: Cli, tmp_path: Path) -> None:
    retry = ("campaign", "retry", "july", "--yes", "--with", str(tmp_path / "people.csv"))
    assert cli.document(*retry, "--failed", "40008")["imported"]["added"] == 1
    every = cli.document(*retry, "--failed", "any")
    assert every["name"] == "july-3"
    assert every["imported"]["added"] == 1, "whom july-2 does not hold, and surely got nothing"
    assert "nothing in this file can be sent" in cli(*retry, "--failed", "any", exits=1).output
    for _ in range(2):
        cli.bench.send(kind="dead", code="40310", reason="no", heard=True)
    cli.bench.sweep()
    second = ("campaign", "retry", "july-2", "--yes", "--with", str(tmp_path / "people.csv"))
    assert cli.document(*second, "--failed", "any")["name"] == "july-2-2"
    last = cli.document(*retry, "--failed", "any")
    assert last["imported"]["added"] == 1, "not who is held by july-2-2"


def test_an_interrupted_retry_goes_on_under_its_name(cli: Cli, tmp_path: Path) -> None:
    retry = ("campaign", "retry", "july", "--yes", "--with", str(tmp_path / "people.csv"))
    cli.document(*retry, "--failed", "40008", "--at", "+2h")
    cli("campaign", "schedule", "july-2", "--off")
    done = cli.document(*retry, "--failed", "any")
    assert (done["name"], done["state"]) == ("july-2", "running")
    assert done["imported"]["added"] == 1
    assert done["imported"]["already"] == 1


def test_a_campaign_that_runs_is_not_tried_again(cli: Cli, tmp_path: Path) -> None:
    file = str(tmp_path / "people.csv")
    start = ("campaign", "start", file, "--name", "june", "--from", SENDER, "--yes")
    cli(*start, "--text", "Hi")
    told = cli("campaign", "retry", "june", "--failed", "any", "--yes", exits=2).output
    assert "june is running" in told


def test_two_campaigns_side_by_side(cli: Cli, tmp_path: Path) -> None:
    file = str(tmp_path / "people.csv")
    cli("campaign", "start", file, "--name", "june", "--from", SENDER, "--yes", "--text", "Hi")
    shown = cli("campaign", "compare", "july", "june").output
    assert "share delivered" in shown
    assert "80.00%" in shown
    assert "too few to say" in shown
    found = cli.document("campaign", "compare", "july", "june")
    assert found["campaigns"]["july"]["deliveries"]["delivered"] == 4
    assert found["tests"]["delivered"]["p"] is None
    cli("campaign", "compare", "july", "august", exits=2)


def test_an_export_has_the_files_columns_and_where_each_number_is(
    cli: Cli, tmp_path: Path
) -> None:
    file, out = str(tmp_path / "people.csv"), tmp_path / "out.csv"
    cli("campaign", "export", "july", "--with", file, "--full", "--out", str(out))
    with out.open(encoding="utf-8-sig") as lines:
        found = {row["First Name"]: row for row in csv.DictReader(lines)}
    assert found["Ann4"]["delivery_code"] == "40008"
    assert found["Ann4"]["version"] == "2"
    assert found["Ann4"]["carrier"] == "Acme Mobile"
    assert found["Ann1"]["area"].lstrip("'") == "+1212"
    assert found["Ann1"]["cost"].lstrip("'") == "0.0040"


def test_an_export_of_the_unreached_has_only_who_surely_got_nothing(cli: Cli) -> None:
    told = cli("campaign", "export", "july", "--unreached").stdout.splitlines()
    found = [(row["state"], row["code"] or row["delivery_code"]) for row in csv.DictReader(told)]
    assert sorted(found) == [("accepted", "40008"), ("dead", "40310")], "not who may have got it"


def test_a_retry_shows_what_it_would_do_and_does_nothing(cli: Cli, tmp_path: Path) -> None:
    retry = ("campaign", "retry", "july", "--failed", "40008", "--dry-run")
    found = cli.document(*retry, "--with", str(tmp_path / "people.csv"))
    assert (found["name"], found["sendable"], len(found["samples"])) == ("july-2", 1, 1)
    assert [one["name"] for one in cli.lines("campaign", "list")] == ["july"]


def test_two_texts_are_dealt_by_chance_and_tested(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    rows = (f"+1312555{n:04d},Ann" for n in range(80))
    path.write_text("\n".join(("Phone,First Name", *rows)) + "\n")
    start = ("campaign", "start", str(path), "--name", "ab", "--from", SENDER, "--yes")
    cli(*start, "--text", "Hi", "--b-share", "30%", exits=2)
    cli(*start, "--text", "Hi", "--b-text", "Hello {{ First Name }}", "--b-share", "30%")
    for n in range(80):
        sent = cli.bench.send()
        tell(cli.bench, sent.id, "delivered" if n % 3 else "delivery_failed", code="40008")
    found = cli.document("campaign", "report", "ab", "--by", "variant")
    of = {group["name"]: group for group in found["by"]["variant"]}
    assert of["a"]["accepted"] + of["b"]["accepted"] == 80
    assert 10 <= of["b"]["accepted"] <= 40
    assert found["variants"]["delivered"]["p"] is not None
    shown = cli("campaign", "report", "ab", "--by", "variant").output
    assert "delivered, a and b: " in shown
    assert "dead, a and b: too few to say" in shown
    cli.bench.sweep()
    cli("campaign", "retry", "ab", "--failed", "any", "--yes", exits=2)
    cli("campaign", "retry", "ab", "--failed", "any", "--yes", "--with", str(path))
    again = cli.bench.campaigns.get("ab-2").plan
    tickets = [
        Ticket.parse(ticket)
        for ticket in cli.bench.store.lrange(cli.bench.keys.lane(again.lane), 0, -1)
    ]
    place = again.values.index("ab_variant")
    assert len(tickets) > 20
    assert all(one.variables[place] == side_of("ab", one.to, 0.3) for one in tickets)
    path.write_text("Phone,ab_variant\n+13125550000,a\n")
    taken = ("campaign", "start", str(path), "--name", "ba", "--from", SENDER, "--yes")
    assert "rename it" in cli(*taken, "--text", "Hi", "--b-text", "Ho", exits=2).output
