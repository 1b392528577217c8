"""Campaigns through real workers: each recipient once, and exact control, whatever is killed."""

import csv
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.ledger import Ledger
from sluicegate_ops.simulator import Settings
from support.command_line import invoked
from support.deployment import HOLD, Account, deployment, eventually
from support.effort import size

TEXT = "Hi {{ name }}, your order {{ order }} is ready."
ROWS = 400


def number(row: int) -> str:
    return f"+1212{2_000_000 + row}"


def write(path: Path, rows: list[int], **changed: str) -> Path:
    """A file of recipients; ``changed`` maps ``r<row>`` to what stands in its phone column."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Phone", "Name", "Order"])
        writer.writerows(
            [changed.get(f"r{row}", number(row)), f"Ann {row}", f"A-{row}"] for row in rows
        )
    return path


def start(path: Path) -> list[str]:
    """The command that starts, or continues, the campaign from a file."""
    given = {"--name": "july", "--text": TEXT, "--from": "+15550000000", "--region": "US"}
    options = (part for pair in given.items() for part in pair)
    return ["campaign", "start", str(path), *options, "--yes"]


def run(account: Account, *command: str) -> Result:
    result = invoked(command, env=account.deployment.environ)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def act(account: Account, action: str) -> None:
    campaigns_of(account).act("july", action)  # type: ignore[arg-type]  # one of Action


def campaigns_of(account: Account) -> Campaigns:
    return Campaigns(account.sluice.client, account.keys)


def ledger(account: Account) -> Ledger:
    return campaigns_of(account).ledger("july")


def is_finished(account: Account) -> bool:
    return campaigns_of(account).get("july").state == "finished"


@pytest.fixture
def fast() -> Iterator[Account]:
    """A provider that knows no keys: a second POST would be a second message."""
    provider = Settings(limit=400, latency_ms=20, idempotency=False)
    settings = {"limit": 400, "lease_seconds": 2.0, "in_doubt": HOLD}
    with deployment(provider, 1, account=settings) as account:
        yield account


def test_every_way_of_importing_again_sends_each_recipient_once(
    fast: Account, tmp_path: Path
) -> None:
    rows = list(range(ROWS))
    bad = {"r7": "n/a", "r70": "12"}
    first = write(tmp_path / "people.csv", rows, **bad)
    assert "2  written to" in run(fast, *start(first)).stdout
    eventually(fast.has_accepted(ROWS - 2), 30, fast.deployment)
    run(fast, *start(first))
    run(fast, *start(write(tmp_path / "shifted.csv", rows[10:], **bad)))
    random.Random(1).shuffle(rows)
    run(fast, *start(write(tmp_path / "shuffled.csv", rows, **bad)))
    rejected = tmp_path / "people.rejected.csv"
    corrected = rejected.read_text(encoding="utf-8-sig").replace("n/a,Ann 7", f"{number(7)},Ann 7")
    corrected = corrected.replace(
        "12,Ann 70", f"(212) {str(number(70))[5:8]}-{number(70)[8:]},Ann 70"
    )
    (tmp_path / "corrected.csv").write_text(corrected)
    run(fast, *start(tmp_path / "corrected.csv"))
    eventually(fast.has_accepted(ROWS), 30, fast.deployment)
    eventually(lambda: is_finished(fast), 5, fast.deployment)
    assert fast.received() == {number(row): 1 for row in range(ROWS)}
    assert campaigns_of(fast).recount("july") == ledger(fast)


def test_an_importer_killed_on_the_way_goes_on_where_it_stopped(
    fast: Account, tmp_path: Path
) -> None:
    rows = size(4_000, 20_000)
    path = write(tmp_path / "people.csv", list(range(rows)))
    importer = subprocess.Popen(
        [sys.executable, "-m", "sluicegate_ops.cli", *start(path)],
        env=fast.deployment.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    key = fast.keys.ledger("july")
    eventually(
        lambda: int(fast.store.hget(key, "imported") or 0) >= 0.4 * rows, 30, fast.deployment
    )
    importer.kill()
    importer.wait()
    imported = ledger(fast).imported
    assert 0.4 * rows <= imported < rows, "it was not on the way any more: the test proved nothing"
    assert campaigns_of(fast).get("july").state == "draft"
    assert fast.received().total() == 0, "nothing is sent before all is imported"
    fast.deployment.change_provider(limit=None, latency_ms=0)
    assert f"{imported:,}" in run(fast, *start(path)).stdout.replace("\n", " ")
    assert ledger(fast).imported == rows
    # All of them take a while to send, and the first thousand say as much.
    eventually(fast.has_accepted(1000), 60, fast.deployment)
    act(fast, "cancel")
    eventually(fast.is_quiet, 10, fast.deployment)
    assert max(fast.received().values()) == 1
    assert campaigns_of(fast).recount("july") == ledger(fast)
    assert ledger(fast).adds_up


@pytest.mark.parametrize(
    ("action", "workers"), [("pause", 2), ("cancel", size(1, 2)), ("optout", size(1, 2))]
)
def test_nothing_is_posted_after_control_returned(
    action: str, workers: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    provider = Settings(limit=50, latency_ms=80, latency_jitter_ms=10)
    with deployment(provider, workers, account={"limit": 50}) as account:
        path = write(tmp_path / "people.csv", list(range(300)))
        run(account, *start(path))
        eventually(account.has_accepted(40), 20, account.deployment)
        out = [number(row) for row in range(300)]
        began = time.monotonic()
        if action == "optout":
            account.sluice.optouts.add(out)
        else:
            act(account, action)
        took = time.monotonic() - began
        received = account.deployment.provider("report")["received"]
        assert 40 <= received < 300
        # What had started is answered and settled; a second's worth of slots goes by unused.
        eventually(account.is_quiet, 10, account.deployment)
        settled = time.monotonic()
        eventually(lambda: time.monotonic() > settled + 1, 5, account.deployment)
        assert account.deployment.provider("report")["received"] == received
        record_property(action, f"returned after {took * 1000:.0f} ms")
        states = ledger(account).states
        ended = {"pause": "waiting", "cancel": "cancelled", "optout": "suppressed"}[action]
        eventually(
            lambda: ledger(account).states[ended] == 300 - states["accepted"],
            10,
            account.deployment,
        )
        assert campaigns_of(account).recount("july") == ledger(account)


def test_pauses_resumes_and_kills_send_each_row_once(tmp_path: Path) -> None:
    rng = random.Random(7)
    provider = Settings(limit=200, latency_ms=50, latency_jitter_ms=10, idempotency=False)
    settings = {"limit": 200, "lease_seconds": 1.0, "in_doubt": HOLD}
    with deployment(provider, 2, account=settings) as account:
        turns = size(3, 10)
        rows = 150 * turns
        run(account, *start(write(tmp_path / "people.csv", list(range(rows)))))
        begun: set[str] = set()
        for turn in range(1, turns + 1):
            eventually(account.has_accepted(turn * 120), 30, account.deployment)
            match rng.choice(("pause", "kill", "both")):
                case "pause":
                    act(account, "pause")
                    act(account, "resume")
                case "kill":
                    begun |= _killed(account)
                case _:
                    act(account, "pause")
                    begun |= _killed(account)
                    act(account, "resume")
        eventually(
            lambda: account.total("accepted") + account.size("doubts") == rows,
            60,
            account.deployment,
        )
        assert account.size("doubts") <= len(begun)
        received = account.received()
        assert max(received.values()) == 1
        doubts = {id.decode() for id in account.store.zrange(account.keys("doubts"), 0, -1)}
        assert doubts <= begun
        assert len(received) + sum(_to(account, id) not in received for id in doubts) == rows
        assert campaigns_of(account).recount("july") == ledger(account)
        assert ledger(account).adds_up


def _killed(account: Account) -> set[str]:
    """Kill a worker, start another; return what the victim may have begun to POST."""
    victim = next(worker for worker in account.deployment.workers if worker.alive)
    victim.freeze()
    begun = account.started_by(victim)
    victim.kill()
    account.deployment.start_worker()
    return begun


def _to(account: Account, id: str) -> str:
    return str(account.store.hget(account.keys.record(id), "to").decode())
