"""How commands write their output: tables, JSON, times, and phone numbers that stay hidden."""

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from ...operating.words import clean
from .listing import Listing, paired, wrapped

if TYPE_CHECKING:  # rich is heavy, and help does without it
    from rich.console import Console
    from rich.table import Table

_PIPED_WIDTH = 10_000


def console(*, err: bool = False) -> "Console":
    """Standard output or, with ``err``, standard error.

    There are colours and wrapping on a terminal, and plain unwrapped lines in a pipe.
    """
    from rich.console import Console

    output = Console(markup=False, highlight=False, emoji=False, stderr=err)
    if not output.is_terminal:
        output.width = _PIPED_WIDTH
    return output


def table(*columns: str, spare: Sequence[str] = (), right: Sequence[str] = ()) -> Listing:
    """An empty listing under a head: ``spare`` columns go first where the terminal is narrow."""
    return Listing(columns, spare, right)


def grid(gap: int = 2) -> "Table":
    """An empty table without a head or borders, its columns ``gap`` spaces apart."""
    from rich.table import Table

    return Table.grid(padding=(0, gap))


def write(lines: "Table | Listing") -> None:
    """Write a table; in a pipe no line ends in spaces."""
    out = console()
    if isinstance(lines, Listing):
        head, *rest = lines.lines(room(out))
        out.print(head, style="dim", soft_wrap=True)
        for line in rest:
            out.print(line, soft_wrap=True)
        return
    if out.is_terminal:
        out.print(lines)
        return
    with out.capture() as captured:
        out.print(lines)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def room(out: "Console") -> int | None:
    """The width of a terminal; None in a pipe, where lines are as long as they like."""
    return out.width if out.is_terminal else None


def tell(text: str, indent: int = 0, style: str | None = None, *, err: bool = False) -> None:
    """Write prose, broken between words where the terminal is narrow, and never in a command.

    Further lines are indented by ``indent``.
    """
    stream = sys.stderr if err else sys.stdout
    # Without rich, which is heavy and would say the same.
    if not (stream.isatty() or os.environ.get("FORCE_COLOR")):
        typer.echo(text, err=err)
        return
    out = console(err=err)
    for line in text.split("\n"):
        width = room(out)
        first, *more = [line] if width is None else wrapped(line, width - indent) or [""]
        lead = line[: len(line) - len(line.lstrip(" "))] if width is not None else ""
        out.print(f"{lead}{first}" if first else "", style=style, soft_wrap=True)
        for part in more:
            out.print(f"{' ' * indent}{part}", style=style, soft_wrap=True)


def write_beside(counts: Sequence[tuple[str, str]], about: Sequence[tuple[str, str]]) -> None:
    """Write counts flush right, and pairs beside them, or below them on a narrow terminal."""
    out = console()
    width, figures = (max(len(pair[side]) for pair in counts) for side in (0, 1))
    left = [f"{name:<{width}}  {count:>{figures}}" for name, count in counts]
    widest = max(map(len, left))
    beside = list(paired(about, None))
    if (most := room(out)) is not None and widest + 4 + max(map(len, beside)) > most:
        lines = [*left, "", *paired(about, most)]
    else:
        both = zip_longest(left, beside, fillvalue="")
        lines = [f"{one:<{widest + 4}}{other}".rstrip() for one, other in both]
    for line in lines:
        out.print(line, soft_wrap=True)


def write_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Write names and values, one pair per line, leaving out names without a value."""
    out = console()
    given = [(name, clean(str(value))) for name, value in pairs if value not in ("", None)]
    for line in paired(given, room(out)):
        out.print(line, soft_wrap=True)


def write_lines(items: Iterable[Any]) -> None:
    """Write JSON lines, each as soon as its item comes."""
    for item in items:
        typer.echo(msgspec.json.encode(item).decode())


def write_result(result: Any, text: str, *, as_json: bool) -> None:
    """Write what an act did: as one JSON document, or in words."""
    if as_json:
        write_document(result)
    else:
        typer.echo(text)


def write_document(item: Any) -> None:
    """Write one JSON document, indented."""
    typer.echo(msgspec.json.format(msgspec.json.encode(item), indent=2).decode())
