"""Events: each step of a message is told once, by the script that makes it, and only if wanted."""

from typing import Any

import pytest
import redis

from sluicegate.config import App
from sluicegate.keys import Keys
from sluicegate.levels import published
from sluicegate.receipts import Receipt
from sluicegate.scripts import Argument
from sluicegate_ops.inspect import AppEvent, Mentions, every_event, naming, read_events
from sluicegate_worker.operator.erasing import Erasure
from sluicegate_worker.queue import PUBLISH
from support.bench import Bench
from support.messages import message, plan
from support.receipts import apply, tell

KEYS = Keys("default")
ALL = "1000|audit|*"


def wanting(store: redis.Redis, whose: str = ALL, **options: Any) -> Bench:
    bench = Bench(store, **options)
    store.hset(KEYS("limits"), "events", whose)
    return bench


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """Every script is called twice, and must change nothing the second time."""
    return wanting(store, repeat=True)


def told(bench: Bench) -> list[AppEvent]:
    return list(every_event(bench.store, KEYS, 0))


def kinds(bench: Bench) -> list[str]:
    return [event.kind for event in told(bench)]


def test_nothing_is_written_where_nobody_wants_it(store: redis.Redis) -> None:
    bench = Bench(store)
    bench.enqueue(message(1), message(2))
    bench.send()
    bench.send(kind="dead", code="40300", heard=True)
    assert not store.exists(KEYS("events"), KEYS("event_number"))


def test_acceptance_and_delivery_are_told_in_order(bench: Bench) -> None:
    bench.enqueue(message(1))
    grant = bench.send()
    apply(bench, [Receipt("e1", grant.id, f"p-{grant.id}", "sent", 1_700_000_000_000)])
    tell(bench, grant.id, "delivered")
    tell(bench, grant.id, "delivered", "again")
    assert kinds(bench) == ["accepted", "sent", "delivered"]
    accepted, _, delivered = told(bench)
    assert [event.number for event in told(bench)] == [1, 2, 3]
    assert accepted.facts["to"] == delivered.facts["to"] == message(1).to
    assert accepted.facts["sender"] == delivered.facts["sender"] == message(1).sender
    assert accepted.facts["provider_id"] == f"p-{grant.id}"


def test_a_receipt_that_comes_first_tells_both(bench: Bench) -> None:
    bench.enqueue(message(1))
    [grant] = bench.claim(1).grants
    bench.start(grant)
    tell(bench, grant.id, "delivered")
    assert kinds(bench) == ["accepted", "delivered"]
    bench.settle(grant, "accepted", provider_id=f"p-{grant.id}", heard=True)
    assert kinds(bench) == ["accepted", "delivered"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("dead", ["dead"]), ("doubt", ["in_doubt"]), ("retry", []), ("back", [])],
)
def test_every_end_of_an_attempt(bench: Bench, kind: str, expected: list[str]) -> None:
    bench.enqueue(message(1))
    bench.send(kind=kind, code="40300", reason="No", heard=True, delay_ms=1000)
    assert kinds(bench) == expected
    if expected == ["dead"]:
        [event] = told(bench)
        assert event.facts["code"] == "40300"
        bench.replay(event.id)
        assert kinds(bench) == ["dead", "replayed"]


def test_what_ends_without_an_attempt(bench: Bench) -> None:
    bench.enqueue(message(1), message(2, expires_at=None))
    bench.cancel(message(1).id)
    assert kinds(bench) == ["cancelled"]
    bench.store.hset(KEYS("optouts"), message(3).to, "1 stop")
    bench.enqueue(message(3))
    assert kinds(bench) == ["cancelled", "suppressed"]


def test_sent_twice_is_told(bench: Bench) -> None:
    bench.enqueue(message(1))
    grant = bench.send()
    tell(bench, grant.id, "delivered", provider_id="another")
    assert kinds(bench) == ["accepted", "delivered", "sent_twice"]
    assert told(bench)[-1].facts["second_provider_id"] == "another"


def test_a_lost_worker_leaves_a_doubt_that_is_told(bench: Bench) -> None:
    bench.enqueue(message(1))
    [grant] = bench.claim(1).grants
    bench.start(grant)
    for _ in range(8):
        bench.later(9_000)
        bench.sweep()
    assert kinds(bench)[0] == "in_doubt"


