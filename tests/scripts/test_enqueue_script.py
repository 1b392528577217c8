"""Enqueueing and cancelling: each id once, its content pinned, and nothing half stored."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import redis

from sluicegate import Message, OutboxFull, Sluice
from sluicegate.config import Config
from sluicegate.errors import UnknownMessage
from sluicegate.outbox import CALL, ENQUEUE, Outbox
from sluicegate_rigs.embedded import EmbeddedServer
from sluicegate_worker.wire import Renewal
from support.bench import Bench
from support.consistency import check_consistency
from support.messages import SENDER, message

LANE = f"ts:{SENDER}"


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    return Bench(store, repeat=True, limit=1000)


def at(bench: Bench, ms: float) -> datetime:
    """The test's time, so much later."""
    return datetime.fromtimestamp(bench.now_ms / 1000, UTC) + timedelta(milliseconds=ms)


def outcomes(bench: Bench, *messages: Message) -> list[str]:
    return [result.outcome for result in bench.enqueue(*messages)]


def test_a_batch_waits_in_its_lane_in_its_order(bench: Bench) -> None:
    assert outcomes(bench, *[message(n) for n in (3, 1, 2)]) == ["enqueued"] * 3
    assert bench.lane(LANE) == ["m3", "m1", "m2"]
    assert bench.check() == {"waiting": 3}


def test_an_id_known_with_the_same_content_is_left_alone(bench: Bench) -> None:
    bench.enqueue(message(1))
    before = bench.dump()
    assert outcomes(bench, message(1)) == ["known"]
    assert bench.dump() == before


def test_an_id_known_with_other_content_is_refused_and_its_message_kept(bench: Bench) -> None:
    bench.enqueue(message(1))
    before = bench.dump()
    assert outcomes(bench, message(1, text="other")) == ["reused"]
    assert bench.dump() == before


def test_an_id_twice_in_one_batch_to_somebody_who_opted_out(bench: Bench) -> None:
    bench.store.hset(bench.keys("optouts"), message(1).to, "1 person")
    assert outcomes(bench, message(1), message(1)) == ["suppressed", "known"]
    assert bench.check() == {"suppressed": 1}


def test_an_id_twice_in_one_batch_is_enqueued_once(bench: Bench) -> None:
    twice = outcomes(bench, message(1), message(1), message(1, text="other"), message(2))
    assert twice == ["enqueued", "known", "reused", "enqueued"]
    assert bench.check() == {"waiting": 2}
    assert bench.totals()["enqueued"] == 2


@pytest.mark.parametrize(
    "then", ["claimed", "started", "accepted", "retrying", "dead", "in_doubt", "cancelled"]
)
def test_an_id_stays_known_whatever_became_of_it(bench: Bench, then: str) -> None:
    bench.enqueue(message(1))
    if then == "cancelled":
        bench.cancel("m1")
    else:
        [grant] = bench.claim_all(1)
        if then != "claimed":
            bench.start(grant)
        kinds = {"accepted": "accepted", "retrying": "retry", "dead": "dead", "in_doubt": "doubt"}
        if then in kinds:
            bench.settle(grant, kinds[then], delay_ms=1000)
    assert outcomes(bench, message(1), message(1, text="other")) == ["known", "reused"]
    assert bench.check().total() == 1


def test_a_recipient_who_opted_out_is_recorded_and_not_sent_to(bench: Bench) -> None:
    bench.store.hset(bench.keys("optouts"), message(1).to, "0 test")
    assert outcomes(bench, message(1), message(2)) == ["suppressed", "enqueued"]
    assert outcomes(bench, message(1)) == ["known"]
    assert bench.check() == {"suppressed": 1, "waiting": 1}
    assert "content" not in bench.record("m1")


def test_a_message_for_later_is_scheduled_and_one_for_an_earlier_time_waits(bench: Bench) -> None:
    bench.enqueue(message(1, send_at=at(bench, 5000)), message(2, send_at=at(bench, -5000)))
    assert bench.check() == {"scheduled": 1, "waiting": 1}
    assert bench.lane(LANE) == ["m2"]


def test_workers_are_woken_by_what_is_new_and_by_nothing_else(bench: Bench) -> None:
    wake = bench.keys("wake")
    bench.enqueue(message(1), message(2))
    assert bench.store.llen(wake) == 1
    bench.enqueue(message(1))
    assert bench.store.llen(wake) == 1
    for n in range(3, 30):
        bench.enqueue(message(n))
    assert bench.store.llen(wake) == 8


def test_cancelled_before_it_starts_and_gone_from_the_due_set(bench: Bench) -> None:
    bench.enqueue(message(1), message(2), message(3, send_at=at(bench, 5000)))
    [grant] = bench.claim(1).grants
    assert [bench.cancel(id) for id in ("m1", "m2", "m3")] == ["cancelled"] * 3
    assert bench.start(grant) == [False]
    assert bench.log() == []
    assert bench.check() == {"cancelled": 3}
    assert bench.cancel("m1") == "cancelled"


