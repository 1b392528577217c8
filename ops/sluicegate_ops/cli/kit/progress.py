"""The progress of long work: a bar on a terminal, a line every few seconds in a pipe."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer

from ...operating.words import lasting

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LINE_SECONDS = 5.0
_MOMENT_SECONDS = 0.1


class Meter:
    """Shows ``doing``, how much of ``total`` is done, rows per second, and the time left.

    Where ``total`` is None nobody knows it, and only the rows are shown.

    It writes to stderr. In a pipe, work that takes less than a few seconds is not shown.
    """

    def __init__(self, doing: str, total: int | None) -> None:
        self._doing, self._known = doing, total is not None
        self._total = max(1, total or 0)
        self._began = self._said = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._known:
            self._show()
        return self

    def _show(self) -> None:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
            total = self._total if self._known else None
            self._task = self._bar.add_task(self._doing, total=total, rows="")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def of(self, total: int) -> Self:
        """Learn how much there is in all, where that is known only on the way."""
        self._total = max(1, total)
        return self

    def at(self, done: int, rows: int) -> None:
        """Show that ``done`` of the total is done, which is so many ``rows``."""
        now = time.monotonic()
        due = _LINE_SECONDS if self._bar is None else _MOMENT_SECONDS
        if now - self._said < due and (done < self._total or self._bar is None):
            return
        self._said, speed = now, rows / max(now - self._began, 1e-3)
        shown = f"{rows:,} rows, {speed:,.0f}/s"
        if self._bar is not None and self._task is not None:
            total = self._total if self._known else None
            self._bar.update(self._task, completed=done, total=total, rows=shown)
        else:
            left = (now - self._began) * (self._total / max(1, done) - 1)
            ends = f", {lasting(left)} left" if self._known else ""
            typer.echo(f"{self._doing}: {shown}{ends}", err=True)

    def copied(self, rows: int) -> None:
        """Show that ``rows`` are done, of nobody knows how many; until then nothing is shown."""
        if self._bar is None:
            self._show()
        self.at(0, rows)


def _bar() -> "Progress":
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[rows]}", markup=False),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
    )
