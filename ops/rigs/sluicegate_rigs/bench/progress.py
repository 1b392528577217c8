"""How far a part of the bench has come: a bar on a terminal, elsewhere a line for each step."""

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

_WIDTH = 132  # columns, where nobody says

console = Console(width=None if sys.stdout.isatty() else _WIDTH)


class Part:
    """A part under way: tell it what begins, and what came of it."""

    def __init__(self, name: str, total: int, bar: Progress, task: TaskID) -> None:
        self._name, self._total, self._bar, self._task = name, total, bar, task
        self._done = 0

    def begin(self, what: str) -> None:
        """The next step."""
        self._bar.update(self._task, what=what)

    def end(self, said: str) -> None:
        """It is done; say what it found."""
        self._done += 1
        self._bar.advance(self._task)
        line = f"{self._name} {self._done}/{self._total}  {said}"
        console.print(line, highlight=False, markup=False)


@contextmanager
def part(name: str, total: int) -> Iterator[Part]:
    """A part of so many steps."""
    columns = (
        *(TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn()),
        *(TextColumn("{task.fields[what]}"), TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield Part(name, total, bar, bar.add_task(name, total=total, what=""))
