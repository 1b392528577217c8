"""The charts: rates and costs beside others, and how the cost of a message grows."""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .comparison import Case, Middle
from .contenders import Contender
from .growth import Point
from .record import Bench
from .stub import Door

OURS, OTHERS, FAINT = "#1b7f5c", "#8a94a0", "#d4dae0"


def draw(bench: Bench, directory: Path) -> list[Path]:
    """Write what there is as PNG; nothing where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        return []
    # By name: it is installed for the bench alone, and a type checker may not find it.
    import_module("matplotlib").use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    pyplot.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    written = []
    slow = [case for case in bench.cases if case.door == Door(50)]
    if slow:
        written.append(_beside(pyplot, slow, directory / "bench.png"))
    if bench.growth:
        written.append(_growing(pyplot, bench.growth, directory / "bench-growth.png"))
    return written


def _beside(pyplot: Any, cases: Sequence[Case], path: Path) -> Path:
    figure, (rates, costs) = pyplot.subplots(
        1, 2, figsize=(9.6, 0.6 + 0.36 * len(cases)), sharey=True, layout="constrained"
    )
    labels = [case.contender.label for case in cases]
    colours = [_colour(case.contender) for case in cases]
    for axes, title, figures, form in (
        (rates, "messages/s", [case.per_second for case in cases], "{:,.0f}"),
        (costs, "CPU seconds per 1,000", [case.worker_cpu for case in cases], "{:.2f}"),
    ):
        bars = axes.barh(
            labels, [one.median for one in figures], color=colours, xerr=_whiskers(figures)
        )
        axes.bar_label(bars, [form.format(one.median) for one in figures], padding=6)
        axes.set_title(title, loc="left")
        axes.margins(x=0.16)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    rates.invert_yaxis()
    figure.suptitle(
        "One worker process on one core, a provider that takes 50 ms", x=0.01, ha="left"
    )
    figure.savefig(path, dpi=160)
    pyplot.close(figure)
    return path


def _growing(pyplot: Any, points: Sequence[Point], path: Path) -> Path:
    kinds = list(dict.fromkeys(point.what for point in points))
    figure, row = pyplot.subplots(
        1, len(kinds), figsize=(9.6, 2.8), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, kind in zip(row[0], kinds, strict=True):
        of_kind = [point for point in points if point.what == kind]
        sizes = [point.size for point in of_kind]
        for label, colour, figures in (
            ("worker", OURS, [Middle.of(point.worker_cpu) for point in of_kind]),
            ("server", OTHERS, [Middle.of(point.server_cpu) for point in of_kind]),
        ):
            axes.errorbar(
                sizes,
                [one.median for one in figures],
                yerr=_whiskers(figures),
                marker="o",
                color=colour,
                ecolor=FAINT,
                label=label,
            )
        axes.set_xscale("log", base=2 if kind == "workers" else 10)
        axes.set_xticks(sizes, [_short(size) for size in sizes])
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.set_title(kind, loc="left")
    row[0][0].set_ylabel("CPU s per 1,000 messages")
    row[0][-1].legend(frameon=False)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)
    return path


def _colour(contender: Contender) -> str:
    return OURS if contender.ours else OTHERS


def _short(size: int) -> str:
    """1k for a thousand, 1M for a million."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if size >= unit:
            return f"{size / unit:g}{letter}"
    return str(size)


def _whiskers(figures: Sequence[Middle]) -> tuple[list[float], list[float]]:
    """How far the least and the most lie from the median."""
    return [one.median - one.least for one in figures], [one.most - one.median for one in figures]
