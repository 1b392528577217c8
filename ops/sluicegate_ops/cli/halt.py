"""``sluicegate halt``: what is stopped as a whole, how to stop it, and how to let it go on."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ..inspect import Behind
from ..operating.halting import MOST_SECONDS, masked_behind, told_behind
from ..operating.naming import LEVELS, level_named
from ..operating.session import Session
from ..operating.status.halts import masked_halts
from ..operating.status.reasons import named
from ..operating.words import clean, lasting, when
from .kit.acts import by_whom, note
from .kit.asking import confirm
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, fail
from .kit.groups import group
from .kit.options import AsJsonLines, Confirmed, WhoOption, WhyOption
from .kit.output import table, write, write_lines
from .kit.times import length_option

halt = group("Stop an account, a sender or a campaign, or let it go on.")

ALL = "all"

LevelArgument = Annotated[
    str,
    typer.Argument(metavar="LEVEL", help=f"{LEVELS}; or all, for every configured account."),
]


@option_set
class HaltListOptions:
    """The options of ``halt list``."""

    json: AsJsonLines = False


@option_set
class HaltSetOptions:
    """The options of ``halt set``."""

    level: LevelArgument
    why: Annotated[str, typer.Option(metavar="TEXT", help="The cause, for others who see it.")]
    lasts: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="90s, 15m, 2h or 1d; until cleared if absent."
        ),
    ] = None
    who: WhoOption = None
    yes: Confirmed = False
    json: AsJsonLines = False


@option_set
class HaltClearOptions:
    """The options of ``halt clear``."""

    level: LevelArgument = "account"
    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    json: AsJsonLines = False


@halt.command("list")
@command
def list_(session: Session, options: HaltListOptions) -> None:
    """List what is halted, and why.

    \b
    Example:
      sluicegate halt list
    """
    in_force = masked_halts(session)
    if options.json:
        write_lines(in_force)
        return
    if not in_force:
        typer.echo("nothing is halted")
        return
    rows = table("LEVEL", "SINCE", "UNTIL", "WHO", "WHY", spare=("WHO", "SINCE"))
    for entry in in_force:
        until = "cleared" if entry.until_ms is None else when(entry.until_ms)
        since = "" if entry.since_ms is None else when(entry.since_ms)
        rows.add_row(entry.level, since, until, clean(entry.who), clean(entry.why))
    write(rows)


@halt.command("set")
@command
def set_(session: Session, options: HaltSetOptions) -> None:
    """Halt a level: no further POST of it starts.

    When it returns, no further POST can start. Messages whose POST has started
    may still be accepted.

    \b
    Example:
      sluicegate halt set sender:+15557654321 --why "complaints" --for 2h
      sluicegate halt set all --why "wrong price in every text"
    """
    if not options.why.strip():
        fail("--why: say the cause: others who see the halt will ask for it", BAD_INPUT)
    lasts = options.lasts
    seconds = None if lasts is None else length_option("--for", lasts, MOST_SECONDS)
    targets = list(_targets(session, options.level))
    ends = "until it is cleared" if seconds is None else f"for {lasting(seconds)}"
    confirm(f"Halt {', '.join(_shown(*target) for target in targets)} {ends}?", options.yes)
    by = by_whom(options.who, options.why, needed=False)
    for account, level in targets:
        account.halts.set(level, options.why, seconds, by.who)
    for account, level in targets:
        account.wait_for_starts()
        note(account, by, "halt", {"level": level} | ({"for": lasts} if lasts else {}))
        _write(account, level, f"is halted {ends}", options.json, halted=True)


@halt.command()
@command
def clear(session: Session, options: HaltClearOptions) -> None:
    """Lift a halt once its cause is removed; sending resumes at once.

    Says what waits behind it, and which message goes first.

    \b
    Example:
      sluicegate halt clear
      sluicegate halt clear sender:+15557654321
    """
    everywhere = options.level == ALL
    accounts = list(session.every_account()) if everywhere else [session]
    level = "account" if everywhere else options.level
    halted = [(account, why[level]) for account in accounts if level in (why := _causes(account))]
    if not halted:
        others = f"; halted: {', '.join(known)}" if (known := _causes(session)) else ""
        fail("no account is halted" if everywhere else f"{level} is not halted{others}")
    waiting = {account.name: account.waits.behind(level) for account, _ in halted}
    told = [
        line
        for account, why in halted
        for line in (
            f"{_shown(account, level)} is halted: {clean(why)}",
            *told_behind(waiting[account.name]),
        )
    ]
    if options.yes and not options.json:
        typer.echo("\n".join(told), err=True)
    confirm("\n".join([*told, "Let it go on?"]), options.yes)
    by = by_whom(options.who, options.why, needed=False)
    for account, _ in halted:
        account.halts.clear(level)
        note(account, by, "clear halt", {"level": level})
        behind = masked_behind(waiting[account.name])
        _write(account, level, "goes on", options.json, halted=False, behind=behind)


def _targets(session: Session, text: str) -> Iterator[tuple[Session, str]]:
    """What ``text`` names: accounts, each with one of its levels."""
    if text == ALL:
        yield from ((account, "account") for account in session.every_account())
    else:
        yield session, level_named(session, text)


def _write(
    session: Session,
    level: str,
    done: str,
    as_json: bool,
    *,
    halted: bool,
    behind: Behind | None = None,
) -> None:
    if as_json:
        line = {"account": session.name, "level": level, "halted": halted}
        write_lines([line | ({"behind": behind} if behind else {})])
    else:
        typer.echo(f"{_shown(session, level)} {done}")


def _causes(session: Session) -> dict[str, str]:
    return {entry.level: entry.why for entry in masked_halts(session)}


def _shown(session: Session, level: str) -> str:
    return f"account {session.name}" if level == "account" else named(level)