def test_a_retry_is_cancelled_too(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(kind="retry", delay_ms=1000, heard=True)
    assert bench.cancel("m1") == "cancelled"
    assert bench.check() == {"cancelled": 1}


@pytest.mark.parametrize(
    ("kind", "answer"), [("accepted", "accepted"), ("dead", "dead"), ("doubt", "in_doubt")]
)
def test_what_cannot_be_cancelled_says_why(bench: Bench, kind: str, answer: str) -> None:
    bench.enqueue(message(1))
    [grant] = bench.claim_all(1)
    bench.start(grant)
    assert bench.cancel("m1") == "in_flight"
    bench.settle(grant, kind, provider_id="p", delay_ms=-1)
    assert bench.cancel("m1") == answer
    assert bench.record("m1")["state"] == answer


def test_a_message_that_evidence_has_ended_is_not_called_in_flight(bench: Bench) -> None:
    bench.enqueue(message(1))
    [first] = bench.claim_all(1)
    bench.start(first)
    bench.settle(first, "doubt", delay_ms=-1)
    bench.resolve("m1", "resend")
    [second] = bench.claim_all(1)
    bench.start(second)
    assert bench.cancel("m1") == "in_flight"
    bench.settle(first, "accepted", provider_id="p")
    assert bench.cancel("m1") == "accepted"
    bench.check()


def test_an_unknown_id_cannot_be_cancelled(bench: Bench) -> None:
    with pytest.raises(UnknownMessage):
        bench.cancel("nobody")


def test_a_batch_repeated_much_later_changes_nothing(bench: Bench) -> None:
    args = bench.outbox.enqueue_args([message(1), message(2)], "batch")
    bench.call(ENQUEUE, args)
    bench.send()
    bench.later(60_000)
    bench.step()
    before = bench.dump()
    again = Outbox.results([message(1), message(2)], bench.call(ENQUEUE, args))
    assert [result.outcome for result in again] == ["known", "enqueued"]
    after = bench.dump()
    clock = b"sluicegate:{default}:clock"
    assert {k: v for k, v in after.items() if k != clock} == {
        k: v for k, v in before.items() if k != clock
    }


@pytest.fixture
def small() -> Iterator[tuple[Bench, redis.Redis]]:
    """A bench on a server of its own that has 8 MB for its data."""
    with (
        EmbeddedServer(maxmemory_bytes=8_000_000) as server,
        redis.Redis.from_url(server.url) as store,
    ):
        yield Bench(store, limit=1000, lease_seconds=15.0), store


def filled(bench: Bench) -> int:
    """Enqueue, past the client's own ceiling, until the server refuses; return how many."""
    for stored in itertools.count(0, 40):
        ids = range(1000 + stored, 1040 + stored)
        try:
            bench.enqueue(*[message(n, text="x" * 1000) for n in ids])
        except redis.OutOfMemoryError:
            return stored
    raise AssertionError


def later(bench: Bench, store: redis.Redis, ms: float) -> None:
    """Let time pass on a full server; the clock is a key, so it needs room for a moment."""
    store.config_set("maxmemory", 0)
    bench.later(ms)
    store.config_set("maxmemory", 1)


def test_a_full_server_refuses_a_batch_whole(small: tuple[Bench, redis.Redis]) -> None:
    bench, store = small
    stored = filled(bench)
    assert bench.check() == {"waiting": stored}
    store.config_set("maxmemory", 1)
    before = bench.dump()
    with pytest.raises(redis.OutOfMemoryError):
        bench.enqueue(message(1), message(2))
    with pytest.raises(redis.OutOfMemoryError):
        bench.claim()
    assert bench.dump() == before


def test_the_client_says_that_the_server_is_full_and_which_messages_were_refused() -> None:
    with EmbeddedServer(maxmemory_bytes=8_000_000) as server:
        config = Config(redis_url=server.url, memory_ceiling=1.0)
        many = (message(n, text="x" * 1000) for n in range(10_000))
        with Sluice(config) as sluice, pytest.raises(OutboxFull) as full:
            list(sluice.enqueue_many(many))
        assert len(full.value.ids) % CALL == 0, "of one call, and of those after it"
        with redis.Redis.from_url(server.url) as store:
            assert not any(store.exists(sluice.keys.record(id)) for id in full.value.ids)
            check_consistency(store, sluice.keys)


def test_a_full_server_still_ends_keeps_and_repairs_what_it_began(
    small: tuple[Bench, redis.Redis],
) -> None:
    bench, store = small
    bench.enqueue(*[message(n) for n in range(1, 40)])
    bench.send()
    accepted, kept, doubted, silent, unused, void = grants = bench.claim_all(6)
    bench.later(max(grant.slot_ms for grant in grants))
    assert bench.start(accepted, kept, doubted, silent) == [True] * 4
    bench.later(9_000)
    bench.step()
    total = bench.check().total() + filled(bench)
    store.config_set("maxmemory", 1)

    assert bench.step(renewals=[Renewal(kept.id, kept.token)]).renewed == [True]
    assert bench.settle(accepted, "accepted", provider_id="p", heard=True) == "applied"
    assert bench.settle(unused, "unused") == "applied"
    assert bench.start(void) == [False]
    assert bench.settle(doubted, "doubt", delay_ms=1, reason="r" * 100) == "applied"
    later(bench, store, 8_000)
    swept = bench.sweep()
    assert (swept.given_back, swept.in_doubt, swept.resent) == (0, 1, 1)
    assert bench.status(silent.id).state == "in_doubt"
    assert bench.status(kept.id).state == "started"
    assert bench.settle(kept, "dead", reason="r" * 100) == "applied"
    assert bench.resolve(silent.id, "drop") == "resolved"
    assert bench.replay(silent.id) == "replayed"
    assert bench.purge(kept.id) == "purged"
    assert bench.cancel("m30") == "cancelled"
    assert bench.check().total() == total


def test_a_start_is_taken_on_a_full_server(small: tuple[Bench, redis.Redis]) -> None:
    bench, store = small
    bench.enqueue(message(1))
    [grant] = bench.claim_all(1)
    store.config_set("maxmemory", 1)
    assert bench.start(grant, request=b"r" * 1000) == [True]
    assert bench.record("m1")["request"] == "r" * 1000
