"""``campaign revise`` from the command line: what it shows, what it refuses, and what follows."""

from pathlib import Path

import pytest
import redis

from support.command_line import Cli

SENDER = "+15550000000"


@pytest.fixture
def cli(redis_url: str, valkey: redis.Redis, tmp_path: Path) -> Cli:
    cli = Cli(redis_url, valkey)
    path = tmp_path / "people.csv"
    rows = (f"+1312555{1000 + n},Ann,{n % 2 or ''}" for n in range(6))
    path.write_text("\n".join(("Phone,First Name,Age", *rows)) + "\n")
    start = ("campaign", "start", str(path), "--name", "july", "--from", SENDER, "--yes")
    cli(*start, "--text", "Hi {{ First Name }}, se you", "--keep", "Age")
    return cli


def test_a_typo_is_corrected_for_whoever_waits(cli: Cli, tmp_path: Path) -> None:
    cli.bench.send()
    corrected = ("campaign", "revise", "july", "--text", "Hi {{ First Name }}, see you", "--yes")
    shown = cli(*corrected).output
    assert "- Hi {{ first_name }}, se you" in shown
    assert "+ Hi {{ first_name }}, see you" in shown
    assert "5 recipients wait for it, in as many segments: 5" in shown
    assert "july sends version 2" in shown
    assert "has this text already" in cli(*corrected).output
    status = cli.document("campaign", "status", "july")
    assert status["version"] == 2
    assert "see you" in cli("campaign", "status", "july").output
    more = tmp_path / "more.csv"
    more.write_text("Phone,First Name,Age\n+13125552000,Bob,7\n")
    again: tuple[str, ...] = (
        "campaign",
        "start",
        str(more),
        "--name",
        "july",
        "--from",
        SENDER,
        "--yes",
    )
    again += ("--keep", "Age", "--json", "--text")
    for text in ("Hi {{ First Name }}, se you", "Hi {{ First Name }}, see you"):
        assert cli.document(*again[:-2], "--text", text)["preflight"]["sendable"] == 1
    cli(*again, "Another", exits=2)
    assert cli.bench.campaigns.ledger("july").imported == 7


def test_what_a_longer_text_costs_is_shown(cli: Cli) -> None:
    text = "Hi {{ First Name }}, " + "a long story " * 20
    found = cli.document("campaign", "revise", "july", "--text", text, "--yes")
    assert found["version"] == 2
    assert found["segments_before"] == 6
    assert found["segments_after"] == 12
    assert found["cost_after"] == "0.048"


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        ("Hi {{ Age }}", 1, "3 recipients of them could not be sent it: age is empty"),
        ("Hi {{ City }}", 2, "City was not kept"),
        ("Hi {{ City", 2, "template, line 1"),
    ],
)
def test_a_text_that_somebody_could_not_be_sent_is_refused_whole(
    cli: Cli, text: str, status: int, why: str
) -> None:
    shown = cli("campaign", "revise", "july", "--text", text, "--yes", exits=status).output
    assert why in " ".join(shown.split())
    assert cli.document("campaign", "status", "july")["version"] == 1


def test_a_second_person_approves_what_they_see(cli: Cli, tmp_path: Path) -> None:
    cli.bench.publish(approve_campaigns=True)
    path = tmp_path / "people.csv"
    start = ("campaign", "start", str(path), "--name", "june", "--from", SENDER, "--yes")
    shown = cli(*start, "--text", "Hi {{ First Name }}", "--who", "ann").output
    assert "june is draft; next: sluicegate campaign approve june" in shown
    cli("campaign", "approve", "june", "--yes", "--who", "ann", exits=1)
    shown = cli("campaign", "approve", "june", "--yes", "--who", "bob").output
    assert "Hi {{ first_name }}" in shown
    assert "changed by" in shown
    assert cli.document("campaign", "status", "june")["state"] == "running"
    cli("campaign", "guard", "june", "--max-messages", "3", "--who", "ann")
    told = cli("campaign", "status", "june").output
    assert "it was changed after it was approved" in told
    found = cli.document("campaign", "approve", "june", "--yes", "--who", "bob")
    assert found["state"] == "running"
