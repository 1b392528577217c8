"""The demo, as a new user runs it: it ends well, and its sums are true."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert result["rate_per_second"] >= 0.9 * result["limit_per_second"]
