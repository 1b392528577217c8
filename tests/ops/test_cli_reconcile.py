"""``sluicegate reconcile``: the report, its exit status, and what status says afterwards."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.webhook_urls import WebhookUrls
from sluicegate_ops.simulator.account.sample import sample
from support.account import account_at
from support.books import PUBLIC_URL, SECRET
from support.command_line import Cli
from support.simulated import Client

TOML = """
[web]
public_url = "{public}"
[reconcile]
calls_per_second = 1000
[accounts.default]
base_url = "{url}"
"""


@pytest.fixture
def provider(cli: Cli) -> Iterator[Client]:
    cli.environment["SLUICEGATE_RECEIPTS_SECRET"] = SECRET
    with account_at(cli, sample()) as client:
        text = TOML.format(public=PUBLIC_URL, url=client.simulator.url)
        Path("sluicegate.toml").write_text(text, encoding="utf-8")
        yield client


def post(provider: Client, number: int) -> str:
    """A POST of message ``number`` that reaches the provider; its id there."""
    url = WebhookUrls(PUBLIC_URL, SECRET, "default").url(f"m{number}")
    answer = provider.send(to=f"+1312{5_552_000 + number:07d}", webhook_url=url)
    return str(answer.json()["data"]["id"])


def wait(provider: Client, count: int) -> None:
    """Until so many have left the provider's queue."""
    url = f"{provider.simulator.url}/detail_records?filter[record_type]=messaging"
    while len(provider.http.get(url).json()["data"]) < count:
        time.sleep(0.1)
    time.sleep(0.5)  # and are final


def test_a_run_settles_a_doubt_and_names_a_stranger(cli: Cli, provider: Client) -> None:
    cli.doubt(1)
    id = post(provider, 1)
    stranger = provider.send(to="+13125550077").json()["data"]["id"]
    wait(provider, 2)
    looked = cli.document("reconcile", "--dry-run", exits=1)
    assert looked["mended"]["accepted"] == 1
    assert cli.bench.record("m1")["state"] == "in_doubt"
    shown = cli("reconcile", "--why", "the month ends", exits=1)
    assert "mended" in shown.stdout  # by its record, or first by the webhook that nobody took
    assert "difference         0.00 USD" in shown.stdout
    assert stranger in shown.stdout
    assert "+1312•••77" in shown.stdout
    assert "+13125550077" not in shown.output
    record = cli.bench.record("m1")
    assert (record["state"], record["provider_id"]) == ("accepted", id)
    [entry] = cli.lines("audit", "list")
    assert entry["action"] == "reconcile"
    assert entry["filter"]["left"] == "1"
    status = cli.document("status", exits=1)  # nobody serves
    assert status["reconcile"]["left"] == {"foreign": 1}
    assert any("1 difference between" in finding["what"] for finding in status["findings"])
    assert "ago, 1 difference left" in cli("status", exits=1).stdout


def test_books_that_agree_exit_with_0(cli: Cli, provider: Client) -> None:
    found = cli.document("reconcile")
    assert found["agrees"]
    assert found["differences"] == []
    assert "the books agree" in cli("reconcile", "--since", "2d", "--until", "1h").stdout
    assert "nothing left" in cli("status").stdout


def test_what_the_provider_doesnt_tell_cuts_it_short(cli: Cli, provider: Client) -> None:
    cli.environment["SLUICEGATE_TELNYX_API_KEY"] = "KEY-of-nobody"
    said = cli("reconcile", exits=1).stdout
    assert "cut short: /webhook_deliveries: HTTP 401" in said
    assert "KEY-of-nobody" not in said
    assert "all until" in cli("status").stdout
    assert json.loads(cli("reconcile", "--json", exits=1).stdout)["cut_short"]


def test_one_run_at_a_time(cli: Cli, provider: Client) -> None:
    cli.bench.store.set(cli.bench.keys("reconciler"), "somebody", px=60_000)
    assert "another process reconciles" in cli("reconcile", exits=1).stderr


def test_a_time_that_is_none_is_refused(cli: Cli, provider: Client) -> None:
    assert "--since" in cli("reconcile", "--since", "soon", exits=2).stderr
