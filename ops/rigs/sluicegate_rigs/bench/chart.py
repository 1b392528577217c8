"""The charts: rates and costs compared, and how the cost of a message grows."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .comparison import BenchCase, Stats, paired, per_second, worker_cpu
from .contenders import CELERY, Contender
from .growth import Point
from .record import LIMIT_50_MS, Bench
from .stub import Endpoint

BESIDE, GROWING = "performance.png", "growth.png"
OURS, BASE, OTHERS, FAINT = "#1b7f5c", "#b3541e", "#8a94a0", "#c3cad1"
_AXES = {
    "backlog": "waiting messages",
    "lanes": "lanes with waiting messages",
    "workers": "worker processes, all on one core",
}


def draw(bench: Bench, directory: Path) -> list[Path]:
    """Draw what was measured as PNG files; without matplotlib, draw nothing."""
    if find_spec("matplotlib") is None:
        return []
    # Imported by name: only the bench installs it, so a type checker may not find it.
    import_module("matplotlib").use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    pyplot.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    written = []
    if any(case.endpoint == Endpoint(50) for case in bench.cases):
        written.append(_beside(pyplot, bench, directory / BESIDE))
    if bench.growth:
        written.append(_growing(pyplot, bench.growth, directory / GROWING))
    return written


def _beside(pyplot: Any, bench: Bench, path: Path) -> Path:
    slow = _sorted(bench, Endpoint(50))
    fast = [case for other in slow if (case := bench.case(other.contender.name, Endpoint()))]
    figure, panels = pyplot.subplots(
        1, 3, figsize=(11.5, 0.9 + 0.34 * len(slow)), sharey=True, layout="constrained"
    )
    for axes, title, cases, of, form in (
        (panels[0], "messages/s, a provider that takes 50 ms", slow, per_second, "{:,.0f}"),
        (panels[1], "CPU seconds per 1,000 of these", slow, worker_cpu, "{:.2f}"),
        (panels[2], "messages/s, a provider that takes no time", fast, per_second, "{:,.0f}"),
    ):
        figures = [Stats.of(map(of, case.runs)) for case in cases]
        bars = axes.barh(
            [case.contender.label for case in cases],
            [stats.median for stats in figures],
            color=[_colour(case.contender) for case in cases],
            xerr=_whiskers(figures),
            error_kw={"ecolor": FAINT},
        )
        labels = [
            form.format(stats.median) + _times(bench, case, of)
            for case, stats in zip(cases, figures, strict=True)
        ]
        axes.bar_label(bars, labels, padding=5)
        axes.set_title(title, loc="left", fontsize=9)
        axes.margins(x=0.42)
        axes.set_xticks([])
        axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_visible(False)
    panels[0].axvline(LIMIT_50_MS, color=FAINT, linestyle="--", linewidth=1, zorder=0)
    panels[0].invert_yaxis()
    figure.suptitle(
        "One worker on one core. In brackets: the ratio to Celery with a task for each message "
        "(threads -c 50). Dashed: what 200 requests in flight allow",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    figure.savefig(path, dpi=160)
    pyplot.close(figure)
    return path


def _sorted(bench: Bench, endpoint: Endpoint) -> list[BenchCase]:
    cases = [case for case in bench.cases if case.endpoint == endpoint]
    return sorted(cases, key=lambda case: not case.contender.ours)


def _times(bench: Bench, case: BenchCase, of: Any) -> str:
    """The ratio to Celery's figure, in brackets."""
    stats = paired(bench.cases, case.contender.name, CELERY.name, case.endpoint, of)
    return f"  ({stats.median:.2g}x)" if stats and case.contender.name != CELERY.name else ""


def _growing(pyplot: Any, points: Sequence[Point], path: Path) -> Path:
    kinds = list(dict.fromkeys(point.what for point in points))
    figure, row = pyplot.subplots(
        1, len(kinds), figsize=(11.5, 3.0), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, kind in zip(row[0], kinds, strict=True):
        of_kind = [point for point in points if point.what == kind]
        sizes = [point.size for point in of_kind]
        for label, colour, figures in (
            ("worker", OURS, [Stats.of(point.worker_cpu) for point in of_kind]),
            ("server", OTHERS, [Stats.of(point.server_cpu) for point in of_kind]),
        ):
            medians = [stats.median for stats in figures]
            axes.errorbar(
                sizes,
                medians,
                _whiskers(figures),
                marker="o",
                color=colour,
                ecolor=FAINT,
                label=label,
            )
            for size, median in zip(sizes, medians, strict=True):
                axes.annotate(
                    f"{median:.3f}",
                    (size, median),
                    (0, 6),
                    textcoords="offset points",
                    ha="center",
                    fontsize=7,
                )
        axes.set_xscale("log", base=2 if kind == "workers" else 10)
        axes.set_xticks(sizes, [_short(size) for size in sizes])
        axes.minorticks_off()
        axes.set_title(_AXES[kind], loc="left", fontsize=9)
    most = max(max(point.worker_cpu + point.server_cpu) for point in points)
    # The panels share it, so set it last: before, it would fit only the first panel.
    row[0][0].set_ylim(0, 1.15 * most)
    row[0][0].set_ylabel("CPU s per 1,000 messages")
    row[0][0].legend(frameon=False, loc="lower left")
    figure.savefig(path, dpi=160)
    pyplot.close(figure)
    return path


def _colour(contender: Contender) -> str:
    if contender.ours:
        return OURS
    return BASE if contender.name == CELERY.name else OTHERS


def _short(size: int) -> str:
    """A number in short: 1k for a thousand, 1M for a million."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if size >= unit:
            return f"{size / unit:g}{letter}"
    return str(size)


def _whiskers(figures: Sequence[Stats]) -> tuple[list[float], list[float]]:
    """How far the lowest and highest values lie from the median."""
    below = [stats.median - stats.least for stats in figures]
    return below, [stats.most - stats.median for stats in figures]
