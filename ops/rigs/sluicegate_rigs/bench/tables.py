"""The bench in tables: the cases at each endpoint, how costs grow, the figures, and the targets.

In a table of cases, x is the ratio to Celery's figure, and CPU is that of the worker's processes
in seconds per 1,000 messages; the server's CPU has its own column. "cores" says how busy the
worker's and the server's core were.
"""

from collections.abc import Iterator, Sequence

import msgspec

from .comparison import BenchCase, Stats, paired, per_second, worker_cpu
from .contenders import CELERY
from .figures import Figures
from .growth import Point
from .http_load import PACE
from .record import Bench, noise
from .script_times import LIMITED, Percentiles
from .stub import Endpoint
from .targets import every_target

_CASE_COLUMNS = (
    *("", "drained/s", "x", "CPU s/1k", "x", "server", "cores %"),
    *("enqueued/s", "peak MB", "bytes", "commands"),
)


class Grid(msgspec.Struct, frozen=True):
    """A table of text: its part of the document, its title, columns and rows."""

    part: str
    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def grids(bench: Bench) -> Iterator[Grid]:
    """Every table for which something was measured."""
    for endpoint in dict.fromkeys(case.endpoint for case in bench.cases):
        yield _cases(bench, endpoint)
    if bench.growth:
        yield _growth(bench.growth)
    if bench.figures:
        yield Grid("figures", "Figures", ("", ""), list(_figures(bench.figures)))
    yield _targets(bench)


def remarks(bench: Bench) -> Iterator[str]:
    """The lines under the tables: which contenders are missing, and the noise."""
    for name, why in bench.left_out.items():
        yield f"Not measured: {name}: {why.strip().splitlines()[-1]}"
    if measured := noise(bench.cases):
        yield (
            f"Noise: other programs used {measured['foreign_median']:.0%} of the cores, at most "
            f"{measured['foreign_most']:.0%}; the host took up to {measured['stolen_most']:.1%}"
        )
        yield (
            f"A case's repeats differed by {measured['spread_median']:.0%}, at most "
            f"{measured['spread_most']:.0%}: smaller differences mean nothing"
        )


def spread(stats: Stats, form: str) -> str:
    """The median, and half the distance between the lowest and highest value."""
    return f"{stats.median:{form}} ±{stats.apart:.0%}"


def _cases(bench: Bench, endpoint: Endpoint) -> Grid:
    cases = [case for case in bench.cases if case.endpoint == endpoint]
    rows = [_case(cases, case) for case in sorted(cases, key=lambda case: not case.contender.ours)]
    for stub in bench.stub:
        if (stub.tls, 0) == (endpoint.tls, endpoint.latency_ms):
            rate, used = f"{stub.per_second:,.0f}", f"{stub.stub_cpu_s_per_1k:.3f}"
            rows.append(("the stub's own ceiling", rate, "", used, *[""] * 7))
    runs = len(cases[0].runs)
    title = f"Latency {endpoint}; medians of {runs} runs, ± half of their range"
    return Grid("cases", title, _CASE_COLUMNS, rows)


def _case(cases: Sequence[BenchCase], case: BenchCase) -> tuple[str, ...]:
    names = case.contender.name, CELERY.name, case.endpoint
    return (
        case.contender.label + (f" {case.surplus:+} requests" if case.surplus else ""),
        spread(case.per_second, ",.0f"),
        _median(paired(cases, *names, per_second)),
        spread(case.worker_cpu, ".3f"),
        _median(paired(cases, *names, worker_cpu)),
        f"{case.server_cpu.median:.3f}",
        f"{100 * case.worker_core:.0f} {100 * case.server_core:.0f}",
        f"{case.enqueued.median:,.0f}",
        f"{case.peak_mb:.0f}",
        f"{case.bytes_each:,.0f}",
        "" if case.commands is None else f"{case.commands:.2f}",
    )


def _median(stats: Stats | None) -> str:
    return f"{stats.median:.2f}" if stats else ""


