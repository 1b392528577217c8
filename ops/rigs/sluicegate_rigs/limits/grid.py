"""The grid: every rate, kind of provider, form of its reset, and configuration that we meet.

Each cell is one run from a cold start, judged from the second window on, and belongs to a row: a
rate under a configuration. To run one row, or one cell of it (``--only`` may be repeated)::

    python -m sluicegate_rigs.limits --seed 7 --only "grid 600/60, default"
    python -m sluicegate_rigs.limits --seed 7 --only "grid 600/60" --only "bucket, epoch"

A cell draws its own randomness from the seed and its name, so it runs alone as it ran among the
others. Two readings of a reset, and the two bases of a rounded one, take turns in a row.
"""

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Literal, TypeVar

import msgspec

from sluicegate_ops.simulator.settings import ResetMeaning

from .scenario import ProviderKind, Reset, Scenario

_T = TypeVar("_T")

ResetForm = Literal["epoch", "delta", "rounded", "absent"]

PROVIDERS: tuple[ProviderKind, ...] = ("fixed", "sliding", "bucket")
RESETS: tuple[ResetForm, ...] = ("epoch", "delta", "rounded", "absent")
MEANS: tuple[ResetMeaning, ...] = ("first", "all")
BASES: tuple[Reset, ...] = ("epoch", "delta")  # of a rounded one
WORKERS = (1, 4, 16)
DEFAULT = (50, 1.0)
"""The limit and the window of an account that configures neither."""

LONG_SECONDS = 60.0
"""Cells of windows this long are dear: their numbers of workers take turns, by the seed."""

NEAR_SECONDS, FAR_SECONDS = 0.02, 0.1
"""Round trips: in a window of a second nobody uses 97 % of the limit over an unsteady longer one.

At 10 a second one slot is a tenth; a window must be as much longer as requests may be late.
"""


class Rate(msgspec.Struct, frozen=True):
    """A provider's limit; ``windows`` are measured after the first, ``transactional`` is a share.

    The windows are enough for the row's answers to show 1 refusal in 2,000, and the share for a
    hundred waits or so in a run, but too small for two of these messages to meet.
    """

    limit: int
    window: float
    windows: int
    transactional: float

    def __str__(self) -> str:
        return f"{self.limit}/{self.window:.0f}"


RATES = (
    Rate(10, 1.0, 30, 0.2),
    Rate(50, 1.0, 8, 0.2),
    Rate(100, 10.0, 5, 0.15),
    Rate(600, 60.0, 2, 0.1),
    Rate(3600, 3600.0, 1, 0.05),
)
SAMPLED = dict(zip(map(str, RATES), (8, 5, 5, 2, 0), strict=True))
"""How many cells of each rate a quick run takes."""

OTHERS = (0.1, 0.3)
OTHERS_AT = (RATES[2], RATES[3])
"""Where others take a share: random requests fill a second too unevenly for anyone."""


class Bounds(msgspec.Struct, frozen=True):
    """What a row must hold: the least used in each run, and the most 429s of all its answers."""

    least_used: float
    most_429: float

    def __str__(self) -> str:
        return f">= {self.least_used:.0%}, 429 <= {self.most_429:.2%}"


ALONE = Bounds(0.97, 0.0005)
SHARED = Bounds(0.94, 0.005)


class Cell(msgspec.Struct, frozen=True):
    """One run of a row. Its name begins with the row's."""

    row: str
    name: str
    bounds: Bounds
    run: Scenario


