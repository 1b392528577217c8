"""Guards from the command line: canaries, shares that pause, caps, and whom to leave out."""

from pathlib import Path
from typing import Any

import pytest
import redis

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.stored import Bill
from support.command_line import Cli

SENDER = "+15550000000"


@pytest.fixture
def cli(redis_url: str, valkey: redis.Redis, tmp_path: Path) -> Cli:
    return Cli(redis_url, valkey)


def people(folder: Path, count: int = 20) -> str:
    path = folder / "people.csv"
    rows = (f"+1312555{1000 + n},Ann,{('Acme', 'Best')[n % 2]}" for n in range(count))
    path.write_text("\n".join(("Phone,First Name,Network", *rows)) + "\n")
    return str(path)


def start(cli: Cli, folder: Path, *options: str, exits: int = 0) -> str:
    command = ("campaign", "start", people(folder), "--name", "july", "--from", SENDER)
    result = cli(*command, "--text", "Hi {{ first_name }}", "--yes", *options, exits=exits)
    return result.output


def test_a_campaign_starts_with_its_guards_and_shows_them(cli: Cli, tmp_path: Path) -> None:
    cap = ("--max-messages", "5", "--max-segments", "6")
    start(cli, tmp_path, *cap, "--pause-if", "errors > 2% by code")
    caps = cli.document("campaign", "guard", "july")["guards"]
    assert caps["max_messages"] == 5
    assert caps["max_segments"] == 6
    assert caps["shares"][0]["least"] == 100
    told = cli("campaign", "status", "july").output
    assert "errors > 2% by code of at least 100" in told
    assert "most messages" in told
    cli("campaign", "guard", "july", "--max-messages", "none", "--pause-if", "none")
    told = cli("campaign", "guard", "july").output
    assert "most segments" in told
    assert "errors" not in told
    assert "most messages" not in told


def test_receipts_are_needed_for_whatever_hears_them(cli: Cli, tmp_path: Path) -> None:
    assert "need receipts" in start(cli, tmp_path, "--canary", "10%", exits=2)
    start(cli, tmp_path)
    told = cli("campaign", "guard", "july", "--pause-if", "failed > 5%", exits=2).output
    assert "need receipts" in told
    assert not cli.document("campaign", "guard", "july")["guards"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--canary", "0"), "give a percentage"),
        (("--canary", "20"), "is all of the 20 recipients"),
        (("--within", "5m"), "belong to --canary"),
        (("--pause-if", "soon"), "write it as failed > 5%"),
        (("--max-messages", "many"), "whole number above 0"),
    ],
)
def test_what_is_no_guard_is_refused_and_named(
    cli: Cli, tmp_path: Path, options: tuple[str, str], named: str
) -> None:
    assert named in " ".join(start(cli, tmp_path, *options, exits=2).split())


def test_a_campaign_at_its_cap_is_resumed_with_another(cli: Cli, tmp_path: Path) -> None:
    start(cli, tmp_path, "--max-messages", "2", "--keep", "Network")
    for _ in range(2):
        cli.bench.send()
    cli.bench.later(1_500)
    assert not cli.bench.claim().grants
    told = cli("campaign", "resume", "july", exits=2).output
    assert "its cap of 2 messages is reached: 2 sent, or perhaps sent" in told
    assert "sluicegate campaign resume july --max-messages N, or none" in told
    cli("campaign", "resume", "july", "--max-messages", "none", "--without", "Network=Best")
    cli.bench.drain(3_000)
    cli.bench.sweep()
    report = cli("campaign", "report", "july").output
    assert "a person left them out" in report
    ledger = cli.document("campaign", "status", "july")["ledger"]
    assert ledger["cancelled"] + ledger["accepted"] == 20
    assert 9 <= ledger["cancelled"] <= 10
    for faulty in ("network=", "City=Rome", "carrier=T-Mobile"):
        cli("campaign", "guard", "july", "--without", faulty, exits=2)


def test_status_says_why_a_campaign_has_paused_by_itself(cli: Cli, tmp_path: Path) -> None:
    start(cli, tmp_path, "--max-messages", "1")
    cli.bench.send()
    cli.bench.later(1_500)
    assert not cli.bench.claim().grants
    shown = " ".join(cli("status", exits=1).output.split())
    assert (
        "its cap of 1 messages is reached: 1 sent, or perhaps sent; 19 messages waiting" in shown
    )
    assert "sluicegate campaign resume july --max-messages N, or none" in shown


