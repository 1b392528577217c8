"""The bench in the documents: its tables as Markdown between markers, and its charts.

A part begins after a line ``<!-- bench NAME -->`` and ends before ``<!-- /bench -->``. Only the
text between those markers is replaced.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from .chart import draw
from .record import Bench
from .tables import Grid, grids, remarks

DOCUMENT = Path("docs/BENCHMARKS.md")
_MARKED = re.compile(r"(<!-- bench (\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def markdown(bench: Bench) -> dict[str, str]:
    """Each part of the document that the bench writes, by name."""
    parts: dict[str, list[str]] = {}
    for grid in grids(bench):
        parts.setdefault(grid.part, []).append(_table(grid))
    parts["noise"] = list(remarks(bench))
    parts["machine"] = ["\n".join(_machine(bench))]
    return {name: "\n\n".join(texts) for name, texts in parts.items()}


def publish(bench: Bench, document: Path = DOCUMENT) -> list[Path]:
    """Put the tables into the document and the charts beside it.

    Raises ValueError if the document marks a part that this run did not measure: otherwise the
    document would mix two runs.
    """
    parts, text = markdown(bench), document.read_text(encoding="utf-8")
    if missing := {name for _, name, _ in _MARKED.findall(text)} - set(parts):
        raise ValueError(f"not measured: {', '.join(sorted(missing))}; a full run measures it")
    filled = _MARKED.sub(lambda m: f"{m[1]}\n{parts[m[2]]}\n\n{m[3]}", text)
    document.write_text(filled, encoding="utf-8")
    return [document, *draw(bench, document.parent)]


def _table(grid: Grid) -> str:
    lines = [grid.columns, *grid.rows]
    right = ["---", *["---:"] * (len(grid.columns) - 1)]
    if grid.part == "targets":
        right[-1] = "---"
    body = [_row(lines[0]), _row(right), *map(_row, lines[1:])]
    return "\n".join([f"**{grid.title}**", "", *body])


def _row(cells: "tuple[str, ...] | list[str]") -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _machine(bench: Bench) -> Iterator[str]:
    machine = bench.machine
    yield (
        f"Measured {bench.at[:10]} on {machine.get('cores')} cores of an {machine.get('cpu')} "
        f"({machine.get('memory_gb')} GB, Linux {machine.get('kernel')}), Python "
        f"{machine.get('python')}, at scale {bench.scale:g}."
    )
    yield "Versions: " + ", ".join(f"{name} {what}" for name, what in bench.versions.items()) + "."
