"""The comparison: every contender at every endpoint, in turns, so that all share the noise.

Each ratio compares two runs of the same round, which are close together in time; the result is the
median of those ratios. The host's own speed drifts by half within minutes, so a ratio of two
medians would compare different minutes. Every second round goes backwards, to cancel a steady
drift.
"""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

import msgspec

from .contenders import BARE, SLUICEGATE, Contender
from .environment import Environment
from .progress import Part
from .runs import Run, commands, drained
from .stub import Endpoint

DRAIN_SECONDS = 3.0
"""How long a run should take at the contender's expected rate."""

COUNTED = 0.25
"""The share of a run that is long enough to count its commands."""

LEAST = 500  # messages
LEAST_COUNTED = 500  # more than any contender has under way when the counting begins


class Stats(msgspec.Struct, frozen=True):
    """The median, lowest and highest value of the repeats."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> "Stats":
        every = list(figures)
        return cls(median(every), min(every), max(every))

    @property
    def apart(self) -> float:
        """Half the distance between the lowest and highest value, as a share of the median."""
        return (self.most - self.least) / 2 / self.median if self.median else 0.0


class BenchCase(msgspec.Struct):
    """A contender at an endpoint, and its runs; ``inside`` counts commands called by scripts."""

    contender: Contender
    endpoint: Endpoint
    runs: list[Run] = []
    commands: float | None = None
    inside: float | None = None

    @property
    def name(self) -> str:
        return f"{self.contender.label}, {self.endpoint}"

    @property
    def per_second(self) -> Stats:
        return Stats.of(run.per_second for run in self.runs)

    @property
    def worker_cpu(self) -> Stats:
        return Stats.of(run.worker_cpu for run in self.runs)

    @property
    def server_cpu(self) -> Stats:
        return Stats.of(run.server_cpu for run in self.runs)

    @property
    def enqueued(self) -> Stats:
        return Stats.of(run.produced.per_second for run in self.runs)

    @property
    def peak_mb(self) -> float:
        return max(run.peak_bytes for run in self.runs) / 1e6

    @property
    def bytes_each(self) -> float:
        return median(run.produced.bytes_each for run in self.runs)

    @property
    def worker_core(self) -> float:
        return median(run.worker_core for run in self.runs)

    @property
    def server_core(self) -> float:
        return median(run.server_core for run in self.runs)

    @property
    def surplus(self) -> int:
        return sum(run.surplus for run in self.runs)


def per_second(run: Run) -> float:
    """The run's rate, in messages per second."""
    return run.per_second


def worker_cpu(run: Run) -> float:
    """The worker's CPU seconds per 1,000 messages."""
    return run.worker_cpu


def compared(
    environment: Environment,
    contenders: Sequence[Contender],
    endpoints: Sequence[Endpoint],
    repeats: int,
    seconds: float,
    part: Part,
    failed: dict[str, str],
) -> list[BenchCase]:
    """Run every case ``repeats`` times, round by round.

    If a contender other than ours breaks, the rest go on without it, and ``failed`` says why.
    """
    cases = [
        BenchCase(contender, endpoint, []) for endpoint in endpoints for contender in contenders
    ]
    for repeat in range(repeats):
        for case in cases if repeat % 2 == 0 else reversed(cases):
            if case.contender.label in failed:
                continue
            part.begin(case.name)
            count = messages_of(case, seconds)
            try:
                case.runs.append(drained(environment, case.contender, case.endpoint, count))
            except RuntimeError as error:
                if case.contender.ours:
                    raise
                failed[case.contender.label] = str(error)
                part.end(f"{case.name} failed: {error}")
                continue
            part.end(f"{case.name}: {describe(case.runs[-1])}")
    return [case for case in cases if case.contender.label not in failed]


def count_commands(
    environment: Environment, cases: Iterable[BenchCase], seconds: float, part: Part
) -> None:
    """Count commands in one more, shorter run of each; it is not timed, as MONITOR is slow."""
    for case in cases:
        part.begin(case.name)
        count = max(LEAST_COUNTED, messages_of(case, COUNTED * seconds))
        counted = commands(environment, case.contender, case.endpoint, count)
        case.commands, case.inside = counted.calls, counted.inside
        part.end(f"{case.name}: {case.commands:.2f} commands per message")


def under_and_bare(
    environment: Environment, pairs: int, seconds: float, part: Part
) -> list[BenchCase]:
    """Run our worker with and without Celery at full speed, in pairs of alternating order."""
    under, bare = (BenchCase(contender, Endpoint(), []) for contender in (SLUICEGATE, BARE))
    for pair in range(pairs):
        for case in (under, bare) if pair % 2 == 0 else (bare, under):
            part.begin(case.name)
            count = messages_of(case, seconds)
            case.runs.append(drained(environment, case.contender, case.endpoint, count))
            part.end(f"{case.name}: {describe(case.runs[-1])}")
    return [under, bare]


def paired(
    cases: Sequence[BenchCase],
    name: str,
    other: str,
    endpoint: Endpoint,
    of: Callable[[Run], float] = per_second,
) -> Stats | None:
    """The ratio of two contenders' figures, round by round; None if either has no runs."""
    runs = {case.contender.name: case.runs for case in cases if case.endpoint == endpoint}
    pairs = zip(runs.get(name, []), runs.get(other, []), strict=False)
    ratios = [of(ours) / of(theirs) for ours, theirs in pairs if of(theirs)]
    return Stats.of(ratios) if ratios else None


def messages_of(case: BenchCase, seconds: float) -> int:
    """About how many messages make a run of ``seconds``."""
    return max(LEAST, int(seconds * case.contender.per_second(case.endpoint)))


def describe(run: Run) -> str:
    """Summarise a run in a few words."""
    others = f", others used {run.foreign:.0%} of the cores" if run.foreign > 0.05 else ""
    return f"{run.per_second:,.0f}/s, {run.worker_cpu:.3f} s CPU per 1,000{others}"
