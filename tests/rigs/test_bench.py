"""``make bench`` measures what it says; the last test is a small run of it."""

import json
import math
import os
from pathlib import Path

import pytest

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.phone import Phones
from sluicegate.campaigns.row_source import Row
from sluicegate_rigs.bench import machine, preflights
from sluicegate_rigs.bench.archiving import ArchiveFigures, archived
from sluicegate_rigs.bench.bodies import number, write_csv
from sluicegate_rigs.bench.ceiling import Ceiling, ceiling
from sluicegate_rigs.bench.comparison import BenchCase, Stats, compared, count_commands, paired
from sluicegate_rigs.bench.contenders import BARE, CELERY, SLUICEGATE, Contender
from sluicegate_rigs.bench.environment import Environment, Produced
from sluicegate_rigs.bench.figures import Connected, Figures, connected
from sluicegate_rigs.bench.growth import Point
from sluicegate_rigs.bench.http_figures import HttpFigures, http_run
from sluicegate_rigs.bench.preflights import PreflightFigures
from sluicegate_rigs.bench.progress import part
from sluicegate_rigs.bench.publish import markdown, publish
from sluicegate_rigs.bench.record import Bench, document, noise, ratios, read
from sluicegate_rigs.bench.runs import Counted, Run, drained
from sluicegate_rigs.bench.script_times import PARTS, Held, Percentiles, held
from sluicegate_rigs.bench.stub import Endpoint
from sluicegate_rigs.bench.targets import every_target

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
SLOW = Endpoint(50)


def run(per_second: float, worker_cpu: float = 0.2) -> Run:
    return Run(
        messages=1000,
        per_second=per_second,
        worker_cpu=worker_cpu,
        server_cpu=0.02,
        stub_cpu=0.02,
        peak_bytes=50_000_000,
        most_under_way=200,
        worker_core=0.9,
        server_core=0.3,
        foreign=0.01,
        stolen=0.0,
        surplus=0,
        produced=Produced(1000, 0.1, 0.1, 60_000),
    )


def case(contender: Contender, endpoint: Endpoint, *runs: Run) -> BenchCase:
    return BenchCase(contender, endpoint, list(runs))


def some_figures(enqueue_vs_celery: float = 40.0) -> Figures:
    one, spread = Stats(1.0, 0.9, 1.1), Percentiles(0.5, 1.25, 400)
    connections = Connected(200, 100.0, 90.0)
    return Figures(
        import_rows_per_s=one,
        enqueue_per_s=one,
        celery_enqueue_per_s=one,
        enqueue_vs_celery=Stats(enqueue_vs_celery, 30.0, 50.0),
        enqueue_cpu_s_per_1k=one,
        celery_enqueue_cpu_s_per_1k=one,
        bytes_per_recipient=one,
        bytes_per_message=one,
        celery_bytes_per_task=one,
        memory_vs_celery=one,
        idle_latency_ms=spread,
        tls_bare=connections,
        tls_under_celery=connections,
        idle_cpu=0.001,
        scripts_ms={name: Held(spread, spread) for name in PARTS},
        commands_at_50=Counted(1.2, 30.0),
        under_celery_vs_bare=one,
        under_celery_cpu_vs_bare=one,
        preflight=PreflightFigures(1_000_000, 12.0, 190.0),
        http=HttpFigures(Stats(25_000.0, 2.0, 3.0), one, Stats(1_500.0, 2.0, 3.0), one, one),
    )


def full() -> Bench:
    """A bench with something in every part."""
    return Bench(
        at="2026-01-02T03:04:05+00:00",
        machine={"cpu": "one", "cores": 2},
        versions={"celery": "5.7.0"},
        cases=[
            case(CELERY, SLOW, run(800, 1.0), run(1000, 1.1), run(900, 1.3)),
            case(SLUICEGATE, SLOW, run(3600, 0.1), run(3500, 0.1), run(3400, 0.1)),
        ],
        figures=some_figures(),
        stub=[Ceiling(tls=False, per_second=100_000, stub_cpu_s_per_1k=0.01)],
        growth=[Point("lanes", 1, [0.1], [0.02], [5000.0])],
        archive=ArchiveFigures(
            1000, 430.0, 42.0, 550.0, 0.1, 0.05, 0.05, 2.0, Percentiles(1.0, 2.0, 9)
        ),
    )


