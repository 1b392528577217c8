"""The cases: what is simulated, and which figures each one must hold."""

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from statistics import median
from typing import Any

import msgspec

from .scenario import Figures, Provider, Scenario

PROVIDERS: tuple[Provider, ...] = ("fixed", "sliding", "bucket")
WORKERS, RTTS = (1, 8, 32), (0.02, 0.1, 0.3)
FAST: dict[str, Any] = {"window": 1.0, "warm_up": 10.0, "windows": 20}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on a case: utilisation of its worst run, everything else of all its runs together.

    Shares are of 1. ``refused`` bounds 429s after the event, run by run. None asks for nothing.
    """

    utilisation: float | None = None
    median: float | None = None
    share429: float | None = None
    refused: int | None = None
    calls: float | None = None
    jain: float | None = None
    first_window: bool = False

    def __str__(self) -> str:
        parts = (
            (self.utilisation, "used >= {:.1%}"),
            (self.median, "median >= {:.1%}"),
            (self.share429, "429 <= {:.2%}"),
            (self.refused, "429s after it <= {}"),
            (self.calls, "calls <= {}"),
            (self.jain, "Jain >= {}"),
            (0 if self.first_window else None, "429s in first window <= {}"),
        )
        return ", ".join(text.format(bound) for bound, text in parts if bound is not None) or "-"


class Outcome(msgspec.Struct, frozen=True):
    """What a case came to; ``utilisation`` is the worst of its runs."""

    case: str
    utilisation: float
    median: float
    share429: float
    in_first_window: int
    after_event: int
    calls: float
    jain: float
    asked: str
    held: bool


class Case(msgspec.Struct, frozen=True):
    """Runs that one row of the table stands for."""

    name: str
    asked: Asked
    runs: Sequence[Scenario]

    def outcome(self, figures: Sequence[Figures]) -> Outcome:
        """Put the figures of the runs together and judge them."""
        used = [run.utilisation for run in figures]
        share = sum(run.refused for run in figures) / max(1, sum(run.sent for run in figures))
        first = sum(run.refused_in_first_window for run in figures)
        after = max(run.refused_after_event for run in figures)
        calls = max(run.calls_per_message for run in figures)
        jain = min(run.jain for run in figures)
        asked = self.asked
        held = (
            _at_least(min(used), asked.utilisation),
            _at_least(median(used), asked.median),
            _at_most(share, asked.share429),
            _at_most(after, asked.refused),
            _at_most(calls, asked.calls),
            _at_least(jain, asked.jain),
            not (asked.first_window and first),
        )
        return Outcome(
            self.name, min(used), median(used), share, first, after, calls, jain, str(asked),
            all(held),
        )  # fmt: skip


def _at_least(value: float, bound: float | None) -> bool:
    return bound is None or value >= bound


def _at_most(value: float, bound: float | None) -> bool:
    return bound is None or value <= bound


BASE = Asked(utilisation=0.99, median=0.996, share429=0.0001, first_window=True)
SHARED = Asked(utilisation=0.94, share429=0.005)
SILENT = Asked(utilisation=0.99, share429=0.0)
BACK = Asked(utilisation=0.99, share429=0.0)
CUT = Asked(refused=12)
NOTHING = Asked()


def every_case(random: Random) -> Iterator[Case]:
    """The acceptance; ``random`` draws the runs that differ each time."""
    for provider in PROVIDERS:
        drawn = [_drawn(provider, random) for _ in range(2)]
        yield Case(f"600/60 {provider}", BASE, [*_base(provider), *drawn])
    for share in (0.1, 0.3):
        runs = [
            Scenario(provider=provider, others=share, workers=workers, rtt=rtt, seed=seed)
            for seed, (provider, (workers, rtt)) in enumerate(
                itertools.product(PROVIDERS, ((1, 0.02), (8, 0.1), (8, 0.3))), 100
            )
        ]
        yield Case(f"600/60, others take {share:.0%}", SHARED, runs)
    for limit, rtt in itertools.product((100, 1000), RTTS):
        asked = Asked(utilisation=0.8 if rtt > 0.1 else 0.9, share429=0.001)
        for provider in PROVIDERS:
            runs = [
                Scenario(provider=provider, limit=limit, rtt=rtt, workers=n, seed=200 + n, **FAST)
                for n in ((1, 8, 32) if (limit, rtt) == (100, 0.1) else (8,))
            ]
            yield Case(f"{limit}/1 {provider}, {rtt * 1000:.0f} ms", asked, runs)
    for share in (0.0, 0.1, 0.5):
        runs = [Scenario(provider=p, headers=share, seed=300) for p in PROVIDERS]
        yield Case(f"600/60, headers on {share:.0%} of answers", SILENT, runs)
    yield from _events()
    yield from _details()


def quick_cases(random: Random) -> Iterator[Case]:
    """A minute's worth of them."""
    for provider in PROVIDERS:
        runs = [Scenario(provider=provider, workers=n, skew=-30.0, windows=3) for n in (1, 8)]
        if provider == "sliding":
            runs.append(msgspec.structs.replace(_drawn(provider, random), workers=8, windows=3))
        yield Case(f"600/60 {provider}", BASE, runs)
    runs = [Scenario(provider=provider, others=0.2, windows=3) for provider in PROVIDERS]
    yield Case("600/60, others take 20%", SHARED, runs)
    runs = [Scenario(provider=p, limit=100, **FAST) for p in PROVIDERS]
    yield Case("100/1, 100 ms", Asked(utilisation=0.9, share429=0.001), runs)
    yield from itertools.islice(_events(), 3)


