"""``sluicegate dead purge``: give dead letters up."""

from collections.abc import Sequence

import typer

from sluicegate.audit import act
from sluicegate_worker.operator.deadletters import Replay

from ...operating.session import Session
from ...operating.words import counted
from ..kit.acts import by_whom, carry_out, write_act
from ..kit.asking import confirm
from ..kit.command import command, option_set
from .choice import metered, selected
from .options import ActOptions, SelectionOptions


@option_set
class PurgeOptions(ActOptions, SelectionOptions):
    """The options of ``dead purge``."""


@command
def purge(session: Session, options: PurgeOptions) -> None:
    """Give dead letters up: they are never sent.

    Their content is deleted; their ids stay known for the retention period. A
    dead letter that is neither purged nor replayed is kept forever.

    \b
    Example:
      sluicegate dead purge order-1234
      sluicegate dead purge --code 40300 --older-than 30d --why "numbers long gone"
    """
    choice = selected(session, options)
    by = by_whom(options.who, options.why, needed=not choice.ids)
    chosen = choice.letters(session, metered, oldest_first=True)
    letters = [Replay(letter.id, letter.generation) for letter in chosen]
    if not letters:
        write_act("purged", 0, f"no dead letters{choice.words}", as_json=options.json)
        return
    what = counted(len(letters), "dead letter")
    if options.dry_run:
        text = f"would purge {what}; nothing was changed"
        write_act("purged", len(letters), text, as_json=options.json, dry_run=True)
        return
    confirm(f"Give up {what} for good?", options.yes)
    entry = act(by, "purge", *choice.ids, filter=choice.given)

    def call(batch: Sequence[Replay]) -> list[str]:
        return session.dead.purge_all(batch, entry)

    if worst := carry_out(session, letters, call, "purged", as_json=options.json):
        raise typer.Exit(worst)
