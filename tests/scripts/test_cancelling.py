"""Apps are told of each recipient that waited when its campaign was cancelled, and each once."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest
import redis

from sluicegate.campaigns.exclusion import Exclusion
from sluicegate.campaigns.ledger import Ledgers
from sluicegate.keys import Keys
from sluicegate_ops.inspect import CampaignRecipients, Mentions, every_event, naming
from sluicegate_ops.inspect.members import member
from sluicegate_rigs.embedded import EmbeddedServer
from sluicegate_worker.operator.erasing import Erasure
from sluicegate_worker.queue import SWEEP
from support.bench import Bench
from support.messages import member_id, plan, recipient

KEYS = Keys("default")
JULY = plan()
ALL, OWN = "100000|audit|*", "100000|shop"


def wanting(store: redis.Redis, whose: str = ALL, *, repeat: bool = False) -> Bench:
    bench = Bench(store, repeat=repeat, limit=1000)
    store.hset(KEYS("limits"), "events", whose)
    return bench


def cancelled(store: redis.Redis) -> list[str]:
    """The ids of the messages that apps were told are cancelled."""
    return [event.id for event in every_event(store, KEYS, 0) if event.kind == "cancelled"]


def check(bench: Bench) -> None:
    """That indexes, counters and records agree; it reads no streams."""
    bench.store.delete(KEYS("events"))
    bench.check()


def lane(bench: Bench) -> int:
    return len(bench.lane(JULY.lane))


@pytest.mark.parametrize("whose", [OWN, ""])
def test_where_nobody_wants_to_be_told_they_are_set_aside_at_once(
    store: redis.Redis, whose: str
) -> None:
    bench = wanting(store, whose) if whose else Bench(store)
    bench.campaign(JULY, 3)
    bench.act("july", "cancel")
    assert lane(bench) == 0
    assert not store.exists(KEYS("cancelling"))
    check(bench)


def test_each_is_told_once_by_a_sweep(store: redis.Redis) -> None:
    bench = wanting(store, repeat=True)
    ids = bench.campaign(JULY, 6)
    sent, held = bench.send(), bench.claim_all(1)[0]
    retried = bench.send(kind="retry", delay_ms=1_000, reason="an error", heard=True)
    back = bench.send(kind="back", reason="HTTP 429", heard=True)
    ended = bench.act("july", "cancel")
    assert ended == "cancelled"
    assert bench.act("july", "cancel") == "cancelled", "which moves nothing either"
    assert cancelled(store) == []
    bench.later(1_000)
    bench.sweep()
    bench.settle(held, "unused")
    bench.later(60_000)
    bench.sweep()
    bench.claim(1)  # which ends what is due
    told = cancelled(store)
    assert Counter(told) == Counter(id for id in ids if id != sent.id)
    assert {retried.id, back.id, held.id} <= set(told)
    [event] = [one for one in every_event(store, KEYS, 0) if one.id == told[0]]
    assert event.facts["reason"] == "its campaign was cancelled"
    assert event.facts["to"].startswith("+1")
    check(bench)


def test_until_then_everybody_takes_them_for_cancelled(valkey: redis.Redis) -> None:
    bench = wanting(valkey)
    ids = bench.campaign(JULY, 250)
    bench.act("july", "cancel")
    bench.sweep()
    assert len(cancelled(valkey)) == 100
    assert lane(bench) == 150
    ledgers = Ledgers(valkey, KEYS)
    assert ledgers.recount("july") == ledgers.read("july")
    assert ledgers.read("july").states["cancelled"] == 250
    listed = CampaignRecipients(valkey, KEYS, bench.campaigns.get("july"), None)
    assert {(one.id, one.state) for one in listed} == {(id, "cancelled") for id in ids}
    last = member(valkey, KEYS, ids[-1])
    assert last is not None
    assert last.state == "cancelled"
    again = plan("again", except_campaigns=("july",))
    hashes = [recipient(again, n).hash for n in range(250)]
    assert Exclusion(valkey, KEYS, again).of(hashes) == [""] * 250, "nobody was reached"


def test_who_is_erased_meanwhile_is_counted_once(store: redis.Redis) -> None:
    bench = wanting(store)
    bench.campaign(JULY, 2)
    bench.act("july", "cancel")
    number = recipient(JULY, 1).to
    erasure = Erasure(store, KEYS, number, naming(number[1:]).search, 1000)
    for mention in list(Mentions(store, KEYS, number)):
        erasure.mention(*mention)
    bench.later(1_000)
    bench.sweep()
    assert len(cancelled(store)) == 1
    assert bench.campaigns.ledger("july").states["cancelled"] == 2
    check(bench)


def test_no_more_are_told_than_what_is_kept_bears(valkey: redis.Redis) -> None:
    bench = wanting(valkey, "1000|audit|*")
    bench.campaign(JULY, 250)
    bench.act("july", "cancel")
    for minutes, told in ((0, 100), (0.9, 100), (0.2, 200), (0.9, 200), (0.2, 250)):
        bench.later(60_000 * minutes)
        bench.sweep()
        assert len(cancelled(valkey)) == told
    assert not valkey.exists(KEYS("cancelling"))


def test_once_nobody_wants_them_the_rest_is_set_aside(valkey: redis.Redis) -> None:
    bench = wanting(valkey)
    bench.campaign(JULY, 150)
    bench.act("july", "cancel")
    bench.sweep()
    valkey.hdel(KEYS("limits"), "events")
    bench.later(1_000)
    bench.sweep()
    assert lane(bench) == 0
    assert not valkey.exists(KEYS("cancelling"))
    check(bench)


def answers_again(store: redis.Redis) -> None:
    """Wait until the server has read what it had written."""
    deadline = time.monotonic() + 30
    while True:
        try:
            store.ping()
        except redis.ConnectionError:  # also that it is loading
            assert time.monotonic() < deadline
        else:
            return


@pytest.fixture
def lasting() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(append_only="always") as server:
        yield server


def test_ten_thousand_are_told_once_though_redis_is_killed(lasting: EmbeddedServer) -> None:
    with redis.Redis.from_url(lasting.url) as store:
        bench = wanting(store)
        bench.campaigns.create(JULY)
        everybody = [recipient(JULY, n) for n in range(10_000)]
        for at in range(0, 10_000, 500):
            bench.add("july", *everybody[at : at + 500])
        bench.act("july", "start")
        bench.act("july", "cancel")
        for turn in range(100):
            bench.later(1_000)
            args = bench.queue.sweep_args("w1", bench.token())
            bench.call(SWEEP, args)
            if turn % 20 == 7:
                lasting.restart()
                answers_again(store)
                bench.call(SWEEP, args)  # its answer was lost with the server
        told = cancelled(store)
        assert len(told) == 10_000
        assert set(told) == {member_id("july", one) for one in everybody}
        bench.later(1_000)
        bench.sweep()
        assert not store.exists(KEYS("cancelling"))
        check(bench)
