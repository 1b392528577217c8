"""The runs of all cases on a few processes, each with a server of its own."""

import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

import redis
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from ..embedded import EmbeddedServer
from .cases import Case, Outcome
from .scenario import Figures, Scenario
from .world import simulate

PROCESSES = 2
LINE_EVERY = 10  # runs, where there is no terminal

console = Console()
_servers: list[EmbeddedServer] = []


def simulated(cases: Sequence[Case]) -> list[Outcome]:
    """Run them all, those that take longest first, on a few processes with a server each."""
    runs = [(case.name, number, run) for case in cases for number, run in enumerate(case.runs)]
    runs.sort(key=lambda item: -_cost(item[2]))
    figures: dict[tuple[str, int], Figures] = {}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, context, _serve) as pool:
        futures = {pool.submit(_run, run): (name, number) for name, number, run in runs}
        try:
            _follow(futures, figures)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [
        case.outcome([figures[case.name, number] for number in range(len(case.runs))])
        for case in cases
    ]


def _follow(
    futures: dict[Future[Figures], tuple[str, int]], figures: dict[tuple[str, int], Figures]
) -> None:
    bar = ("simulating", BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*bar, console=console, disable=not console.is_terminal)
    with progress:
        task = progress.add_task("", total=len(futures))
        for done, future in enumerate(as_completed(futures), 1):
            figures[futures[future]] = future.result()
            progress.update(task, completed=done)
            if not console.is_terminal and (done % LINE_EVERY == 0 or done == len(futures)):
                console.print(f"{done:4}/{len(futures)} runs")


def _cost(run: Scenario) -> float:
    seconds = run.warm_up + (run.windows + run.settling) * run.window
    return seconds * run.rate * (2 + run.workers / 3)


def _serve() -> None:
    """Give this process a server; it ends with the process, however that ends."""
    logging.disable(logging.WARNING)  # a worker that is killed is news to the others
    server = EmbeddedServer()
    server.start()
    _servers.append(server)


def _run(scenario: Scenario) -> Figures:
    with redis.Redis.from_url(_servers[0].url) as store:
        return simulate(scenario, store)
