"""The workers under chaos: enough of them up, more on their way, and what the killed had begun."""

import time
from collections.abc import Set
from random import Random
from typing import Any, NamedTuple, cast

import redis

from sluicegate.stored import Lease
from sluicegate_worker.queue import worker_tag

from ..deployment import Deployment, WorkerProcess
from .setting import SPARES, WORKERS


def tag_of(worker: WorkerProcess) -> str:
    """What the tokens of the worker's leases, and its attempts in records, are marked with."""
    return worker_tag(f"{worker.name}@sluicegate")


class Caught(NamedTuple):
    """A worker stood still at that moment (wall ms), and may have begun these messages' POSTs."""

    at_ms: float
    begun: Set[str]


class Thawed(NamedTuple):
    """A stop ended for a worker: then (monotonic seconds, and wall ms), whose tag this is."""

    at: float
    wall_ms: float
    tag: str


class Workers:
    """The workers of a deployment; ``random`` chooses what befalls whom.

    ``killed`` are those caught and then killed, by their tags; ``thawed`` are those for whom a
    stop of some length ended.
    """

    def __init__(self, deployment: Deployment, client: redis.Redis, random: Random) -> None:
        self.killed: dict[str, Caught] = {}
        self.thawed: list[Thawed] = []
        self._caught: dict[WorkerProcess, Caught] = {}
        self._deployment, self._client, self._random = deployment, cast("Any", client), random
        with deployment.sluice() as sluice:
            self._keys = sluice.keys

    @property
    def begun(self) -> int:
        """POSTs that were under way when their worker was killed, or may have been."""
        return sum(len(caught.begun) for caught in self.killed.values())

    def tend(self) -> None:
        """Start workers for those that are gone."""
        alive = sum(worker.alive for worker in self._deployment.workers)
        for _ in range(WORKERS + SPARES - alive):
            self._deployment.start_worker()

    def at_work(self) -> list[WorkerProcess]:
        """Who is up and not frozen; nobody while the server is away."""
        try:
            heard = self._deployment.workers_heard()
        except redis.RedisError:
            return []
        return [worker for worker in heard if worker not in self._caught]

    def catch(self) -> WorkerProcess | None:
        """Freeze somebody whose POSTs are under way; None where there is nobody."""
        workers = self.at_work()
        self._random.shuffle(workers)
        for worker in workers[: max(0, len(workers) - 1)]:  # somebody goes on
            worker.freeze()
            caught = self._looked_at(worker)
            if caught.begun:
                self._caught[worker] = caught
                return worker
            worker.thaw()
        return None

    def kill(self, worker: WorkerProcess) -> None:
        """``kill -9`` somebody who was caught."""
        worker.kill()
        self.killed[tag_of(worker)] = self._caught.pop(worker)

    def thaw(self, worker: WorkerProcess) -> None:
        """Let somebody go on who was caught."""
        del self._caught[worker]
        self._thaw(worker)

    def stall(self, seconds: float) -> None:
        """Have all of them stand still for a while."""
        workers = self.at_work()
        for worker in workers:
            worker.freeze()
        time.sleep(seconds)
        for worker in workers:
            self._thaw(worker)

    def _thaw(self, worker: WorkerProcess) -> None:
        self.thawed.append(Thawed(time.monotonic(), time.time() * 1000, tag_of(worker)))
        worker.thaw()

    def _looked_at(self, worker: WorkerProcess) -> Caught:
        """When ``worker`` stood still, and what it holds leases of that have started."""
        tag = tag_of(worker)
        for _ in range(2):  # after the second, all that the worker had sent has been taken in
            self._client.ping()
        leases = self._client.hgetall(self._keys("leases"))
        held = {id.decode(): Lease.parse(lease) for id, lease in leases.items()}
        begun = {
            id for id, lease in held.items() if (lease.worker, lease.state) == (tag, "started")
        }
        seconds, micros = self._client.time()
        return Caught(seconds * 1000 + micros / 1000, begun)
