"""Guards: canaries, shares that pause, caps in messages and segments, and who is left out."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import redis

from sluicegate.audit import Audit
from sluicegate.campaigns.guarding import canary, left_out, share_limit
from sluicegate.campaigns.plan import Plan
from sluicegate.config import Account
from sluicegate.errors import BadGuard
from sluicegate.scripts import Argument
from sluicegate.stored import Bill, Canary, Guards, MessageId
from sluicegate_ops.web.keywords import HEAR
from support.bench import Bench, warm_bench
from support.messages import member_id, plan, recipient
from support.receipts import tell

CANARY = Canary(size=4, share=0.75, within_ms=60_000)


def begun(store: redis.Redis, guards: Guards, count: int = 20, **fields: Any) -> Bench:
    """A running campaign with these guards."""
    bench = warm_bench(store, **fields)
    bench.campaigns.create(plan())
    bench.add("july", *(recipient(plan(), number) for number in range(count)))
    bench.campaigns.guard("july", guards)
    bench.act("july", "start")
    return bench


def sent(bench: Bench, most: int = 50, **fields: Any) -> list[str]:
    """Send one after the other for as long as any is granted; returns their ids."""
    ids: list[str] = []
    while len(ids) < most and (grants := bench.claim_all(1, within_ms=2_500)):
        [grant] = grants
        bench.later(max(grant.slot_ms, 0))
        assert bench.start(grant) == [True]
        bench.settle(grant, "accepted", provider_id=f"p-{grant.id}", heard=True, **fields)
        ids.append(grant.id)
    return ids


def told(bench: Bench, ids: list[str], delivery: str, **fields: Any) -> None:
    for id in ids:
        status = delivery if delivery == "delivered" else f"delivery_{delivery}"
        tell(bench, id, status, provider_id=f"p-{id}", **fields)


def state(bench: Bench) -> tuple[str, str]:
    campaign = bench.campaigns.get("july")
    return campaign.state, campaign.stopped


def test_the_rest_waits_until_enough_of_a_canary_was_delivered(store: redis.Redis) -> None:
    bench = begun(store, Guards(canary=CANARY))
    ids = sent(bench)
    assert len(ids) == 4
    assert bench.campaigns.get("july").canary_full_ms
    bench.sweep()
    told(bench, ids[:1], "failed", code="40008")
    told(bench, ids[1:3], "delivered")
    assert not sent(bench)
    told(bench, ids[3:], "delivered")
    assert bench.campaigns.get("july").canary_passed_ms
    assert len(sent(bench)) == 16
    bench.sweep()
    assert state(bench) == ("finished", "")
    bench.check()


def test_a_canary_that_can_not_succeed_any_more_pauses_at_once(store: redis.Redis) -> None:
    bench = begun(store, Guards(canary=CANARY))
    ids = sent(bench, bill=Bill(carrier_name="Acme Mobile"))
    told(bench, ids[:1], "failed", code="40008")
    assert state(bench)[0] == "running"
    told(bench, ids[1:2], "unconfirmed")
    paused, why = state(bench)
    assert paused == "paused"
    assert why == (
        "its canary of 4 failed: fewer than 3 can still be delivered; 0 delivered, 1 failed, "
        "1 unconfirmed, 0 refused; most of all at carrier Acme Mobile, 2 of 2 (100.0%)"
    )
    assert bench.campaigns.get("july").stopped_by == "canary"
    entries = [(entry.who, entry.action) for entry in Audit(store, bench.keys)]
    assert ("sluicegate", "pause") in entries
    bench.act("july", "resume")
    assert len(sent(bench)) == 4, "another canary"
    bench.check()


def test_a_canary_has_its_time_from_when_all_of_it_is_on_its_way(store: redis.Redis) -> None:
    bench = begun(store, Guards(canary=CANARY))
    ids = sent(bench)
    told(bench, ids[:2], "delivered")
    bench.later(50_000)
    bench.sweep()
    assert state(bench)[0] == "running"
    bench.later(10_000)
    bench.sweep()
    paused, why = state(bench)
    assert paused == "paused"
    assert "not 3 delivered within 60 s; 2 delivered" in why
    told(bench, ids[2:], "delivered")
    assert state(bench)[0] == "paused", "whoever resumes it decides"


def test_no_more_of_a_canary_is_under_way_at_once_than_its_size(store: redis.Redis) -> None:
    bench = begun(store, Guards(canary=CANARY))
    grants = bench.claim(10).grants
    assert len(grants) == 4
    bench.later(20)
    assert all(bench.start(*grants))
    bench.settle(grants[0], "retry", delay_ms=60_000, code="50000", reason="no", heard=True)
    bench.settle(grants[1], "doubt", delay_ms=-1)
    bench.settle(grants[2], "dead", code="40310", reason="no", heard=True)
    bench.settle(grants[3], "accepted", provider_id="p", heard=True)
    assert len(bench.claim_all(10, within_ms=2_000)) == 1, "in place of the one that waits"


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        (
            "failed > 30% of at least 4",
            "failed: 2 of 4 with a final receipt (50.0%), more than 30%",
        ),
        (
            "failed code 40008 > 40% of at least 2",
            "failed with code 40008: 2 of 4 with a final receipt (50.0%), more than 40%",
        ),
        (
            "undelivered > 30% by code of at least 3",
            "not delivered with code 40008: 1 of 3 with a final receipt (33.3%), more than 30%",
        ),
        (
            "failed > 60% by carrier of at least 2",
            "failed: 2 of 2 with a final receipt at carrier Acme Mobile (100.0%), more than 60%",
        ),
        (
            "failed > 30% by area of at least 4",
            "failed: 2 of 4 with a final receipt in +1415 (50.0%), more than 30%",
        ),
    ],
)
def test_a_share_above_its_limit_pauses_in_the_call_that_hears_it(
    store: redis.Redis, limit: str, why: str
) -> None:
    bench = begun(store, Guards(shares=(share_limit(limit),)), 8)
    good = sent(bench, 2, bill=Bill(carrier_name="Best Wireless"))
    bad = sent(bench, 2, bill=Bill(carrier_name="Acme Mobile"))
    told(bench, good, "delivered")
    told(bench, bad, "failed", code="40008")
    assert state(bench) == ("paused", why)
    assert not sent(bench)
    bench.act("july", "resume")
    assert len(sent(bench)) == 4, "what was before no longer counts"
    bench.check()


def test_refusals_are_a_share_of_all_that_were_answered(store: redis.Redis) -> None:
    bench = begun(store, Guards(shares=(share_limit("errors > 40% by code of at least 3"),)))
    sent(bench, 1)
    for _ in range(2):
        assert state(bench)[0] == "running"
        bench.send(kind="dead", code="40310", reason="no", heard=True)
    assert state(bench) == (
        "paused",
        "refused with code 40310: 2 of 3 sent (66.7%), more than 40%",
    )


def capped(measure: str, most: int) -> Guards:
    return Guards(max_messages=most) if measure == "messages" else Guards(max_segments=most)


@pytest.mark.parametrize(("measure", "cap"), [("messages", 5), ("segments", 5)])
def test_a_cap_pauses_and_goes_on_with_a_higher_one(
    store: redis.Redis, measure: str, cap: int
) -> None:
    bench = begun(store, capped(measure, cap))
    grants = bench.claim(10).grants
    assert len(grants) == 5
    assert state(bench)[0] == "running", "some may be refused yet"
    bench.later(20)
    assert all(bench.start(*grants))
    for grant in grants[:3]:
        bench.settle(grant, "accepted", provider_id=grant.id, heard=True)
    bench.settle(grants[3], "dead", code="40310", reason="no", heard=True)
    bench.settle(grants[4], "doubt", delay_ms=-1)
    assert len(sent(bench)) == 1
    assert state(bench) == (
        "paused",
        f"its cap of 5 {measure} is reached: 5 sent, or perhaps sent",
    )
    assert bench.campaigns.get("july").stopped_by == measure
    bench.campaigns.guard("july", capped(measure, 7))
    bench.act("july", "resume")
    assert len(sent(bench)) == 2
    bench.check()


def test_a_message_of_several_segments_that_does_not_fit_waits(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True, limit=1000)
    long = plan(text="{{ first_name }}")
    bench.campaigns.create(long)
    rows = [recipient(long, number, "x" * 200) for number in range(5)]
    bench.add("july", *rows)
    bench.campaigns.guard("july", Guards(max_segments=5))
    bench.act("july", "start")
    assert len(sent(bench)) == 2
    assert state(bench)[1] == "its cap of 5 segments is reached: 4 sent, or perhaps sent"


def with_carriers(store: redis.Redis) -> tuple[Bench, Plan]:
    bench = Bench(store, repeat=True, limit=1000)
    kept = plan(kept_columns=("carrier",))
    bench.campaigns.create(kept)
    for number in range(6):
        carrier = ("Acme Mobile", " acme mobile ", "Best")[number % 3]
        bench.add("july", recipient(kept, number, "Ann", "7", carrier))
    return bench, kept


def test_whoever_is_left_out_ends_unsent_and_the_rest_goes_on(store: redis.Redis) -> None:
    bench, kept = with_carriers(store)
    bench.campaigns.guard("july", Guards(without=(left_out("Carrier=ACME Mobile", kept),)))
    bench.act("july", "start")
    assert len(sent(bench)) == 2
    bench.sweep()
    ledger = bench.campaigns.ledger("july")
    assert ledger.states["cancelled"] == 4
    assert ledger.adds_up
    assert bench.campaigns.recount("july").states == ledger.states
    assert state(bench)[0] == "finished"
    bench.check()


def test_an_area_is_left_out_by_its_first_digits(store: redis.Redis) -> None:
    bench, kept = with_carriers(store)
    bench.campaigns.guard("july", Guards(without=(left_out("area=+1415", kept),)))
    bench.act("july", "start")
    assert not sent(bench)
    assert bench.campaigns.ledger("july").states["cancelled"] == 6


def test_guards_are_stored_as_they_are_read() -> None:
    guards = Guards(
        canary=canary("1%", "95%", "10m", 100_000),
        shares=(share_limit("failed code 40008 > 2.5% by carrier"),),
        max_messages=5,
    )
    assert guards.canary == Canary(size=1000, share=0.95, within_ms=600_000)
    assert Guards.parse(guards.format()) == guards
    assert Guards().format() == b""
    assert msgspec.json.decode(guards.format())["shares"][0]["least"] == 100


@pytest.mark.parametrize(
    "text",
    ["", "failed", "failed > 0%", "failed > 100%", "failed > nan%", "delivered > 5%",
     "failed > 5% by state", "opted_out > 1% by carrier", "errors > 1% by carrier",
     "failed code 40008 > 2% by code", "failed > 5% of at least 0"],
)  # fmt: skip
def test_a_share_that_is_none_is_refused_with_the_form_of_one(text: str) -> None:
    with pytest.raises(BadGuard):
        share_limit(text)


@pytest.mark.parametrize(
    ("size", "delivered", "within"),
    [("0", "95%", "10m"), ("0%", "95%", "10m"), ("100%", "95%", "10m"), ("100", "95%", "10m"),
     ("1%", "0%", "10m"), ("1%", "101%", "10m"), ("1%", "95", "10m"), ("1%", "95%", "ten")],
)  # fmt: skip
def test_a_canary_that_is_none_is_refused(size: str, delivered: str, within: str) -> None:
    with pytest.raises(BadGuard):
        canary(size, delivered, within, 100)


@pytest.mark.parametrize("text", ["", "carrier", "carrier=", "carrier=Acme", "area=212", "no=x"])
def test_a_condition_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadGuard):
        left_out(text, plan())


def test_who_opts_out_counts_for_the_running_campaigns_that_reached_them(
    store: redis.Redis,
) -> None:
    bench = begun(store, Guards(shares=(share_limit("opted_out > 30% of at least 3"),)))
    ids = sent(bench, 4)
    for number, id in enumerate(ids[:2]):
        assert state(bench)[0] == "running"
        rows = (recipient(plan(), n) for n in range(20))
        row = next(row for row in rows if member_id("july", row) == id)
        args: list[Argument] = [row.to, "stop", int(bench.now_ms), "", "{}", f"e{number}"]
        bench.call(HEAR, [*args, 1000, 1, bench.token(), MessageId.parse(id).short])
    assert state(bench) == ("paused", "opted out: 2 of 4 accepted (50.0%), more than 30%")
    keyed = plan("august", key_column="order")
    bench.campaigns.create(keyed)
    with pytest.raises(BadGuard, match="go by order"):
        bench.campaigns.guard("august", Guards(shares=(share_limit("opted_out > 1%"),)))


CHANGES: dict[str, Callable[[Bench], object]] = {
    "guard": lambda bench: bench.campaigns.guard("july", Guards(max_messages=1)),
    "cap": lambda bench: bench.campaigns.cap("july", Decimal("0.01"), Account()),
    "pace": lambda bench: bench.campaigns.pace("july", 5.0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=[*CHANGES])
def test_a_change_wakes_no_campaign_that_does_not_run(
    store: redis.Redis, change: Callable[[Bench], object]
) -> None:
    bench = begun(store, Guards(max_segments=1))
    sent(bench, 1)
    bench.act("july", "pause")
    change(bench)
    assert not bench.claim_all(1, within_ms=2_500)
    assert state(bench) == ("paused", ""), "a person paused it"
    assert not [entry for entry in Audit(store, bench.keys) if entry.who == "sluicegate"]
    later = plan("later")
    bench.campaigns.create(later)
    bench.add("later", recipient(later, 1))
    bench.campaigns.schedule("later", datetime.fromtimestamp(bench.now_ms / 1000 + 60, UTC))
    bench.campaigns.guard("later", Guards(max_segments=1))
    assert not bench.claim_all(1, within_ms=2_500)
    assert bench.campaigns.get("later").state == "scheduled"


def test_what_was_changed_while_it_was_paused_holds_at_once(store: redis.Redis) -> None:
    bench = begun(store, Guards())
    bench.campaigns.pace("july", 0.001)
    assert len(sent(bench)) == 1
    bench.act("july", "pause")
    bench.campaigns.pace("july", 100)
    bench.act("july", "resume")
    assert len(sent(bench, 5)) == 5
    bench.check()
