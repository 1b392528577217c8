"""What receipts said, from the command line: of the account, of a campaign, and what to do."""

import csv
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import Result

from sluicegate_worker.provider.codes import delivery_advice
from support.bench import Bench
from support.command_line import invoked
from support.messages import message, plan, recipient
from support.receipts import tell

JULY = plan()
SET_UP = '[web]\npublic_url = "https://sms.example"\n'
HOUR_MS = 3_600_000.0


class Cli:
    """The command line on one server, and a bench that makes the state it is to find there."""

    def __init__(self, url: str, client: redis.Redis, folder: Path) -> None:
        self.environment = {"SLUICEGATE_REDIS_URL": url}
        self.folder, self.client = folder, client
        self.bench = Bench(client, limit=1000)
        self.bench.at(time.time() * 1000 - 2 * HOUR_MS)
        self.told = 0

    def __call__(self, *args: str, exits: int = 0) -> Result:
        result = invoked(args, env=self.environment)
        assert result.exit_code == exits, (args, result.exit_code, result.output, result.exception)
        return result

    def document(self, *args: str, exits: int = 0) -> Any:
        return json.loads(self(*args, "--json", exits=exits).stdout)

    def configured(self, text: str = SET_UP) -> None:
        (self.folder / "sluicegate.toml").write_text(text)
        self.client.zadd(self.bench.keys("serving"), {"web": time.time() * 1000})

    def accepted(self, *statuses: str, code: str = "") -> None:
        """Have a message accepted for each status, and bring that as its receipt."""
        for status in statuses:
            grant = self.bench.send()
            if status:
                tell(self.bench, grant.id, status, code=code)

    def campaign(self, count: int) -> None:
        self.bench.campaigns.create(JULY)
        self.bench.add("july", *[recipient(JULY, number) for number in range(count)])
        self.bench.act("july", "start")

    def messages(self, *statuses: str) -> None:
        for status in statuses:
            self.told += 1
            self.bench.enqueue(message(self.told))
            self.accepted(status)


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(redis_url, valkey, tmp_path)


def in_every_delivery(cli: Cli) -> None:
    """A campaign with two delivered, three failed, one unconfirmed, one unknown, one waiting."""
    cli.campaign(8)
    cli.accepted("delivered", "delivered", "delivery_unconfirmed", "")
    cli.accepted("delivery_failed", "sending_failed", code="40008")
    cli.accepted("expired", code="49999")


DELIVERIES = {"delivered": 2, "failed": 3, "unconfirmed": 1, "unknown": 1}


# A campaign.


def counts(shown: str) -> dict[str, int]:
    """The sum of those accepted, as a screen has it."""
    part = shown[shown.rindex("   accepted  ") :]
    found = re.findall(r"^[=+ ]  ([a-z ]+?) +([0-9]+)", f"\n{part}", re.MULTILINE)
    return {name: int(count) for name, count in found}


def test_deliveries_stand_apart_from_what_was_accepted(cli: Cli) -> None:
    in_every_delivery(cli)
    for command in ("status", "report"):
        shown = cli("campaign", command, "july").stdout
        assert counts(shown) == {"accepted": 7} | DELIVERIES
        assert re.search(r"accepted +7\n", shown)
        assert re.search(r"waiting +1\n", shown)
    assert cli.document("campaign", "status", "july")["ledger"]["deliveries"] == DELIVERIES
    assert cli.document("campaign", "report", "july")["deliveries"] == DELIVERIES
    assert "proved" in cli("campaign", "status", "july", "--verify").stdout


def test_a_delivery_that_was_counted_wrong_is_not_proved(cli: Cli) -> None:
    in_every_delivery(cli)
    cli.client.hincrby(cli.bench.keys.ledger("july"), "delivered", 1)
    wrong = cli("campaign", "status", "july", "--verify", exits=1)
    assert re.search(r"delivered +3 +2  differs", wrong.stdout)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "receipts not set up"),
        (SET_UP, "no receipt yet"),
        (SET_UP + "[accounts.default]\nreceipts = false\n", "receipts not set up"),
    ],
    ids=["no URL", "set up", "not this account"],
)
def test_what_is_not_known_says_why(cli: Cli, config: str, said: str) -> None:
    cli.configured(config)
    in_every_delivery(cli)
    assert re.search(rf"unknown +1  {said}\n", cli("campaign", "status", "july").stdout)
    assert re.search(rf"unknown +1  {said}\n", cli("campaign", "report", "july").stdout)
    assert re.search(rf"\nunknown: {said}\n", cli("campaign", "list").stdout)
    cli.bench.act("july", "cancel")
    watched = cli("campaign", "watch", "july").stdout
    sum_of_all = "2 delivered, 3 failed, 1 unconfirmed, 1 unknown"
    assert f", of those accepted, {sum_of_all} ({said})" in watched
    assert re.search(rf"unknown +1  {said}\n", watched)


def test_of_nobody_accepted_nothing_is_said(cli: Cli) -> None:
    cli.campaign(2)
    for args in (("status", "july"), ("report", "july"), ("list",)):
        shown = cli("campaign", *args).stdout
        assert "unknown" not in shown
        assert "delivered" not in shown


