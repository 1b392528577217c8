"""``sluicegate dead purge``: give dead letters up."""

from collections.abc import Sequence

import typer

from sluicegate_worker.operator.audit import act
from sluicegate_worker.operator.deadletters import Replay

from ..kit.asking import Yes, confirm
from ..kit.output import counted
from ..kit.session import Session
from .acts import DryRun, Who, Why, by_whom, carry_out
from .choice import Campaign, Code, Every, From, Ids, OlderThan, Since, meant


def purge(
    ctx: typer.Context,
    ids: Ids = None,
    all: Every = False,
    code: Code = None,
    campaign: Campaign = None,
    sender: From = None,
    since: Since = None,
    older_than: OlderThan = None,
    dry_run: DryRun = False,
    who: Who = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Give dead letters up.

    They are never sent, and their content goes; their ids stay known for the retention.
    Without this they stay: no dead letter ends by itself.

    \b
    Example:
      sluicegate dead purge order-1234
      sluicegate dead purge --code 40300 --older-than 30d --why "numbers long gone"
    """
    session: Session = ctx.obj
    choice = meant(session, ctx.params)
    by = by_whom(who, why, needed=not choice.ids)
    letters = [Replay(one.id, one.generation) for one in choice.letters(session, first=True)]
    if not letters:
        typer.echo(f"no dead letters{choice.words}")
        return
    what = counted(len(letters), "dead letter")
    if dry_run:
        typer.echo(f"would purge {what}; nothing was changed")
        return
    confirm(f"Give up {what} for good?", yes)
    entry = act(by, "purge", *choice.ids, filter=choice.given)

    def call(batch: Sequence[Replay]) -> list[str]:
        return session.dead.purge_all(batch, entry)

    if worst := carry_out(session, letters, call, "purged"):
        raise typer.Exit(worst)
