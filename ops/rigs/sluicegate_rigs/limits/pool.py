"""Runs simulations on a few processes, each with its own server."""

import logging
import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

import redis

from ..embedded import EmbeddedServer
from .progress import progress
from .scenario import RunFigures, Scenario
from .world import simulate

PROCESSES = 2
LINE_EVERY = 10  # runs

_servers: list[EmbeddedServer] = []


def simulated(runs: Sequence[Scenario]) -> list[RunFigures]:
    """Run all on a few processes, the longest first; return their figures in the order given."""
    if not runs:
        return []
    figures: dict[int, RunFigures] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context, _serve) as pool:
        longest_first = sorted(range(len(runs)), key=lambda rank: -_cost(runs[rank]))
        futures = {pool.submit(_run, runs[rank]): rank for rank in longest_first}
        try:
            _follow(futures, figures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [figures[rank] for rank in range(len(runs))]


def _follow(futures: dict[Future[RunFigures], int], figures: dict[int, RunFigures]) -> None:
    with progress("simulating", len(futures), "runs", LINE_EVERY) as show:
        for done, future in enumerate(as_completed(futures), 1):
            figures[futures[future]] = future.result()
            show(done)


def _cost(run: Scenario) -> float:
    seconds = run.warm_up + (run.windows + run.settling) * run.window
    return seconds * run.rate * (2 + run.workers / 3)


def _serve() -> None:
    """Start this process's server, which ends with the process, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it silently, even during a run
    logging.disable(logging.WARNING)  # the other workers warn about one that is killed
    server = EmbeddedServer()
    server.start()
    _servers.append(server)


def _run(scenario: Scenario) -> RunFigures:
    with redis.Redis.from_url(_servers[0].url) as store:
        return simulate(scenario, store)
