"""``sluicegate optout``: the numbers that are never sent to."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sluicegate.rules import E164

from .kit.failures import BAD_INPUT, fail
from .kit.output import Full, Lines, clean, counted, hidden, listed, when, write_lines
from .kit.session import Session

optout = typer.Typer(help="Numbers that are never sent to.", no_args_is_help=True)

Numbers = Annotated[list[str] | None, typer.Argument(metavar="NUMBER", help="E.164 numbers.")]
File = Annotated[str | None, typer.Option(help="A file with one number to a line; - reads stdin.")]

_BATCH = 1_000
_RULE = "not an E.164 number, as +15551234567"


@optout.command()
def add(ctx: typer.Context, numbers: Numbers = None, file: File = None) -> None:
    """Never send to these numbers again.

    When it returns, no further POST to them can start. A file with a line that
    is no number is refused whole.

    \b
    Example:
      sluicegate optout add +15551234567
      sluicegate optout add --file stopped.txt
    """
    session: Session = ctx.obj
    given = _given(numbers, file)
    list_ = session.sluice.optouts
    new = sum(list_.add(given[at : at + _BATCH], "cli") for at in range(0, len(given), _BATCH))
    typer.echo(f"{counted(new, 'number')} added, {len(given) - new:,} known already")


@optout.command()
def remove(ctx: typer.Context, numbers: Numbers = None, file: File = None) -> None:
    """Take numbers off the list.

    \b
    Example:
      sluicegate optout remove +15551234567
    """
    session: Session = ctx.obj
    given = _given(numbers, file)
    list_ = session.sluice.optouts
    gone = sum(list_.remove(given[at : at + _BATCH]) for at in range(0, len(given), _BATCH))
    typer.echo(f"{counted(gone, 'number')} removed, {len(given) - gone:,} not on the list")


@optout.command("list")
def list_(ctx: typer.Context, json: Lines = False, full: Full = False) -> None:
    """List the numbers, in no order.

    \b
    Example:
      sluicegate optout list --full --json > optouts.jsonl
    """
    session: Session = ctx.obj
    found = (
        msgspec.structs.replace(one, number=hidden(one.number, full))
        for one in session.sluice.optouts
    )
    if json:
        write_lines(found)
        return
    one = None
    for one in found:
        typer.echo(f"{one.number:<16}  {when(one.since_ms)}  {clean(one.source)}")
    if one is None:
        typer.echo("no number has opted out")


def _given(numbers: list[str] | None, file: str | None) -> list[str]:
    """The numbers meant, each once; ends where one is not valid, before anything is done."""
    if bool(numbers) == (file is not None):
        fail("give NUMBER... or --file, one of them", BAD_INPUT)
    if numbers:
        wrong = [hidden(number) for number in numbers if not E164.match(number)]
        if wrong:
            fail(f"{listed(wrong)}: {_RULE}; nothing was changed", BAD_INPUT)
        return list(dict.fromkeys(numbers))
    return list(dict.fromkeys(_valid(_lines(str(file)), "stdin" if file == "-" else str(file))))


def _lines(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: cannot be read: {error}", BAD_INPUT)
    return text.splitlines()


def _valid(lines: Sequence[str], name: str) -> list[str]:
    """The numbers of a file's lines; empty ones are skipped, a bad one refuses all."""
    numbers = {at: line.strip() for at, line in enumerate(lines, 1) if line.strip()}
    wrong = [str(at) for at, number in numbers.items() if not E164.match(number)]
    if wrong:
        where = f"line{'s' if len(wrong) > 1 else ''} {listed(wrong)}"
        fail(f"{name}, {where}: {_RULE}; nothing was changed", BAD_INPUT)
    if not numbers:
        fail(f"{name}: no numbers in it", BAD_INPUT)
    return list(numbers.values())
