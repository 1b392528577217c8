"""The same figures for real processes: Celery workers that POST to the HTTP simulator."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from sluicegate.message import Message
from sluicegate_ops.simulator import Settings

from ..deployment import Deployment
from .outcome import CaseResult, Targets, judged
from .progress import progress
from .scenario import RunFigures

WORKERS = (1, 4, 8)
LATENCY_MS, JITTER_MS = 100.0, 15.0
START_SECONDS = 120.0
GRACE_SECONDS = 20.0
LINE_EVERY = 20  # seconds

RequestRow = Sequence[Any]
"""A row of the simulator's list: its monotonic seconds, recipient, key, status, accepted."""


class DeployedRun(msgspec.Struct, frozen=True, kw_only=True):
    """``workers`` processes at ``limit`` requests per ``window``; times in seconds.

    The measurement begins ``warm_up`` after the first arrival and lasts ``windows``.
    """

    limit: int
    window: float
    workers: int
    warm_up: float
    windows: int

    @property
    def case(self) -> str:
        noun = "process" if self.workers == 1 else "processes"
        return f"{self.limit}/{self.window:.0f}, {self.workers} real {noun}"

    @property
    def seconds(self) -> float:
        return self.warm_up + self.windows * self.window

    @property
    def backlog(self) -> int:
        """More messages than the whole run can send."""
        return int(1.1 * self.limit / self.window * (self.seconds + GRACE_SECONDS)) + self.limit


MINUTE = [DeployedRun(limit=600, window=60.0, workers=n, warm_up=15.0, windows=1) for n in WORKERS]
SECOND = [DeployedRun(limit=50, window=1.0, workers=n, warm_up=5.0, windows=30) for n in WORKERS]
TARGETS_A_MINUTE = Targets(utilisation=0.99, share429=0.0001, first_window=True)
TARGETS_A_SECOND = Targets(utilisation=0.9, share429=0.001)


def deployed(chosen: Callable[[str], bool]) -> Iterator[CaseResult]:
    """Run the chosen cases; those of one limit run at the same time."""
    for targets, every in ((TARGETS_A_MINUTE, MINUTE), (TARGETS_A_SECOND, SECOND)):
        runs = [run for run in every if chosen(run.case)]
        for run, figures in zip(runs, measured(runs), strict=True):
            yield judged(run.case, targets, [figures])


def measured(runs: Sequence[DeployedRun]) -> list[RunFigures]:
    """Run all at the same time, each with its own server, provider and workers."""
    if not runs:
        return []
    with contextlib.ExitStack() as stack:
        deployments = [stack.enter_context(deployment_at(run.limit, run.window)) for run in runs]
        for deployment, run in zip(deployments, runs, strict=True):
            for _ in range(run.workers):
                deployment.start_worker()
        for deployment in deployments:
            deployment.wait_for_workers(START_SECONDS)
        for deployment, run in zip(deployments, runs, strict=True):
            enqueue_bulk(deployment, run.backlog)
        _wait(deployments, runs)
        return [
            figures_of(deployment.provider("requests"), run)
            for deployment, run in zip(deployments, runs, strict=True)
        ]


def figures_of(arrivals: Sequence[RequestRow], run: DeployedRun) -> RunFigures:
    """Compute the figures from the provider's list of requests."""
    if not arrivals:
        return RunFigures(utilisation=0.0, sent=0, refused=0, refused_in_first_window=0)
    first = arrivals[0][0]
    begins, ends = first + run.warm_up, first + run.seconds
    used = sum(accepted for moment, *_, accepted in arrivals if begins <= moment < ends)
    refused = [moment for moment, *_, status, _ in arrivals if status == 429]
    return RunFigures(
        utilisation=used / (run.limit * run.windows),
        sent=len(arrivals),
        refused=len(refused),
        refused_in_first_window=sum(moment < first + run.window for moment in refused),
    )


def deployment_at(limit: int, window: float) -> Deployment:
    """A server, and a provider that allows ``limit`` requests per ``window`` seconds."""
    provider = Settings(
        limit=limit,
        window_seconds=window,
        latency_ms=LATENCY_MS,
        latency_jitter_ms=JITTER_MS,
    )
    return Deployment(provider, account={"limit": limit, "window_seconds": window})


def enqueue_bulk(deployment: Deployment, count: int) -> None:
    """Enqueue ``count`` bulk messages; raises the first error."""
    messages = (
        Message(to="+15551234567", sender="+15550000000", text="hello", priority="bulk")
        for _ in range(count)
    )
    with deployment.sluice() as sluice:
        for result in sluice.enqueue_many(messages):
            if result.error:
                raise result.error


def _wait(deployments: Sequence[Deployment], runs: Sequence[DeployedRun]) -> None:
    """Wait until each provider was busy long enough, or time is up, which the figures show."""
    seconds = max(run.seconds for run in runs)
    began = time.monotonic()
    title = f"real processes, {runs[0].limit}/{runs[0].window:.0f}"
    with progress(title, int(seconds), "seconds", LINE_EVERY) as show:
        busy = 0.0
        while busy <= seconds and time.monotonic() - began < seconds + GRACE_SECONDS:
            time.sleep(0.5)
            busy = min(deployment.provider("report")["busy_seconds"] for deployment in deployments)
            show(min(int(busy), int(seconds)))
