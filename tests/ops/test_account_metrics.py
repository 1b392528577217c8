"""The accounts' metrics, as ``sluicegate serve`` reads them from Redis."""

import asyncio
import re
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from redis.backoff import NoBackoff
from redis.retry import Retry

from sluicegate.config import Sender
from sluicegate.keys import FINAL_STATES, STATES
from sluicegate_ops.metrics import EVENTS, AccountScrape, exposed
from support.bench import Bench
from support.messages import SENDER, message, plan, recipient

ROOT = Path(__file__).parents[2]
AWAY = redis.Redis(port=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


class Gauges:
    """What is scraped, by a metric's name and its labels' values beside the account."""

    def __init__(self, text: str) -> None:
        self._found = {
            (sample.name, *sorted(v for k, v in sample.labels.items() if k != "account")): sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name: str, *labels: str) -> float:
        return self._found[f"sluicegate_{name}", *sorted(labels)].value

    def named(self, name: str) -> bool:
        return any(found[0] == f"sluicegate_{name}" for found in self._found)


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    return Bench(store, limit=20)


def scraped(bench: Bench) -> Gauges:
    return Gauges(exposed(bench.store, bench.config))


def test_messages_are_counted_by_where_they_are(bench: Bench) -> None:
    bench.enqueue(*(message(number) for number in range(6)))
    bench.send()
    bench.send(kind="dead", code="40310")
    bench.send(kind="doubt", delay_ms=-1.0)
    bench.send(kind="doubt", delay_ms=60_000.0)
    bench.claim_all(1)
    gauges = scraped(bench)
    states = ("accepted", "dead", "held", "in_doubt", "granted", "waiting", "due", "started")
    assert [gauges("messages", state) for state in states] == [1, 1, 1, 1, 1, 1, 0, 0]
    assert gauges("events_total", "in_doubt") == 2
    assert gauges("events_total", "enqueued") == 6


def test_a_counter_is_there_before_it_counts(bench: Bench) -> None:
    gauges = scraped(bench)
    assert all(gauges("events_total", event) == 0 for event in EVENTS)


def test_what_may_be_taken_back_is_no_counter(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.cancel("m1")
    gauges = scraped(bench)
    assert gauges("messages", "cancelled") == 1
    with pytest.raises(KeyError):
        gauges("events_total", "cancelled")


def test_halts_are_counted_by_level_and_by_who_ends_them(bench: Bench) -> None:
    bench.halts.set("account", "wrong price")
    bench.halts.set(
        f"sender:{SENDER}", "complaints", 10**10
    )  # the bench's clock is not the server's
    text = exposed(bench.store, bench.config)
    gauges = Gauges(text)
    assert gauges("halts", "account", "person") == 1
    assert gauges("halts", "sender", "itself") == 1
    assert gauges("halts", "campaign", "person") == 0
    assert SENDER not in text


def test_who_waits_for_a_level_is_counted_by_its_kind(store: redis.Redis) -> None:
    bench = Bench(store, senders={SENDER: Sender(kind="long_code", per_second=0.01)})
    bench.enqueue(message(1), message(2))
    bench.send()
    assert scraped(bench)("ready") == 1
    bench.claim()
    gauges = scraped(bench)
    assert (gauges("parked", "sender"), gauges("parked", "campaign")) == (1, 0)
    assert gauges("ready") == 0


def test_the_breaker_is_in_one_state(bench: Bench) -> None:
    assert scraped(bench)("breaker", "closed") == 1
    bench.enqueue(*(message(number) for number in range(6)))
    for _ in range(5):
        bench.send(kind="retry", delay_ms=1000.0, heard=True, failing=True)
    gauges = scraped(bench)
    assert [gauges("breaker", state) for state in ("closed", "open", "half")] == [0, 1, 0]
    assert gauges("events_total", "breaker_opened") == 1


def test_the_bucket_is_shown_as_the_headers_made_it(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(took_ms=80.0, limit=10, remaining=2)
    gauges = scraped(bench)
    assert gauges("limit_requests") == 10
    assert (gauges("configured_requests"), gauges("window_seconds")) == (20, 1)
    assert gauges("round_trip_seconds") >= 0.08
    assert gauges("concurrency_limit_requests") == 100


def test_campaigns_and_workers_are_counted(bench: Bench) -> None:
    made = plan("july")
    bench.campaigns.create(made)
    bench.add("july", recipient(made, 1))
    assert scraped(bench)("running_campaigns") == 0
    bench.act("july", "start")
    seconds, _ = cast("Any", bench.store).time()
    bench.store.zadd(
        bench.keys("workers"), {"here": seconds * 1000, "gone": seconds * 1000 - 60_000}
    )
    gauges = scraped(bench)
    assert (gauges("running_campaigns"), gauges("workers")) == (1, 1)


def test_reading_them_costs_the_same_whatever_waits(valkey: redis.Redis) -> None:
    bench = Bench(valkey)

    def sent_bytes() -> int:
        return int(bench.store.info("stats")["total_net_output_bytes"])

    def cost() -> int:
        before = sent_bytes()
        exposed(bench.store, bench.config)
        return sent_bytes() - before

    bench.enqueue(message(0))
    cost()
    little = cost()
    bench.enqueue(*(message(number) for number in range(1, 2_000)))
    assert cost() - little < 100


def test_the_memory_that_messages_may_take_is_shown(valkey: redis.Redis) -> None:
    gauges = scraped(Bench(valkey))
    assert gauges("redis_memory_used_bytes") > 0
    assert gauges("redis_memory_ceiling_bytes") == 0


def test_while_redis_is_away_that_is_all_that_is_said(bench: Bench) -> None:
    for gauges in (
        Gauges(exposed(AWAY, bench.config)),
        Gauges(asyncio.run(AccountScrape(AWAY, bench.config).text())),
    ):
        assert gauges("redis_up") == 0
        assert not gauges.named("messages")
    assert scraped(bench)("redis_up") == 1


def test_the_event_loop_goes_on_while_they_are_read(valkey: redis.Redis) -> None:
    bench = Bench(valkey)
    gauges = Gauges(asyncio.run(AccountScrape(valkey, bench.config).text()))
    assert (gauges("redis_up"), gauges("limit_requests")) == (1, 50)


def test_whatever_a_script_counts_is_known_here() -> None:
    scripts = [
        path.read_text(encoding="utf-8")
        for folder in ("producer", "worker")
        for path in (ROOT / folder).rglob("*.lua")
    ]
    counted = {
        name
        for script in scripts
        for call in re.findall(r"(?<!leases\.)\bcount\(([^)]*)\)", script)
        for name in re.findall(r"'([a-z_]+)'", call)
    }
    assert {"retried", "void", "unused", "overtaken", "receipts_"} <= counted
    unknown = counted - set(EVENTS) - set(STATES) - FINAL_STATES
    assert unknown == {"receipts_", "held_"}, "give each a line in EVENTS"
