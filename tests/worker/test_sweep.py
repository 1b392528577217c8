"""A worker's sweep as it tends campaigns: it starts, it ends, and it reckons hours on."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

import pytest
import redis
import redis.asyncio

from sluicegate.campaigns.hours import SendingHours
from sluicegate.stored import OpenTimes
from sluicegate_worker.account_work import end
from sluicegate_worker.queue import Queue
from sluicegate_worker.sweep import sweeping
from support.bench import Bench
from support.clock import CLOCK
from support.messages import SINCE, plan, recipient


def tend(url: str, bench: Bench, done: Callable[[], bool]) -> int:
    """Sweep as a worker does until it found some and is ``done``; returns how often it did."""
    found = 0

    def on_work(swept: object) -> None:
        nonlocal found
        found += 1

    async def main() -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            queue = Queue(client, bench.config, "default", "worker", time=CLOCK)
            sweep = asyncio.create_task(sweeping(queue, on_work, interval_seconds=0.01))
            async with asyncio.timeout(5):
                while not (done() and found):  # noqa: ASYNC110 - what is waited for has no event
                    await asyncio.sleep(0.01)
            await end({sweep})

    asyncio.run(main())
    return found


def state(bench: Bench) -> str:
    return bench.campaigns.get("july").state


def test_a_worker_starts_what_is_scheduled(redis_url: str, valkey: redis.Redis) -> None:
    bench = Bench(valkey)
    bench.campaigns.create(plan())
    bench.add("july", recipient(plan(), 1))
    bench.campaigns.schedule("july", datetime.fromtimestamp(SINCE + 60, UTC))
    bench.later(60_000)
    assert tend(redis_url, bench, lambda: state(bench) == "running") > 0


def test_a_worker_ends_what_is_over_in_steps(
    redis_url: str, valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(valkey)
    july = plan(hours=SendingHours(windows="10:00-14:14", on_close="expire"))
    bench.campaign(july, 700)
    bench.later(3_600_000)
    with caplog.at_level("INFO"):
        tend(redis_url, bench, lambda: state(bench) == "finished")
    assert bench.campaigns.ledger("july").states["expired"] == 700
    assert "700 recipients expired with their hours" in caplog.text
    bench.check()


def test_a_worker_reckons_hours_on(redis_url: str, valkey: redis.Redis) -> None:
    bench = Bench(valkey)
    bench.campaign(plan(hours=SendingHours(windows="10:00-12:00")), 1)
    bench.later(10 * 86_400_000)

    def last_ms() -> int:
        fields = bench.store.hgetall(bench.keys.hours("july"))
        [text] = [text for field, text in fields.items() if not field.startswith(b"=")]
        return OpenTimes.parse(text).stretches[-1][1]

    before = last_ms()
    tend(redis_url, bench, lambda: last_ms() > before)
    assert last_ms() - before > 8 * 86_400_000


def test_hours_that_a_host_cannot_reckon_are_said_and_stay_closed(
    redis_url: str, valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(valkey)
    bench.campaign(plan(hours=SendingHours(windows="10:00-12:00")), 1)
    [name] = [
        field.decode()
        for field in cast("dict[bytes, bytes]", valkey.hgetall(bench.keys.hours("july")))
        if field.startswith(b"=")
    ]
    valkey.hset(bench.keys.hours("july"), name, '{"parts":[{"zones":["Mars/Olympus"]}]}')
    bench.later(10 * 86_400_000)
    tend(redis_url, bench, lambda: "no such time zone" in caplog.text)
    assert state(bench) == "running"
    valkey.hset(bench.keys.hours("july"), name, "{")
    bench.later(3_600_000)
    other = plan("june", hours=SendingHours(windows="10:00-12:00"))
    bench.campaign(other, 1)
    valkey.zadd(bench.keys("hours_due"), {"june": bench.now_ms})
    tend(redis_url, bench, lambda: "class of hours" in caplog.text)
    assert bench.store.zscore(bench.keys("hours_due"), "june") > bench.now_ms  # it goes on
