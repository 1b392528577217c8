"""How far a part of ``make limits`` has come: a bar on a terminal, elsewhere a line at times."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

_PIPED_WIDTH = 150  # room for the table, where no terminal says how wide it is

console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


@contextmanager
def progress(doing: str, total: int, unit: str, every: int) -> Iterator[Callable[[int], None]]:
    """Yield what is told how many of ``total`` are done; elsewhere a line for ``every`` more."""
    bar = (doing, BarColumn(24), MofNCompleteColumn(), unit, TimeElapsedColumn())
    said = 0

    def show(done: int) -> None:
        nonlocal said
        shown.update(task, completed=done)
        if not console.is_terminal and done > said and (done - said >= every or done == total):
            said = done
            console.print(f"{doing}: {done:,}/{total:,} {unit}", highlight=False)

    with Progress(*bar, console=console, disable=not console.is_terminal) as shown:
        task = shown.add_task("", total=total)
        yield show