def test_what_archiving_costs_is_measured() -> None:
    figures = archived(2_000)
    assert figures.messages == 2_000
    assert figures.bytes_before > figures.bytes_after
    assert figures.archive_bytes > 100
    assert figures.seconds_per_million == pytest.approx(figures.seconds * 500)
    assert 0 < figures.show_ms.p50 <= figures.show_ms.p99


@pytest.mark.long
def test_two_contenders_drain_everything_once_and_are_written_down() -> None:
    before, failed = os.sched_getaffinity(0), dict[str, str]()
    with Environment() as environment:
        with part("drains", 2) as now:
            cases = compared(environment, (BARE, CELERY), (Endpoint(),), 1, 0.01, now, failed)
        with part("commands", 1) as now:
            count_commands(environment, cases[1:], 0.01, now)
    assert os.sched_getaffinity(0) == before, "the bench keeps no core once it is over"
    assert not failed
    written = document(Bench(cases=cases))
    assert [entry["contender"] for entry in written["cases"]] == ["bare", "celery"]
    for entry in written["cases"]:
        assert entry["surplus"] == 0
        assert entry["drain_per_second"]["median"] > 0
        assert entry["worker_cpu_s_per_1k"]["median"] > 0
        assert entry["enqueue_per_second"]["median"] > 0
        assert entry["peak_mb"] > 1
        assert len(entry["runs"]) == 1
    assert written["cases"][1]["commands_per_message"] > 1
    assert set(written["ratios"]) == RATIOS
    assert written["ratios"]["drain_50ms_vs_celery"] is None, "it was not measured"


@pytest.mark.long
def test_scripts_connections_and_the_stub_are_measured() -> None:
    with Environment() as environment:
        top = ceiling(environment, Endpoint(0, tls=True), 200)
        scripts = held(environment, 3)
        worker = connected(environment, BARE)
        several = drained(environment, BARE, Endpoint(), 1000, backlog=2000, workers=2)
    assert top.tls
    assert top.stub_cpu_s_per_1k < 1000 / top.per_second * 2
    assert set(scripts) == set(PARTS)
    assert all(held.script.p50 > 0 and held.cpu.p50 > 0 for held in scripts.values())
    assert worker.connections == 200
    assert worker.peak_mb >= worker.shared_out_mb * 0.9 > 1
    assert several.surplus == 0


def test_a_contender_that_breaks_is_left_out_and_the_others_go_on() -> None:
    broken = Contender(
        name="broken", label="Broken", feed="plain", command=("-c", ""), at_0_ms=1, at_50_ms=1
    )
    failed: dict[str, str] = {}
    with Environment() as environment, part("drains", 1) as now:
        assert compared(environment, (broken,), (Endpoint(),), 2, 0.01, now, failed) == []
    assert "a worker ended or stalled at 0" in failed["Broken"]


def test_ratios_are_medians_of_the_rounds_own_ratios() -> None:
    measured = Bench(
        cases=[
            case(SLUICEGATE, Endpoint(), run(900), run(2000), run(4400)),
            case(BARE, Endpoint(), run(1000), run(2000), run(4000)),
            case(CELERY, Endpoint(), run(300), run(400), run(1000)),
            case(SLUICEGATE, SLOW, run(3000, 0.3), run(3600, 0.2), run(3700, 0.1)),
            case(CELERY, SLOW, run(300, 2.0), run(400, 2.5), run(500, 2.1)),
        ]
    )
    found = ratios(measured)
    assert found["drain_0ms_vs_celery"] == 4.4, "of 3, 5 and 4.4; the medians' would be 5"
    assert found["drain_50ms_vs_celery"] == 9.0
    assert found["drain_50ms_vs_limit"] == 0.9
    assert found["cpu_50ms_vs_celery"] == pytest.approx(0.2 / 2.5, rel=1e-3)
    assert paired(measured.cases, "sluicegate", "bare", Endpoint()) == Stats(1.0, 0.9, 1.1)
    assert found["import_rows_per_s"] is None


