"""``sluicegate optout add``, ``remove`` and ``import``: the list as people change it."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from ...operating.session import Session
from ...operating.words import counted
from ..kit.acts import by_whom, note
from ..kit.command import command, option_set
from ..kit.output import write_result
from .numbers import ListFileOptions, NumbersOptions, batches, given_numbers, numbers_in

SOURCE = "cli"
"""Where the list says that a number comes from which was added at the command line."""

_IMPORTED = "import"


@option_set
class ImportOptions(ListFileOptions):
    """The options of ``optout import``."""

    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A list: CSV, JSON or plain lines; - reads stdin."),
    ]


@command
def add(session: Session, options: NumbersOptions) -> None:
    """Never send to these numbers again.

    When it returns, no further POST to them can start, and no START of theirs
    lifts it. A file may have a header and several columns, and may be what
    "optout list --full" wrote. If a row of it has no number, nothing in that
    file is added.

    \b
    Example:
      sluicegate optout add +15551234567
      sluicegate optout add --file stopped.csv --column from --region US
    """
    _add(session, options, given_numbers(options), SOURCE, "add optouts")


@command
def import_(session: Session, options: ImportOptions) -> None:
    """Take in a list of opt-outs from elsewhere.

    It may be what "optout export" wrote, or another sender's or a lawyer's list.
    No START of the recipients lifts these; say with --why where they come from.

    \b
    Example:
      sluicegate optout import optouts.csv --why "from the old system"
    """
    _add(session, options, numbers_in(options, options.file), _IMPORTED, "import optouts")


@command
def remove(session: Session, options: NumbersOptions) -> None:
    """Take numbers off the list, whoever put them there.

    The history keeps that they were on it. The provider goes on refusing whoever
    wrote STOP to it, until they write START.

    \b
    Example:
      sluicegate optout remove +15551234567 --why "asked for it on the phone"
    """
    by = by_whom(options.who, options.why, needed=False)
    removed = own = given = 0
    with given_numbers(options) as numbers:
        for batch in batches(numbers):
            given += len(batch)
            gone = session.sluice.optouts.removed(batch, SOURCE, who=by.who, why=by.why)
            removed, own = removed + gone.count, own + gone.own
    note(session, by, "remove optouts", _about(options.file), removed)
    text = f"{counted(removed, 'number')} removed, {given - removed:,} not on the list"
    text += f"; {counted(own, 'of them')} had written STOP" if own else ""
    write_result({"removed": removed, "unknown": given - removed}, text, as_json=options.json)


def _about(file: Path | None) -> dict[str, str]:
    """What the audit says of the numbers: the file's name, and never which they are."""
    return {} if file is None else {"file": file.name}


def _add(
    session: Session,
    options: NumbersOptions | ImportOptions,
    given: AbstractContextManager[Iterable[str]],
    source: str,
    action: str,
) -> None:
    by = by_whom(options.who, options.why, needed=False)
    new = known = 0
    with given as numbers:
        for batch in batches(numbers):
            added = session.sluice.optouts.add(batch, source, who=by.who, why=by.why)
            new, known = new + added, known + len(batch) - added
    note(session, by, action, _about(options.file), new)
    text = f"{counted(new, 'number')} added, {known:,} known already"
    write_result({"added": new, "known": known}, text, as_json=options.json)