def _growth(points: Sequence[Point]) -> Grid:
    rows = [
        (
            point.what,
            f"{point.size:,}",
            spread(Stats.of(point.worker_cpu), ".3f"),
            spread(Stats.of(point.server_cpu), ".3f"),
            spread(Stats.of(point.per_second), ",.0f"),
        )
        for point in points
    ]
    return Grid("growth", "As it grows", ("", "", "worker s/1k", "server s/1k", "drained/s"), rows)


def _figures(figures: Figures) -> Iterator[tuple[str, str]]:
    yield "import of a file, rows/s", spread(figures.import_rows_per_s, ",.0f")
    if preflight := figures.preflight:
        yield "preflight, rows/s", f"{preflight.rows / preflight.seconds:,.0f}"
        yield "preflight, memory at most", f"{preflight.peak_mb:.0f} MB"
    yield "bulk enqueue, messages/s", spread(figures.enqueue_per_s, ",.0f")
    if http := figures.http:
        yield "bulk over HTTP, messages/s", spread(http.bulk_per_s, ",.0f")
        yield "bulk over HTTP, to bulk enqueue", spread(http.bulk_to_python, ".2f") + "x"
        yield "singly over HTTP, messages/s", spread(http.single_per_s, ",.0f")
        yield "singly over HTTP, p99", spread(http.single_p99_ms, ".1f") + " ms"
        yield f"{PACE:,}/s over HTTP, p99", spread(http.paced_p99_ms, ".1f") + " ms"
    yield "loop of delay(), tasks/s", spread(figures.celery_enqueue_per_s, ",.0f")
    yield "bulk enqueue, producer's CPU s/1k", spread(figures.enqueue_cpu_s_per_1k, ".4f")
    yield (
        "loop of delay(), producer's CPU s/1k",
        spread(figures.celery_enqueue_cpu_s_per_1k, ".4f"),
    )
    yield "server bytes per campaign's recipient", spread(figures.bytes_per_recipient, ".0f")
    yield "server bytes per app's message", spread(figures.bytes_per_message, ".0f")
    yield "server bytes per Celery task", spread(figures.celery_bytes_per_task, ",.0f")
    yield "enqueue to POST, idle", _percentiles(figures.idle_latency_ms)
    if figures.latency_from_a_signal_ms:
        yield "enqueue to POST, drain ended", _percentiles(figures.latency_from_a_signal_ms)
    for name, tls in (("bare", figures.tls_bare), ("under Celery", figures.tls_under_celery)):
        yield (
            f"worker with {tls.connections} TLS connections, {name}",
            f"peak {tls.peak_mb:.0f} MB, PSS {tls.shared_out_mb:.0f} MB",
        )
    yield "idle worker's CPU", f"{figures.idle_cpu:.2%}"
    if figures.celery_idle_cpu is not None:
        yield "idle Celery worker's CPU", f"{figures.celery_idle_cpu:.2%}"
    for name, held in figures.scripts_ms.items():
        yield f"script, {name} by 50: time", _percentiles(held.script)
        yield f"script, {name} by 50: server's CPU", _percentiles(held.cpu)
    claims = [figures.scripts_ms[name].script.p50 for name in (LIMITED, "claim")]
    yield "claim with limits per person, to one without", f"{claims[0] / claims[1]:.2f}x"
    yield "commands per message at 50/s", f"{figures.commands_at_50.calls:.2f}"
    yield "drain under Celery, to bare", spread(figures.under_celery_vs_bare, ".2f") + "x"
    yield "CPU under Celery, to bare", spread(figures.under_celery_cpu_vs_bare, ".2f") + "x"


def _percentiles(spread: Percentiles) -> str:
    return f"p50 {spread.p50:.2f}, p99 {spread.p99:.2f} ms of {spread.count}"


def _targets(bench: Bench) -> Grid:
    rows = [
        (
            target.what,
            ("≤ " if target.at_most else "≥ ") + target.form.format(target.target),
            target.form.format(target.measured),
            "yes" if target.holds else "NO",
            target.aside,
        )
        for target in every_target(bench)
    ]
    return Grid("targets", "Targets", ("", "target", "measured", "holds", ""), rows)
