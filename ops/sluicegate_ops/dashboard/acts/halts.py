"""Acts on halts: the red button, and letting a level go on."""

from sluicegate.audit import By
from sluicegate.times import parse_length

from ...operating.halting import MOST_SECONDS, told_behind
from ...operating.naming import UnknownLevel, level_named
from ...operating.noting import noted
from ...operating.session import Session
from ...operating.status.halts import masked_halts
from ...operating.status.reasons import named
from ...operating.words import clean, counted, lasting
from .acting import BadForm, DashboardAct, FormFields, FormInput, Question

_BACK = ("queue",)


def _shown(session: Session, level: str) -> str:
    return f"account {session.name}" if level == "account" else named(level)


def _ask_halt(session: Session, fields: FormFields) -> Question:
    level = fields.one("level")
    if not level:
        inputs = [
            FormInput("level", "What to halt: account, sender:NUMBER, campaign:NAME", "account"),
            FormInput("for", "For how long, such as 15m or 2h; empty until somebody clears it"),
        ]
        return Question("Halt what?", "Halt it", _BACK, reason=True, inputs=inputs)
    level = level_named(session, level)
    waiting = session.waits.behind(level).waiting
    what = f"Halt {_shown(session, level)}, with {counted(waiting, 'message')} behind it?"
    told = ["When it is done, no further POST of it can start."]
    lasts = FormInput(
        "for", "For how long, such as 15m or 2h; empty until somebody clears it", fields.one("for")
    )
    button = f"Halt {_shown(session, level)}"
    return Question(what, button, _BACK, told, reason=True, inputs=[lasts])


def _halt(session: Session, by: By, fields: FormFields) -> str:
    level, lasts = level_named(session, fields.one("level")), fields.one("for")
    seconds = _seconds(lasts)
    session.halts.set(level, by.why, seconds, by.who)
    session.wait_for_starts()
    missed = noted(session, by, "halt", {"level": level} | ({"for": lasts} if lasts else {}))
    ends = "until it is cleared" if seconds is None else f"for {lasting(seconds)}"
    return f"{_shown(session, level)} is halted {ends}. {missed}".strip()


def _seconds(text: str) -> float | None:
    if not text:
        return None
    seconds = parse_length(text) or 0.0
    if not 0 < seconds <= MOST_SECONDS:
        raise BadForm(f"for {text}: give a length of time such as 90s, 15m, 2h or 1d")
    return seconds


def _ask_clear(session: Session, fields: FormFields) -> Question:
    level, why = _halted(session, fields)
    told = [
        f"It is halted: {clean(why)}",
        *map(str.strip, told_behind(session.waits.behind(level))),
    ]
    shown = _shown(session, level)
    return Question(f"Let {shown} go on?", f"Let {shown} go on", _BACK, told)


def _clear(session: Session, by: By, fields: FormFields) -> str:
    level, _ = _halted(session, fields)
    session.halts.clear(level)
    missed = noted(session, by, "clear halt", {"level": level})
    return f"{_shown(session, level)} goes on. {missed}".strip()


def _halted(session: Session, fields: FormFields) -> tuple[str, str]:
    """A level that is halted, and why; raises UnknownLevel where it is not."""
    level = fields.one("level")
    for halt in masked_halts(session):
        if halt.level == level:
            return level, halt.why
    raise UnknownLevel(f"{level or 'no level'} is not halted")


HALT_ACTS = (
    DashboardAct("halt", "queue", ("operate",), _ask_halt, _halt),
    DashboardAct("clear-halt", "queue", ("operate",), _ask_clear, _clear),
)
