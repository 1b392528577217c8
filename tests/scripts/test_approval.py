"""Approval by a second person: what it lets go, and what makes it void."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import redis

from sluicegate.audit import Audit, By
from sluicegate.errors import NotApproved, WrongCampaignState
from sluicegate.stored import Guards
from support.bench import Bench
from support.messages import SINCE, plan, recipient

ANN, BOB = By("ann"), By("bob")


def asked(store: redis.Redis, *approvers: str) -> Bench:
    """A draft of ann's where campaigns need approval."""
    bench = Bench(store, limit=1000, approve_campaigns=True, approvers=approvers)
    bench.campaigns.create(plan())
    added = bench.campaigns.add("july", (recipient(plan(), n) for n in range(3)), ANN)
    assert [result for _, result in added] == ["added"] * 3
    return bench


def approve(bench: Bench, by: By = BOB) -> str:
    return bench.campaigns.approve(bench.campaigns.proposal("july"), by).hash


def test_a_campaign_goes_out_once_somebody_else_has_approved_it(store: redis.Redis) -> None:
    bench = asked(store)
    with pytest.raises(NotApproved, match="has yet to approve it"):
        bench.campaigns.act("july", "start", ANN)
    with pytest.raises(NotApproved, match="ann changed it"):
        approve(bench, ANN)
    hash = approve(bench)
    assert approve(bench) == hash, "once more is nothing more"
    assert bench.campaigns.act("july", "start", ANN) == "running"
    approved = bench.campaigns.get("july").approved
    assert approved is not None
    assert (approved.who, approved.hash) == ("bob", hash)
    entries = [entry for entry in Audit(store, bench.keys) if entry.action == "approve"]
    assert [entry.filter["hash"] for entry in entries] == [hash]
    bench.send()
    bench.check()


CHANGES: dict[str, Callable[[Bench], object]] = {
    "text": lambda bench: bench.campaigns.revise("july", "Code {{ code }}", ANN),
    "cap": lambda bench: bench.campaigns.cap(
        "july", Decimal(9), bench.config.account("default"), ANN
    ),
    "guards": lambda bench: bench.campaigns.guard("july", Guards(max_messages=9), ANN),
    "recipients": lambda bench: [*bench.campaigns.add("july", [recipient(plan(), 7)], ANN)],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=[*CHANGES])
def test_whatever_changes_makes_it_void_and_stops_what_runs(
    store: redis.Redis, change: Callable[[Bench], object]
) -> None:
    bench = asked(store)
    seen = bench.campaigns.proposal("july")
    approve(bench)
    bench.campaigns.act("july", "start")
    change(bench)
    campaign = bench.campaigns.get("july")
    assert campaign.state == "paused"
    assert campaign.stopped_by == "approval"
    assert not bench.claim().grants
    with pytest.raises(NotApproved):
        bench.campaigns.act("july", "resume")
    with pytest.raises(NotApproved, match="has changed since it was shown"):
        bench.campaigns.approve(seen, BOB)
    assert bench.campaigns.proposal("july").hash != seen.hash
    approve(bench)
    assert bench.campaigns.act("july", "resume") == "running"
    bench.check()


def test_recipients_that_were_there_change_nothing(store: redis.Redis) -> None:
    bench = asked(store)
    approve(bench)
    [*_] = bench.campaigns.add("july", [recipient(plan(), 1)], ANN)
    assert bench.campaigns.act("july", "start") == "running"


def test_only_approvers_approve_where_there_are_some(store: redis.Redis) -> None:
    bench = asked(store, "bob", "cleo")
    with pytest.raises(NotApproved, match="dan is none of the account's approvers"):
        approve(bench, By("dan"))
    approve(bench, By("cleo"))
    assert bench.campaigns.act("july", "start") == "running"


def test_where_it_is_not_configured_nobody_is_asked(store: redis.Redis) -> None:
    bench = Bench(store, limit=1000)
    bench.campaign(plan(), 2)
    CHANGES["text"](bench)
    assert bench.campaigns.get("july").state == "running"
    bench.act("july", "cancel")
    with pytest.raises(WrongCampaignState):
        bench.campaigns.act("july", "start")


def test_one_that_is_scheduled_starts_once_it_is_approved(store: redis.Redis) -> None:
    bench = asked(store)
    bench.campaigns.schedule("july", datetime.fromtimestamp(SINCE + 60, UTC), ANN)
    bench.later(60_000)
    bench.tend()
    assert bench.campaigns.get("july").state == "scheduled"
    approve(bench)
    bench.tend()
    assert bench.campaigns.get("july").state == "running"


def test_who_approves_does_not_resume_what_a_person_has_paused(store: redis.Redis) -> None:
    bench = asked(store)
    approve(bench)
    bench.campaigns.act("july", "start")
    CHANGES["text"](bench)
    assert bench.campaigns.get("july").stopped_by == "approval"
    bench.campaigns.act("july", "pause", ANN)
    assert not bench.campaigns.get("july").stopped_by
    entries = [(entry.who, entry.action) for entry in Audit(store, bench.keys)]
    assert ("ann", "pause") in entries
    with pytest.raises(NotApproved):
        bench.campaigns.act("july", "resume")


def test_another_start_makes_it_void_and_an_earlier_one_is_refused(store: redis.Redis) -> None:
    bench = asked(store)
    at = datetime.fromtimestamp(SINCE + 60, UTC)
    bench.campaigns.schedule("july", at, ANN)
    hash = approve(bench)
    bench.campaigns.schedule("july", at, ANN)
    assert approve(bench) == hash, "the same start changes nothing"
    with pytest.raises(NotApproved, match="approved for its time"):
        bench.campaigns.act("july", "start", ANN)
    bench.campaigns.schedule("july", datetime.fromtimestamp(SINCE + 3, UTC), ANN)
    bench.later(10_000)
    bench.tend()
    assert bench.campaigns.get("july").state == "scheduled"
    assert approve(bench) != hash
    bench.tend()
    assert bench.campaigns.get("july").state == "running"


def test_nobody_who_changed_anything_approves_it(store: redis.Redis) -> None:
    bench = asked(store)
    bench.campaigns.guard("july", Guards(max_messages=9), BOB)
    assert bench.campaigns.proposal("july").changed_by == "ann, bob"
    for one in (ANN, BOB):
        with pytest.raises(NotApproved, match=f"{one.who} changed it"):
            approve(bench, one)
    approve(bench, By("cleo"))
    store.hdel(bench.keys.campaign("july"), "approved", "changers")
    with pytest.raises(NotApproved, match="bob changed it"):
        approve(bench, BOB)
