"""An account of version 0.1: today's code goes on with it as if it had written it itself."""

import msgspec
import pytest
import redis

from sluicegate.errors import UnknownMessage
from sluicegate.stored import Lease, Record
from sluicegate_worker.wire import Grant
from support.bench import Bench
from support.receipts import tell
from support.stored import STORED, restore

LEASES: dict[str, str] = STORED["leases"]
NOT_RECORDED_BEFORE_A_START = None


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    return restore(store)


def state_of(bench: Bench, id: str) -> str | None:
    try:
        return bench.status(id).state
    except UnknownMessage:
        return NOT_RECORDED_BEFORE_A_START


def held(id: str) -> Grant:
    """The grant that a worker of that version held."""
    return Grant(id, LEASES[id], 0.0, 0, 0, 0, 0, b"", b"")


def test_every_message_is_where_it_was(bench: Bench) -> None:
    assert {id: state_of(bench, id) for id in STORED["states"]} == STORED["states"]
    bench.check()


def test_records_and_leases_are_read(bench: Bench) -> None:
    for id, state in STORED["states"].items():
        record = Record.parse(bench.store.hgetall(bench.keys.record(id)))
        assert bool(record.state) == (state is not NOT_RECORDED_BEFORE_A_START)
        if record.attempts:
            assert record.history.attempts
    leases = bench.store.hgetall(bench.keys("leases"))
    assert {id.decode(): Lease.parse(text).token for id, text in leases.items()} == LEASES


def test_what_receipts_said_is_read_and_stays(bench: Bench) -> None:
    """Version 0.1 called it ``fate``."""
    record = Record.parse(bench.store.hgetall(bench.keys.record("m3")))
    assert (record.delivery, record.delivery_at) == ("failed", 1_700_000_000_000)
    before = bench.totals()
    assert tell(bench, "m3", "delivered") == "stale"
    assert bench.totals()["failed"] == before["failed"]
    stored = bench.store.hgetall(bench.keys.record("m3"))
    assert (stored[b"delivery"], b"fate" in stored) == (b"failed", False)
    bench.check()


def test_ledgers_equal_their_recounts(bench: Bench) -> None:
    for name in ("july", "june", "may"):
        counters, recount = bench.campaigns.ledger(name), bench.campaigns.recount(name)
        assert counters.maybe_sent is None  # that version did not count it
        assert msgspec.structs.replace(counters, maybe_sent=recount.maybe_sent) == recount
    assert bench.campaigns.ledger("july").states["in_doubt"] == 1


def test_what_was_started_is_settled_and_what_was_granted_is_started(bench: Bench) -> None:
    [started] = [id for id, state in STORED["states"].items() if state == "started"]
    assert bench.settle(held(started), "accepted", provider_id="p", heard=True) == "applied"
    assert bench.status(started).state == "accepted"
    assert bench.start(held("m31")) == [True]
    assert bench.settle(held("m31"), "accepted", provider_id="p", heard=True) == "applied"
    bench.check()


@pytest.mark.slow_on_fake
def test_sending_goes_on(bench: Bench) -> None:
    bench.later(20_000)  # what the old workers held is given up
    for _ in range(3):
        bench.sweep()
        bench.later(20_000)
    bench.sweep()
    before = bench.check()
    sent = bench.drain(3_600_000, want=10)
    assert len(sent) == len({one.id for one in sent}) > 5
    assert before["waiting"] > (after := bench.check())["waiting"]
    assert after["scheduled"] == after["retrying"] == 0
    for name in ("july", "june", "may"):
        counters, recount = bench.campaigns.ledger(name), bench.campaigns.recount(name)
        assert counters.maybe_sent is None  # that version did not count it
        assert msgspec.structs.replace(counters, maybe_sent=recount.maybe_sent) == recount
    assert bench.campaigns.get("may").state == "paused"


def test_people_decide_about_what_is_held(bench: Bench) -> None:
    assert bench.resolve("m7", "accepted", "p-m7") == "resolved"
    assert bench.replay("m5") == "replayed"
    assert bench.purge("m8") == "purged"
    assert bench.cancel("m42") == "cancelled"
    assert bench.act("may", "resume") == "running"
    assert {halt.level for halt in bench.halts.list()} == {
        "sender:+15550000777",
        "registration:other",
    }
    bench.check()
