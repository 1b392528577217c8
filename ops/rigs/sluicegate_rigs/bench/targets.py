"""The targets: each figure with its bound, what was measured, and whether the bound holds."""

from collections.abc import Iterator
from typing import Any

import msgspec

from .archiving import ArchiveFigures
from .comparison import Stats, per_second, worker_cpu
from .contenders import CELERY, SLUICEGATE
from .figures import Figures
from .http_figures import HttpFigures
from .http_load import PACE
from .preflights import WHOLE, PreflightFigures
from .record import LIMIT_50_MS, Bench
from .script_times import ALL, IN_HOURS, OF_CAMPAIGN
from .stub import Endpoint

_SCRIPT = {ALL: "50 of all three"}


class Target(msgspec.Struct, frozen=True):
    """A measured figure and its target, which is a lower bound unless ``at_most``.

    ``form`` formats both numbers; ``aside`` is a remark that helps to read them.
    """

    what: str
    target: float
    measured: float
    form: str
    at_most: bool = False
    aside: str = ""

    @property
    def holds(self) -> bool:
        return self.measured <= self.target if self.at_most else self.measured >= self.target


def every_target(bench: Bench) -> list[Target]:
    """Every target whose figure this bench measured, drains first."""
    targets = [*_drains(bench), *_commands(bench)]
    if bench.figures:
        targets += [*_enqueueing(bench.figures), *_at_rest(bench.figures)]
    if bench.archive:
        targets += _archiving(bench.archive)
    return targets


def entries(bench: Bench) -> list[dict[str, Any]]:
    """The targets as entries of the record."""
    return [
        msgspec.to_builtins(target) | {"holds": target.holds} for target in every_target(bench)
    ]


def _drains(bench: Bench) -> Iterator[Target]:
    slow = Endpoint(50)
    if ours := bench.case(SLUICEGATE.name, slow):
        share = ours.per_second.median / LIMIT_50_MS
        aside = f"{ours.per_second.median:,.0f}/s of 4,000/s"
        yield Target(
            "drain at 50 ms, of what 200 in flight allow", 0.85, share, "{:.0%}", aside=aside
        )
    yield from _to_celerys(bench, slow, "drain at 50 ms, to Celery's")
    over_tls = Endpoint(50, tls=True)
    yield from _to_celerys(bench, over_tls, "the same over TLS, as with the real provider")
    if cpu := bench.against_celery(worker_cpu, slow):
        what = "worker CPU per message at 50 ms, to Celery's"
        aside = f"{_apart(cpu, '.3f')}; {1 / cpu.median:.1f}x the messages per CPU second"
        yield Target(what, 0.12, cpu.median, "{:.3f}x", True, aside)
    if at_once := bench.against_celery(per_second, Endpoint()):
        what = "drain without latency, to Celery's"
        yield Target(what, 6, at_once.median, "{:.2f}x", aside=_apart(at_once))
    if bench.figures:
        under, cpu = bench.figures.under_celery_vs_bare, bench.figures.under_celery_cpu_vs_bare
        aside = f"{_apart(under)}; its CPU {cpu.median:.2f}x"
        yield Target("drain under Celery, to bare", 0.95, under.median, "{:.2f}x", aside=aside)


def _to_celerys(bench: Bench, endpoint: Endpoint, what: str) -> Iterator[Target]:
    rate, theirs = bench.against_celery(per_second, endpoint), bench.case(CELERY.name, endpoint)
    if rate and theirs:
        most = LIMIT_50_MS / theirs.per_second.median
        aside = f"{_apart(rate)}; at most {most:.1f}x is possible here: 4,000/s over Celery's rate"
        yield Target(what, 7, rate.median, "{:.2f}x", aside=aside)


def _commands(bench: Bench) -> Iterator[Target]:
    ours, figures = bench.case(SLUICEGATE.name, Endpoint()), bench.figures
    if ours and ours.commands is not None:
        what = "server commands per message at full speed"
        aside = f"a script counts as one; inside scripts {ours.inside:.0f}"
        yield Target(what, 0.1, ours.commands, "{:.3f}", True, aside)
    if figures:
        calls = figures.commands_at_50.calls
        yield Target("server commands per message at 50/s", 1.5, calls, "{:.2f}", True)


