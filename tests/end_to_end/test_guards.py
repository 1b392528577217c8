"""Guards through real workers and receipts: a carrier that fails is noticed in time."""

import csv
from pathlib import Path

import pytest

from sluicegate.campaigns.campaign import Campaigns
from sluicegate_ops.simulator import Settings, Webhooks
from support.command_line import invoked
from support.deployment import Account, deployment, eventually

ACME, BEST = "Acme Mobile", "Best Wireless"
AREAS = {"+1212": ACME, "+1312": BEST, "+1415": BEST}


def people(path: Path, count: int) -> Path:
    """A file of so many recipients, a third of whom are at the carrier that fails."""
    areas = [*AREAS]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Phone", "Network"])
        for row in range(count):
            area = areas[row % len(areas)]
            rows.writerow([f"{area}{2_000_000 + row}", AREAS[area]])
    return path


def run(account: Account, *command: str) -> str:
    result = invoked(("campaign", *command), env=account.deployment.environ)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_canary_of_a_hundred_thousand_stops_at_a_carrier_that_fails(tmp_path: Path) -> None:
    count = 100_000
    webhooks = Webhooks(carriers_failed={ACME: 0.3}, delay_seconds=0.05, jitter_seconds=0.01)
    provider = Settings(limit=2_000, carriers=AREAS, webhooks=webhooks, latency_ms=5)
    with deployment(provider, 1, account={"limit": 2_000}, receipts=True) as account:
        account.deployment.start_web()
        campaigns = Campaigns(account.sluice.client, account.keys)
        file = str(people(tmp_path / "people.csv", count))
        start = ("start", file, "--name", "july", "--from", "+15550000000", "--text", "Hi")
        canary = ("--canary", "1%", "--until-delivered", "95%", "--within", "1m")
        run(account, *start, "--keep", "Network", *canary, "--yes")

        eventually(lambda: campaigns.get("july").state == "paused", 400, account.deployment)
        eventually(account.is_quiet, 10, account.deployment)
        assert sum(account.received().values()) < 0.02 * count
        assert f"at carrier {ACME}" in campaigns.get("july").stopped
        assert f"at carrier {ACME}" in run(account, "status", "july")

        run(account, "resume", "july", "--without", f"network={ACME}", "--canary", "none")
        eventually(lambda: campaigns.get("july").state == "finished", 400, account.deployment)
        ledger = campaigns.ledger("july")
        assert ledger.adds_up
        assert ledger.states["accepted"] + ledger.states["cancelled"] == count
        assert campaigns.recount("july").states == ledger.states
        received = account.received()
        assert max(received.values()) == 1
        others = sum(not number.startswith("+1212") for number in received)
        assert others == sum(row % len(AREAS) != 0 for row in range(count))
