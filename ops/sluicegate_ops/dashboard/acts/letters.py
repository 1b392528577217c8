"""Acts on dead letters, and on messages that were sent twice."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TypeVar

from sluicegate.audit import By, act
from sluicegate_worker.operator.deadletters import BATCH, Replay
from sluicegate_worker.operator.edits import Edit
from sluicegate_worker.operator.twice import clear_twice

from ...operating.choosing import Choice
from ...operating.replaying import Trial, tried
from ...operating.session import Session
from ...operating.words import counted
from .acting import MOST_AT_ONCE, BadForm, DashboardAct, FormFields, FormInput, Question

_FILTERS = ("code", "campaign", "sender")
_Named = TypeVar("_Named", Replay, str)


def chosen(fields: FormFields) -> Choice:
    """The letters that a form means: those ticked, those of a group, or all of them.

    Raises BadForm unless it means them in exactly one of these ways.
    """
    ids, filters, everything = fields.all("id"), fields.named(*_FILTERS), bool(fields.one("all"))
    if (bool(ids), bool(filters), everything).count(True) != 1:
        raise BadForm("choose dead letters first: tick some, take a group, or take all")
    if ids:
        return Choice(ids=ids)
    return Choice(
        code=filters.get("code"),
        campaign=filters.get("campaign"),
        sender=filters.get("sender"),
        given=filters or {"all": "yes"},
    )


def in_batches(
    messages: Sequence[_Named], call: Callable[[Sequence[_Named]], list[str]]
) -> Counter[str]:
    """How many messages were answered what."""
    answers = Counter[str]()
    for start in range(0, len(messages), BATCH):
        answers.update(call(messages[start : start + BATCH]))
    return answers


def told_of(answers: Counter[str], done: str, meant: int) -> str:
    """To how many an act was done, and what became of the others."""
    others = ", ".join(
        f"{count:,} {answer}" for answer, count in answers.most_common() if answer != done
    )
    said = f"{done} {answers[done]:,}" + (f" of {meant:,}; {others}" if others else "")
    return f"{said[0].upper()}{said[1:]}."


def typed_for(choice: Choice, count: int) -> str:
    """What is typed before letters that were not chosen one by one are changed."""
    if choice.ids:
        return ""
    return choice.campaign if choice.campaign not in (None, "-") else str(count)


def _tried(session: Session, fields: FormFields) -> tuple[Choice, Trial]:
    choice = chosen(fields)
    even_risky = bool(choice.ids) or fields.one("risky") == "yes"
    trial = tried(session, choice, Edit(), MOST_AT_ONCE, even_risky=even_risky)
    return choice, trial


def _ask_replay(session: Session, fields: FormFields) -> Question:
    choice, trial = _tried(session, fields)
    what = counted(len(trial.letters), "dead letter")
    told = [*filter(None, [trial.warning.strip()]), *trial.staying(), *_most(len(trial.letters))]
    risky = FormInput("risky", "Also those that may have been sent already", "yes", "check")
    inputs = [risky] if trial.held_back else []
    if not trial.letters and not inputs:
        raise BadForm(f"there are no dead letters{choice.words}")
    return Question(
        f"Send {what}{choice.words} again?",
        f"Replay {what}",
        ("dead",),
        told,
        typed=typed_for(choice, len(trial.letters)),
        reason=not choice.ids,
        inputs=inputs,
    )


def _replay(session: Session, by: By, fields: FormFields) -> str:
    choice, trial = _tried(session, fields)
    only = trial.letters[0].generation if len(choice.ids) == 1 and trial.letters else None
    entry = act(
        by,
        "replay",
        *choice.ids,
        filter=choice.given,
        generation=None if only is None else only + 1,
    )
    answers = in_batches(trial.letters, lambda batch: session.dead.replay_all(batch, entry))
    return told_of(answers, "replayed", len(trial.letters))


def _purgeable(session: Session, fields: FormFields) -> tuple[Choice, list[Replay]]:
    choice = chosen(fields)
    letters = islice(choice.letters(session, oldest_first=True), MOST_AT_ONCE)
    return choice, [Replay(letter.id, letter.generation) for letter in letters]


def _ask_purge(session: Session, fields: FormFields) -> Question:
    choice, letters = _purgeable(session, fields)
    if not letters:
        raise BadForm(f"there are no dead letters{choice.words}")
    what = counted(len(letters), "dead letter")
    return Question(
        f"Give up {what}{choice.words} for good?",
        f"Purge {what}",
        ("dead",),
        ["They are never sent, and their content is deleted.", *_most(len(letters))],
        typed=typed_for(choice, len(letters)) or str(len(letters)),
        reason=True,
    )


def _purge(session: Session, by: By, fields: FormFields) -> str:
    choice, letters = _purgeable(session, fields)
    entry = act(by, "purge", *choice.ids, filter=choice.given)
    answers = in_batches(letters, lambda batch: session.dead.purge_all(batch, entry))
    return told_of(answers, "purged", len(letters))


def _most(count: int) -> list[str]:
    if count < MOST_AT_ONCE:
        return []
    return [f"At most {MOST_AT_ONCE:,} at once, the oldest first: do it again for the rest."]


def _ask_clear_twice(session: Session, fields: FormFields) -> Question:
    [id] = fields.all("id") or [""]
    if not id:
        raise BadForm("say which message was dealt with")
    what = f"Take {id} off the list of what was sent twice?"
    return Question(what, "It was dealt with", ("twice",))


def _clear_twice(session: Session, by: By, fields: FormFields) -> str:
    ids = fields.all("id")
    entry = act(by, "clear twice", *ids)
    answers = in_batches(
        ids, lambda batch: clear_twice(session.client, session.keys, batch, entry)
    )
    return told_of(answers, "cleared", len(ids))


LETTER_ACTS = (
    DashboardAct("replay", "dead", ("operate",), _ask_replay, _replay),
    DashboardAct("purge", "dead", ("operate",), _ask_purge, _purge),
    DashboardAct("clear-twice", "twice", ("operate",), _ask_clear_twice, _clear_twice),
)
