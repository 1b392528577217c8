"""The numbers that a command of ``optout`` is given: as arguments, or in a list of any form."""

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated

import typer

from sluicegate.campaigns.number_list import NumberList
from sluicegate.errors import BadFile

from ...operating.numbers import numbers_of
from ...operating.words import hidden, listed
from ..kit.command import option_set
from ..kit.failures import BAD_INPUT, fail
from ..kit.options import (
    AsJsonDocument,
    DelimiterOption,
    EncodingOption,
    RegionOption,
    WhoOption,
    WhyOption,
)

_BATCH = 1_000


@option_set
class ListFileOptions:
    """How a file with a list of numbers is read."""

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
class NumbersOptions(ListFileOptions):
    """The numbers that ``optout add`` and ``optout remove`` are given."""

    numbers: Annotated[
        list[str] | None, typer.Argument(metavar="NUMBER", help="Numbers, such as +15551234567.")
    ] = None
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A list: CSV, JSON or plain lines; - reads stdin."),
    ] = None


@contextmanager
def given_numbers(options: NumbersOptions) -> Iterator[Iterable[str]]:
    """The numbers; ends the command if one is not valid, before anything is changed."""
    numbers, file = options.numbers, options.file
    if bool(numbers) == (file is not None):
        fail("give either NUMBER... or --file", BAD_INPUT)
    if file is None:
        yield numbers_of(numbers or [], options.region)
        return
    with numbers_in(options, file) as found:
        yield found


@contextmanager
def numbers_in(options: ListFileOptions, file: Path) -> Iterator[Iterable[str]]:
    """The numbers of a list; ends the command if one is not valid, before anything is changed."""
    if str(file) == "-":
        with NamedTemporaryFile() as copy:  # a list is read twice
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.flush()
            yield _checked(options, Path(copy.name), "stdin")
    else:
        yield _checked(options, file, str(file))


def _checked(options: ListFileOptions, path: Path, name: str) -> Iterator[str]:
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


def _opened(options: ListFileOptions, path: Path, name: str) -> NumberList:
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


def batches(numbers: Iterable[str]) -> Iterator[list[str]]:
    """The numbers, so many at a time as one step of progress."""
    iterator = iter(numbers)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
