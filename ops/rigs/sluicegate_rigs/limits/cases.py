"""The cases: what each one simulates, and its targets."""

import itertools
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import msgspec

from .outcome import Targets
from .scenario import ProviderKind, Scenario

PROVIDERS: tuple[ProviderKind, ...] = ("fixed", "sliding", "bucket")
WORKERS, RTTS = (1, 8, 32), (0.02, 0.1, 0.3)
FAST: dict[str, Any] = {"window": 1.0, "warm_up": 10.0, "windows": 20}
LONG: dict[str, Any] = FAST | {"windows": 30}  # so that the second lost to one 429 weighs less


class Case(msgspec.Struct, frozen=True):
    """The runs behind one row of the table, and their targets."""

    name: str
    targets: Targets
    runs: Sequence[Scenario]


BASE = Targets(utilisation=0.99, median=0.996, share429=0.0001, first_window=True)
SHARED = Targets(utilisation=0.94, share429=0.005)
SILENT = Targets(utilisation=0.99, share429=0.0)
BACK = Targets(utilisation=0.99, share429=0.0)
CUT = Targets(refused=12)
NOTHING = Targets()


def every_case(random: Random) -> Iterator[Case]:
    """Every simulated case; ``random`` draws the runs that differ each time."""
    for provider in PROVIDERS:
        drawn = [_drawn(provider, random) for _ in range(2)]
        yield Case(f"600/60 {provider}", BASE, [*_base(provider), *drawn])
    for share in (0.1, 0.3):
        runs = [
            Scenario(
                provider=provider, others=share, workers=workers, rtt=rtt, seed=seed, windows=4
            )
            for seed, (provider, (workers, rtt)) in enumerate(
                itertools.product(PROVIDERS, ((1, 0.02), (8, 0.1), (8, 0.3))), 100
            )
        ]
        yield Case(f"600/60, others take {share:.0%}", SHARED, runs)
    for limit, rtt in itertools.product((100, 1000), RTTS):
        targets = Targets(utilisation=0.8 if rtt > 0.1 else 0.9, share429=0.001)
        times = LONG if limit == 100 else FAST
        for provider in PROVIDERS:
            runs = [
                Scenario(provider=provider, limit=limit, rtt=rtt, workers=n, seed=200 + n, **times)
                for n in ((1, 8, 32) if (limit, rtt) == (100, 0.1) else (8,))
            ]
            yield Case(f"{limit}/1 {provider}, {rtt * 1000:.0f} ms", targets, runs)
    for share in (0.0, 0.1, 0.5):
        runs = [Scenario(provider=p, headers=share, seed=300) for p in PROVIDERS]
        yield Case(f"600/60, headers on {share:.0%} of answers", SILENT, runs)
    yield from _events()
    yield from _details()


def quick_cases(random: Random) -> Iterator[Case]:
    """A selection that takes about a minute."""
    for provider in PROVIDERS:
        runs = [Scenario(provider=provider, workers=n, skew=-30.0) for n in (1, 8)]
        if provider == "sliding":
            runs.append(msgspec.structs.replace(_drawn(provider, random), workers=8))
        yield Case(f"600/60 {provider}", BASE, runs)
    runs = [Scenario(provider=provider, others=0.2, windows=4) for provider in PROVIDERS]
    yield Case("600/60, others take 20%", SHARED, runs)
    runs = [Scenario(provider=p, limit=100, **FAST) for p in PROVIDERS]
    yield Case("100/1, 100 ms", Targets(utilisation=0.9, share429=0.001), runs)
    yield from itertools.islice(_events(), 3)


def _base(provider: ProviderKind) -> Iterator[Scenario]:
    for seed, (workers, rtt) in enumerate(itertools.product(WORKERS, RTTS), 1):
        skew = 30.0 if seed % 2 else -30.0
        yield Scenario(provider=provider, workers=workers, rtt=rtt, skew=skew, seed=seed)


def _drawn(provider: ProviderKind, random: Random) -> Scenario:
    return Scenario(
        provider=provider,
        workers=random.choice(WORKERS),
        rtt=random.uniform(0.02, 0.3),
        skew=random.uniform(-30.0, 30.0),
        seed=random.randrange(10**6),
    )


def _events() -> Iterator[Case]:
    def runs(event: Any) -> list[Scenario]:
        return [Scenario(provider=p, event=event, warm_up=75.0, seed=400) for p in PROVIDERS]

    yield Case("600/60, limit halved", CUT, runs("halved"))
    yield Case("600/60, FLUSHALL", BACK, runs("flushed"))
    yield Case("600/60, a worker killed", BACK, runs("killed"))
    yield Case("600/60, limit doubled", BACK, runs("doubled"))
    yield Case("600/60, server's clock 1 h forward", BACK, runs("forward"))
    yield Case("600/60, server's clock 1 h back", BACK, runs("back"))
    yield Case("600/60, server away for 2 minutes", BACK, runs("away"))


def _details() -> Iterator[Case]:
    runs = [Scenario(workers=1, rtt=rtt, seed=500) for rtt in RTTS]
    yield Case("calls per message without sweeps, 600/60, 1 worker", Targets(calls=3.0), runs)
    fast = [Scenario(limit=1000, rtt=rtt, seed=500, **FAST) for rtt in RTTS]
    yield Case("calls per message without sweeps, 1000/1, 8 workers", Targets(calls=0.7), fast)
    fair = [Scenario(provider=provider, seed=501) for provider in PROVIDERS]
    yield Case("fairness, 600/60, 8 workers", Targets(jain=0.95), fair)
    for priority in ("bulk", "transactional"):
        for limit, options in ((600, {}), (100, FAST)):
            pair = [
                Scenario(provider=p, limit=limit, priority=priority, seed=502, **options)
                for p in PROVIDERS
            ]
            yield Case(f"{priority} only, {limit}/{pair[0].window:.0f}", NOTHING, pair)
