"""What trials in the field found about a worker that is far from its Redis."""

import asyncio
import logging

import pytest
import redis

from sluicegate.optouts import MOST_START_TO_POST_SECONDS, START_TO_POST_SECONDS, wait_for_posts
from sluicegate_ops.inspect import read_account
from sluicegate_ops.operating.status.findings import findings
from sluicegate_worker.distance import Distance
from support.fleet import Fleet

COUNT = 40


def sends(fleet: Fleet, away_ms: float, seconds: float = 20) -> None:
    """Messages come once the worker has found out how far away it is."""
    fleet.away_seconds = away_ms / 1000

    async def main() -> None:
        await asyncio.sleep(10)
        fleet.enqueue(COUNT)
        await asyncio.sleep(seconds)

    fleet.run(main)


@pytest.mark.parametrize("away_ms", [1, 30, 45])
def test_06_a_worker_that_is_45_ms_away_sends(valkey: redis.Redis, away_ms: float) -> None:
    fleet = Fleet(valkey)
    sends(fleet, away_ms)
    assert fleet.bench.check()["accepted"] == COUNT


def test_06_whoever_closes_a_gate_waits_for_the_farthest_worker(valkey: redis.Redis) -> None:
    fleet = Fleet(valkey)
    keys, slept = fleet.bench.keys, list[float]()
    valkey.zadd(keys("started"), {"m1": 1})
    wait_for_posts(valkey, keys, slept.append)
    valkey.zadd(keys("distant"), {"near": 25, "far": 44})
    wait_for_posts(valkey, keys, slept.append)
    valkey.zadd(keys("distant"), {"very-far": 500})
    wait_for_posts(valkey, keys, slept.append)
    assert slept == [START_TO_POST_SECONDS, 0.088, MOST_START_TO_POST_SECONDS]


def test_06_a_bound_grows_after_it_was_told_and_shrinks_before() -> None:
    distance = Distance()
    for _ in range(20):
        distance.note(0.04)
    assert distance.far_seconds == 0.04
    distance.tell(0.04)
    assert distance.post_within_seconds == START_TO_POST_SECONDS
    distance.told(0.04)
    assert distance.post_within_seconds == 0.08
    distance.tell(0.0)
    assert distance.post_within_seconds == START_TO_POST_SECONDS


@pytest.mark.parametrize(("away_ms", "person"), [(30, False), (150, True)])
def test_06_status_and_the_log_say_how_far_away_it_is(
    valkey: redis.Redis, caplog: pytest.LogCaptureFixture, away_ms: int, person: bool
) -> None:
    fleet = Fleet(valkey)
    with caplog.at_level(logging.WARNING):
        sends(fleet, away_ms, seconds=1)
    assert f"calls take {away_ms} ms" in caplog.text
    config = fleet.bench.config
    valkey.zadd(fleet.bench.keys("workers"), {"worker0": 1e15})  # status reads the real clock
    [found] = [
        finding
        for finding in findings(read_account(valkey, config, "default"))
        if "away from Redis" in finding.what
    ]
    assert found.what == f"worker worker0 is {away_ms} ms away from Redis"
    assert found.person == person
