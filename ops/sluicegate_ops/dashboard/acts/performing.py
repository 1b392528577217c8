"""Every act by its name: asking it, and doing it."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import redis

from sluicegate.audit import By
from sluicegate.errors import SluicegateError

from ...operating.session import Session
from ...operating.words import hidden
from ..accounts import OpenAccounts
from ..pages import DashboardPage, PageAnswer
from ..person import Person
from .acting import DashboardAct, FormFields, Question
from .campaigns import CAMPAIGN_ACTS
from .doubts import DOUBT_ACTS
from .halts import HALT_ACTS
from .letters import LETTER_ACTS
from .optouts import OPTOUT_ACTS

ACTS: Mapping[str, DashboardAct] = {
    act.slug: act for act in (*CAMPAIGN_ACTS, *HALT_ACTS, *LETTER_ACTS, *DOUBT_ACTS, *OPTOUT_ACTS)
}

_MOST_WHY = 500


class _Refused(Exception):
    """What stands in the way, and the status that says so."""

    def __init__(self, said: str, status: int) -> None:
        super().__init__(said)
        self.status = status


class Wanted(NamedTuple):
    """An act that ``person`` wants to do on an account, and what the form says of it."""

    slug: str
    person: Person
    account: str
    fields: FormFields


def page_of(slug: str) -> DashboardPage:
    """The page on which an act is asked and done."""
    tab = ACTS[slug].tab if slug in ACTS else "overview"
    return DashboardPage("act", "Confirm", f"/act/{slug}", lambda session: {}, tab)


def asked(opened: OpenAccounts, wanted: Wanted) -> PageAnswer:
    """The question of an act, and nothing is done."""
    return _answered(opened, wanted, do=False)


def performed(opened: OpenAccounts, wanted: Wanted) -> PageAnswer:
    """Do an act that was asked; what is missing is asked again, and then nothing is done."""
    return _answered(opened, wanted, do=True)


def _answered(opened: OpenAccounts, wanted: Wanted, *, do: bool) -> PageAnswer:
    account, accounts = wanted.account, list[str]()
    question: Question | None = None
    trouble, status, said = "", 200, ""
    try:
        accounts = opened.names
        act = _allowed(wanted)
        session = opened.session(wanted.account, writes=do)
        account = session.name
        question = act.ask(session, wanted.fields)
        if do:
            said = _done(session, act, question, wanted)
    except _Refused as refused:
        trouble, status = str(refused), refused.status
    except (SluicegateError, ValueError) as error:
        trouble, status = hidden(str(error)), 409
    except redis.RedisError as error:
        trouble, status = hidden(f"Redis does not answer: {error}"), 503
    data = {
        "slug": wanted.slug,
        "question": msgspec.to_builtins(question._asdict()) if question else None,
        "inputs": [one._asdict() for one in question.inputs] if question else [],
        "carried": _carried(wanted.fields, question),
        "why": wanted.fields.one("why"),
        "given": {one.name: wanted.fields.one(one.name) for one in question.inputs}
        if question and do
        else {},
        "said": said,
        "trouble": trouble,
    }
    return PageAnswer(account, accounts, data, status=status)


def _allowed(wanted: Wanted) -> DashboardAct:
    act = ACTS.get(wanted.slug)
    if act is None:
        raise _Refused("There is no such act.", 404)
    if not wanted.person.may(*act.roles):
        roles = " or ".join(act.roles)
        raise _Refused(f"You may not do this: it takes the role {roles}.", 403)
    return act


def _done(session: Session, act: DashboardAct, question: Question, wanted: Wanted) -> str:
    fields, why = wanted.fields, wanted.fields.one("why")
    if question.typed and fields.one("typed") != question.typed:
        raise _Refused(f"Nothing was done. Type {question.typed} to confirm it.", 422)
    if question.reason and not why:
        raise _Refused("Nothing was done. Say why: the audit keeps it.", 422)
    if len(why) > _MOST_WHY:
        raise _Refused(f"Nothing was done. Say why in at most {_MOST_WHY} characters.", 422)
    return act.run(session, By(wanted.person.name, why), fields)


def _carried(fields: FormFields, question: Question | None) -> list[tuple[str, str]]:
    inputs = {one.name for one in question.inputs} if question else set()
    return [(name, value) for name, value in fields.carried() if name not in inputs]