def _enqueueing(figures: Figures) -> Iterator[Target]:
    bulk, rows = figures.enqueue_vs_celery, figures.import_rows_per_s
    aside = f"{_apart(bulk, '.1f')}; {figures.enqueue_per_s.median:,.0f}/s"
    yield Target("bulk enqueue, to a loop of delay()", 30, bulk.median, "{:.1f}x", aside=aside)
    what = "import of a campaign's file, rows/s"
    yield Target(what, 100_000, rows.median, "{:,.0f}", aside=_apart(rows, ",.0f"))
    if http := figures.http:
        yield from _over_http(http)
    if preflight := figures.preflight:
        yield from _preflight(preflight)
    each, task = figures.bytes_per_recipient.median, figures.celery_bytes_per_task.median
    what = "server memory per queued recipient, to Celery's per task"
    aside = f"{each:,.0f} of {task:,.0f} bytes"
    yield Target(what, 0.06, figures.memory_vs_celery.median, "{:.3f}x", True, aside)


def _over_http(http: HttpFigures) -> Iterator[Target]:
    many, to_python = http.bulk_per_s, http.bulk_to_python
    aside = f"{_apart(many, ',.0f')}; {to_python.median:.2f}x of bulk enqueue from Python"
    what = "bulk over HTTP with a token, caps and validation, messages/s"
    yield Target(what, 20_000, many.median, "{:,.0f}", aside=aside)
    singly, p99 = http.single_per_s, http.single_p99_ms
    what = "the same one by one, messages/s"
    yield Target(what, 2_000, singly.median, "{:,.0f}", aside=_apart(singly, ",.0f"))
    yield Target("its p99", 50, p99.median, "{:.1f} ms", True, _apart(p99, ".1f"))
    paced, what = http.paced_p99_ms, f"p99 of {PACE:,} a second, from when each was due"
    yield Target(what, 50, paced.median, "{:.1f} ms", True, _apart(paced, ".1f"))


def _preflight(preflight: PreflightFigures) -> Iterator[Target]:
    what = "preflight of a million rows with zones, a list and three conditions"
    aside = f"{preflight.rows:,} took {preflight.seconds:.1f} s"
    yield Target(what, 20, preflight.seconds_per_million, "{:.1f} s", True, aside)
    if preflight.rows >= WHOLE:
        yield Target("its memory at most", 250, preflight.peak_mb, "{:.0f} MB", True)


def _at_rest(figures: Figures) -> Iterator[Target]:
    waits = {
        "enqueue to POST through Celery, idle, p99": figures.idle_latency_ms,
        "the same once its drain has ended, p99": figures.latency_from_a_signal_ms,
    }
    for what, wait in waits.items():
        if wait:
            aside = f"p50 {wait.p50:.1f}, of {wait.count}"
            yield Target(what, 25, wait.p99, "{:.1f} ms", True, aside)
    workers = {"bare": figures.tls_bare, "under Celery": figures.tls_under_celery}
    for which, tls in workers.items():
        what = f"a worker's memory with 200 TLS connections, {which}"
        yield Target(what, 120, tls.peak_mb, "{:.0f} MB", True, f"{tls.connections} were open")
    yield Target("CPU of a worker with nothing to do", 0.01, figures.idle_cpu, "{:.2%}", True)
    for kind, held in figures.scripts_ms.items():
        what = f"script: {_SCRIPT.get(kind, f'{kind} 50')}, p99"
        aside = f"p50 {held.script.p50:.2f}, of {held.script.count}; CPU p99 {held.cpu.p99:.2f}"
        yield Target(what, 1.5, held.script.p99, "{:.2f} ms", True, aside)
    plain, in_hours = (figures.scripts_ms[name].script.p50 for name in (OF_CAMPAIGN, IN_HOURS))
    aside = f"{in_hours:.2f} of {plain:.2f} ms"
    what = "claim 50 of a campaign with hours, to one without, p50"
    yield Target(what, 1.05, in_hours / plain, "{:.2f}x", True, aside)


def _archiving(archive: ArchiveFigures) -> Iterator[Target]:
    count = archive.messages
    what = "server memory per finished message, once archived"
    aside = f"{archive.bytes_before:,.0f} before; {archive.archive_bytes:,.0f} in the archive"
    yield Target(what, 80, archive.bytes_after, "{:.0f} bytes", True, aside)
    own, theirs = (1e6 * cpu / count for cpu in (archive.archiver_cpu, archive.server_cpu))
    aside = f"{count:,} took {archive.seconds:.1f} s; CPU {own:.0f} s and {theirs:.0f} s in Redis"
    seconds = archive.seconds_per_million
    yield Target("archiving a million messages", 60, seconds, "{:.0f} s", True, aside)
    aside = f"p50 {archive.show_ms.p50:.2f}, of {archive.show_ms.count}"
    yield Target("reading an archived one, p99", 50, archive.show_ms.p99, "{:.2f} ms", True, aside)


def _apart(stats: Stats, form: str = ".2f") -> str:
    return f"{stats.least:{form}} to {stats.most:{form}}"
