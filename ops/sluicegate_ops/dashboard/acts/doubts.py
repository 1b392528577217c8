"""Acts on messages in doubt: they were sent, are sent again, or are dropped."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import get_args

from sluicegate.audit import By, act
from sluicegate_worker.operator.doubts import Doubtful, Resolution

from ...operating.doubts import REASONS, old_keys, passes
from ...operating.session import Session
from ...operating.words import counted
from .acting import MOST_AT_ONCE, BadForm, DashboardAct, FormFields, Question
from .letters import in_batches, told_of

_QUESTIONS: Mapping[Resolution, tuple[str, str]] = {
    "accepted": ("Take {} for sent?", "They were sent"),
    "resend": ("Send {} again under the same idempotency keys?", "Send again"),
    "drop": ("Make dead letters of {}?", "Drop"),
}


def _verdict(fields: FormFields) -> Resolution:
    for verdict in get_args(Resolution):
        if fields.one("as") == verdict:
            known: Resolution = verdict
            return known
    raise BadForm("say what became of it: accepted, resend or drop")


def _meant(session: Session, fields: FormFields) -> tuple[dict[str, str], list[Doubtful]]:
    """How they were chosen, and those that are in doubt at this moment."""
    ids, filters = fields.all("id"), fields.named("campaign", "code")
    if bool(ids) == bool(filters):
        raise BadForm("choose messages in doubt first: tick some, or take those of a campaign")
    meant = (
        doubt for doubt in session.doubts if (doubt.id in ids if ids else passes(doubt, filters))
    )
    return filters, list(islice(meant, MOST_AT_ONCE))


def _ask(session: Session, fields: FormFields) -> Question:
    verdict = _verdict(fields)
    filters, meant = _meant(session, fields)
    if not meant:
        raise BadForm("no such message is in doubt any more")
    question, button = _QUESTIONS[verdict]
    what = counted(len(meant), "message") + " in doubt"
    return Question(
        question.format(what),
        f"{button}: {counted(len(meant), 'message')}",
        ("doubts",),
        _told(verdict, meant),
        typed=(filters.get("campaign") or str(len(meant))) if filters else "",
        reason=verdict == "drop" or bool(filters),
    )


def _told(verdict: Resolution, meant: Sequence[Doubtful]) -> list[str]:
    if verdict == "resend" and (old := old_keys(meant)):
        return [
            f"The idempotency keys of {old:,} were first used more than 23 h ago. The provider "
            "forgets a key after 24 h, so their recipients may get the message twice."
        ]
    return []


def _resolve(session: Session, by: By, fields: FormFields) -> str:
    verdict = _verdict(fields)
    filters, meant = _meant(session, fields)
    reason = by.why or REASONS.get(verdict, "")
    entry = act(by, f"resolve {verdict}", *fields.all("id"), filter=filters)

    def call(ids: Sequence[str]) -> list[str]:
        return [session.doubts.answer(id, verdict, reason, entry) for id in ids]

    return told_of(in_batches([doubt.id for doubt in meant], call), "resolved", len(meant))


DOUBT_ACTS = (DashboardAct("resolve", "doubts", ("operate",), _ask, _resolve),)
