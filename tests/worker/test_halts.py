"""Halts: why an account stands still, until when, and how it goes on."""

import pytest
import redis

from sluicegate.stored import HaltInfo
from sluicegate_rigs.embedded import EmbeddedServer
from sluicegate_worker.operator.halts import Halts
from support.bench import Bench
from support.messages import message


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    return Bench(store, repeat=True, limit=1000)


@pytest.fixture
def halts(bench: Bench) -> Halts:
    return bench.halts


def halted(bench: Bench, ends: str = "", reason: str = "HTTP 401") -> None:
    bench.enqueue(message(1))
    bench.send(kind="back", halt="account", halt_ends=ends, reason=reason)


@pytest.mark.parametrize(
    ("ends", "until_ms"),
    [("", None), ("60000", 1_700_000_060_000), ("midnight", 1_700_006_400_000)],
)
def test_a_halt_says_why_and_until_when(
    bench: Bench, halts: Halts, ends: str, until_ms: int | None
) -> None:
    assert halts.list() == []
    halted(bench, ends, "HTTP 401: a | in it")
    [halt] = halts.list()
    assert halt == HaltInfo("account", "HTTP 401: a | in it", until_ms, halt.since_ms, "provider")
    assert halt.since_ms == 1_700_000_000_000
    assert bench.record("m1")["state"] == "waiting"
    assert bench.record("m1")["reason"] == "HTTP 401: a | in it"


def test_the_first_cause_of_a_halt_is_kept(bench: Bench, halts: Halts) -> None:
    bench.enqueue(message(0))
    bench.send()
    bench.enqueue(message(1), message(2))
    for grant in bench.claim_all(2):
        bench.start(grant)
        bench.settle(grant, "back", halt="account", reason=f"{grant.id} was first")
    assert [halt.why for halt in halts.list()] == ["m1 was first"]


def test_a_halt_lifted_wakes_the_workers_and_everything_goes_on(
    bench: Bench, halts: Halts
) -> None:
    halted(bench)
    assert bench.claim().why == "halted"
    bench.store.delete(bench.keys("wake"))
    assert halts.clear()
    assert bench.store.llen(bench.keys("wake")) == 1
    assert [grant.id for grant in bench.claim_all(1)] == ["m1"]


def test_a_halt_that_is_not_there_cannot_be_lifted(bench: Bench, halts: Halts) -> None:
    assert not halts.clear()
    assert bench.store.llen(bench.keys("wake")) == 0


def test_a_settle_repeated_does_not_bring_back_a_halt_that_was_lifted(
    bench: Bench, halts: Halts
) -> None:
    bench.enqueue(message(1))
    [grant] = bench.claim_all(1)
    bench.start(grant)
    bench.settle(grant, "back", halt="account", reason="HTTP 401")
    halts.clear()
    bench.settle(grant, "back", halt="account", reason="HTTP 401")
    assert halts.list() == []


def test_a_halt_is_lifted_on_a_full_server_too() -> None:
    with EmbeddedServer() as server, redis.Redis.from_url(server.url) as store:
        bench = Bench(store, limit=1000)
        halted(bench)
        store.config_set("maxmemory", 1)
        assert Halts(store, bench.keys).clear()
