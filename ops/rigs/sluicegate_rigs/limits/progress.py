"""Shows the progress of ``make limits``: a bar on a terminal, elsewhere occasional lines."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

_PIPED_WIDTH = 150  # room for the table, if the output is not a terminal

console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


@contextmanager
def progress(doing: str, total: int, unit: str, every: int) -> Iterator[Callable[[int], None]]:
    """Yield a function that shows how many of ``total`` are done; without a bar, per ``every``."""
    bar = (doing, BarColumn(24), MofNCompleteColumn(), unit, TimeElapsedColumn())
    printed = 0

    def show(done: int) -> None:
        nonlocal printed
        widget.update(task, completed=done)
        if (
            not console.is_terminal
            and done > printed
            and (done - printed >= every or done == total)
        ):
            printed = done
            console.print(f"{doing}: {done:,}/{total:,} {unit}", highlight=False)

    with Progress(*bar, console=console, disable=not console.is_terminal) as widget:
        task = widget.add_task("", total=total)
        yield show
