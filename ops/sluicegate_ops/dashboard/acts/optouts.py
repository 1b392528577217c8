"""Acts on opt-outs: add and remove numbers, decide on replies."""

from sluicegate.audit import By
from sluicegate.optouts import ReviewDecision
from sluicegate.stored import ReviewedNumber

from ...operating.noting import noted
from ...operating.numbers import numbers_of
from ...operating.reviews import masked_review
from ...operating.session import Session
from ...operating.words import counted, hidden
from .acting import SOURCE, BadForm, DashboardAct, FormFields, FormInput, Question

_BACK = ("optouts",)
_MOST = 1_000


def reference(review: ReviewedNumber) -> str:
    """What names a reply on a page, where not everybody may see its number."""
    return f"{review.since_ms}-{review.at_ms}"


def _inputs(fields: FormFields) -> list[FormInput]:
    label = "Numbers, one a line, such as +15551234567"
    region = "The country of numbers without +, such as US; empty if there are none"
    return [
        FormInput("numbers", label, "\n".join(fields.all("numbers")), "lines", needed=True),
        FormInput("region", region, fields.one("region")),
    ]


def _numbers(fields: FormFields) -> list[str]:
    """The numbers that a form gives; raises BadNumbers and BadForm."""
    given = fields.one("numbers").split("\n")
    listed = [number.strip() for number in given if number.strip()]
    if not listed:
        raise BadForm("give at least one number")
    if len(listed) > _MOST:
        raise BadForm(f"at most {_MOST:,} at once; sluicegate optout add --file reads a list")
    return numbers_of(listed, fields.one("region").upper() or None)


def _ask_add(session: Session, fields: FormFields) -> Question:
    told = ["When it is done, no further POST to them can start. No START of theirs lifts it."]
    what, button = "Never send to which numbers again?", "Opt them out"
    return Question(what, button, _BACK, told, inputs=_inputs(fields))


def _add(session: Session, by: By, fields: FormFields) -> str:
    numbers = _numbers(fields)
    new = session.sluice.optouts.add(numbers, SOURCE, who=by.who, why=by.why)
    missed = noted(session, by, "add optouts", {}, new)
    known = len(numbers) - new
    return f"{counted(new, 'number')} added, {known:,} known already. {missed}".strip()


def _ask_remove(session: Session, fields: FormFields) -> Question:
    told = ["The provider goes on refusing whoever wrote STOP to it, until they write START."]
    what, button = "Take which numbers off the list?", "Take them off"
    return Question(what, button, _BACK, told, reason=True, inputs=_inputs(fields))


def _remove(session: Session, by: By, fields: FormFields) -> str:
    numbers = _numbers(fields)
    gone = session.sluice.optouts.removed(numbers, SOURCE, who=by.who, why=by.why)
    missed = noted(session, by, "remove optouts", {}, gone.count)
    said = (
        f"{counted(gone.count, 'number')} removed, {len(numbers) - gone.count:,} not on the list"
    )
    own = f"; {counted(gone.own, 'of them', 'of them')} had written STOP" if gone.own else ""
    return f"{said}{own}. {missed}".strip()


def _reply(session: Session, fields: FormFields) -> ReviewedNumber:
    """The reply that is decided about, as it was read; raises BadForm."""
    wanted = fields.one("reply")
    found = [one for one in session.sluice.optouts.reviews() if reference(one) == wanted]
    if len(found) != 1:
        raise BadForm("no such reply waits any more: it was decided, or there is a later one")
    return found[0]


def _decision(fields: FormFields) -> ReviewDecision:
    decision = fields.one("as")
    if decision == "opt out":
        return "opt out"
    if decision == "release":
        return "release"
    raise BadForm("say whether they opt out, or are released")


def _ask_decide(session: Session, fields: FormFields) -> Question:
    decision, reply = _decision(fields), masked_review(_reply(session, fields), False)
    never = decision == "opt out"
    what = f"{'Never send to' if never else 'Send again to'} {reply.number}?"
    told = [f"They wrote: {reply.text}"] if reply.text else []
    button = "Opt them out" if never else "It was no revocation"
    return Question(what, button, _BACK, told, reason=not never)


def _decide(session: Session, by: By, fields: FormFields) -> str:
    decision, reply = _decision(fields), _reply(session, fields)
    [answer] = session.sluice.optouts.decide(
        {reply.number: reply.at_ms}, decision, SOURCE, who=by.who, why=by.why
    )
    if answer not in ("opted out", "released"):
        raise BadForm("it has written again: read that first")
    missed = noted(session, by, f"{decision} after review", {})
    return f"{hidden(reply.number)} {answer}. {missed}".strip()


OPTOUT_ACTS = (
    DashboardAct("opt-out", "optouts", ("operate",), _ask_add, _add),
    DashboardAct("opt-in", "optouts", ("operate",), _ask_remove, _remove),
    DashboardAct("decide", "optouts", ("operate",), _ask_decide, _decide),
)
