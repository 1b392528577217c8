"""Shows the bench's progress: a bar on a terminal, elsewhere a line for each step."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_WIDTH = 132  # columns, if the output is not a terminal

console = Console(width=None if sys.stdout.isatty() else _WIDTH)


class Part:
    """A running part; told when a step begins, and its result at the end."""

    def __init__(self, name: str, total: int, bar: Progress, task: TaskID) -> None:
        self._name, self._total, self._bar, self._task = name, total, bar, task
        self._done = 0

    def begin(self, what: str) -> None:
        """Show that the next step begins."""
        self._bar.update(self._task, what=what)

    def end(self, result: str) -> None:
        """Print the step's result."""
        self._done += 1
        self._bar.advance(self._task)
        line = f"{self._name} {self._done}/{self._total}  {result}"
        console.print(line, highlight=False, markup=False)


@contextmanager
def part(name: str, total: int) -> Iterator[Part]:
    """Run a part of ``total`` steps."""
    columns = (
        *(TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn()),
        *(TextColumn("{task.fields[what]}"), TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield Part(name, total, bar, bar.add_task(name, total=total, what=""))
