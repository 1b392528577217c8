"""What messages cost, as people and programs are told: exact, and never 0 where nobody said it."""

import csv
import io
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from sluicegate.stored import Bill
from sluicegate_ops.metrics.families import exposed
from support.bench import Bench
from support.command_line import Cli
from support.messages import message, plan, recipient
from support.receipts import tell

TODAY = datetime.now(UTC).date().isoformat()


def bill(amount: int | None = 4_000_000, currency: str = "USD", **fields: Any) -> Bill:
    return Bill(cost_billionths=amount, currency=currency, parts=2, **fields)


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    bench = Bench(valkey, app="shop")
    bench.at(time.time() * 1000)
    return bench


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, bench: Bench, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    return Cli(redis_url, valkey, bench)


def sent(bench: Bench, *bills: Bill) -> None:
    for number, said in enumerate(bills, 1):
        bench.enqueue(message(number))
        bench.send(bill=said)


def test_costs_are_listed_by_day_and_by_what_is_asked(cli: Cli, bench: Bench) -> None:
    sent(bench, bill(carrier="att"), bill(5, carrier="t_mobile"), bill(1, "EUR"), Bill())
    assert cli.lines("costs") == [
        {"name": TODAY, "currency": None, "cost": None, "messages": 1, "parts": 0},
        {"name": TODAY, "currency": "EUR", "cost": "0.000000001", "messages": 1, "parts": 2},
        {"name": TODAY, "currency": "USD", "cost": "0.004000005", "messages": 2, "parts": 4},
    ]
    carriers = [(row["name"], row["cost"]) for row in cli.lines("costs", "--by", "carrier")]
    assert carriers == [
        ("att", "0.0040"), ("t_mobile", "0.000000005"), ("unknown", "0.000000001"),
        ("unknown", None),
    ]  # fmt: skip
    assert {row["name"] for row in cli.lines("costs", "--by", "app")} == {"shop"}
    senders = cli.lines("costs", "--day", "today", "--by", "sender")
    assert {row["name"] for row in senders} == {"+1555•••00"}, "hidden without --full"
    screen = cli("costs", "--by", "carrier").stdout
    assert "AT&T" in screen
    assert "not known" in screen
    assert "of 1 message nobody told the cost (yet)" in screen


@pytest.mark.parametrize(
    "args", [("--day", "monday"), ("--month", "2026-13"), ("--day", "today", "--month", "2026-01")]
)
def test_a_bad_day_is_named_with_the_way_out(cli: Cli, args: tuple[str, ...]) -> None:
    result = cli("costs", *args, exits=2)
    assert "--day" in result.output or "2026-11" in result.output


def test_a_month_of_which_nothing_is_kept_says_so(cli: Cli) -> None:
    assert "from 2020-02-01 to 2020-02-29" in cli("costs", "--month", "2020-02").stdout


def test_a_message_shows_each_of_its_costs(cli: Cli, bench: Bench) -> None:
    sent(bench, bill(), Bill())
    tell(bench, "shop:m1", provider_id="other", bill=bill(9, "EUR"))
    shown = cli.document("message", "show", "shop:m1")
    assert shown["billed"] == {"cost": "0.0040", "currency": "USD", "parts": 2}
    assert shown["billed_again"] == [{"cost": "0.000000009", "currency": "EUR", "parts": 2}]
    text = cli("message", "show", "shop:m1").stdout
    assert "0.0040 USD for 2 parts" in text
    assert "0.000000009 EUR for 2 parts" in text
    assert "not known" in cli("message", "show", "shop:m2").stdout


def campaign(cli: Cli, bench: Bench) -> None:
    bench.campaigns.create(plan())
    bench.add("july", *(recipient(plan(), number) for number in range(4)))
    bench.act("july", "start")
    bench.campaigns.note_estimate("july", "USD", 3 * 10**9)
    for said in (bill(carrier="att"), bill(7), Bill()):
        grant = bench.send(bill=said)
        if said == bill(7):
            tell(bench, grant.id, "delivery_failed", code="40008")


def test_a_campaigns_report_tells_what_it_cost_beside_the_estimate(cli: Cli, bench: Bench) -> None:
    campaign(cli, bench)
    costs = cli.document("campaign", "report", "july")["costs"]
    assert costs["billed"] == {"USD": {"cost": "0.004000007", "messages": 2, "parts": 4}}
    assert costs["estimated"] == {"USD": "3.0000"}
    assert costs["messages_without_a_cost"] == 1
    assert {one["carrier"]: one["cost"] for one in costs["carriers"] if one["currency"]} == {
        "att": "0.0040", "unknown": "0.000000007",
    }  # fmt: skip
    told = {(one["delivery"], one["code"], one["cost"]) for one in costs["deliveries"]}
    assert told == {
        ("failed", "40008", "0.000000007"), ("unknown", "", "0.0040"), ("unknown", "", None),
    }  # fmt: skip
    screen = cli("campaign", "report", "july").stdout
    assert "billed          0.004000007 USD for 2 messages of 4 parts" in screen
    assert "estimated       3.0000 USD for everybody imported" in screen
    assert "cost not known  of 1 message" in screen
    assert "0.004000007 USD" in cli("campaign", "status", "july").stdout
    assert cli.document("campaign", "status", "july")["costs"]["estimated"] == {"USD": "3.0000"}
    assert "proved" in cli("campaign", "status", "july", "--verify").stdout


def test_an_export_has_the_cost_of_each_recipient(cli: Cli, bench: Bench) -> None:
    campaign(cli, bench)
    rows = list(csv.DictReader(io.StringIO(cli("campaign", "export", "july").stdout)))
    costs = sorted(
        (row["state"], row["cost"].lstrip("'"), row["currency"], row["parts"]) for row in rows
    )
    assert costs == [
        ("accepted", "", "", "0"), ("accepted", "0.000000007", "USD", "2"),
        ("accepted", "0.0040", "USD", "2"), ("waiting", "", "", "0"),
    ]  # fmt: skip


def test_a_changed_sum_is_found_by_verifying(cli: Cli, bench: Bench) -> None:
    campaign(cli, bench)
    bench.store.hset(bench.keys.costs("july"), "USD|carrier|a", "5 1 2")
    assert "costs" in cli("campaign", "status", "july", "--verify", exits=1).stdout


def test_status_and_metrics_tell_what_today_cost(cli: Cli, bench: Bench) -> None:
    sent(bench, bill(carrier="att"), bill(5), Bill())
    assert "0.004000005 USD, 1 not known yet" in cli("status").stdout
    known = cli.document("status")["costs_today"]
    assert [row["cost"] for row in known] == ["0.004000005", None]
    text = exposed(bench.store, bench.config)
    att = 'sluicegate_cost_today{account="default",carrier="att",currency="USD"} 0.004'
    assert att in text
    assert 'sluicegate_app_cost_today{account="default",app="other",currency="USD"}' in text
    assert 'sluicegate_messages_without_cost_today{account="default"} 1.0' in text


def test_status_tells_of_a_cap_that_is_nearly_spent(cli: Cli, bench: Bench) -> None:
    today = int(bench.now_ms // 86_400_000)
    bench.store.hset(bench.keys("money"), mapping={"warned:app:shop": today, "warned:account": 1})
    shown = cli("status").stdout
    assert "app shop has nearly spent its money of the day" in shown
    assert "the account has nearly spent" not in shown, "that was another day"
