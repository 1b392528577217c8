"""One run of chaos: break things for a while, wait until all is quiet, collect evidence."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, cast

import msgspec

from sluicegate import Sluice
from sluicegate_worker.operator.doubts import Doubts

from ..deployment import SECRETS, Deployment
from .disasters import Disasters
from .evidence import Evidence
from .logs import leaks
from .records import Books, books, provided
from .setting import make_deployment
from .standstills import Standstills
from .traffic import Traffic
from .workers import Workers, tag_of

KILL_SECONDS, QUICK_KILL_SECONDS = 0.8, 2.0
"""The shortest time between two kills, and where the run is quick."""

TICK_SECONDS = 0.05
START_SECONDS = 60.0
REST_SECONDS = 90.0


class ChaosProgress(msgspec.Struct, frozen=True):
    """The progress of a run; ``last`` is the latest disaster."""

    seconds: float
    kills: int
    begun: int
    sent: int
    last: str


class ChaosResult(msgspec.Struct, frozen=True):
    """The evidence, the enqueues that were repeated, and the seconds until all was quiet."""

    evidence: Evidence
    repeats: int
    resting_seconds: float


Show = Callable[[ChaosProgress], None]


class ChaosRun:
    """A run of ``seconds``, drawn from ``seed``; it reports its progress to ``show``.

    It ends with standstills, which ``status`` must name. A ``quick`` run leaves them out, kills
    less often, and starts its processes as forks.
    """

    def __init__(self, seconds: float, seed: int, show: Show, *, quick: bool = False) -> None:
        self._seconds, self._show, self._quick = seconds, show, quick
        self._kill_seconds = QUICK_KILL_SECONDS if quick else KILL_SECONDS
        # Separate dice, so that the draws of one do not change those of another.
        self._dice = [Random(f"{seed} {name}") for name in ("workers", "disasters", "traffic")]  # noqa: S311 - repeatable, nothing secret

    def outcome(self) -> ChaosResult:
        """Run it; raises TimeoutError if the deployment does not start."""
        workers_dice, disasters_dice, traffic_dice = self._dice
        with make_deployment(forked=self._quick) as deployment, deployment.sluice() as sluice:
            workers = Workers(deployment, sluice.client, workers_dice)
            disasters = Disasters(deployment, workers, disasters_dice)
            traffic = Traffic(deployment, traffic_dice)
            workers.tend()
            deployment.start_web()
            deployment.wait_for_web(START_SECONDS)
            deployment.wait_for_workers(START_SECONDS)
            traffic.start()
            try:
                self._break(workers, disasters, traffic)
                disasters.end()
                workers.tend()
                deployment.wait_for_web(START_SECONDS)
                deployment.wait_for_workers(START_SECONDS)
                standstills = Standstills(deployment, sluice)
                staged = [] if self._quick else list(standstills.staged())
                traffic.stop()
            finally:
                traffic.abandon()
            resting = _rest(deployment, sluice)
            evidence = _evidence(deployment, sluice, workers, disasters, traffic)
            evidence = msgspec.structs.replace(
                evidence, staged=staged, planted=standstills.planted
            )
            return ChaosResult(evidence, traffic.repeats, resting)

    def _break(self, workers: Workers, disasters: Disasters, traffic: Traffic) -> None:
        began, killed_at, last = time.monotonic(), 0.0, ""
        due = disasters.drawn(self._seconds)
        # On a slow machine, longer: until each disaster has struck.
        while (passed := time.monotonic() - began) < self._seconds or due:
            traffic.check()
            workers.tend()
            disasters.tend()
            if due and due[0][0] <= passed:
                last = due.pop(0)[1]
                disasters.strike(last)
            elif passed - killed_at >= self._kill_seconds and (worker := workers.catch()):
                workers.kill(worker)
                killed_at = passed
            self._show(
                ChaosProgress(
                    passed,
                    len(workers.killed),
                    workers.begun,
                    len(traffic.sent),
                    last,
                )
            )
            time.sleep(TICK_SECONDS)


def _rest(deployment: Deployment, sluice: Sluice) -> float:
    """Wait until all is quiet or time is up, which the evidence shows; return the seconds."""
    began = time.monotonic()
    while time.monotonic() - began < REST_SECONDS and not _is_quiet(deployment, sluice):
        time.sleep(0.2)
    return time.monotonic() - began


def _is_quiet(deployment: Deployment, sluice: Sluice) -> bool:
    """Whether no message waits or is in flight, and every event was sent."""
    client, keys = cast("Any", sluice.client), sluice.keys
    enqueued, *ended = client.hmget(keys("totals"), "enqueued", "accepted", "purged")
    pending = int(enqueued) - sum(int(count or 0) for count in ended)
    pending -= client.zcard(keys("doubts"))
    events = deployment.provider("webhooks")
    return not (
        pending - client.zcard(keys("dead"))
        or client.hlen(keys("leases"))
        or events["waiting"]
        or events["under_way"]
    )


def _evidence(
    deployment: Deployment,
    sluice: Sluice,
    workers: Workers,
    disasters: Disasters,
    traffic: Traffic,
) -> Evidence:
    ids = list(traffic.sent)
    before, theirs = books(sluice, ids), provided(deployment)
    received = {arrival.to: arrival.id for arrival in theirs.arrived}
    _resolve(sluice, {id: received.get(traffic.sent[id], "") for id in before.indexes["doubts"]})
    after = _when_finished(sluice, ids)
    dead = [worker for worker in deployment.workers if not worker.alive]
    ended = [
        f"{worker.name} ended with {worker.process.returncode}: {worker.last_words()}"
        for worker in dead
        if tag_of(worker) not in workers.killed
    ]
    deployment.stop_workers()  # their last log lines count too
    server_log = Path(cast("Any", sluice.client).config_get("dir")["dir"]) / "valkey.log"
    logs = [*sorted(deployment.directory.glob("*.log")), server_log]
    leaked = list(leaks(logs, SECRETS, set(traffic.sent.values())))
    return Evidence(
        traffic.sent,
        workers.killed,
        disasters.struck,
        workers.thawed,
        before,
        after,
        theirs,
        ended,
        leaked,
    )


def _resolve(sluice: Sluice, received: dict[str, str]) -> None:
    """Resolve each doubt like a person who asked the provider, so that the sums add up."""
    doubts = Doubts(sluice.client, sluice.keys, sluice.config.retention_ms)
    for id, provider_id in received.items():
        verdict = "accepted" if provider_id else "drop"
        doubts.resolve(id, verdict, provider_id=provider_id, reason="the provider was asked")  # type: ignore[arg-type] # a Resolution


def _when_finished(sluice: Sluice, ids: list[str]) -> Books:
    """Our side once a sweep has finished the campaign, or after 10 s, which the evidence shows."""
    ends = time.monotonic() + 10
    while (state := books(sluice, ids)).campaign != "finished" and time.monotonic() < ends:
        time.sleep(0.3)
    return state


def run(seconds: float, seed: int, show: Show, *, quick: bool = False) -> ChaosResult:
    """Break a deployment for ``seconds``, and collect the evidence; see ``ChaosRun``."""
    return ChaosRun(seconds, seed, show, quick=quick).outcome()