def _base(provider: Provider) -> Iterator[Scenario]:
    for seed, (workers, rtt) in enumerate(itertools.product(WORKERS, RTTS), 1):
        skew = 30.0 if seed % 2 else -30.0
        windows = 3 if workers > 8 else 6  # they ask so often that they take longest
        yield Scenario(
            provider=provider, workers=workers, rtt=rtt, skew=skew, windows=windows, seed=seed
        )


def _drawn(provider: Provider, random: Random) -> Scenario:
    return Scenario(
        provider=provider,
        workers=random.choice(WORKERS),
        rtt=random.uniform(0.02, 0.3),
        skew=random.uniform(-30.0, 30.0),
        seed=random.randrange(10**6),
    )


def _events() -> Iterator[Case]:
    def runs(event: Any) -> list[Scenario]:
        return [Scenario(provider=p, event=event, windows=3, seed=400) for p in PROVIDERS]

    yield Case("600/60, limit halved", CUT, runs("halved"))
    yield Case("600/60, FLUSHALL", BACK, runs("flushed"))
    yield Case("600/60, a worker killed", BACK, runs("killed"))
    yield Case("600/60, limit doubled", BACK, runs("doubled"))
    yield Case("600/60, server's clock 1 h forward", BACK, runs("forward"))
    yield Case("600/60, server's clock 1 h back", BACK, runs("back"))
    yield Case("600/60, server away for 2 minutes", BACK, runs("away"))


def _details() -> Iterator[Case]:
    runs = [Scenario(workers=1, rtt=rtt, seed=500) for rtt in RTTS]
    yield Case("calls per message, 600/60, 1 worker", Asked(calls=3.0), runs)
    fast = [Scenario(limit=1000, rtt=rtt, seed=500, **FAST) for rtt in RTTS]
    yield Case("calls per message, 1000/1, 8 workers", Asked(calls=0.7), fast)
    fair = [Scenario(provider=provider, seed=501) for provider in PROVIDERS]
    yield Case("fairness, 600/60, 8 workers", Asked(jain=0.95), fair)
    for priority in ("bulk", "transactional"):
        for limit, options in ((600, {}), (100, FAST)):
            pair = [
                Scenario(provider=p, limit=limit, priority=priority, seed=502, **options)
                for p in PROVIDERS
            ]
            yield Case(f"{priority} only, {limit}/{pair[0].window:.0f}", NOTHING, pair)
