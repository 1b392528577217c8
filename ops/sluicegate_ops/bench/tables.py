"""The bench on a screen: a table for each door, the figures, the ratios, the noise.

In a table, x is the ratio to Celery's; CPU is that of a worker's processes, in seconds per 1,000
messages, and the server's stands apart.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from .comparison import Case, Middle
from .contenders import CELERY
from .record import Bench, noise, ratios
from .stub import Door


def show(bench: Bench, console: Console) -> None:
    """Print all of it."""
    for door in dict.fromkeys(case.door for case in bench.cases):
        console.print(_table(door, [case for case in bench.cases if case.door == door]))
    for name, why in bench.left_out.items():
        console.print(f"not measured: {name}: {why}")
    stub = bench.ceiling
    console.print(
        f"The stub's ceiling: {stub['per_second']:,.0f}/s with a client that does nothing, "
        f"{stub['stub_cpu_s_per_1k']:.3f} s of its own CPU per 1,000",
        highlight=False,
    )
    if bench.growth:
        console.print(_growth(bench))
    if bench.figures:
        console.print(_figures(bench.figures, "figure"))
    console.print(_figures(ratios(bench), "ratio"))
    console.print("Noise: " + ", ".join(_noise(bench)), highlight=False)


def _table(door: Door, cases: Sequence[Case]) -> Table:
    runs = len(cases[0].runs)
    title = f"Latency {door}; medians of {runs} runs, ± half of what lies between them"
    table = Table(
        *("", "drained/s", "x", "CPU s/1k", "x", "server", "enqueued/s"),
        *("peak MB", "bytes", "commands"),
        title=title,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    celery = next((case for case in cases if case.contender.name == CELERY.name), None)
    for case in cases:
        table.add_row(
            case.contender.label + (f" [red]{case.surplus:+} requests[/]" if case.surplus else ""),
            _spread(case.per_second, ",.0f"),
            _against(case.per_second, celery.per_second if celery else None),
            _spread(case.worker_cpu, ".3f"),
            _against(case.worker_cpu, celery.worker_cpu if celery else None),
            f"{case.server_cpu.median:.3f}",
            f"{case.enqueued.median:,.0f}",
            f"{case.peak_mb:.0f}",
            f"{case.bytes_each:,.0f}",
            "" if case.commands is None else f"{case.commands:.2f}",
        )
    return table


def _spread(middle: Middle, form: str) -> str:
    apart = (middle.most - middle.least) / 2 / middle.median if middle.median else 0
    return f"{middle.median:{form}} [dim]±{apart:.0%}[/]"


def _against(middle: Middle, other: Middle | None) -> str:
    return f"{middle.median / other.median:.2f}" if other and other.median else ""


def _figures(figures: dict[str, Any], what: str) -> Table:
    table = Table(what, "", box=box.SIMPLE_HEAD)
    table.columns[1].justify = "right"
    for name, figure in figures.items():
        table.add_row(name, _text(figure))
    return table


def _text(figure: Any) -> str:
    if figure is None:
        return "not measured"
    if isinstance(figure, (int, float)):
        return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.4g}"
    return f"p50 {figure.p50:.2f}, p99 {figure.p99:.2f} of {figure.count}"


def _growth(bench: Bench) -> Table:
    columns = ("as it grows", "", "worker s/1k", "server s/1k", "drained/s")
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for one in bench.growth:
        table.add_row(
            one.what,
            f"{one.size:,}",
            _spread(Middle.of(one.worker_cpu), ".3f"),
            _spread(Middle.of(one.server_cpu), ".3f"),
            _spread(Middle.of(one.per_second), ",.0f"),
        )
    return table


def _noise(bench: Bench) -> Iterator[str]:
    said = noise(bench.cases)
    if not said:
        return
    usual, most = said["foreign_median"], said["foreign_most"]
    yield f"others used {usual:.0%} of the cores, at most {most:.0%}"
    yield f"the host took up to {said['stolen_most']:.1%}"
    yield (
        f"repeats lay {said['spread_median']:.0%} apart, at most {said['spread_most']:.0%}: "
        "differences below that mean nothing"
    )
