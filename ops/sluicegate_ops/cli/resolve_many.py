"""One decision on many messages in doubt, chosen by id, campaign or code."""

from collections.abc import Sequence

import typer

from sluicegate.audit import By, act
from sluicegate_worker.operator.doubts import Resolution

from ..operating.doubts import old_keys, passes
from ..operating.session import Session
from ..operating.words import counted
from .kit.acts import carry_out, write_act
from .kit.asking import confirm

_QUESTIONS: dict[Resolution, str] = {
    "accepted": "Take {} for sent?",
    "resend": "Send {} again under the same idempotency keys?",
    "drop": "Make dead letters of {}?",
}


def resolve_many(
    session: Session,
    ids: Sequence[str],
    filters: dict[str, str],
    verdict: Resolution,
    reason: str,
    by: By,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Resolve the doubts with these ids, or those that pass all filters; may end the command."""
    known = {doubt.id: doubt for doubt in session.doubts if not ids or doubt.id in ids}
    meant = list(ids) or [id for id, doubt in known.items() if passes(doubt, filters)]
    what = counted(len(meant), "message") + " in doubt"
    if not meant:
        write_act("resolved", 0, "no such messages in doubt", as_json=as_json)
        return
    if dry_run:
        text = f"would resolve {what}; nothing was changed"
        write_act("resolved", len(meant), text, as_json=as_json, dry_run=True)
        return
    question = _QUESTIONS[verdict].format(what)
    if verdict == "resend" and (old := old_keys([known[id] for id in meant if id in known])):
        question = (
            f"The idempotency keys of {old:,} were first used more than 23 h ago. The provider "
            f"forgets a key after 24 h, so their recipients may get the message twice.\n{question}"
        )
    confirm(question, yes)
    entry = act(by, f"resolve {verdict}", *ids, filter=filters)

    def call(batch: Sequence[str]) -> list[str]:
        return [session.doubts.answer(id, verdict, reason, entry) for id in batch]

    rule = "it is not in doubt, or must not be sent again"
    if worst := carry_out(session, meant, call, "resolved", as_json=as_json, rule=rule):
        raise typer.Exit(worst)
