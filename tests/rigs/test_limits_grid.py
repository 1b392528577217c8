"""The grid of ``make limits``: it has every cell, measures what it says, and names what missed."""

from collections.abc import Sequence

import msgspec
import pytest
import redis

from sluicegate_rigs.limits.grid import (
    ALONE,
    PROVIDERS,
    RATES,
    RESETS,
    WORKERS,
    Cell,
    grid,
    sample,
)
from sluicegate_rigs.limits.report import told_misses
from sluicegate_rigs.limits.scenario import ProviderKind, RunFigures, Scenario
from sluicegate_rigs.limits.verdict import verdicts
from sluicegate_rigs.limits.world import simulate

CELL = Scenario(
    limit=20,
    window=1.0,
    workers=2,
    rtt=0.02,
    warm_up=1.0,
    windows=3,
    transactional=0.2,
    sweepers=1,
)


def test_every_rate_meets_every_provider_reset_and_configuration() -> None:
    cells = grid(1)
    assert len({cell.name for cell in cells}) == len(cells)
    for rate in RATES:
        rows = {cell.row for cell in cells if cell.row.startswith(f"grid {rate}, ")}
        assert len(rows) >= 5, "configured right, wrong in four ways, and by default"
        for row in rows:
            runs = [cell.run for cell in cells if cell.row == row]
            assert {(run.provider, run.limit, run.window) for run in runs} == {
                (provider, rate.limit, rate.window) for provider in PROVIDERS
            }
            assert {run.workers for run in runs} == set(WORKERS)
            assert len({(run.provider, run.reset, run.rounded) for run in runs}) >= 3 * len(RESETS)
            assert {run.reset_means for run in runs} == {"first", "all"}


def test_a_cell_alone_is_as_among_the_others_and_another_seed_is_another_sample() -> None:
    assert grid(3) == grid(3)
    assert set(sample(3)) <= set(grid(3))
    assert {cell.name for cell in sample(3)} != {cell.name for cell in sample(4)}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_cell_is_measured_from_its_second_window_on(
    valkey: redis.Redis, provider: ProviderKind
) -> None:
    figures = simulate(msgspec.structs.replace(CELL, provider=provider), valkey)
    assert figures.utilisation > 0.7
    assert figures.answers == pytest.approx(60, abs=15)
    assert figures.refused_later == 0
    assert 0.0 < figures.first_silence < 1.0
    assert 5 <= len(figures.waits_ms) <= 20
    assert 0.0 < sorted(figures.waits_ms)[-2] < 1000.0
    assert figures.first_wait_ms > 0.0


def test_a_wrong_configuration_is_the_workers_not_the_providers(valkey: redis.Redis) -> None:
    run = msgspec.structs.replace(CELL, configured=(20, 0.5), provider="fixed", headers=0.0)
    figures = simulate(run, valkey)
    assert figures.refused > 0, "twice as fast as the provider allows"
    assert figures.utilisation <= 1.0


def test_what_a_bucket_had_stored_is_not_its_refill(valkey: redis.Redis) -> None:
    run = msgspec.structs.replace(CELL, provider="bucket", limit=100, configured=(100, 0.9))
    figures = simulate(msgspec.structs.replace(run, headers=0.0), valkey)
    assert figures.answers > 300 * 1.02
    assert figures.utilisation <= 1.0


def _cell(name: str = "a row: a cell") -> Cell:
    return Cell("a row", name, ALONE, CELL)


def _figures(
    used: float = 0.98, waits_ms: Sequence[float] = (10.0,) * 200, **more: float
) -> RunFigures:
    return msgspec.convert(
        {
            "utilisation": used,
            "sent": 5000,
            "refused": 0,
            "refused_in_first_window": 2,
            "answers": 2000,
            "refused_later": 0,
            "first_silence": 0.3,
            "waits_ms": waits_ms,
            **more,
        },
        RunFigures,
    )


def test_a_row_holds_by_its_worst_cell_and_by_the_429s_of_all() -> None:
    cells = [_cell("a row: one"), _cell("a row: other")]
    [row] = verdicts(cells, [_figures(), _figures(0.99, refused_later=2)])
    assert (row.held, row.used, row.share429) == (True, 0.98, 0.0005)
    [row] = verdicts(cells, [_figures(), _figures(0.99, refused_later=3)])
    assert [cell for cell, _ in row.misses] == ["a row: other"]
    [row] = verdicts(cells, [_figures(0.96), _figures()])
    assert row.misses == [("a row: one", "used 96.00%")]
    [row] = verdicts(cells, [_figures(first_silence=1.01), _figures()])
    assert not row.held


def test_one_message_in_a_hundred_may_wait_longer() -> None:
    patience_ms = 1000 * CELL.patience
    assert patience_ms == pytest.approx(150.0)
    [row] = verdicts([_cell()], [_figures(waits_ms=(*[149.0] * 198, 151.0, 900.0))])
    assert row.held
    [row] = verdicts([_cell()], [_figures(waits_ms=(*[149.0] * 197, 151.0, 151.0, 900.0))])
    assert not row.held
    [row] = verdicts([_cell()], [_figures(waits_ms=())])
    assert not row.held, "nothing was measured"


def test_a_miss_names_the_cell_and_how_to_run_it_again() -> None:
    rows = verdicts([_cell(f"a row: {n}") for n in range(5)], [_figures(0.9)] * 5)
    lines = told_misses(rows, seed=9)
    assert lines[0] == "a row: 0: used 90.00%"
    assert lines[3] == "a row: 2 cells more"
    assert "--seed 9" in lines[-1]
    assert told_misses(verdicts([_cell()], [_figures()]), seed=9) == []
