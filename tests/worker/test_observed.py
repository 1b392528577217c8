"""What a drain counts and logs while it works, and how a worker process shows both."""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from sluicegate_worker.drain import Drain
from sluicegate_worker.observe.metrics import Meters
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Dead, Doubt, Halt, Outcome, Retry
from sluicegate_worker.queue import Queue
from sluicegate_worker.summary import Summary
from support.bench import Bench
from support.clock import CLOCK
from support.messages import message
from support.virtual import FarServer, Provider, Time, accepted, at_once

NUMBER = "+15551234567"


def drained(
    store: redis.Redis, answer: Callable[[str], Attempt], meters: Meters, messages: int = 6
) -> tuple[Summary, Provider]:
    """Drain so many messages in time that only passes when all wait."""
    time, bench = Time(), Bench(store, limit=1000)
    provider = Provider(time)
    provider.answer = answer
    bench.enqueue(*(message(number) for number in range(messages)))

    async def main() -> Summary:
        client = cast("Any", FarServer(store, at_once))
        claims = Queue(client, bench.config, "default", time=CLOCK)
        account = bench.config.account("default")
        drain = Drain(claims, provider, account, meters=meters, monotonic=lambda: time.now)
        ticking = asyncio.create_task(tick())
        summary = await drain.run(3)
        ticking.cancel()
        return summary

    async def tick() -> None:
        """The server's clock goes with the world's."""
        while True:
            bench.at(1_700_000_000_000.0 + 1000 * time.now)
            await asyncio.sleep(0.001)

    with asyncio.Runner(loop_factory=time.loop) as runner:
        return runner.run(main()), provider


def test_each_post_is_counted_once_by_what_came_of_it(valkey: redis.Redis) -> None:
    outcomes: dict[str, Outcome] = {
        "m1": Dead("40310", "no such number"),
        "m2": Doubt("silence", "no_answer"),
        "m3": Retry("HTTP 503", "503", 3_600.0),
    }

    def answer(id: str) -> Attempt:
        if outcome := outcomes.get(id):
            return Attempt(outcome, took_ms=50, heard=True)
        return accepted(id)

    meters = Meters()
    _, provider = drained(valkey, answer, meters)
    assert meters.attempts == {
        ("accepted", ""): 3,
        ("dead", "40310"): 1,
        ("doubt", "no_answer"): 1,
        ("retry", "503"): 1,
    }
    assert sum(meters.post_seconds.counts) == len(provider.posts) == 6
    assert meters.in_flight == 0
    assert meters.granted == 6
    assert meters.settled.sum == 6
    assert sum(meters.call_seconds["step"].counts) >= meters.claims.total()
    assert not meters.starts_lost


def test_an_accounts_halt_is_logged_when_it_is_met(
    valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sluicegate_worker.observe.journal")
    halt = Halt("account", "HTTP 401: the key is wrong", "401")
    drained(valkey, lambda _: Attempt(halt, took_ms=50, heard=True), Meters(), messages=2)
    assert [r.getMessage() for r in caplog.records] == [
        "the account is halted: HTTP 401: the key is wrong"
    ]


def test_celerys_own_level_and_file_hold_for_what_is_written_as_json(tmp_path: Path) -> None:
    file = tmp_path / "worker.log"
    code = (
        "import logging\n"
        "from sluicegate_worker.tasks import app\n"
        f"app.log.setup(loglevel='WARNING', logfile={str(file)!r})\n"
        "log = logging.getLogger('sluicegate_worker.drain')\n"
        "log.info('not to be seen')\n"
        f"log.warning('to {NUMBER}, with %s', 'the-key-0123', extra={{'account': 'default'}})\n"
        f"logging.getLogger('celery.task').error('task of {NUMBER}')\n"
    )
    environ = {
        **os.environ,
        "SLUICEGATE_LOG": "json",
        "SLUICEGATE_TELNYX_API_KEY": "the-key-0123",
    }
    subprocess.run([sys.executable, "-c", code], env=environ, cwd=tmp_path, check=True)
    first, second = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    assert (first["text"], first["account"]) == ("to +1555•••67, with •••", "default")
    assert second["text"] == "task of +1555•••67"


@pytest.mark.parametrize(
    ("variable", "value"), [("SLUICEGATE_LOG", "yaml"), ("SLUICEGATE_METRICS_PORT", "x")]
)
def test_a_worker_told_nonsense_says_so_and_ends(
    tmp_path: Path, variable: str, value: str
) -> None:
    environ = {**os.environ, "SLUICEGATE_TELNYX_API_KEY": "key", variable: value}
    command = [sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "worker"]
    ended = subprocess.run(
        command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 1
    assert f"sluicegate: {variable}: must be" in ended.stderr
