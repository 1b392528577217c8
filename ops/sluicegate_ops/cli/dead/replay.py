"""``sluicegate dead replay``: send dead letters again, as they are or edited."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sluicegate.errors import BadTemplate
from sluicegate_worker.operator.audit import Act, By, act
from sluicegate_worker.operator.deadletters import DeadLetter, Replay
from sluicegate_worker.operator.edits import FAULTS, Edit, Letters

from ..kit.asking import Yes, confirm
from ..kit.failures import BAD_INPUT, FAILED, fail, say
from ..kit.output import counted, hidden
from ..kit.session import Session
from .acts import DryRun, Who, Why, by_whom, carry_out, why_not
from .choice import Campaign, Choice, Code, Every, From, Ids, OlderThan, Since, meant

Even = Annotated[
    bool, typer.Option("--even-if-maybe-sent", help="Also those that may have been sent.")
]
NewSender = Annotated[
    str | None, typer.Option("--from", metavar="SENDER", help="Send them from this one instead.")
]
Text = Annotated[
    str | None,
    typer.Option(help="Another text; of a campaign's a template with its {{ variables }}."),
]
TextFile = Annotated[Path | None, typer.Option(help="A file that holds that text.")]

_PAGE = 500


class Checked(msgspec.Struct):
    """What a replay would do: ``letters`` go, and the others stay.

    ``risky`` of them may have been sent; ``held_back`` may too, and stay for it. ``faults`` is
    why the others can't be edited, and how many.
    """

    letters: list[Replay] = []
    risky: int = 0
    held_back: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    samples: dict[str, str] = {}


def replay(
    ctx: typer.Context,
    ids: Ids = None,
    all: Every = False,
    code: Code = None,
    campaign: Campaign = None,
    sender: From = None,
    since: Since = None,
    older_than: OlderThan = None,
    limit: Annotated[int, typer.Option(min=0, help="At most so many, the first; 0: all.")] = 0,
    rate: Annotated[float, typer.Option(min=0, help="At most so many a second; 0: all.")] = 0.0,
    new_sender: NewSender = None,
    text: Text = None,
    text_file: TextFile = None,
    even_if_maybe_sent: Even = False,
    dry_run: DryRun = False,
    who: Who = None,
    why: Why = "",
    yes: Yes = False,
) -> None:
    """Send dead letters again, as they are, from another sender or with another text.

    They are the same messages, but under new idempotency keys: the provider knows
    them not. Each is checked before anything changes; one that can't be edited is
    told and left.

    \b
    Example:
      sluicegate dead replay order-1234
      sluicegate dead replay --code 40318 --rate 20 --why "the queue is empty again"
      sluicegate dead replay --campaign july --code 40302 --from +15557654321 \\
          --text "Hi {{ first_name }}, your order is ready." --why "link taken out"
    """
    session: Session = ctx.obj
    choice = meant(session, ctx.params)
    edit = Edit(new_sender, _text(text, text_file))
    by = by_whom(who, why, needed=not choice.ids or bool(edit))
    try:
        even = even_if_maybe_sent or bool(choice.ids)
        found = _checked(session, choice, edit, limit, even=even)
    except BadTemplate as error:
        fail(str(error), BAD_INPUT)
    _tell(found)
    if not found.letters:
        untold = not found.faults and not found.held_back
        typer.echo(f"no dead letters{choice.words}" if untold else "nothing to replay")
        raise typer.Exit(0 if untold else FAILED)
    what = counted(len(found.letters), "dead letter")
    changed = ", edited" if edit else ""
    if dry_run:
        typer.echo(f"would replay {what}{changed}; nothing was changed")
        raise typer.Exit(FAILED if found.faults else 0)
    warning = _warning(found, len(found.letters))
    if warning and yes:
        typer.echo(warning, nl=False, err=True)
    confirm(f"{warning}Send {what} again{changed}?", yes)
    entry = _act(by, choice, edit, found.letters)
    worst = carry_out(session, found.letters, _Call(session, edit, entry), "replayed", rate)
    if worst or found.faults:
        raise typer.Exit(worst or FAILED)


class _Call:
    """Replays a batch; with an edit, made anew of what is stored by then."""

    def __init__(self, session: Session, edit: Edit, entry: Act) -> None:
        self._dead, self._edit, self._entry = session.dead, edit, entry
        self._letters = Letters(session.client, session.keys, session.account)

    def __call__(self, batch: Sequence[Replay]) -> list[str]:
        if not self._edit:
            return self._dead.replay_all(batch, self._entry)
        made = {}
        for seen, stored in zip(batch, self._dead.stored([one.id for one in batch]), strict=True):
            try:
                edited = self._letters.edited(stored, self._edit)
            except FAULTS:  # it was checked, so it is another one by now
                continue
            made[seen.id] = msgspec.structs.replace(edited, generation=seen.generation)
        answers = self._dead.replay_all(list(made.values()), self._entry) if made else []
        answered = dict(zip(made, answers, strict=True))
        return [answered.get(one.id, "changed meanwhile") for one in batch]


def _checked(session: Session, choice: Choice, edit: Edit, limit: int, *, even: bool) -> Checked:
    """Look at all that is meant, and edit it for trial; raises BadTemplate."""
    found = Checked()
    letters = Letters(session.client, session.keys, session.account)
    fit = islice(_fit(choice.letters(session, first=True), found, even), limit or None)
    while page := list(islice(fit, _PAGE)):
        faulty = _faulty(session, letters, page, edit, found) if edit else set()
        for letter in page:
            if letter.id not in faulty:
                found.risky += letter.maybe > 0
                found.letters.append(Replay(letter.id, letter.generation))
    return found


def _fit(letters: Iterator[DeadLetter], found: Checked, even: bool) -> Iterator[DeadLetter]:
    for letter in letters:
        if even or not letter.maybe:
            yield letter
        else:
            found.held_back += 1


def _faulty(
    session: Session, letters: Letters, page: Sequence[DeadLetter], edit: Edit, found: Checked
) -> set[str]:
    faulty = set()
    for stored in session.dead.stored([letter.id for letter in page]):
        try:
            letters.edited(stored, edit)
        except FAULTS as error:
            faulty.add(stored.id)
            reason = why_not(error)
            found.faults[reason] += 1
            found.samples.setdefault(reason, stored.id)
    return faulty


def _tell(found: Checked) -> None:
    for reason, count in found.faults.most_common():
        such = f"such as {found.samples[reason]}"
        say(f"{counted(count, 'dead letter')} can't be edited, {such}: {hidden(reason)}")
    if found.held_back:
        say(
            f"{counted(found.held_back, 'dead letter')} may have been sent, and stay: "
            "--even-if-maybe-sent replays them too"
        )


def _warning(found: Checked, count: int) -> str:
    if not found.risky:
        return ""
    who = f"{found.risky:,} of them" if count > 1 else "It"
    return (
        f"{who} may have reached the provider already. A replay has a new idempotency key, so "
        "recipients may get it twice.\n"
    )


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


def _text(text: str | None, file: Path | None) -> str | None:
    if text is not None and file is not None:
        fail("give the text once: --text or --text-file, one of them", BAD_INPUT)
    if text == "-":
        fail("--text - would go out as it is: give a file to --text-file", BAD_INPUT)
    if file is None:
        return text
    try:
        return file.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: cannot be read: {error}", BAD_INPUT)
