"""``sluicegate dead``: look at dead letters, send them again, or give them up."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Annotated, Any

import msgspec
import typer

from sluicegate.errors import UnknownMessage, WrongState
from sluicegate_worker.deadletters import DeadLetter

from .advice import advised, pairs, write_codes
from .asking import Yes, confirm, each
from .failures import BAD_INPUT, fail
from .output import (
    Document,
    Full,
    Lines,
    clean,
    counted,
    hidden,
    table,
    when,
    write,
    write_document,
    write_lines,
    write_pairs,
)
from .session import Session

dead = typer.Typer(help="Dead letters: what is not sent again without you.", no_args_is_help=True)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of messages.")]
Every = Annotated[bool, typer.Option("--all", help="All dead letters.")]
Code = Annotated[str | None, typer.Option(help="Those that died of this code, such as 40300.")]


@dead.command("list")
def list_(
    ctx: typer.Context,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 50,
    json: Lines = False,
    full: Full = False,
) -> None:
    """List dead letters, the latest first.

    \b
    Example:
      sluicegate dead list --code 40300
    """
    session: Session = ctx.obj
    found = list(islice(_chosen(session.dead, code), limit or None))
    shown = [_masked(letter, full) for letter in found]
    if json:
        write_lines(_entry(letter) for letter in shown)
        return
    rows = table("ID", "TO", "DIED", "ATTEMPTS", "MAYBE SENT", "CODE", "REASON")
    for letter in shown:
        about = (str(letter.attempts), str(letter.maybe), letter.code, letter.reason)
        rows.add_row(letter.id, letter.to, when(letter.died_ms), *map(clean, about))
    if found:
        write(rows)
        write_codes([letter.code for letter in shown])
    total = len(session.dead)
    if not found:
        typer.echo("no dead letters" + (f" with code {code}" if code and total else ""))
    elif len(found) == limit < total:
        typer.echo(f"{counted(total, 'dead letter')} in all; --limit 0 lists them", err=True)


@dead.command()
def show(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="ID", help="The message's id.")],
    json: Document = False,
    full: Full = False,
) -> None:
    """Show one dead letter with the provider's last answer, and what to do about it.

    \b
    Example:
      sluicegate dead show order-1234
    """
    session: Session = ctx.obj
    letter = _masked(_letter(session, id), full)
    if json:
        write_document(_entry(letter))
        return
    fields: dict[str, Any] = msgspec.structs.asdict(letter)
    fields["died_ms"] = when(letter.died_ms)
    shown = [(_NAMES.get(name, name), value) for name, value in fields.items()]
    write_pairs([*shown, *pairs(letter.code)])
    typer.echo(f"\nsend it again: sluicegate dead replay {id}\ngive it up:    ", nl=False)
    typer.echo(f"sluicegate dead purge {id}")


@dead.command()
def replay(
    ctx: typer.Context, ids: Ids = None, all: Every = False, code: Code = None, yes: Yes = False
) -> None:
    """Send dead letters again.

    They are the same messages, but under new idempotency keys: the provider knows them not.

    \b
    Example:
      sluicegate dead replay order-1234
      sluicegate dead replay --code 40318 --yes
    """
    session: Session = ctx.obj
    letters = _selected(session, ids, all, code)
    risky = sum(letter.maybe > 0 for letter in letters)
    warning = (
        f"{risky:,} of them may have reached the provider already. A replay has a new idempotency "
        "key, so their recipients may get them twice.\n"
    )
    question = f"Send {counted(len(letters), 'dead letter')} again?"
    if risky and yes:
        typer.echo(warning, nl=False, err=True)
    confirm((warning if risky else "") + question, yes)
    each([letter.id for letter in letters], session.dead.replay, "replayed", session)


@dead.command()
def purge(
    ctx: typer.Context, ids: Ids = None, all: Every = False, code: Code = None, yes: Yes = False
) -> None:
    """Give dead letters up.

    They are never sent, and their content goes; their ids stay known for the retention.

    \b
    Example:
      sluicegate dead purge --code 40300
    """
    session: Session = ctx.obj
    letters = _selected(session, ids, all, code)
    confirm(f"Give up {counted(len(letters), 'dead letter')} for good?", yes)
    each([letter.id for letter in letters], session.dead.purge, "purged", session)


_NAMES = {
    "died_ms": "died",
    "maybe": "maybe sent",
    "answer": "last answer",
}


def _selected(
    session: Session, ids: list[str] | None, all: bool, code: str | None
) -> list[DeadLetter]:
    """The letters meant, in exactly one of the ways to say so; ends where there are none."""
    if (bool(ids), all, code is not None).count(True) != 1:
        fail("name dead letters by ID..., by --code or with --all: exactly one of them", BAD_INPUT)
    if ids:
        return [_letter(session, id) for id in dict.fromkeys(ids)]
    letters = list(_chosen(session.dead, code))
    if not letters:
        typer.echo("no dead letters" + (f" with code {code}" if code else ""))
        raise typer.Exit
    return letters


def _letter(session: Session, id: str) -> DeadLetter:
    """One dead letter; raises UnknownMessage, and WrongState where the message is not dead."""
    try:
        return session.dead.get(id)
    except UnknownMessage:
        state = session.sluice.status(id).state
        raise WrongState(id, state, "not a dead letter") from None


def _chosen(letters: Iterable[DeadLetter], code: str | None) -> Iterator[DeadLetter]:
    return (letter for letter in letters if code is None or letter.code == code)


def _entry(letter: DeadLetter) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.structs.asdict(letter)
    return fields | advised(letter.code)


def _masked(letter: DeadLetter, full: bool) -> DeadLetter:
    texts = {name: hidden(getattr(letter, name), full) for name in ("to", "reason", "answer")}
    return msgspec.structs.replace(letter, **texts)
