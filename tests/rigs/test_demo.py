"""The demo, as a new user runs it: it ends well, and its sums are true."""

import json
import socket
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from sluicegate_rigs.demo.__main__ import FLOWER_PORT, free_port, last_words
from sluicegate_rigs.demo.setting import PROVIDER
from sluicegate_rigs.deployment.process import Process

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_demo_accounts_for_every_row() -> None:
    command = [sys.executable, "-m", "sluicegate_rigs.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads((ROOT / "build/demo.json").read_text())
    ends = ("rejected", "duplicates", "suppressed", "accepted", "dead")
    assert result["rows"] == sum(result[end] for end in ends) == 2000
    assert all(result[end] > 0 for end in ends), "each end that a row can meet is shown"
    assert result["enqueued"] == result["accepted"] + result["dead"] + result["in_doubt"]
    assert result["in_doubt"] == result["cancelled"] == result["received_twice"] == 0
    assert result["accepted"] == result["accepted_by_provider"]
    assert result["responses_429"] == 0
    assert result["kills"] == 1
    deliveries = result["deliveries"]
    assert sum(deliveries.values()) == result["accepted"]
    assert all(deliveries[told] for told in ("delivered", "failed", "unconfirmed"))
    assert not deliveries["unknown"]
    bill = result["bill"]
    assert bill["agrees"]
    assert bill["difference"] == {"USD": "0.00"}
    assert Decimal(bill["booked"]["USD"]) == Decimal(bill["by_the_provider"]["USD"])
    assert bill["mended"]["deliveries"] == bill["receipts_lost"] > 0
    assert result["rate_per_second"] >= 0.9 * result["limit_per_second"]


def test_14_the_demo_shows_every_delivery() -> None:
    webhooks = PROVIDER.webhooks
    assert webhooks.delivery_failed > 0
    assert webhooks.delivery_unconfirmed > 0


def test_14_flower_takes_another_port_where_its_own_is_taken() -> None:
    assert free_port() > 0
    with socket.socket() as taken:
        with suppress(OSError):  # somebody else has it, which will do
            taken.bind(("127.0.0.1", FLOWER_PORT))
        assert free_port() not in (0, FLOWER_PORT)


def test_14_flower_s_failure_is_told_in_its_own_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('Error: no such option --adress')"]
    flower = Process.launched("flower", command, {}, tmp_path)
    flower.process.wait()
    assert last_words(flower) == "Its last words:\nError: no such option --adress"
    silent = Process.launched("silent", [sys.executable, "-c", ""], {}, tmp_path)
    silent.process.wait()
    assert last_words(silent) == "It said nothing."
