"""How the cost of a message grows with the backlog, the lanes and the workers."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from .comparison import describe
from .contenders import BARE, MESSAGES, Contender
from .environment import Environment
from .progress import part
from .runs import Run, drained
from .stub import Endpoint

BACKLOGS = (1_000, 10_000, 100_000, 1_000_000)
HUGE = 10_000_000
LANES = (1, 10, 100, 1_000, 10_000)
WORKERS = (1, 2, 4, 8)
LANES_BACKLOG = 100_000
MESSAGES_EACH = 10_000
MESSAGES_OF_ALL = 30_000
"""What all workers together drain, however many they are."""


class Point(msgspec.Struct, frozen=True):
    """What the runs at one size used per 1,000 messages, round by round."""

    what: str
    size: int
    worker_cpu: list[float]
    server_cpu: list[float]
    per_second: list[float]


class Size(NamedTuple):
    """What grows, how large it is, who drains how many messages, and the options of the run."""

    what: str
    size: int
    contender: Contender
    messages: int
    options: dict[str, int]


def plan(scale: float) -> list[Size]:
    """Every size to measure; a ``scale`` below 1 drains less and skips the largest backlog."""
    each = max(500, int(MESSAGES_EACH * scale))
    of_all = max(4_000, int(MESSAGES_OF_ALL * scale))
    return [
        *(
            Size("backlog", size, BARE, min(size, each), {"backlog": size})
            for size in ((*BACKLOGS, HUGE) if scale >= 1 else BACKLOGS)
        ),
        *(
            Size("lanes", size, MESSAGES, each, {"lanes": size, "backlog": LANES_BACKLOG})
            for size in LANES
        ),
        *(
            Size("workers", size, BARE, of_all, {"workers": size, "backlog": 2 * of_all})
            for size in WORKERS
        ),
    ]


def measured(
    environment: Environment, repeats: int, sizes: Sequence[Size], failed: dict[str, str]
) -> list[Point]:
    """Measure each size ``repeats`` times, in turns; the largest only once, as filling it is slow.

    If a size cannot be measured, the rest go on, and ``failed`` says why.
    """
    runs: list[list[Run]] = [[] for _ in sizes]
    turns = [
        (place, size)
        for repeat in range(repeats)
        for place, size in enumerate(sizes)
        if repeat == 0 or size.size < HUGE
    ]
    with part("growth", len(turns)) as now:
        for place, size in turns:
            name = f"{size.what} {size.size:,}"
            now.begin(name)
            try:
                run = drained(
                    environment, size.contender, Endpoint(), size.messages, **size.options
                )
            except RuntimeError as error:
                failed[name] = str(error)
                now.end(f"{name} failed: {error}")
                continue
            runs[place].append(run)
            now.end(f"{name}: {describe(run)}")
    return [_point(size, of_size) for size, of_size in zip(sizes, runs, strict=True) if of_size]


def _point(size: Size, runs: Sequence[Run]) -> Point:
    return Point(
        size.what,
        size.size,
        [run.worker_cpu for run in runs],
        [run.server_cpu for run in runs],
        [run.per_second for run in runs],
    )
