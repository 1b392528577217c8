"""The demo's progress: a live bar on a terminal, a line every two seconds elsewhere."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text

from .setting import LIMIT_PER_SECOND
from .standing import Standing

RATE_SECONDS = 2.0
LINE_SECONDS = 2.0

console = Console()


class SendRate:
    """The provider's requests per second over the last two seconds."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, int]] = deque()

    def update(self, standing: Standing) -> float:
        self._past.append((standing.at, standing.received["received"]))
        while self._past[-1][0] - self._past[0][0] > RATE_SECONDS:
            self._past.popleft()
        (began, first), (ended, last) = self._past[0], self._past[-1]
        return (last - first) / (ended - began) if ended > began else 0.0


@contextmanager
def display(total: int) -> Iterator[Callable[[Standing], None]]:
    """Yield a function that shows where the campaign stands."""
    rate = SendRate()

    def words(standing: Standing) -> str:
        states = standing.ledger.states
        return (
            f"{rate.update(standing):4.1f} of {LIMIT_PER_SECOND}/s, waiting {standing.waiting}, "
            f"under way {standing.under_way}, retrying {states['retrying']}, "
            f"in doubt {states['in_doubt']}, dead {states['dead']}"
        )

    if not console.is_terminal:
        yield _lines(total, words)
        return
    # The count never shrinks: the bar takes what is left of its line, and the words go below.
    count = MofNCompleteColumn(table_column=Column(no_wrap=True))
    progress = Progress(TextColumn("accepted"), BarColumn(None), count, expand=True)
    task = progress.add_task("", total=total)
    with Live(console=console, refresh_per_second=4) as live:

        def show(standing: Standing) -> None:
            progress.update(task, completed=standing.accepted)
            live.update(Group(progress.get_renderable(), Text(words(standing))))

        yield show


def _lines(total: int, words: Callable[[Standing], str]) -> Callable[[Standing], None]:
    shown_at = float("-inf")

    def show(standing: Standing) -> None:
        nonlocal shown_at
        text = words(standing)
        if standing.at - shown_at >= LINE_SECONDS or standing.state == "finished":
            shown_at = standing.at
            console.print(f"{standing.accepted:5,}/{total:,} accepted: {text}", soft_wrap=True)

    return show
