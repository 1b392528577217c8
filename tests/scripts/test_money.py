"""Caps in money: what stops, when, by how much it can be passed, and how it goes on."""

from decimal import Decimal
from typing import Any, cast

import msgspec
import pytest
import redis
from msgspec.structs import replace

from sluicegate.audit import Audit
from sluicegate.config import App, Config, Web
from sluicegate.outbox import ENQUEUE, Outbox
from sluicegate.stored import Bill, HaltInfo
from sluicegate_worker.queue import PUBLISH, Queue
from support.bench import Bench
from support.messages import message, plan, recipient
from support.receipts import tell

CENT = 10_000_000


def bill(cents: int | None, **fields: Any) -> Bill:
    cost = None if cents is None else cents * CENT
    return Bill(cost_billionths=cost, currency="USD", parts=1, **fields)


def capped(store: redis.Redis, app: str = "", **fields: Any) -> Bench:
    """A bench whose parts are reckoned at a cent each."""
    return Bench(store, repeat=True, app=app, price_per_segment=0.01, **fields)


def with_app(bench: Bench, daily_money: float) -> None:
    apps = {"shop": App(token_env="SHOP", daily_money=daily_money)}
    bench.config = replace(bench.config, web=Web(apps=apps))
    queue = Queue(cast("Any", bench.store), bench.config, "default")
    bench.call(PUBLISH, queue.publish_args())


def campaign(bench: Bench, count: int, max_cost: str) -> None:
    bench.campaigns.create(plan())
    bench.add("july", *(recipient(plan(), number) for number in range(count)))
    bench.campaigns.cap("july", Decimal(max_cost), bench.config.account("default"))
    bench.act("july", "start")


def spend(bench: Bench, cents: int | None, most: int = 20) -> int:
    """Send one after the other at a price, for as long as any is granted; returns how many."""
    for count in range(most):
        grants = bench.claim_all(1, within_ms=3_000)
        if not grants:
            return count
        [grant] = grants
        bench.later(max(grant.slot_ms, 0))
        assert bench.start(grant) == [True]
        bench.settle(grant, "accepted", provider_id=f"p-{grant.id}", heard=True, bill=bill(cents))
    return most


def test_a_campaign_is_paused_at_its_cap_and_goes_on_with_a_higher_one(
    store: redis.Redis,
) -> None:
    bench = capped(store)
    campaign(bench, 10, "0.05")
    assert spend(bench, 1) == 5
    paused = bench.campaigns.get("july")
    assert paused.state == "paused"
    assert paused.stopped == "its cap of 0.0500 USD is reached: 0.0500 billed or reckoned"
    assert bench.campaigns.ledger("july").states["waiting"] == 5
    entries = [(entry.who, entry.action) for entry in Audit(store, bench.keys)]
    assert ("sluicegate", "pause") in entries
    assert ("sluicegate", "warn") in entries
    bench.campaigns.cap("july", Decimal("0.07"), bench.config.account("default"))
    bench.act("july", "resume")
    assert not bench.campaigns.get("july").stopped
    assert spend(bench, 1) == 2
    bench.campaigns.cap("july", None, bench.config.account("default"))
    bench.act("july", "resume")
    assert spend(bench, 1) == 3
    bench.check()


def test_what_is_under_way_counts_so_that_many_at_once_pass_no_cap(store: redis.Redis) -> None:
    bench = capped(store, limit=1000)
    campaign(bench, 10, "0.06")
    assert spend(bench, 1, most=1) == 1
    grants = bench.claim_all(5)
    bench.later(20)
    assert not bench.claim(10).grants
    assert bench.campaigns.get("july").state == "running", "they may cost less, or be refused"
    assert bench.start(*grants) == [True] * 5
    for grant in grants[:4]:
        bench.settle(grant, "accepted", provider_id=grant.id, heard=True, bill=bill(1))
    bench.settle(grants[4], "dead", code="40310", reason="no", heard=True)
    assert spend(bench, 1) == 1
    assert bench.campaigns.get("july").state == "paused"
    bench.check()


def test_a_doubt_and_a_message_without_a_cost_count_by_the_estimate(store: redis.Redis) -> None:
    bench = capped(store)
    campaign(bench, 10, "0.05")
    grant = bench.begin()
    bench.settle(grant, "doubt", delay_ms=-1)
    assert spend(bench, None, most=2) == 2
    assert spend(bench, 1) == 2
    assert bench.campaigns.get("july").state == "paused"


def test_dearer_messages_than_reckoned_count_at_their_mean(store: redis.Redis) -> None:
    bench = capped(store)
    campaign(bench, 10, "0.10")
    assert spend(bench, 4) == 2, "a third would come to 0.12"
    assert bench.campaigns.get("july").state == "paused"


def test_an_account_is_halted_until_the_day_ends(store: redis.Redis) -> None:
    bench = capped(store, daily_money=0.03)
    bench.enqueue(*(message(n) for n in range(8)))
    assert spend(bench, 1) == 3
    halt = HaltInfo.parse("account", bench.store.hget(bench.keys("halts"), "account"))
    assert halt.who == "money cap"
    assert halt.until_ms is not None
    assert halt.until_ms % 86_400_000 == 0
    assert "its cap of 0.0300 USD is reached" in halt.why
    bench.at(halt.until_ms + 1)
    assert spend(bench, 1) == 3, "the next day has its own"


def test_whoever_lifts_the_halt_lifts_the_cap_for_the_day(store: redis.Redis) -> None:
    bench = capped(store, daily_money=0.03)
    bench.enqueue(*(message(n) for n in range(8)))
    assert spend(bench, 1) == 3
    bench.halts.clear("account")
    assert spend(bench, 1) == 5


def test_an_app_is_halted_and_others_go_on(store: redis.Redis) -> None:
    bench = capped(store, app="shop")
    with_app(bench, 0.02)
    bench.enqueue(*(message(n) for n in range(5)))
    assert spend(bench, 1) == 2
    assert [*bench.store.hgetall(bench.keys("halts"))] == [b"app:shop"]
    args = Outbox(bench.config, "default", "crm").enqueue_args([message(1)], bench.token())
    bench.call(ENQUEUE, args)
    assert spend(bench, 1) == 1
    bench.halts.clear("app:shop")
    assert spend(bench, 1) == 3
    bench.check()


def test_a_cost_that_comes_late_makes_room_or_takes_it(store: redis.Redis) -> None:
    bench = capped(store)
    campaign(bench, 10, "0.05")
    sent = [bench.send(bill=bill(None)) for _ in range(4)]
    tell(bench, sent[0].id, provider_id=f"p-{sent[0].id}", bill=bill(5))
    assert spend(bench, 1) == 0
    assert bench.campaigns.get("july").state == "paused"


def test_without_a_cap_nothing_is_read_for_one(store: redis.Redis) -> None:
    bench = Bench(store)
    bench.enqueue(message(1), message(2))
    bench.send(bill=bill(1))
    assert not store.exists(bench.keys("money"))
    assert not any(field.startswith(b"money") for field in bench.store.hkeys(bench.keys("limits")))


def test_a_cap_must_be_above_nothing(store: redis.Redis) -> None:
    bench = Bench(store)
    bench.campaigns.create(plan())
    with pytest.raises(ValueError, match="above 0"):
        bench.campaigns.cap("july", Decimal(0), bench.config.account("default"))
    assert msgspec.json.encode(bench.campaigns.get("july").max_cost) == b"null"
    assert replace(bench.config.account("default"), daily_money=1.0).daily_money == 1.0
    assert Config().apps_of("default") == {}
