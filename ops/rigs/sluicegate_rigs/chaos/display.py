"""Shows the progress of chaos (a bar on a terminal, lines elsewhere) and its verdict."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from .judgement import Promise
from .run import ChaosProgress

LINE_SECONDS = 10.0
SHOWN = 10
"""How many violations of a promise the screen shows; the file has all."""

console = Console()


@contextmanager
def display(seconds: float) -> Iterator[Callable[[ChaosProgress], None]]:
    """Yield a function that shows the progress of a run of ``seconds``."""
    if not console.is_terminal:
        yield _lines(seconds)
        return
    words = TextColumn(
        "{task.fields[words]}", table_column=Column(no_wrap=True, overflow="ellipsis")
    )
    with Progress(BarColumn(20), TimeElapsedColumn(), words, console=console) as progress:
        task = progress.add_task("", total=seconds, words="starting")

        def show(moment: ChaosProgress) -> None:
            progress.update(task, completed=moment.seconds, words=_words(moment))

        yield show


def _words(moment: ChaosProgress) -> str:
    last = f"; {moment.last}" if moment.last else ""
    return f"{moment.kills} kills, {moment.begun} POSTs begun; {moment.sent:,} enqueued{last}"


def _lines(seconds: float) -> Callable[[ChaosProgress], None]:
    printed_at = 0.0

    def show(moment: ChaosProgress) -> None:
        nonlocal printed_at
        if moment.seconds - printed_at >= LINE_SECONDS:
            printed_at = moment.seconds
            text = f"{moment.seconds:3.0f}/{seconds:.0f} s: {_words(moment)}"
            console.print(text, soft_wrap=True, highlight=False)

    return show


def tell(promises: Sequence[Promise]) -> None:
    """Print every promise, and what broke those that did not hold."""
    table = Table("promise", "observed", "held")
    for promise in promises:
        table.add_row(
            promise.name, promise.figures, "[red]NO[/]" if promise.broken else "[green]yes[/]"
        )
    console.print(table)
    for promise in promises:
        for wrong in promise.broken[:SHOWN]:
            console.print(f"{promise.name}: {wrong}", soft_wrap=True, highlight=False)
        if len(promise.broken) > SHOWN:
            console.print(f"{promise.name}: and {len(promise.broken) - SHOWN} more")
