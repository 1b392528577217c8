"""What is behind ``make bench``: it measures what it says; a run of it in small."""

import math
from pathlib import Path

import pytest

from sluicegate.phone import Phones
from sluicegate.sheet import Row, Sheet
from sluicegate_ops.bench.bed import Bed, Produced
from sluicegate_ops.bench.comparison import Case, Middle, compared, paired
from sluicegate_ops.bench.contenders import BARE, CELERY, SLUICEGATE, Contender
from sluicegate_ops.bench.people import number, write_sheet
from sluicegate_ops.bench.record import Bench, document, noise, ratios
from sluicegate_ops.bench.runs import Run
from sluicegate_ops.bench.stub import Door

RATIOS = {
    "drain_50ms_vs_celery",
    "drain_50ms_vs_limit",
    "drain_0ms_vs_celery",
    "cpu_50ms_vs_celery",
    "enqueue_vs_celery",
    "import_rows_per_s",
    "memory_vs_celery",
    "commands_per_message",
    "commands_per_message_at_50",
    "idle_latency_p99_ms",
    "under_celery_vs_bare",
}


def run(per_second: float, worker_cpu: float = 0.2) -> Run:
    return Run(
        messages=1000,
        per_second=per_second,
        worker_cpu=worker_cpu,
        server_cpu=0.02,
        stub_cpu=0.02,
        peak_bytes=50_000_000,
        most_under_way=200,
        foreign=0.01,
        stolen=0.0,
        surplus=0,
        produced=Produced(1000, 0.1, 0.1, 60_000),
    )


def case(contender: Contender, door: Door, *runs: Run) -> Case:
    return Case(contender, door, list(runs))


def bench(*cases: Case) -> Bench:
    return Bench(quick=True, cases=cases, figures={}, ceiling={})


def test_two_contenders_drain_everything_once_and_are_written_down() -> None:
    told: list[str] = []
    with Bed() as bed:
        cases = compared(
            bed, (BARE, CELERY), (Door(),), 1, 0.01, lambda name, repeat, run: told.append(name)
        )
    written = document(bench(*cases))
    assert [entry["contender"] for entry in written["cases"]] == ["bare", "celery"]
    assert told == [entry["case"] for entry in written["cases"]]
    for entry in written["cases"]:
        assert entry["surplus"] == 0
        assert entry["drain_per_second"]["median"] > 0
        assert entry["enqueue_per_second"]["median"] > 0
        assert entry["peak_mb"] > 1
        assert len(entry["runs"]) == 1
    assert set(written["ratios"]) == RATIOS
    assert written["ratios"]["drain_50ms_vs_celery"] is None, "it was not measured"


def test_ratios_are_of_medians_and_pairs_are_of_the_same_repeat() -> None:
    slow = Door(50)
    measured = bench(
        case(SLUICEGATE, Door(), run(900), run(2000), run(4400)),
        case(BARE, Door(), run(1000), run(2000), run(4000)),
        case(CELERY, Door(), run(100), run(500), run(800)),
        case(SLUICEGATE, slow, run(3000, 0.3), run(3600, 0.2), run(3700, 0.1)),
        case(CELERY, slow, run(300, 2.0), run(400, 2.5), run(500, 2.1)),
    )
    found = ratios(measured)
    assert found["drain_0ms_vs_celery"] == 4.0
    assert found["drain_50ms_vs_celery"] == 9.0
    assert found["drain_50ms_vs_limit"] == 0.9
    assert found["cpu_50ms_vs_celery"] == pytest.approx(0.2 / 2.1, rel=1e-3)
    assert found["under_celery_vs_bare"] == 1.0
    assert paired(measured.cases, "sluicegate", "bare", Door()) == Middle(1.0, 0.9, 1.1)
    assert found["import_rows_per_s"] is None


def test_noise_is_how_far_repeats_lie_apart() -> None:
    said = noise([case(BARE, Door(), run(900), run(1000), run(1200))])
    assert said["spread_most"] == 0.3
    assert said["foreign_most"] == 0.01


def test_everybody_it_writes_to_can_be_written_to(tmp_path: Path) -> None:
    phones = Phones("US")
    for n in (0, 9_999, 10_000, 7_899_999, 7_900_100, 9_999_999):
        assert phones.normalise(number(n)) == number(n)
    write_sheet(tmp_path / "people.csv", 3)
    rows = list(Sheet(tmp_path / "people.csv").rows())
    assert [row.values[0] for row in rows if isinstance(row, Row)] == [number(n) for n in range(3)]


def test_a_figure_that_is_none_is_written_as_none() -> None:
    broken = case(BARE, Door(), run(math.inf))
    assert document(bench(broken))["cases"][0]["drain_per_second"]["median"] is None