def test_only_messages_of_apps_that_want_it(store: redis.Redis) -> None:
    shop, other = wanting(store, "1000|shop", app="shop"), wanting(store, "1000|shop", app="till")
    shop.enqueue(message(1))
    other.enqueue(message(2))
    shop.send()
    shop.send()
    assert [event.id for event in told(shop)] == [f"shop:{message(1).id}"]
    assert [event.app for event in told(shop)] == ["shop"]


def test_a_campaign_is_told_of_with_its_recipients(bench: Bench) -> None:
    july = plan()
    bench.campaign(july, 2)
    bench.send()
    bench.act(july.name, "pause")
    bench.act(july.name, "resume")
    bench.send()
    bench.sweep()
    seen = [(event.kind, event.facts.get("state")) for event in told(bench)]
    assert seen == [
        ("campaign", "running"),
        ("accepted", "accepted"),
        ("campaign", "paused"),
        ("campaign", "running"),
        ("accepted", "accepted"),
        ("campaign", "finished"),
    ]
    assert told(bench)[1].facts["sender"] == july.sender


def test_a_cancelled_campaign_says_how_many_ended_with_it(bench: Bench) -> None:
    bench.campaign(plan(), 3)
    bench.send()
    [held] = bench.claim_all(1)
    bench.act("july", "cancel")
    assert told(bench)[-1].facts == {"campaign": "july", "state": "cancelled", "ended": "1"}
    bench.settle(held, "unused")
    assert [event.kind for event in told(bench)][-2:] == ["campaign", "cancelled"]
    assert bench.campaigns.ledger("july").states["cancelled"] == 2


def test_numbers_go_on_behind_the_stream_where_the_count_was_lost(bench: Bench) -> None:
    bench.enqueue(message(1), message(2))
    bench.send()
    bench.store.delete(KEYS("event_number"))
    bench.send()
    assert [event.number for event in told(bench)] == [1, 2]


def test_what_is_trimmed_is_told(store: redis.Redis) -> None:
    bench = wanting(store)
    bench.enqueue(*(message(n) for n in range(5)))
    for _ in range(5):
        bench.send()
    store.xtrim(KEYS("events"), maxlen=2, approximate=False)
    page = read_events(store, KEYS, 1)
    assert ([event.number for event in page.events], page.trimmed) == ([4, 5], 2)
    assert read_events(store, KEYS, 3).trimmed == 0
    store.delete(KEYS("events"))
    page = read_events(store, KEYS, 2)
    assert (page.events, page.trimmed, page.read_to) == ([], 3, 5)


def test_new_readers_begin_with_what_happens_next(store: redis.Redis) -> None:
    bench = wanting(store)
    bench.enqueue(message(1))
    bench.send()
    apps = {"shop": App(token_env="T", events="own"), "crm": App(token_env="U", events="all")}
    fields = published(bench.config.accounts["default"], apps)
    assert fields["events"] == "100000|crm|shop|*"
    args: list[Argument] = [b"9", b"d", b"", b""]
    args += [part for field in fields.items() for part in field]
    bench.call(PUBLISH, args)
    assert store.hgetall(KEYS("event_readers")) == {b"crm": b"1", b"shop": b"1"}


def test_who_is_erased_is_taken_out_of_the_events_and_nobody_else(store: redis.Redis) -> None:
    bench = wanting(store)
    bench.enqueue(message(1), message(2), message(3))
    for _ in range(2):
        bench.send()
    number = message(1).to
    erasure = Erasure(store, KEYS, number, naming(number[1:]).search, 1000)
    found = list(Mentions(store, KEYS, number))
    assert [mention.member for mention in found if mention.key == "events"] == [b"1-0"]
    for mention in found:
        erasure.mention(*mention)
    assert [event.facts["to"] for event in told(bench)] == [message(2).to]
    assert not list(Mentions(store, KEYS, number))
    last = message(3).to
    for mention in list(Mentions(store, KEYS, last)):
        Erasure(store, KEYS, last, naming(last[1:]).search, 1000).mention(*mention)
    assert kinds(bench)[-1] == "cancelled"
    assert "to" not in told(bench)[-1].facts
