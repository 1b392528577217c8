"""What commands on many messages share: a question before, progress during, a sum after."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import typer

from sluicegate.errors import UnknownMessage, WrongState

from .failures import complain, fail, status_of
from .session import Session

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]

_MANY = 20
_LINE_SECONDS = 5.0


def confirm(question: str, yes: bool) -> None:
    """Ask, unless ``yes``; end the command where the answer is no, or nobody answers."""
    if yes:
        return
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo(err=True)
        fail("nothing was done. Add --yes to do it without being asked")
    if not agreed:
        fail("nothing was done")


def each(ids: Sequence[str], act: Callable[[str], object], done: str, session: Session) -> None:
    """Do ``act`` for each id; one that fails stops no other. Ends with the worst status."""
    worst = failed = 0
    for id in tracked(ids, done):
        try:
            act(id)
        except (UnknownMessage, WrongState) as error:
            complain(error, session)
            worst, failed = max(worst, status_of(error)), failed + 1
    typer.echo(f"{done} {len(ids) - failed:,}" + (f" of {len(ids):,}" if failed else ""))
    if worst:
        raise typer.Exit(worst)


def tracked(ids: Sequence[str], done: str) -> Iterator[str]:
    """Go through ``ids``, showing how far it is: a bar on a terminal, now and then a line else."""
    if len(ids) < _MANY:
        yield from ids
    elif sys.stderr.isatty():
        yield from _with_bar(ids, done)
    else:
        yield from _with_lines(ids, done)


def _with_bar(ids: Sequence[str], done: str) -> Iterator[str]:
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class Speed(progress.ProgressColumn):
        def render(self, task: progress.Task) -> Text:
            return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s")

    columns = (
        progress.TextColumn(done),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Speed(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        yield from bar.track(ids)


def _with_lines(ids: Sequence[str], done: str) -> Iterator[str]:
    said_at = time.monotonic()
    for count, id in enumerate(ids):
        if time.monotonic() - said_at >= _LINE_SECONDS:
            said_at = time.monotonic()
            typer.echo(f"{done} {count:,} of {len(ids):,}", err=True)
        yield id
