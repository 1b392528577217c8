"""``sluicegate dead list``: dead letters in groups, or each of them."""

from itertools import chain, islice
from typing import Annotated

import typer

from ...operating.choosing import Choice
from ...operating.letters import Grouping, entry, grouped, line, masked_letter
from ...operating.session import Session
from ...operating.words import clean, counted, when
from ..kit.advice import write_codes
from ..kit.command import command, option_set
from ..kit.options import AsJsonLines, ListLimit, Unmasked
from ..kit.output import table, write, write_lines
from .choice import filtered, metered
from .groups import show as show_groups
from .options import LetterFilters

_COLUMNS = ("ID", "TO", "DIED", "ATTEMPTS", "MAYBE SENT", "CODE", "REASON")


@option_set
class _HowToList:
    by: Annotated[
        Grouping, typer.Option(metavar="WHAT", help="Group by code, campaign, app or sender.")
    ] = Grouping.CODE
    all: Annotated[bool, typer.Option("--all", help="List each letter, the latest first.")] = False


@option_set
class DeadListOptions(LetterFilters, _HowToList):
    """The options of ``dead list``."""

    limit: ListLimit = 50
    json: AsJsonLines = False
    full: Unmasked = False


@command
def list_(session: Session, options: DeadListOptions) -> None:
    """List dead letters by code, campaign, app or sender.

    For each code it says what to do. --limit is for --all only.

    \b
    Example:
      sluicegate dead list
      sluicegate dead list --by campaign --since 1d
      sluicegate dead list --code 40300 --all
    """
    choice = filtered(session, options)
    if options.all:
        _list_each(session, choice, options)
    else:
        _list_groups(session, choice, options)


def _list_groups(session: Session, choice: Choice, options: DeadListOptions) -> None:
    groups = grouped(choice.letters(session, metered), options.by)
    for group in groups:
        group.sample = masked_letter(group.sample, options.full)
    if options.json:
        write_lines(line(group, options.by) for group in groups)
    elif groups:
        show_groups(groups, options.by)
    else:
        typer.echo(f"no dead letters{choice.words}")


def _list_each(session: Session, choice: Choice, options: DeadListOptions) -> None:
    letters = choice.letters(session, metered)
    listed = islice(letters, options.limit or None)
    shown = (masked_letter(letter, options.full) for letter in listed)
    if options.json:
        write_lines(map(entry, shown))
        return
    first = next(shown, None)
    if first is None:
        typer.echo(f"no dead letters{choice.words}")
        return
    rows = table(*_COLUMNS, spare=("ATTEMPTS", "DIED"))
    codes = dict[str, None]()
    for letter in chain([first], shown):
        about = (str(letter.attempts), str(letter.maybe), letter.code, letter.reason)
        rows.add_row(letter.id, letter.to, when(letter.died_ms), *map(clean, about))
        codes[letter.code] = None
    write(rows)
    write_codes(list(codes))
    if next(letters, None) is not None:
        total = counted(len(session.dead), "dead letter")
        typer.echo(f"{total} in all; --limit 0 lists them", err=True)
