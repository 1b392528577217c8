"""How commands write their output: tables, JSON, times, and phone numbers that stay hidden."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from sluicegate.masking import masked

if TYPE_CHECKING:  # rich is heavy, and help does without it
    from rich.console import Console
    from rich.table import Table

_PIPED_WIDTH = 10_000
_NUMBER = re.compile(r"\+[0-9]{7,15}|\b[0-9]{10,15}\b")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def console() -> "Console":
    """Standard output: colours and wrapping on a terminal, plain unwrapped lines in a pipe."""
    from rich.console import Console

    output = Console(markup=False, highlight=False, emoji=False)
    if not output.is_terminal:
        output.width = _PIPED_WIDTH
    return output


def table(*columns: str) -> "Table":
    """An empty table without borders; only its last column wraps."""
    from rich.table import Table

    rows = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        rows.add_column(column, no_wrap=column != columns[-1])
    return rows


def grid(gap: int = 2) -> "Table":
    """An empty table without a head or borders, its columns ``gap`` spaces apart."""
    from rich.table import Table

    return Table.grid(padding=(0, gap))


def write(lines: "Table") -> None:
    """Write a table; in a pipe no line ends in spaces."""
    out = console()
    if out.is_terminal:
        out.print(lines)
        return
    with out.capture() as captured:
        out.print(lines)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def write_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Write names and values, one pair per line, leaving out names without a value."""
    rows = grid()
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column()
    for name, value in pairs:
        if value not in ("", None):
            rows.add_row(name, clean(str(value)))
    write(rows)


def write_lines(items: Iterable[Any]) -> None:
    """Write JSON lines, each as soon as its item comes."""
    for item in items:
        typer.echo(msgspec.json.encode(item).decode())


def write_document(item: Any) -> None:
    """Write one JSON document, indented."""
    typer.echo(msgspec.json.format(msgspec.json.encode(item), indent=2).decode())


def hidden(text: str, full: bool = False) -> str:
    """``text`` with every phone number in it masked, unless ``full``."""
    return text if full else _NUMBER.sub(lambda number: masked(number[0]), text)


def clean(text: str) -> str:
    """``text`` on one line, without control characters: answers come from outside."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


def when(wall_ms: float) -> str:
    """A wall time for people, in UTC."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def local(wall_ms: float, now_ms: float) -> str:
    """A wall time in the reader's time zone, with its date unless that is today's."""
    time, now = (datetime.fromtimestamp(ms / 1000).astimezone() for ms in (wall_ms, now_ms))
    return time.strftime("%H:%M:%S %Z" if time.date() == now.date() else "%Y-%m-%d %H:%M %Z")


def lasting(seconds: float) -> str:
    """A length of time for people: ``42 s``, ``3 min``, ``2 h 5 min``, ``4 d 1 h``."""
    rest = max(0, round(seconds))
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    if not parts:
        return f"{rest} s"
    return " ".join(parts[:2])


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 message``, ``1,200 messages``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(values: Sequence[str], most: int = 5) -> str:
    """The first values, and how many more there are."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more