def test_guards_hold_before_the_first_recipient_is_imported(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(cli, tmp_path)
    seen: list[int] = []
    add = Campaigns.add

    def noting(campaigns: Campaigns, name: str, *others: Any) -> Any:
        seen.append(campaigns.get(name).guards.max_messages)
        return add(campaigns, name, *others)

    monkeypatch.setattr(Campaigns, "add", noting)
    start(cli, tmp_path, "--max-messages", "5")
    assert seen == [5]


def test_what_can_not_be_told_of_keyed_recipients_is_refused_before_the_import(
    cli: Cli, tmp_path: Path
) -> None:
    limit = ("--key", "First Name", "--pause-if", "opted_out > 1%")
    assert "recipients go by" in start(cli, tmp_path, *limit, exits=2)
    cli("campaign", "status", "july", exits=2)


def test_whoever_is_left_out_stays_so_until_told_otherwise(cli: Cli, tmp_path: Path) -> None:
    start(cli, tmp_path, "--keep", "Network")
    for value in ("Best", "Acme", "Best"):
        cli("campaign", "guard", "july", "--without", f"Network={value}")
    left_out = cli.document("campaign", "guard", "july")["guards"]["without"]
    assert [one["value"] for one in left_out] == ["Best", "Acme"]
    cli("campaign", "guard", "july", "--without", "none")
    assert not cli.document("campaign", "guard", "july")["guards"]


def test_a_campaign_stops_at_its_cap_in_money_and_the_report_says_what_it_cost(
    cli: Cli, tmp_path: Path
) -> None:
    start(cli, tmp_path, "--max-cost", "0.05")
    cent = Bill(cost_billionths=10_000_000, currency="USD", parts=1)
    sent = 0
    while grants := cli.bench.claim_all(1, within_ms=3_000):
        cli.bench.later(max(grants[0].slot_ms, 0))
        cli.bench.start(*grants)
        cli.bench.settle(grants[0], "accepted", provider_id=f"p-{sent}", heard=True, bill=cent)
        sent += 1
    assert sent == 5
    told = " ".join(cli("campaign", "status", "july").output.split())
    assert "paused" in told
    assert "its cap of 0.0500 USD is reached" in told
    report = cli.document("campaign", "report", "july")
    assert (report["state"], report["states"]["waiting"]) == ("paused", 15)
    assert report["costs"]["billed"] == {"USD": {"cost": "0.0500", "messages": 5, "parts": 5}}
    assert "billed     0.0500 USD for 5 messages" in cli("campaign", "report", "july").output


def test_a_resume_that_is_refused_changes_nothing(cli: Cli, tmp_path: Path) -> None:
    start(cli, tmp_path, "--at", "tomorrow 09:00")
    resume = ("campaign", "resume", "july", "--max-messages", "7", "--max-cost", "8")
    cli(*resume, exits=1)
    cli("campaign", "schedule", "july", "--now")
    cli("campaign", "pause", "july")
    cli(*resume, "--pause-if", "failed > 5%", exits=2)
    cli.bench.publish(approve_campaigns=True)
    told = cli(*resume, exits=1).output
    assert "campaign guard july" in told
    found = cli.document("campaign", "guard", "july")
    assert (found["guards"], found["max_cost"]) == ({}, None)
    cli("campaign", "guard", "july", "--max-messages", "7", "--max-cost", "8", "--who", "ann")
    shown = " ".join(cli("campaign", "approve", "july", "--yes", "--who", "bob").output.split())
    assert "cap 8 USD" in shown
    assert "most messages 7" in shown
    assert "july is running" in cli("campaign", "resume", "july").output


def test_who_approves_sees_the_start_the_hours_and_the_expiry(cli: Cli, tmp_path: Path) -> None:
    cli.bench.publish(approve_campaigns=True)
    hours = ("--hours", "mon-sun 09:00-18:00", "--expires-at", "2099-01-01T00:00Z")
    start(cli, tmp_path, "--at", "2098-12-01 09:00Z", *hours, "--who", "ann")
    shown = " ".join(cli("campaign", "approve", "july", "--yes", "--who", "bob").output.split())
    assert "starts 2098-12-01 09:00:00Z" in shown
    assert "hours mon-sun 09:00-18:00" in shown
    assert "expires 2099-01-01 00:00:00Z" in shown
