"""From a key to a campaign that is sent: set-up writes all limits, and real workers keep them."""

from pathlib import Path

from sluicegate_ops.simulator import Settings, Webhooks
from sluicegate_ops.simulator.account.sample import sample
from sluicegate_rigs.deployment import Deployment
from support.command_line import invoked
from support.deployment import Account, eventually

COUNT = 30


def test_a_campaign_is_sent_with_the_limits_that_setup_wrote(tmp_path: Path) -> None:
    webhooks = Webhooks(delay_seconds=0.05, jitter_seconds=0)
    provider = Settings(limit=None, account=sample(), webhooks=webhooks)
    with Deployment(provider, receipts=True) as deployment, deployment.sluice() as before:
        assert not before.config.accounts["default"].senders
        _run(deployment, "setup", "--yes")
        with deployment.sluice() as sluice:
            account = Account(deployment, sluice)
            configured = sluice.config.accounts["default"]
            assert len(configured.senders) == 4
            assert configured.registrations
            deployment.start_web()
            deployment.start_worker()
            deployment.wait_for_workers()
            deployment.wait_for_web()
            numbers = [f"+1212{2_000_000 + row}" for row in range(COUNT)]
            path = tmp_path / "list.csv"
            path.write_text("\n".join(["Phone", *numbers]) + "\n", encoding="utf-8")
            sender, text = "+13125550001", "Your order is ready"
            _run(deployment, "campaign", "start", str(path), "--name", "july", "--from", sender,
                 "--text", text, "--yes")  # fmt: skip
            eventually(account.has_accepted(COUNT), 60, deployment)
            assert account.received() == dict.fromkeys(numbers, 1)
            eventually(lambda: account.total("delivered") >= COUNT, 30, deployment)
            deployment.provider("report")
        _run(deployment, "setup", "--check")


def _run(deployment: Deployment, *args: str) -> None:
    done = invoked(args, env=deployment.environ)
    assert done.exit_code == 0, (args, done.output, done.exception)