def configurations(rate: Rate) -> dict[str, tuple[int, float] | None]:
    """What the account may have configured for a provider's rate; None is what is right."""
    limit, window = rate.limit, rate.window
    every = {
        "right": None,
        "default": DEFAULT,
        "limit too low": (limit // 5, window),
        "limit too high": (5 * limit, window),
        "window too short": (limit, window / 10),
        "window too long": (limit, 10 * window),
    }
    return {name: said for name, said in every.items() if said != (limit, window)}


def grid(seed: int) -> list[Cell]:
    """Every cell; ``seed`` says which numbers of workers the dear ones have."""
    rows = [*_alone(), *_shared()]
    return [cell for row in rows for cell in row.cells(Random(f"{seed} {row.name}"))]  # noqa: S311 - no secret


def sample(seed: int) -> list[Cell]:
    """Some of the cells, others with each seed, that take about a minute."""
    random, cells = Random(seed), grid(seed)  # noqa: S311 - no secret
    chosen: set[str] = set()
    for rate, count in SAMPLED.items():
        of_rate = [cell.name for cell in cells if cell.row.startswith(f"grid {rate},")]
        chosen.update(random.sample(of_rate, count))
    return [cell for cell in cells if cell.name in chosen]


class _Row(msgspec.Struct, frozen=True):
    """Cells of one rate under one configuration; or under the right one and the default."""

    name: str
    rate: Rate
    bounds: Bounds
    configured: Sequence[tuple[int, float] | None]
    others: float = 0.0

    def cells(self, random: Random) -> Iterator[Cell]:
        """Every provider and form of reset, with all numbers of workers or with one each."""
        faces = list(itertools.product(PROVIDERS, RESETS))
        if self.rate.window < LONG_SECONDS and not self.others:
            every = [(face, workers) for face in faces for workers in WORKERS]
        else:
            every = list(zip(faces, _dealt(WORKERS, len(faces), random), strict=True))
        configured = _dealt(self.configured, len(every), random)
        means = _dealt(MEANS, len(every), random)
        bases = _dealt(BASES, len(every), random)
        for ((provider, form), workers), said, mean, base in zip(
            every, configured, means, bases, strict=True
        ):
            reset: Reset = base if form == "rounded" else form
            yield Cell(
                self.name,
                self._named(provider, form, reset, mean, said, workers),
                self.bounds,
                self._run(
                    random,
                    provider=provider,
                    reset=reset,
                    rounded=form == "rounded",
                    reset_means=mean,
                    configured=said,
                    workers=workers,
                ),
            )

    def _named(
        self,
        provider: ProviderKind,
        form: ResetForm,
        reset: Reset,
        mean: ResetMeaning,
        said: tuple[int, float] | None,
        workers: int,
    ) -> str:
        shape = f"rounded {reset}" if form == "rounded" else form
        if provider != "fixed" and form != "absent":
            shape += f" of {mean}"
        if len(self.configured) > 1:
            shape += ", default" if said else ", right"
        noun = "worker" if workers == 1 else "workers"
        return f"{self.name}: {provider}, {shape}, {workers} {noun}"

    def _run(self, random: Random, **options: Any) -> Scenario:
        rate = self.rate
        return Scenario(
            limit=rate.limit,
            window=rate.window,
            windows=rate.windows * (2 if self.others else 1),
            warm_up=rate.window,
            rtt=NEAR_SECONDS if rate.window <= 1 else FAR_SECONDS,
            skew=random.uniform(-30.0, 30.0),
            seed=random.randrange(10**6),
            others=self.others,
            transactional=rate.transactional,
            sweepers=1,
            sweep_seconds=max(1.0, rate.window / 600),
            **options,
        )


def _alone() -> Iterator[_Row]:
    for rate in RATES:
        for name, configured in configurations(rate).items():
            yield _Row(f"grid {rate}, {name}", rate, ALONE, (configured,))


def _shared() -> Iterator[_Row]:
    for rate, share in itertools.product(OTHERS_AT, OTHERS):
        name = f"grid {rate}, others take {share:.0%}"
        yield _Row(name, rate, SHARED, (None, DEFAULT), share)


def _dealt(options: Sequence[_T], count: int, random: Random) -> list[_T]:
    """``count`` of the options, each as often as any other, in random order."""
    dealt = [*itertools.islice(itertools.cycle(options), count)]
    random.shuffle(dealt)
    return dealt
