"""The bench on a screen: its tables one below the other, the targets last."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .record import Bench
from .tables import Grid, grids, remarks

_COLOURS = {"NO": "red", "yes": "green"}


def show(bench: Bench, console: Console) -> None:
    """Print all tables, then the remarks."""
    for grid in grids(bench):
        console.print(_table(grid))
    for remark in remarks(bench):
        console.print(remark, highlight=False, markup=False)


def _table(grid: Grid) -> Table:
    table = Table(
        title=grid.title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1)
    )
    for place, column in enumerate(grid.columns):
        last = grid.part == "targets" and place == len(grid.columns) - 1
        table.add_column(
            column,
            justify="left" if place == 0 or last else "right",
            no_wrap=place == 0,
        )
    for row in grid.rows:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    return table
