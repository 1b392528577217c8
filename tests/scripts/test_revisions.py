"""Another text for a campaign that runs: who gets which, and what is charged for it."""

from typing import Any

import pytest
import redis

from sluicegate.audit import Audit
from sluicegate.campaigns.campaign import read_plan
from sluicegate.campaigns.plan import TextVersion, rendered
from sluicegate.campaigns.revising import TextEffects
from sluicegate.errors import BadTemplate, BadValue, UnknownCampaign, WrongCampaignState
from sluicegate_worker.wire import Start
from support.bench import Bench, warm_bench
from support.messages import plan, recipient

CORRECTED = "Dear {{ first_name }}, code {{ code }}"


def begun(store: redis.Redis, count: int = 4, **fields: Any) -> Bench:
    bench = warm_bench(store, **fields)
    bench.campaign(plan(), count)
    return bench


def version_of(bench: Bench, id: str) -> str:
    return bench.record(id).get("version", "1")


def test_whoever_was_only_granted_gets_the_new_text_and_whoever_was_started_the_old_one(
    store: redis.Redis,
) -> None:
    bench = begun(store)
    old, granted = bench.claim(2).grants
    assert bench.start(old) == [True]
    assert bench.campaigns.revise("july", CORRECTED).version == 2
    assert bench.slept, "for the POSTs that were started just before"
    assert bench.start(granted) == [False]
    bench.settle(old, "retry", delay_ms=0, code="50000", reason="no", heard=True)
    new = bench.claim_all(4)
    assert {grant.version for grant in new} == {"2"}
    bench.later(20)
    assert all(bench.start(*new))
    assert [bool(grant.request) for grant in new].count(True) == 1, "what was stored of the first"
    assert version_of(bench, old.id) == "1"
    assert version_of(bench, granted.id) == "2"
    text = rendered(read_plan(store, bench.keys, "july"), granted.id, granted.content).text
    assert str(text).startswith("Dear v")
    bench.check()


def test_a_text_of_another_length_is_charged_for_what_it_is(store: redis.Redis) -> None:
    bench = begun(store, senders={}, sms_per_second=1.0)
    bench.campaigns.revise("july", CORRECTED * 6)
    bench.later(60_000)
    [grant] = bench.claim_all(1)
    resized = Start(grant.id, grant.token, b"{}", version="2", segments=3)
    assert list(bench.step(starts=[resized]).started) == [False]
    [again] = bench.claim_all(1)
    assert again.id == grant.id
    assert again.content.split(b"|")[1] == b"3"
    began = bench.now_ms
    bench.later(max(again.slot_ms, 0))
    assert bench.start(again) == [True]
    bench.settle(again, "accepted", provider_id="p", heard=True)
    bench.claim_all(1)
    assert bench.now_ms - began > 2_800, "three segments at one a second"
    assert bench.campaigns.ledger("july").segments == 3
    bench.check()


def test_a_worker_that_made_the_text_before_starts_nothing(store: redis.Redis) -> None:
    bench = begun(store)
    bench.campaigns.revise("july", CORRECTED)
    [grant] = bench.claim_all(1)
    for version in ("", "1", "3"):
        stale = Start(grant.id, grant.token, b"{}", version=version)
        assert list(bench.step(starts=[stale]).started) == [False]
        [grant] = bench.claim_all(1)
    assert bench.start(grant) == [True]


def test_a_text_needs_only_what_was_kept(store: redis.Redis) -> None:
    bench = begun(store)
    with pytest.raises(BadValue, match="last_name was not kept; the campaign keeps"):
        bench.campaigns.revise("july", "Hi {{ last_name }}")
    with pytest.raises(BadTemplate):
        bench.campaigns.revise("july", "Hi {{ first_name")
    with pytest.raises(UnknownCampaign):
        bench.campaigns.revise("june", "Hi")
    assert bench.campaigns.get("july").version == 1


def test_versions_follow_each_other_and_the_audit_has_them(store: redis.Redis) -> None:
    bench = begun(store)
    assert bench.campaigns.revise("july", CORRECTED).version == 2
    assert bench.campaigns.revise("july", CORRECTED).version == 2, "it has this text already"
    last = bench.campaigns.revise("july", "Code {{ code }}")
    assert last.version == 3
    assert last.current.text == "Code {{ code }}"
    assert last.current.values == ("first_name", "code")
    assert last.plan == plan()
    acts = [entry.action for entry in Audit(store, bench.keys)]
    assert acts.count("revise") == 2
    bench.act("july", "cancel")
    with pytest.raises(WrongCampaignState):
        bench.campaigns.revise("july", "Hi")


def test_what_a_text_does_is_known_before(store: redis.Redis) -> None:
    bench = begun(store, 3)
    bench.add("july", recipient(plan(), 7, "7", "x"))
    sent = bench.send()
    revised = bench.campaigns.get("july").plan.revised
    account = bench.config.account("default")

    def effect(text: str) -> Any:
        looked = TextEffects(revised(TextVersion(text=text, renderer="jinja2/1")), account)
        for page in bench.campaigns.unstarted("july"):
            looked.look(page)
        return looked.summed()

    assert sent.id
    numbers = effect("N {{ first_name|int }}")
    assert (numbers.recipients, numbers.refused) == (3, 2)
    assert numbers.reason.startswith("first_name")
    longer = effect(CORRECTED * 12)
    assert (longer.refused, longer.segments_before, longer.segments_after) == (0, 3, 6)
    assert longer.cost_after == 2 * longer.cost_before > 0


def test_whoever_was_started_and_never_posted_gets_the_new_text(store: redis.Redis) -> None:
    bench = begun(store, 1)
    [grant] = bench.claim_all(1)
    assert bench.start(grant) == [True]
    bench.settle(grant, "unused")
    bench.campaigns.revise("july", CORRECTED)
    [again] = bench.claim_all(1)
    assert not again.request
    bench.later(max(again.slot_ms, 0))
    assert bench.start(again) == [True]
    assert version_of(bench, again.id) == "2"
    bench.settle(again, "accepted", provider_id="p", heard=True)
    bench.check()
