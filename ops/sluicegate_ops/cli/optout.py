"""``sluicegate optout``: the numbers that are never sent to."""

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import msgspec
import typer

from sluicegate.campaigns.number_list import NumberList
from sluicegate.campaigns.phone import Phones
from sluicegate.errors import BadFile, BadNumber
from sluicegate.optouts import OptOut
from sluicegate.rules import E164

from .kit.acts import by_whom, note
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.groups import group
from .kit.options import (
    AsJsonDocument,
    AsJsonLines,
    DelimiterOption,
    EncodingOption,
    RegionOption,
    Unmasked,
    WhoOption,
    WhyOption,
)
from .kit.output import clean, counted, hidden, listed, when, write_lines, write_result
from .kit.session import Session

optout = group("Keep the list of numbers that are never sent to.")

_BATCH = 1_000


@option_set
class NumbersOptions:
    """The numbers that ``optout add`` and ``optout remove`` are given."""

    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="NUMBER", help="Numbers, such as +15551234567.")
    ] = None
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A list: CSV, JSON or plain lines; - reads stdin."),
    ] = None
    column: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The file's column of numbers, if not obvious."),
    ] = None
    region: RegionOption = None
    encoding: EncodingOption = None
    delimiter: DelimiterOption = None
    who: WhoOption = None
    why: WhyOption = ""
    json: AsJsonDocument = False


@option_set
class OptOutListOptions:
    """The options of ``optout list``."""

    json: AsJsonLines = False
    full: Unmasked = False


@optout.command()
@command
def add(session: Session, options: NumbersOptions) -> None:
    """Never send to these numbers again.

    When it returns, no further POST to them can start. A file may have a header
    and several columns, and may be what "optout list --full" wrote. If a row of
    it has no number, nothing in that file is added.

    \b
    Example:
      sluicegate optout add +15551234567
      sluicegate optout add --file stopped.csv --column from --region US
    """
    new = given = 0
    with _numbers(options) as numbers:
        for batch in _batches(numbers):
            given += len(batch)
            new += session.sluice.optouts.add(batch, "cli")
    _note(session, options, "add optouts", new)
    text = f"{counted(new, 'number')} added, {given - new:,} known already"
    write_result({"added": new, "known": given - new}, text, as_json=options.json)


@optout.command()
@command
def remove(session: Session, options: NumbersOptions) -> None:
    """Take numbers off the list.

    \b
    Example:
      sluicegate optout remove +15551234567
    """
    removed = given = 0
    with _numbers(options) as numbers:
        for batch in _batches(numbers):
            given += len(batch)
            removed += session.sluice.optouts.remove(batch)
    _note(session, options, "remove optouts", removed)
    text = f"{counted(removed, 'number')} removed, {given - removed:,} not on the list"
    write_result({"removed": removed, "unknown": given - removed}, text, as_json=options.json)


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
        typer.echo(_listing(entry))
    if empty:
        typer.echo("no number has opted out")


def _note(session: Session, options: NumbersOptions, action: str, count: int) -> None:
    """Into the audit: how many numbers, and never which."""
    about = {} if options.file is None else {"file": options.file.name}
    note(session, by_whom(options.who, options.why, needed=False), action, about, count)


def _listing(entry: OptOut) -> str:
    """An entry on a line, as ``number_list.py`` reads it again."""
    return f"{entry.number:<16}  {when(entry.since_ms)}  {clean(entry.source)}"


@contextmanager
def _numbers(options: NumbersOptions) -> Iterator[Iterable[str]]:
    """The numbers; ends the command if one is not valid, before anything is changed."""
    numbers, file = options.numbers, options.file
    if bool(numbers) == (file is not None):
        fail("give either NUMBER... or --file", BAD_INPUT)
    if file is None:
        yield _given(numbers or [], options.region)
    elif str(file) == "-":
        with NamedTemporaryFile() as copy:  # a list is read twice
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            yield _checked(options, Path(copy.name), "stdin")
    else:
        yield _checked(options, file, str(file))


def _given(numbers: Sequence[str], region: str | None) -> list[str]:
    """Each of the arguments once."""
    phones, found, wrong = Phones(region), dict[str, None](), list[str]()
    for number in numbers:
        try:
            found[number if E164.match(number) else phones.normalise(number)] = None
        except BadNumber as error:
            wrong.append(f"{hidden(number)}: {error.reason}")
    if wrong:
        fail(f"{listed(wrong)}; nothing was changed", BAD_INPUT)
    return list(found)


def _checked(options: NumbersOptions, path: Path, name: str) -> Iterator[str]:
    """The numbers of a file in which every row has one; a wrong row refuses them all."""
    listing = _opened(options, path, name)
    count, lines, faults = 0, list[str](), dict[str, None]()
    for entry in listing:
        count += 1
        if entry.fault:
            lines.append(str(entry.line))
            faults[hidden(entry.fault)] = None
    if lines:
        where = f"line{'s' if len(lines) > 1 else ''} {listed(lines)}"
        reasons = listed(list(faults))
        fail(f"{name}, {where}: {reasons}; nothing was changed", BAD_INPUT)
    if not count:
        fail(f"{name}: it holds no numbers", BAD_INPUT)
    return (entry.number for entry in listing)


def _opened(options: NumbersOptions, path: Path, name: str) -> NumberList:
    try:
        return NumberList(
            path,
            options.region,
            options.column,
            encoding=options.encoding,
            delimiter=options.delimiter,
        )
    except BadFile as error:
        raise BadFile(name, error.where, error.reason, error.way_out) from None


def _batches(numbers: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(numbers)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
