"""Control at random instants, while workers are killed: what is stopped stays so, and adds up."""

import random
import time
from contextlib import suppress
from typing import Any, NamedTuple

import pytest

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient
from sluicegate.errors import WrongCampaignState
from sluicegate.stored import Guards
from sluicegate_ops.simulator import Settings
from support.deployment import HOLD, Account, deployment, eventually
from support.messages import plan, recipient

ROWS = 30
BUDGET = 12
LATE_SECONDS = 0.1
ACTS = ("pause", "resume", "revise", "cancel", "optout", "budget")
STOPPING = ("pause", "cancel", "optout")
REVISED = "Dear {{ first_name }}, code {{ code }}"


class Instant(NamedTuple):
    """One campaign, what was done to it, and when that had returned (monotonic seconds).

    By then the provider has answered a question that was asked afterwards: what was written to it
    before has arrived, however busy this machine is.
    """

    plan: Plan
    rows: list[Recipient]
    act: str
    returned: float


def begun(campaigns: Campaigns, number: int, act: str) -> tuple[Plan, list[Recipient]]:
    """A campaign that has just started, to people of its own."""
    made = plan(f"c{number}")
    rows = [recipient(made, number * ROWS + row) for row in range(ROWS)]
    campaigns.create(made, ROWS)
    assert all(result == "added" for _, result in campaigns.add(made.name, rows))
    if act == "budget":
        campaigns.guard(made.name, Guards(max_messages=BUDGET))
    campaigns.act(made.name, "start")
    return made, rows


def do(account: Account, campaigns: Campaigns, name: str, rows: list[Recipient], act: str) -> None:
    match act:
        case "resume":
            campaigns.act(name, "pause")
            campaigns.act(name, "resume")
        case "pause" | "cancel":
            campaigns.act(name, act)
        case "revise":
            campaigns.revise(name, REVISED)
        case "optout":
            account.sluice.optouts.add([row.to for row in rows])


def killed(account: Account) -> None:
    """A worker is killed, whatever it does, and another one takes its place."""
    victim = next(worker for worker in account.deployment.workers if worker.alive)
    victim.kill()
    account.deployment.start_worker()


def acted(
    account: Account, campaigns: Campaigns, instants: int, rng: random.Random
) -> list[Instant]:
    """So many campaigns, each acted on at a random moment of its sending."""
    all_of_them: list[Instant] = []
    kills = {rng.randrange(instants) for _ in range(max(1, instants // 15))}
    for number in range(instants):
        act = ACTS[number % len(ACTS)]
        made, rows = begun(campaigns, number, act)
        at = time.monotonic() + rng.uniform(0, 0.25)
        while time.monotonic() < at:
            time.sleep(0.001)
        if number in kills:
            killed(account)
        with suppress(WrongCampaignState):  # it had finished before
            do(account, campaigns, made.name, rows, act)
        account.deployment.provider("report")
        all_of_them.append(Instant(made, rows, act, time.monotonic()))
    return all_of_them


def judged(
    account: Account, campaigns: Campaigns, instant: Instant, posts: dict[str, Any]
) -> None:
    """One campaign's books are exact, and nothing of it was POSTed that had been stopped."""
    name, act = instant.plan.name, instant.act
    ledger = campaigns.ledger(name)
    assert ledger.adds_up, name
    assert campaigns.recount(name) == ledger, name
    sent = {row.to: posts[row.to] for row in instant.rows if row.to in posts}
    assert all(len(times) == 1 for times in sent.values()), (name, act)
    late_ones = [times[0] - instant.returned for times in sent.values()]
    if act in STOPPING:
        assert max(late_ones, default=0.0) <= LATE_SECONDS, (name, act, sorted(late_ones)[-3:])
    if act == "budget":
        assert len(sent) <= BUDGET, name
    if act == "revise":
        for row in instant.rows:
            id = campaigns.id_of(name, row)
            version = account.store.hget(account.keys.record(id), "version") or b"1"
            if row.to in sent and version == b"1":
                assert sent[row.to][0] - instant.returned <= LATE_SECONDS, (name, act)
    if act in ("resume", "revise"):
        assert ledger.states["accepted"] + ledger.states["in_doubt"] == ROWS, name


def control_at_random(instants: int, seed: int) -> None:
    provider = Settings(limit=300, latency_ms=30, latency_jitter_ms=10, idempotency=False)
    settings = {"limit": 300, "lease_seconds": 1.0, "in_doubt": HOLD}
    with deployment(provider, 2, account=settings) as account:
        campaigns = Campaigns(account.sluice.client, account.keys)
        all_of_them = acted(account, campaigns, instants, random.Random(seed))

        def is_over() -> bool:
            running = account.store.scard(account.keys("running"))
            return account.is_quiet() and not running - _doubting(campaigns)

        eventually(is_over, 60, account.deployment)
        posts: dict[str, list[float]] = {}
        for request in account.deployment.provider("requests"):
            posts.setdefault(request[1], []).append(request[0])
        for instant in all_of_them:
            judged(account, campaigns, instant, posts)


def _doubting(campaigns: Campaigns) -> int:
    """How many run only because some of theirs are in doubt, held for a person."""
    return sum(
        campaign.state == "running"
        and campaigns.ledger(campaign.name).pending
        == campaigns.ledger(campaign.name).states["in_doubt"]
        for campaign in campaigns
    )


def test_control_holds_at_any_instant_whoever_is_killed() -> None:
    control_at_random(6, 1)


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_control_holds_at_a_thousand_instants() -> None:
    control_at_random(1_000, 2)
