"""How the cost of a message grows: with what waits, in how many lanes, with how many workers."""

from collections.abc import Iterator

import msgspec

from .bed import Bed
from .contenders import BARE, MESSAGES, Contender
from .runs import Run, drained
from .stub import Door

BACKLOGS = (1_000, 10_000, 100_000, 1_000_000)
HUGE = 10_000_000
LANES = (1, 10, 100, 1_000, 10_000)
WORKERS = (1, 2, 4, 8)
LANES_BACKLOG = 100_000
MESSAGES_EACH = 4_000


class Point(msgspec.Struct, frozen=True):
    """One size of one thing, with the median run there and all runs' CPU per 1,000 messages."""

    what: str
    size: int
    worker_cpu: list[float]
    server_cpu: list[float]
    per_second: list[float]


def plan(*, huge: bool) -> Iterator[tuple[str, int, Contender, dict[str, int]]]:
    """What grows, its size, who drains, and the options of that run."""
    for backlog in (*BACKLOGS, HUGE) if huge else BACKLOGS:
        yield "backlog", backlog, BARE, {"backlog": backlog}
    for lanes in LANES:
        yield "lanes", lanes, MESSAGES, {"lanes": lanes, "backlog": LANES_BACKLOG}
    for workers in WORKERS:
        backlog = (workers + 1) * MESSAGES_EACH
        yield "workers", workers, BARE, {"workers": workers, "backlog": backlog}


def measured(bed: Bed, repeats: int, *, huge: bool) -> Iterator[Point]:
    """Every point, its repeats in a row: what is long to fill is filled as rarely as can be."""
    for what, size, contender, options in plan(huge=huge):
        count = min(MESSAGES_EACH * options.get("workers", 1), options["backlog"])
        often = 1 if size >= BACKLOGS[-1] else repeats
        runs = [drained(bed, contender, Door(), count, **options) for _ in range(often)]
        yield point(what, size, runs)


def point(what: str, size: int, runs: list[Run]) -> Point:
    """The runs of one size together."""
    return Point(
        what,
        size,
        [run.worker_cpu for run in runs],
        [run.server_cpu for run in runs],
        [run.per_second for run in runs],
    )
