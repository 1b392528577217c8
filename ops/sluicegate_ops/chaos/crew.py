"""The crew: enough workers up, more on their way, and what those had begun that were killed."""

from collections.abc import Sequence
from random import Random
from typing import Any, cast

import redis

from sluicegate_worker.claims import worker_tag

from ..stage import Stage, Worker
from .setting import SPARES, WORKERS


def tag_of(worker: Worker) -> str:
    """What the tokens of the worker's leases, and its attempts in records, are marked with."""
    return worker_tag(f"{worker.name}@stage")


class Crew:
    """The workers of a stage.

    ``killed`` and ``frozen`` map workers' tags to the messages whose POST they had begun, or may
    have, when that befell them. ``random`` chooses whom it befalls.
    """

    def __init__(self, stage: Stage, client: redis.Redis, random: Random) -> None:
        self.killed: dict[str, set[str]] = {}
        self.frozen: dict[str, set[str]] = {}
        self._stage, self._client, self._random = stage, cast("Any", client), random
        with stage.sluice() as sluice:
            self._keys = sluice.keys
        self._still: list[Worker] = []

    @property
    def begun(self) -> set[str]:
        """The messages whose POST somebody had begun who was killed."""
        return set().union(*self.killed.values())

    def tend(self) -> None:
        """Start workers for those that are gone."""
        alive = sum(worker.alive for worker in self._stage.workers)
        for _ in range(WORKERS + SPARES - alive):
            self._stage.start_worker()

    def at_work(self) -> list[Worker]:
        """Who is up and not frozen; nobody while the server is away."""
        try:
            heard = self._stage.workers_heard()
        except redis.RedisError:
            return []
        return [worker for worker in heard if worker not in self._still]

    def catch(self) -> Worker | None:
        """Freeze somebody whose POSTs are under way; None where there is nobody."""
        workers = self.at_work()
        self._random.shuffle(workers)
        for worker in workers[: max(0, len(workers) - 1)]:  # somebody goes on
            worker.freeze()
            begun = self._begun_by(worker)
            if begun:
                self.frozen[tag_of(worker)] = begun
                self._still.append(worker)
                return worker
            worker.thaw()
        return None

    def kill(self, worker: Worker) -> set[str]:
        """``kill -9`` somebody who was caught; return what he had begun."""
        worker.kill()
        begun = self.frozen.pop(tag_of(worker))
        self.killed[tag_of(worker)] = begun
        self._still.remove(worker)
        return begun

    def thaw(self, worker: Worker) -> None:
        """Let somebody go on who was caught."""
        worker.thaw()
        self._still.remove(worker)

    def thaw_all(self) -> None:
        for worker in tuple(self._still):
            self.thaw(worker)

    def _begun_by(self, worker: Worker) -> set[str]:
        """The messages whose POST ``worker``, which stands still, may have begun."""
        tag = tag_of(worker).encode()
        for _ in range(2):  # after the second, all that the worker had sent has been taken in
            self._client.ping()
        leases = self._client.hgetall(self._keys("leases"))
        return {id.decode() for id, lease in leases.items() if _is_begun(lease, tag)}


def _is_begun(lease: bytes, tag: bytes) -> bool:
    fields: Sequence[bytes] = lease.split(b"|", 4)
    return fields[0].startswith(tag) and bool(fields[3])
