"""What is behind ``make limits``: it measures what it says; its figures in small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from sluicegate.keys import Keys
from sluicegate_rigs.limits.costs import Backlog, ClaimMeter, fill, in_turns, rows
from sluicegate_rigs.limits.deployed import DeployedRun, figures_of, measured
from sluicegate_rigs.limits.latency import Trickle, result_of, trickled
from sluicegate_rigs.limits.outcome import Targets, judged
from sluicegate_rigs.limits.scenario import ProviderKind, RunFigures, Scenario
from sluicegate_rigs.limits.world import simulate
from support.effort import size

ROOT = Path(__file__).parents[2]
SECOND = DeployedRun(limit=50, window=1.0, workers=2, warm_up=1.0, windows=1)


@pytest.mark.parametrize("provider", [pytest.param("fixed", marks=pytest.mark.long), "sliding"])
def test_the_documented_limit_is_used_and_never_exceeded(
    valkey: redis.Redis, provider: ProviderKind
) -> None:
    run = Scenario(provider=provider, workers=1, skew=-30.0, warm_up=60.0, windows=1, seed=7)
    figures = simulate(run, valkey)
    assert 0.99 <= figures.utilisation <= 1.0
    assert figures.refused == figures.refused_in_first_window == 0
    assert figures.sent >= 850


@pytest.mark.parametrize("seed", range(size(1, 3)))
def test_two_workers_at_a_fast_limit_meet_no_429(valkey: redis.Redis, seed: int) -> None:
    """At the setting of two real workers in tests/end_to_end/test_disasters.py."""
    run = Scenario(limit=200, window=1.0, workers=2, rtt=0.02, warm_up=1.0, windows=5, seed=seed)
    figures = simulate(run, valkey)
    assert figures.sent > 1000
    assert figures.refused == 0, "from the cold start on"
    assert figures.jain is not None
    assert figures.jain > 0.95, "both share the work"


def test_a_bucket_far_away_is_neither_left_half_full_nor_taken_for_a_shorter_window(
    valkey: redis.Redis,
) -> None:
    """An answer takes a third of a window; what has come back meanwhile is heard late."""
    run = Scenario(
        provider="bucket", limit=100, window=1.0, rtt=0.3, warm_up=2.0, windows=4, seed=208
    )
    figures = simulate(run, valkey)
    assert figures.utilisation > 0.8
    assert figures.refused == 0


@pytest.mark.long
def test_the_same_seed_gives_the_same_figures(valkey: redis.Redis) -> None:
    run = Scenario(limit=50, window=1.0, others=0.3, warm_up=2.0, windows=2, seed=8)
    assert simulate(run, valkey) == simulate(run, valkey)


def test_a_limit_that_the_provider_does_not_have_is_met_with_429s(valkey: redis.Redis) -> None:
    run = Scenario(limit=50, window=1.0, event="halved", headers=0.0, warm_up=3.0, windows=5)
    figures = simulate(run, valkey)
    assert figures.refused == figures.refused_after_event > 0


def test_after_a_kill_the_others_go_on(valkey: redis.Redis) -> None:
    run = Scenario(limit=50, window=1.0, event="killed", warm_up=3.0, windows=10, workers=2)
    figures = simulate(run, valkey)
    assert figures.utilisation >= 0.85
    assert figures.jain is not None
    assert figures.jain < 0.6, "one of two did it all"


@pytest.mark.long  # one of the cases of `make limits`
def test_a_worker_alone_makes_three_calls_per_message(valkey: redis.Redis) -> None:
    run = Scenario(workers=1, rtt=0.02, warm_up=185.0, windows=1, seed=500)
    figures = simulate(run, valkey)
    assert figures.calls is not None
    # Claim, start, settle: a sweep has the drain make none. Once in a window, where the haste of
    # the cold start comes round again, the log is full for a second: a claim or two get nothing.
    assert figures.calls <= 3.01
    assert figures.sweeps == pytest.approx(0.1, abs=0.005), "one a second, which is ten slots"


def test_a_case_is_judged_by_its_worst_run() -> None:
    def figures(utilisation: float, refused: int) -> RunFigures:
        return RunFigures(
            utilisation=utilisation,
            sent=1000,
            refused=refused,
            refused_in_first_window=0,
            refused_after_event=refused,
            calls=2.0,
        )

    runs = [figures(0.995, 0), figures(0.985, 2)]
    assert judged("used", Targets(utilisation=0.98), runs).held
    assert not judged("used", Targets(utilisation=0.99), runs).held
    assert judged("429", Targets(share429=0.001), runs).held
    assert not judged("429", Targets(share429=0.0), runs).held
    assert not judged("429s", Targets(refused=1), runs).held
    assert not judged("calls", Targets(calls=1.9), runs).held
    assert not judged("Jain, which was not measured", Targets(jain=0.1), runs).held


def test_a_deployment_is_measured_in_whole_windows_after_its_warm_up() -> None:
    early = [(7.0 + n / 50, "", "", 200, True) for n in range(50)]
    counted = [(8.0 + n / 50, "", "", 200, True) for n in range(45)]
    refused = (8.95, "", "", 429, False)
    late = [(9.0 + n / 50, "", "", 200, True) for n in range(50)]
    figures = figures_of([*early, *counted, refused, *late], SECOND)
    assert figures.utilisation == 45 / 50
    assert (figures.sent, figures.refused, figures.refused_in_first_window) == (146, 1, 0)


def test_a_provider_that_nothing_reached_was_not_used() -> None:
    assert not judged("unused", Targets(utilisation=0.01), [figures_of([], SECOND)]).held


def test_real_processes_keep_to_the_limit_together() -> None:
    [figures] = measured([SECOND])
    assert figures.sent >= 50, "both send; how much is used is judged on virtual time"
    assert figures.refused == 0


def _trickle() -> tuple[Trickle, dict[str, float], list[tuple[float, str, str, int, bool]]]:
    """Bulk at 100/s for ten seconds, and 98 messages in it, each 40 ms after its call."""
    called = {f"+1555200{n:04d}": 50.0 + n / 10 for n in range(98)}
    bulk = [(50.0 + n / 100, "+15551234567", "", 200, True) for n in range(980)]
    ours = [(at + 0.04, to, "", 200, True) for to, at in called.items()]
    return Trickle(limit=110, messages=98), called, sorted([*bulk, *ours])


def test_latency_is_from_the_call_of_enqueue_to_the_arrival_that_was_accepted() -> None:
    trickle, called, arrivals = _trickle()
    refused = (min(called.values()) + 0.01, min(called), "", 429, False)
    outcome = result_of(trickle, called, [refused, *arrivals])
    assert outcome.held
    assert outcome.p50_ms == pytest.approx(40.0)
    assert outcome.p99_ms == pytest.approx(40.0)
    assert outcome.utilisation == pytest.approx(1.0, abs=0.01)
    assert outcome.share429 == pytest.approx(1 / 1079)


def test_latency_does_not_hold_where_two_messages_of_a_hundred_never_came() -> None:
    trickle, called, arrivals = _trickle()
    lost = set(list(called)[:2])
    came = [one for one in arrivals if one[1] not in lost]
    outcome = result_of(trickle, called, came)
    assert outcome.p99_ms == float("inf")
    assert not outcome.held


def test_latency_says_nothing_where_bulk_left_the_limit_idle() -> None:
    trickle, called, arrivals = _trickle()
    assert not result_of(trickle, called, [row for row in arrivals if row[1] in called]).held


@pytest.mark.long  # one of the cases of `make limits`
def test_transactional_messages_reach_the_provider_amid_bulk() -> None:
    trickle = Trickle(limit=50, messages=20, per_second=20.0, warm_up=1.0)
    called, arrivals = trickled(trickle)
    accepted = [to for _, to, _, _, accepted in arrivals if accepted]
    assert len(called) == 20
    assert all(accepted.count(to) == 1 for to in called)
    assert len(accepted) > 50, "bulk was under way before the first and went on"


def test_claims_are_measured_in_turns_and_the_queue_is_refilled(
    valkey: redis.Redis,
) -> None:
    backlogs = [Backlog("one", 1, 300), Backlog("many", 100, 3)]
    for backlog in backlogs:
        fill(valkey, backlog, 0, backlog.size)
    meters = [ClaimMeter(valkey, backlog) for backlog in backlogs]
    times = in_turns(meters, want=50, count=6, warm_up=0)
    assert [len(taken) for taken in times] == [6, 6]
    assert min(min(taken) for taken in times) > 0
    for backlog in backlogs:
        totals = valkey.hmget(Keys(backlog.account)("totals"), "enqueued", "accepted")
        assert [int(total or 0) for total in totals] == [551, 301]


def test_a_claims_cost_is_compared_with_the_first_of_its_size() -> None:
    backlogs = [Backlog("a", 1, 1000), Backlog("b", 10, 100)]
    even = [*rows(backlogs, 1, [[100.0, 100.0, 120.0], [119.0, 119.0, 140.0]])]
    assert [row.held for row in even] == [True, True]
    dear = [*rows(backlogs, 1, [[100.0, 100.0, 120.0], [121.0, 121.0, 122.0]])]
    assert [row.held for row in dear] == [True, False]
    assert [row.case for row in dear] == [
        "claim of 1, 1,000 in one lane",
        "claim of 1, 10 lanes of 100",
    ]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_minute_of_cases_holds() -> None:
    command = [sys.executable, "-m", "sluicegate_rigs.limits", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    entries = json.loads((ROOT / "build/limits.json").read_text())
    assert all(entry["held"] for entry in entries)
    assert all({"case", "utilisation", "share429", "target", "held"} <= set(e) for e in entries)
