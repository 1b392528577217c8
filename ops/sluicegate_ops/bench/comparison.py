"""The comparison: every contender at every door, by turns, so that all share the weather."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

import msgspec

from .bed import Bed
from .contenders import Contender
from .runs import Run, drained
from .stub import Door

DRAIN_SECONDS = 4.0
"""How long a run is to take, by what the contender is expected to send."""

LEAST = 100  # messages


class Middle(msgspec.Struct, frozen=True):
    """Median, least and most of the repeats."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> "Middle":
        every = list(figures)
        return cls(median(every), min(every), max(every))


class Case(msgspec.Struct):
    """A contender at a door, and its runs."""

    contender: Contender
    door: Door
    runs: list[Run] = []
    commands: float | None = None

    @property
    def name(self) -> str:
        return f"{self.contender.label}, {self.door}"

    @property
    def per_second(self) -> Middle:
        return Middle.of(run.per_second for run in self.runs)

    @property
    def worker_cpu(self) -> Middle:
        return Middle.of(run.worker_cpu for run in self.runs)

    @property
    def server_cpu(self) -> Middle:
        return Middle.of(run.server_cpu for run in self.runs)

    @property
    def enqueued(self) -> Middle:
        return Middle.of(run.produced.per_second for run in self.runs)

    @property
    def peak_mb(self) -> float:
        return max(run.peak_bytes for run in self.runs) / 1e6

    @property
    def bytes_each(self) -> float:
        return median(run.produced.bytes_each for run in self.runs)

    @property
    def surplus(self) -> int:
        return sum(run.surplus for run in self.runs)


def compared(
    bed: Bed,
    contenders: Sequence[Contender],
    doors: Sequence[Door],
    repeats: int,
    seconds: float,
    tell: Callable[[str, int, Run], None] = lambda name, repeat, run: None,
) -> list[Case]:
    """Every case ``repeats`` times, all of them once before any a second time."""
    cases = [Case(contender, door, []) for door in doors for contender in contenders]
    for repeat in range(repeats):
        for case in cases:
            count = max(LEAST, int(seconds * case.contender.per_second(case.door)))
            run = drained(bed, case.contender, case.door, count)
            case.runs.append(run)
            tell(case.name, repeat, run)
    return cases


def paired(cases: Sequence[Case], name: str, other: str, door: Door) -> Middle | None:
    """The rate of one contender over another's, repeat by repeat; None where one has no runs."""
    found = {case.contender.name: case.runs for case in cases if case.door == door}
    pairs = zip(found.get(name, []), found.get(other, []), strict=False)
    ratios = [one.per_second / two.per_second for one, two in pairs]
    return Middle.of(ratios) if ratios else None
