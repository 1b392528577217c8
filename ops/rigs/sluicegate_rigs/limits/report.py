"""What ``make limits`` prints and stores of the grid."""

from collections.abc import Sequence

import msgspec
from rich.table import Table

from .verdict import RowResult

TOLD = 3
"""So many of a row's misses are printed; the file has all."""


def grid_table(rows: Sequence[RowResult]) -> Table:
    """One line for each row; used and 429 are from the second window on."""
    columns = ("row", "cells", "worst", "median", "429", "transactional p99", "1st window: 429s",
               "silent", "used, 429", "ok")  # fmt: skip
    table = Table(*columns)
    for column in table.columns[1:8]:
        column.justify = "right"
    for row in rows:
        slowest = row.slowest
        table.add_row(
            row.row,
            str(len(row.cells)),
            f"{row.used:.2%}",
            f"{row.median:.2%}",
            f"{row.share429:.3%}",
            f"{slowest.p99_ms:.0f} of {slowest.patience_ms:.0f} ms",
            str(max(cell.first_refused for cell in row.cells)),
            f"{max(cell.first_silence for cell in row.cells):.0%}",
            row.target,
            "[green]yes[/]" if row.held else "[red]NO[/]",
        )
    return table


def told_misses(rows: Sequence[RowResult], seed: int) -> list[str]:
    """A line for each cell that missed, which names it so that ``--only`` finds it."""
    lines: list[str] = []
    for row in rows:
        lines += [f"{cell}: {what}" for cell, what in row.misses[:TOLD]]
        if len(row.misses) > TOLD:
            lines.append(f"{row.row}: {len(row.misses) - TOLD} cells more")
    if lines:
        lines.append(f'One of these alone: --seed {seed} --only "all before its last colon"')
    return lines


def entry(row: RowResult) -> dict[str, object]:
    """The row as the file has it."""
    fields: dict[str, object] = msgspec.to_builtins(row)
    return {"case": fields.pop("row")} | fields
