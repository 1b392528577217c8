"""``sluicegate optout``: the numbers that are never sent to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sluicegate.rules import E164

from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.files import read_text
from .kit.groups import group
from .kit.options import AsJsonLines, Unmasked
from .kit.output import clean, counted, hidden, listed, when, write_lines
from .kit.session import Session

optout = group("Keep the list of numbers that are never sent to.")

_BATCH = 1_000
_RULE = "not an E.164 number, such as +15551234567"


@option_set
class NumbersOptions:
    """The numbers that ``optout add`` and ``optout remove`` are given."""

    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="NUMBER", help="Numbers in E.164 form.")
    ] = None
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file with one number per line; - reads stdin."),
    ] = None


@option_set
class OptOutListOptions:
    """The options of ``optout list``."""

    json: AsJsonLines = False
    full: Unmasked = False


@optout.command()
@command
def add(session: Session, options: NumbersOptions) -> None:
    """Never send to these numbers again.

    When it returns, no further POST to them can start. If a line of a file is
    not a number, nothing in that file is added.

    \b
    Example:
      sluicegate optout add +15551234567
      sluicegate optout add --file stopped.txt
    """
    numbers, optouts = _numbers(options), session.sluice.optouts
    new = sum(optouts.add(batch, "cli") for batch in _batches(numbers))
    typer.echo(f"{counted(new, 'number')} added, {len(numbers) - new:,} known already")


@optout.command()
@command
def remove(session: Session, options: NumbersOptions) -> None:
    """Take numbers off the list.

    \b
    Example:
      sluicegate optout remove +15551234567
    """
    numbers, optouts = _numbers(options), session.sluice.optouts
    removed = sum(optouts.remove(batch) for batch in _batches(numbers))
    typer.echo(f"{counted(removed, 'number')} removed, {len(numbers) - removed:,} not on the list")


@optout.command("list")
@command
def list_(session: Session, options: OptOutListOptions) -> None:
    """List the numbers, in no particular order.

    \b
    Example:
      sluicegate optout list --full --json > optouts.jsonl
    """
    entries = (
        msgspec.structs.replace(entry, number=hidden(entry.number, options.full))
        for entry in session.sluice.optouts
    )
    if options.json:
        write_lines(entries)
        return
    empty = True
    for entry in entries:
        empty = False
        typer.echo(f"{entry.number:<16}  {when(entry.since_ms)}  {clean(entry.source)}")
    if empty:
        typer.echo("no number has opted out")


def _batches(numbers: Sequence[str]) -> list[Sequence[str]]:
    return [numbers[start : start + _BATCH] for start in range(0, len(numbers), _BATCH)]


def _numbers(options: NumbersOptions) -> list[str]:
    """Each number once; ends the command if one is not valid, before anything is changed."""
    numbers, file = options.numbers, options.file
    if bool(numbers) == (file is not None):
        fail("give either NUMBER... or --file", BAD_INPUT)
    if file is not None:
        name = "stdin" if str(file) == "-" else str(file)
        numbers = _valid_lines(read_text(file).splitlines(), name)
    numbers = list(dict.fromkeys(numbers or ()))
    if wrong := [hidden(number) for number in numbers if not E164.match(number)]:
        fail(f"{listed(wrong)}: {_RULE}; nothing was changed", BAD_INPUT)
    return numbers


def _valid_lines(lines: Sequence[str], name: str) -> list[str]:
    """The numbers on a file's lines, without empty lines; one wrong line refuses them all."""
    numbers = {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}
    if wrong := [str(number) for number, text in numbers.items() if not E164.match(text)]:
        where = f"line{'s' if len(wrong) > 1 else ''} {listed(wrong)}"
        fail(f"{name}, {where}: {_RULE}; nothing was changed", BAD_INPUT)
    if not numbers:
        fail(f"{name}: it holds no numbers", BAD_INPUT)
    return list(numbers.values())
