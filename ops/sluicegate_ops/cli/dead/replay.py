"""``sluicegate dead replay``: send dead letters again, as they are or edited."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from sluicegate.audit import Act, By, act
from sluicegate_worker.operator.deadletters import Replay
from sluicegate_worker.operator.edits import FAULTS, Edit, Letters

from ...operating.choosing import Choice
from ...operating.replaying import Trial, tried
from ...operating.session import Session
from ...operating.words import counted
from ..kit.acts import by_whom, carry_out, write_act
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import FAILED, say
from ..kit.files import message_text
from ..kit.options import TextFileOption
from .choice import metered, selected
from .options import ActOptions, SelectionOptions


@option_set
class _HowToReplay:
    limit: Annotated[
        int, typer.Option(metavar="N", min=0, help="At most this many, the oldest; 0 is all.")
    ] = 0
    rate: Annotated[
        float, typer.Option(metavar="N", min=0, help="At most this many per second; 0: no limit.")
    ] = 0.0
    new_sender: Annotated[
        str | None,
        typer.Option("--from", metavar="SENDER", help="Send them from this sender instead."),
    ] = None
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Send this text instead; for a campaign, a template with its {{ variables }}.",
        ),
    ] = None
    text_file: TextFileOption = None
    even_if_maybe_sent: Annotated[
        bool,
        typer.Option("--even-if-maybe-sent", help="Also those that may have been sent already."),
    ] = False


# Bases are read from the last to the first: so stand their options in the help.
@option_set
class ReplayOptions(ActOptions, _HowToReplay, SelectionOptions):
    """The options of ``dead replay``."""


@command
def replay(session: Session, options: ReplayOptions) -> None:
    """Send dead letters again, as they are or edited.

    They are the same messages under new idempotency keys, so the provider takes
    them for new ones. All are checked before any is changed; one that can't be
    edited is reported and stays. A message named by its ID is replayed even if
    it may have been sent. Exits with 1 if a letter stays that was meant.

    \b
    Example:
      sluicegate dead replay order-1234
      sluicegate dead replay --code 40318 --rate 20 --why "the queue is empty again"
      sluicegate dead replay --campaign july --code 40302 --from +15557654321 \\
          --text "Hi {{ first_name }}, your order is ready." --why "link taken out"
    """
    choice = selected(session, options, options.limit)
    edit = Edit(options.new_sender, message_text(options.text, options.text_file))
    by = by_whom(options.who, options.why, needed=not choice.ids or bool(edit))
    even_risky = options.even_if_maybe_sent or bool(choice.ids)
    trial = tried(session, choice, edit, options.limit, even_risky=even_risky, watch=metered)
    _report(trial)
    if not trial.letters:
        text = f"no dead letters{choice.words}" if trial.empty else "nothing to replay"
        write_act("replayed", 0, text, as_json=options.json)
        raise typer.Exit(0 if trial.empty else FAILED)
    what, edited = counted(len(trial.letters), "dead letter"), ", edited" if edit else ""
    if options.dry_run:
        text = f"would replay {what}{edited}; nothing was changed"
        write_act("replayed", len(trial.letters), text, as_json=options.json, dry_run=True)
        raise typer.Exit(FAILED if trial.faults else 0)
    if trial.warning and options.yes:
        typer.echo(trial.warning, nl=False, err=True)
    confirm(f"{trial.warning}Send {what} again{edited}?", options.yes)
    replayer = _Replayer(session, edit, _act(by, choice, edit, trial.letters))
    worst = carry_out(
        session, trial.letters, replayer, "replayed", options.rate, as_json=options.json
    )
    if worst or trial.faults:
        raise typer.Exit(worst or FAILED)


def _report(trial: Trial) -> None:
    """Write on stderr which letters stay, and why."""
    for line in trial.staying("; to replay them too, add --even-if-maybe-sent"):
        say(line)


class _Replayer:
    """Replays a batch; an edit is applied to what is stored at that moment."""

    def __init__(self, session: Session, edit: Edit, entry: Act) -> None:
        self._dead, self._edit, self._entry = session.dead, edit, entry
        self._letters = Letters(session.client, session.keys, session.account)

    def __call__(self, batch: Sequence[Replay]) -> list[str]:
        if not self._edit:
            return self._dead.replay_all(batch, self._entry)
        edits = {}
        all_stored = self._dead.stored([letter.id for letter in batch])
        for letter, stored in zip(batch, all_stored, strict=True):
            try:
                edited = self._letters.edited(stored, self._edit)
            except FAULTS:  # it passed the trial, so it has changed since
                continue
            edits[letter.id] = msgspec.structs.replace(edited, generation=letter.generation)
        answers = self._dead.replay_all(list(edits.values()), self._entry) if edits else []
        answered = dict(zip(edits, answers, strict=True))
        return [answered.get(letter.id, "changed meanwhile") for letter in batch]


def _act(by: By, choice: Choice, edit: Edit, letters: Sequence[Replay]) -> Act:
    only = letters[0].generation if len(choice.ids) == 1 else None
    return act(
        by,
        "edit" if edit else "replay",
        *choice.ids,
        filter=choice.given,
        sender=edit.sender or "",
        text=edit.text or "",
        generation=None if only is None else only + 1,
    )
