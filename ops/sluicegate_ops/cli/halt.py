"""``sluicegate halt``: what is stopped as a whole, stopping it, and letting it go on."""

import re
from collections.abc import Iterator
from typing import Annotated

import typer

from .kit.asking import Yes, confirm
from .kit.failures import BAD_INPUT, fail
from .kit.naming import LEVELS, level
from .kit.output import Lines, clean, lasting, table, when, write, write_lines
from .kit.session import Session
from .status.halts import masked_halts
from .status.reasons import named

halt = typer.Typer(help="Stops that hit every further message.", no_args_is_help=True)

ALL = "all"
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|min|m|h|d)")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}
_MOST_SECONDS = 3_660 * 86_400

Level = Annotated[
    str,
    typer.Argument(metavar="LEVEL", help=f"{LEVELS}; or all: every configured account."),
]


@halt.command("list")
def list_(ctx: typer.Context, json: Lines = False) -> None:
    """List what is halted, and why.

    \b
    Example:
      sluicegate halt list
    """
    session: Session = ctx.obj
    found = masked_halts(session)
    if json:
        write_lines(found)
        return
    if not found:
        typer.echo("nothing is halted")
        return
    rows = table("LEVEL", "UNTIL", "WHY")
    for one in found:
        until = "cleared" if one.until_ms is None else when(one.until_ms)
        rows.add_row(one.level, until, clean(one.why))
    write(rows)


@halt.command("set")
def set_(
    ctx: typer.Context,
    level: Level,
    why: Annotated[str, typer.Option(help="The cause, for whoever finds it halted.")],
    lasts: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="As 90s, 15m, 2h or 1d; else no end."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Halt a level; when this returns, no further POST of it can start.

    What was started already may still be accepted.

    \b
    Example:
      sluicegate halt set sender:+15557654321 --why "complaints" --for 2h
      sluicegate halt set all --why "wrong price in every text"
    """
    session: Session = ctx.obj
    if not why.strip():
        fail("--why: say the cause: whoever finds it halted will ask", BAD_INPUT)
    seconds = None if lasts is None else _seconds(lasts)
    stops = list(_stops(session, level))
    ends = "until it is cleared" if seconds is None else f"for {lasting(seconds)}"
    confirm(f"Halt {', '.join(_shown(*stop) for stop in stops)} {ends}?", yes)
    for one, name in stops:
        one.halts.set(name, why, seconds)
    for one, name in stops:
        one.wait_for_starts()
        typer.echo(f"{_shown(one, name)} is halted {ends}")


@halt.command()
def clear(ctx: typer.Context, level: Level = "account", yes: Yes = False) -> None:
    """Lift a halt, once its cause is removed.

    Sending goes on at once.

    \b
    Example:
      sluicegate halt clear
      sluicegate halt clear sender:+15557654321
    """
    session: Session = ctx.obj
    stops = list(session.every_account()) if level == ALL else [session]
    name = "account" if level == ALL else level
    found = [(one, known[name]) for one in stops if name in (known := _causes(one))]
    if not found:
        others = f"; halted: {', '.join(known)}" if (known := _causes(session)) else ""
        fail("no account is halted" if level == ALL else f"{level} is not halted{others}")
    causes = [f"{_shown(one, name)} is halted: {clean(why)}" for one, why in found]
    confirm("\n".join([*causes, "Let it go on?"]), yes)
    for one, _ in found:
        one.halts.clear(name)
        typer.echo(f"{_shown(one, name)} goes on")


def _stops(session: Session, text: str) -> Iterator[tuple[Session, str]]:
    """What ``text`` names: an account, and a level of it."""
    if text == ALL:
        yield from ((one, "account") for one in session.every_account())
    else:
        yield session, level(session, text)


def _causes(session: Session) -> dict[str, str]:
    return {one.level: one.why for one in masked_halts(session)}


def _shown(session: Session, name: str) -> str:
    return f"account {session.name}" if name == "account" else named(name)


def _seconds(text: str) -> float:
    found = _LENGTH.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= _MOST_SECONDS:
        fail(f"--for {text}: a length as 90s, 15m, 2h or 1d", BAD_INPUT)
    return seconds
