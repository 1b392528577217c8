"""The workers under chaos: starting, freezing and killing them, and what each had begun."""

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
    """The tag that marks the worker in leases and in records of attempts."""
    return worker_tag(f"{worker.name}@sluicegate")


class Caught(NamedTuple):
    """When a worker was frozen (wall ms), and the messages whose POSTs it may have begun."""

    at_ms: float
    begun: Set[str]


class Thawed(NamedTuple):
    """When a frozen worker resumed (monotonic seconds and wall ms), and its tag."""

    at: float
    wall_ms: float
    tag: str


class Workers:
    """The workers of a deployment; ``random`` chooses the victims.

    ``killed`` maps the tags of killed workers to what they had begun; ``thawed`` lists the workers
    that resumed after a freeze.
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
        """How many POSTs were, or may have been, in flight when their worker was killed."""
        return sum(len(caught.begun) for caught in self.killed.values())

    def tend(self) -> None:
        """Replace the workers that have ended."""
        alive = sum(worker.alive for worker in self._deployment.workers)
        for _ in range(WORKERS + SPARES - alive):
            self._deployment.start_worker()

    def at_work(self) -> list[WorkerProcess]:
        """The workers that are up and not frozen; none while the server is down."""
        try:
            heard = self._deployment.workers_heard()
        except redis.RedisError:
            return []
        return [worker for worker in heard if worker not in self._caught]

    def catch(self) -> WorkerProcess | None:
        """Freeze a worker with POSTs in flight and return it; None if there is none."""
        workers = self.at_work()
        self._random.shuffle(workers)
        for worker in workers[: max(0, len(workers) - 1)]:  # at least one worker goes on
            worker.freeze()
            caught = self._examined(worker)
            if caught.begun:
                self._caught[worker] = caught
                return worker
            worker.thaw()
        return None

    def kill(self, worker: WorkerProcess) -> None:
        """``kill -9`` a caught worker."""
        worker.kill()
        self.killed[tag_of(worker)] = self._caught.pop(worker)

    def thaw(self, worker: WorkerProcess) -> None:
        """Let a caught worker go on."""
        del self._caught[worker]
        self._thaw(worker)

    def stall(self, seconds: float) -> None:
        """Freeze all workers for a while."""
        workers = self.at_work()
        for worker in workers:
            worker.freeze()
        time.sleep(seconds)
        for worker in workers:
            self._thaw(worker)

    def _thaw(self, worker: WorkerProcess) -> None:
        self.thawed.append(Thawed(time.monotonic(), time.time() * 1000, tag_of(worker)))
        worker.thaw()

    def _examined(self, worker: WorkerProcess) -> Caught:
        """When ``worker`` was frozen, and the messages that it has started.

        Also those that an earlier freeze left in doubt: they wait for its word.
        """
        tag = tag_of(worker)
        for _ in range(
            2
        ):  # after the second, the server has processed everything that the worker sent
            self._client.ping()
        leases = self._client.hgetall(self._keys("leases"))
        held = {id.decode(): Lease.parse(lease) for id, lease in leases.items()}
        begun = {
            id for id, lease in held.items() if (lease.worker, lease.state) == (tag, "started")
        }
        seconds, micros = self._client.time()
        return Caught(seconds * 1000 + micros / 1000, begun | self._doubted_by(tag))

    def _doubted_by(self, tag: str) -> Set[str]:
        """The messages in doubt that the worker of this tag was the last to start."""
        ids = [id.decode() for id in self._client.zrange(self._keys("doubts"), 0, -1)]
        tokens = [self._client.hget(self._keys.record(id), "token") or b"" for id in ids]
        pairs = zip(ids, tokens, strict=True)
        return {id for id, token in pairs if token.decode().startswith(tag)}
