"""``sluicegate dead``: look at dead letters, send them again, or give them up."""

from itertools import chain, islice
from typing import Annotated

import typer

from ..kit.advice import write_codes
from ..kit.output import Full, Lines, clean, counted, table, when, write, write_lines
from ..kit.session import Session
from .choice import Campaign, Choice, Code, From, OlderThan, Since, chosen
from .export import export
from .groups import By, grouped, line
from .groups import show as show_groups
from .purge import purge
from .replay import replay
from .show import entry, masked_letter, show

dead = typer.Typer(help="Dead letters: what is not sent again without you.", no_args_is_help=True)


@dead.command("list")
def list_(
    ctx: typer.Context,
    by: Annotated[By, typer.Option(help="What they are grouped by.")] = By.CODE,
    all: Annotated[bool, typer.Option("--all", help="Each letter, the latest first.")] = False,
    code: Code = None,
    campaign: Campaign = None,
    sender: From = None,
    since: Since = None,
    older_than: OlderThan = None,
    limit: Annotated[int, typer.Option(min=0, help="With --all at most so many; 0: all.")] = 50,
    json: Lines = False,
    full: Full = False,
) -> None:
    """List dead letters by code, campaign or sender, with what to do about each code.

    \b
    Example:
      sluicegate dead list
      sluicegate dead list --by campaign --since 1d
      sluicegate dead list --code 40300 --all
    """
    session: Session = ctx.obj
    choice = chosen(session, ctx.params)
    if all:
        _list_all(session, choice, limit, json, full)
        return
    groups = grouped(choice.letters(session), by)
    for group in groups:
        group.sample = masked_letter(group.sample, full)
    if json:
        write_lines(line(group, by) for group in groups)
    elif groups:
        show_groups(groups, by)
    else:
        typer.echo(f"no dead letters{choice.words}")


def _list_all(session: Session, choice: Choice, limit: int, json: bool, full: bool) -> None:
    letters = choice.letters(session)
    shown = (masked_letter(letter, full) for letter in islice(letters, limit or None))
    if json:
        write_lines(map(entry, shown))
        return
    first = next(shown, None)
    if first is None:
        typer.echo(f"no dead letters{choice.words}")
        return
    rows = table("ID", "TO", "DIED", "ATTEMPTS", "MAYBE SENT", "CODE", "REASON")
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


dead.command()(show)
dead.command()(replay)
dead.command()(export)
dead.command()(purge)
