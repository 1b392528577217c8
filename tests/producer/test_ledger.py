"""A campaign's ledger: the equation, and a recount that trusts no counter."""

from typing import Any

import pytest
import redis

from sluicegate.campaigns.ledger import STATES, Costs, Ledger
from sluicegate.receipts import DELIVERIES
from sluicegate.stored import CostSum
from support.bench import Bench
from support.messages import plan, recipient
from support.receipts import tell

JULY = plan()
COUNT = 15


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """A campaign with a recipient in each of several states, and others named much like it."""
    made = Bench(store, limit=1000)
    for name in ("jul", "july2", "july-2", "uly"):
        blast(made, name, 3)
        made.act(name, "pause")
    blast(made, "july", COUNT)
    made.send()
    for status in ("delivered", "delivery_failed", "delivery_unconfirmed"):
        assert tell(made, made.send().id, status) == "applied"
    made.send(kind="retry", delay_ms=60_000)
    made.send(kind="doubt", delay_ms=60_000)
    made.send(kind="dead", reason="so")
    assert made.purge(made.send(kind="dead", reason="so").id) == "purged"
    assert made.cancel(made.send(kind="retry", delay_ms=60_000).id) == "cancelled"
    made.store.hset(made.keys("optouts"), recipient(JULY, 9).to, "0 test")
    [held] = made.claim_all(1)  # number 9 is passed over
    made.later(held.slot_ms)
    assert made.start(held) == [True]
    made.claim_all(1)
    return made


def blast(bench: Bench, name: str, count: int) -> None:
    of = plan(name)
    bench.campaigns.create(of)
    bench.add(name, *[recipient(of, n) for n in range(count)])
    bench.act(name, "start")


def test_the_counters_are_what_the_records_say(bench: Bench) -> None:
    expected = dict.fromkeys(STATES, 1) | {"expired": 0, "waiting": 5, "accepted": 4}
    ledger = bench.campaigns.ledger("july")
    costs: Costs = {"": {"unknown": CostSum(messages=4)}}  # nobody told any
    told = dict.fromkeys(DELIVERIES, 1)
    assert ledger == Ledger(COUNT, expected, told, maybe_sent=1, costs=costs, segments=4)
    assert ledger.unknown == 1
    assert bench.campaigns.recount("july") == ledger
    assert ledger.adds_up
    assert ledger.pending == 7
    for other in ("jul", "july2", "july-2", "uly"):
        assert bench.campaigns.recount(other) == bench.campaigns.ledger(other)
        assert bench.campaigns.ledger(other).states["waiting"] == 3


def test_a_campaign_without_recipients_has_nothing(bench: Bench) -> None:
    bench.campaigns.create(plan("june"))
    none = (dict.fromkeys(STATES, 0), dict.fromkeys(DELIVERIES, 0))
    nothing = Ledger(0, *none, maybe_sent=0, segments=0)
    assert bench.campaigns.ledger("june") == nothing
    assert bench.campaigns.recount("june") == nothing
    assert nothing.adds_up


@pytest.mark.parametrize("counter", ["imported", *STATES])
def test_a_counter_that_is_wrong_shows(bench: Bench, counter: str) -> None:
    bench.store.hincrby(bench.keys.ledger("july"), counter, 1)
    ledger = bench.campaigns.ledger("july")
    assert not ledger.adds_up
    assert bench.campaigns.recount("july") != ledger
    assert bench.campaigns.recount("july").adds_up


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_a_delivery_that_is_counted_wrong_shows(bench: Bench, delivery: str) -> None:
    bench.store.hincrby(bench.keys.ledger("july"), delivery, 1)
    ledger = bench.campaigns.ledger("july")
    assert ledger.adds_up, "there is one more of whom nothing is known"
    assert bench.campaigns.recount("july") != ledger
    bench.store.hincrby(bench.keys.ledger("july"), delivery, 1)
    assert not bench.campaigns.ledger("july").adds_up


@pytest.mark.parametrize("lost", ["ticket", "lease", "started lease", "record", "unsent"])
def test_a_recipient_that_is_lost_shows(bench: Bench, lost: str) -> None:
    store: Any = bench.store
    held = {kind: store.zrange(bench.keys(kind), 0, 0)[0] for kind in ("granted", "started")}
    match lost:
        case "ticket":
            store.lpop(bench.keys.lane(JULY.lane))
        case "lease":
            store.hdel(bench.keys("leases"), held["granted"])
        case "started lease":
            store.hdel(bench.keys("leases"), held["started"])
        case "record":
            store.delete(bench.keys.record(store.zrange(bench.keys("dead"), 0, 0)[0].decode()))
        case _:
            store.delete(bench.keys.unsent("july", "suppressed"))
    recount = bench.campaigns.recount("july")
    assert not recount.adds_up
    assert recount != bench.campaigns.ledger("july")
    assert bench.campaigns.ledger("july").adds_up, "the counters know nothing of it"


def test_more_than_a_page_of_everything(store: redis.Redis) -> None:
    bench = Bench(store, limit=1000)
    bench.campaigns.create(JULY, expected_rows=4000)
    rows = [recipient(JULY, n) for n in range(4000)]
    for row in rows[:1500]:
        bench.store.hset(bench.keys("optouts"), row.to, "0 test")
    assert sum(1 for _ in bench.campaigns.add("july", rows)) == 4000
    ledger = bench.campaigns.ledger("july")
    assert ledger.states | {"suppressed": 1500, "waiting": 2500} == ledger.states
    assert bench.campaigns.recount("july") == ledger
    bench.act("july", "cancel")
    ledger = bench.campaigns.ledger("july")
    assert ledger.states | {"suppressed": 1500, "cancelled": 2500} == ledger.states
    assert bench.campaigns.recount("july") == ledger
