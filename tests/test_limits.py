"""The simulation behind ``make limits``: it measures what it says; its figures in small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from sluicegate_ops.limits.cases import Asked, Case
from sluicegate_ops.limits.scenario import Figures, Provider, Scenario
from sluicegate_ops.limits.world import simulate

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("provider", ["fixed", "sliding"])
def test_the_documented_limit_is_used_and_never_exceeded(
    valkey: redis.Redis, provider: Provider
) -> None:
    run = Scenario(provider=provider, workers=1, skew=-30.0, warm_up=60.0, windows=1, seed=7)
    figures = simulate(run, valkey)
    assert 0.99 <= figures.utilisation <= 1.0
    assert figures.refused == figures.refused_in_first_window == 0
    assert figures.sent >= 1150


def test_the_same_seed_gives_the_same_figures(valkey: redis.Redis) -> None:
    run = Scenario(limit=50, window=1.0, others=0.3, warm_up=2.0, windows=3, seed=8)
    assert simulate(run, valkey) == simulate(run, valkey)


def test_a_limit_that_the_provider_does_not_have_is_met_with_429s(valkey: redis.Redis) -> None:
    run = Scenario(limit=50, window=1.0, event="halved", headers=0.0, warm_up=3.0, windows=5)
    figures = simulate(run, valkey)
    assert figures.refused == figures.refused_after_event > 0


def test_after_a_kill_the_others_go_on(valkey: redis.Redis) -> None:
    run = Scenario(limit=50, window=1.0, event="killed", warm_up=3.0, windows=20, workers=2)
    figures = simulate(run, valkey)
    assert figures.utilisation >= 0.85
    assert figures.jain < 0.6, "one of two did it all"


def test_a_case_is_judged_by_its_worst_run() -> None:
    def figures(utilisation: float, refused: int) -> Figures:
        return Figures(
            utilisation=utilisation,
            sent=1000,
            refused=refused,
            refused_in_first_window=0,
            refused_after_event=refused,
            calls_per_message=2.0,
            jain=1.0,
        )

    runs = [Scenario(), Scenario()]
    good, poor = figures(0.995, 0), figures(0.985, 2)
    assert Case("used", Asked(utilisation=0.98), runs).outcome([good, poor]).held
    assert not Case("used", Asked(utilisation=0.99), runs).outcome([good, poor]).held
    assert Case("429", Asked(share429=0.001), runs).outcome([good, poor]).held
    assert not Case("429", Asked(share429=0.0), runs).outcome([good, poor]).held
    assert not Case("429s", Asked(refused=1), runs).outcome([good, poor]).held
    assert not Case("calls", Asked(calls=1.9), runs).outcome([good, poor]).held


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_minute_of_cases_holds() -> None:
    command = [sys.executable, "-m", "sluicegate_ops.limits", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    entries = json.loads((ROOT / "build/limits.json").read_text())
    assert all(entry["held"] for entry in entries)
