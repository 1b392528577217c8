"""A deployment of real processes as tests look at it: enqueue, wait, and read all the books."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from sluicegate import Sluice
from sluicegate.stored import Record
from sluicegate_ops.simulator import Settings
from sluicegate_rigs.deployment import Deployment, WorkerProcess
from sluicegate_worker.queue import worker_tag
from support.consistency import check_consistency
from support.messages import message

HOLD = {"policy": "hold"}


def eventually(condition: Callable[[], bool], seconds: float, deployment: Deployment) -> None:
    """Wait until ``condition`` holds; fail with the workers' logs where it never does."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            logs = "\n\n".join(
                f"{w.name}:\n{w.log.read_text()[-1500:]}" for w in deployment.workers
            )
            pytest.fail(f"it did not come about within {seconds} s\n{logs}")
        time.sleep(0.02)


class Account:
    """The default account of a deployment, as the tests look at it."""

    def __init__(self, deployment: Deployment, sluice: Sluice) -> None:
        self.deployment, self.sluice, self.keys = deployment, sluice, sluice.keys
        self.store = cast("Any", sluice.client)

    def enqueue(self, first: int, last: int, **fields: Any) -> None:
        made = (message(number, **fields) for number in range(first, last))
        assert all(result.outcome == "enqueued" for result in self.sluice.enqueue_many(made))

    def total(self, name: str) -> int:
        return int(self.store.hget(self.keys("totals"), name) or 0)

    def has_accepted(self, count: int) -> Callable[[], bool]:
        return lambda: self.total("accepted") >= count

    def size(self, zset: str) -> int:
        return int(self.store.zcard(self.keys(zset)))

    def is_quiet(self) -> bool:
        """No worker holds anything, so nothing moves."""
        return not self.store.hlen(self.keys("leases"))

    def books(self) -> Counter[str]:
        return check_consistency(self.store, self.keys)

    def started_by(self, worker: WorkerProcess) -> set[str]:
        """The messages whose POST ``worker``, which is stopped, may have begun."""
        tag = worker_tag(f"{worker.name}@sluicegate").encode()
        for _ in range(2):  # after the second, all that the worker had sent has been taken in
            self.store.ping()
        leases = self.store.hgetall(self.keys("leases"))
        return {
            id.decode()
            for id, lease in leases.items()
            if lease.startswith(tag) and lease.split(b"|")[3]
        }

    def workers_of(self, id: str) -> set[str]:
        """The workers, by their tags, that made the attempts of a message."""
        stored = self.store.hmget(self.keys.record(id), "history")
        history = Record.parse_some(("history",), stored).history
        return {attempt.worker for attempt in history.attempts}

    def received(self) -> Counter[str]:
        """How many messages each recipient got from the provider."""
        return Counter(self.deployment.provider("recipients"))


@contextmanager
def deployment(provider: Settings, workers: int = 1, **options: Any) -> Iterator[Account]:
    with Deployment(provider, forked=True, **options) as deployment, deployment.sluice() as sluice:
        for _ in range(workers):
            deployment.start_worker()
        deployment.wait_for_workers()
        yield Account(deployment, sluice)


def number_of(id: str) -> str:
    return f"+1555{int(id[1:]):07d}"