def test_targets_stand_beside_the_measurements() -> None:
    said = {target.what: target for target in every_target(full())}
    beside = said["drain at 50 ms, to Celery's"]
    assert not beside.holds
    assert "at most 4.4x is possible here" in beside.aside
    assert said["drain at 50 ms, of what 200 in flight allow"].holds
    assert said["worker CPU per message at 50 ms, to Celery's"].holds
    assert said["bulk enqueue, to a loop of delay()"].measured == 40.0
    assert said["bulk over HTTP with a token, caps and validation, messages/s"].holds
    assert not said["the same one by one, messages/s"].holds
    assert said["p99 of 2,000 a second, from when each was due"].holds
    assert said["preflight of a million rows with zones, a list and three conditions"].holds
    assert said["its memory at most"].measured == 190.0
    assert not any(one.what.startswith("import") for one in every_target(Bench(cases=[])))


def test_noise_is_how_far_repeats_lie_apart() -> None:
    said = noise([case(BARE, Endpoint(), run(900), run(1000), run(1200))])
    assert said["spread_most"] == 0.3
    assert said["foreign_most"] == 0.01


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    record = tmp_path / "bench.json"
    record.write_text(json.dumps(document(full())), encoding="utf-8")
    assert document(read(record)) == document(full())
    record.write_text('{"cases": [{"contender": "nobody"}]}', encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"bench\.json was not written by this version of the bench"
    ):
        read(record)


def test_the_document_gets_new_tables_and_keeps_its_words(tmp_path: Path) -> None:
    page = tmp_path / "PERFORMANCE.md"
    page.write_text(
        "Before.\n<!-- bench targets -->\nstale words\n<!-- /bench -->\nAfter.\n", encoding="utf-8"
    )
    publish(full(), page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Before.\n<!-- bench targets -->\n\n**Targets**")
    assert text.endswith("<!-- /bench -->\nAfter.\n")
    assert "| bulk enqueue, to a loop of delay() | ≥ 30.0x | 40.0x | yes |" in text
    assert "stale words" not in text
    publish(full(), page)
    assert page.read_text(encoding="utf-8") == text
    page.write_text("<!-- bench growth -->\n<!-- /bench -->\n", encoding="utf-8")
    with pytest.raises(ValueError, match="not measured: growth; a full run measures it"):
        publish(Bench(cases=full().cases), page)


def test_the_projects_own_document_has_a_place_for_every_part() -> None:
    page = (Path(__file__).parents[2] / "docs/BENCHMARKS.md").read_text(encoding="utf-8")
    assert all(f"<!-- bench {name} -->\n" in page for name in markdown(full()))


def test_everybody_it_writes_to_can_be_written_to(tmp_path: Path) -> None:
    phones = Phones("US")
    for n in (0, 9_999, 10_000, 7_899_999, 7_900_100, 9_999_999):
        assert phones.normalise(number(n)) == number(n)
    write_csv(tmp_path / "people.csv", 3)
    rows = list(CsvFile(tmp_path / "people.csv").rows())
    assert [row.values[0] for row in rows if isinstance(row, Row)] == [number(n) for n in range(3)]


def test_a_figure_that_is_none_is_written_as_none() -> None:
    broken = case(BARE, Endpoint(), run(math.inf))
    assert document(Bench(cases=[broken]))["cases"][0]["drain_per_second"]["median"] is None


def test_a_process_is_seen_with_its_children_and_what_they_use() -> None:
    pids = machine.tree(os.getpid())
    assert pids[0] == os.getpid()
    before = machine.cpu_seconds(pids[:1])
    sum(range(200_000))
    assert machine.cpu_seconds(pids[:1]) > before
    assert machine.cpu_seconds([4_194_305]) == 0, "it is gone"
    assert machine.peak_bytes(pids[:1]) >= machine.shared_out_bytes(pids[:1]) > 0


def test_a_preflight_is_measured(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    found = preflights.measured(200)
    assert (found.rows, found.peak_mb > 10) == (200, True)
    assert found.seconds_per_million == found.seconds * 5_000


@pytest.mark.long
def test_what_is_taken_over_http_is_measured() -> None:
    with Environment() as environment:
        run = http_run(environment, 1_000, 200)
    assert run.bulk_per_s > run.single_per_s > 0
    assert 0 < run.single_p50_ms <= run.single_p99_ms
    assert run.paced_p99_ms > 0