def test_a_list_sums_them_up(cli: Cli) -> None:
    in_every_delivery(cli)
    [line] = [x for x in cli("campaign", "list").stdout.splitlines() if x.startswith("july")]
    assert "2 delivered, 3 failed, 1 unconfirmed, 1 unknown  " in line
    [listed] = [json.loads(x) for x in cli("campaign", "list", "--json").stdout.splitlines()]
    assert listed["ledger"]["deliveries"] == DELIVERIES


def test_a_report_has_those_not_delivered_by_code_with_what_to_do(cli: Cli) -> None:
    in_every_delivery(cli)
    shown = cli("campaign", "report", "july").stdout
    told = delivery_advice("40008")
    assert told
    because = f"    means   {told.means}\n    do      {told.advice}\n    again   no\n"
    assert f"2 recipients accepted but not delivered 40008\n{because}" in shown
    assert "1 recipient accepted but not delivered 49999\n" in shown
    assert "1 recipient accepted but unconfirmed\n" in shown
    found = cli.document("campaign", "report", "july")
    assert [(one["code"], one["count"]) for one in found["undelivered"]] == [
        ("40008", 2),
        ("49999", 1),
    ]
    assert found["undelivered"][0]["advice"] == told.advice


def test_an_export_has_each_delivery_when_and_why(cli: Cli) -> None:
    in_every_delivery(cli)
    lines = list(csv.DictReader(cli("campaign", "export", "july").stdout.splitlines()))
    wanted = ["delivery", "delivery_at", "delivery_code", "maybe_sent"]
    assert [name for name in lines[0] if name in wanted] == wanted
    told = [
        (line["delivery"], line["delivery_code"]) for line in lines if line["state"] == "accepted"
    ]
    assert sorted(told) == sorted(
        [
            *[("delivered", "")] * 2,
            *[("failed", "40008")] * 2,
            *[("failed", "49999"), ("unconfirmed", ""), ("unknown", "")],
        ]
    )
    at = {line["delivery_at"] for line in lines if line["delivery"] in ("delivered", "failed")}
    assert at == {"'2023-11-14T22:13:20+00:00"}  # as a spreadsheet keeps it
    [waiting] = [line for line in lines if line["state"] == "waiting"]
    assert (waiting["delivery"], waiting["delivery_at"], waiting["delivery_code"]) == ("", "", "")


# The account.


def test_status_sums_up_what_receipts_said(cli: Cli) -> None:
    cli.configured()
    cli.messages("delivered", "delivered", "delivery_failed", "")
    cli.bench.enqueue(message(9))
    doubt = cli.bench.send(kind="doubt", delay_ms=-1, code="no_answer", reason="timed out")
    tell(cli.bench, doubt.id)
    shown = cli("status").stdout
    deliveries = {"delivered": 3, "failed": 1, "unconfirmed": 0, "unknown": 1}
    for delivery, count in deliveries.items():
        assert re.search(rf"^  {delivery} +{count}\b", shown, re.MULTILINE)
    assert re.search(r"receipts +3 delivered, 1 failed, 1 message proved sent", shown)
    found = cli.document("status")
    assert (found["receipts"]["deliveries"], found["receipts"]["set_up"]) == (deliveries, True)


def test_status_says_that_receipts_are_not_set_up(cli: Cli) -> None:
    cli.messages("", "", "")
    shown = cli("status").stdout
    assert re.search(r"receipts +unknown: receipts not set up \(no web.public_url, or", shown)
    assert "no receipt came" not in shown


@pytest.mark.parametrize(
    ("statuses", "found"),
    [
        (("", ""), "no receipt came for 2 of 2 sampled messages"),
        (("delivered", ""), "no receipt came for 1 of 2 sampled messages"),
        (("delivered", "delivery_failed", ""), ""),
        (("delivery_unconfirmed",), ""),
    ],
    ids=["none", "half", "most of them", "unconfirmed"],
)
def test_status_finds_that_receipts_do_not_come(
    cli: Cli, statuses: tuple[str, ...], found: str
) -> None:
    cli.configured()
    cli.messages(*statuses)
    shown = cli("status", exits=1 if found else 0).stdout
    assert found in shown
    assert ("https://sms.example" in shown) == bool(found)
    assert ("sluicegate_http_total" in shown) == bool(found)


@pytest.mark.parametrize("hours_ago", [0.9, 25.0])
def test_status_waits_an_hour_for_a_receipt_and_forgets_it_after_a_day(
    cli: Cli, hours_ago: float
) -> None:
    cli.configured()
    cli.bench.at(time.time() * 1000 - hours_ago * HOUR_MS)
    cli.messages("", "")
    assert "no receipt came" not in cli("status").stdout


def test_status_looks_at_some_records_only(cli: Cli) -> None:
    cli.configured()
    cli.messages("")
    fill = cli.client.pipeline(transaction=False)
    at = f"{cli.bench.now_ms:.0f}"
    for number in range(6_000):
        fields: Any = {"state": "accepted", "at": at, "to": "+15550000001"}
        fill.hset(cli.bench.keys.record(f"x{number}"), mapping=fields)
    fill.execute()
    sampled = cli.document("status", exits=1)["receipts"]["sampled"]
    assert 500 < sampled < 4_000
