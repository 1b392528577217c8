"""Acts on a campaign: pause, resume, cancel, pace, approve."""

import math
from collections.abc import Sequence

from sluicegate.audit import By
from sluicegate.campaigns.campaign import Action
from sluicegate.config import Role

from ...operating.campaign.approving import approved, proposal_pairs
from ...operating.campaign.guard_words import guard_pairs
from ...operating.campaign.resuming import check_resumable
from ...operating.session import Session
from ...operating.status.reasons import own_pace
from ...operating.words import counted
from .acting import BadForm, DashboardAct, FormFields, FormInput, Question

_ROLES: Sequence[Role] = ("send", "operate")


def _name(session: Session, fields: FormFields) -> str:
    """The campaign that is meant; raises UnknownCampaign."""
    return session.campaigns.get(fields.one("campaign")).name


def _people(session: Session, name: str) -> str:
    states = session.campaigns.ledger(name).states
    unsent = counted(states["waiting"] + states["retrying"], "recipient")
    doubts = f", and {states['in_doubt']:,} in doubt" if states["in_doubt"] else ""
    return f"{unsent} not sent to yet{doubts}"


def _ask_pause(session: Session, fields: FormFields) -> Question:
    name = _name(session, fields)
    what = f"Pause {name}, with {_people(session, name)}?"
    told = ["When it is done, no further POST of it can start."]
    return Question(what, f"Pause {name}", ("campaigns", name), told)


def _ask_resume(session: Session, fields: FormFields) -> Question:
    name = _name(session, fields)
    check_resumable(session, session.campaigns.get(name))
    what = f"Let {name} go on, with {_people(session, name)}?"
    return Question(what, f"Resume {name}", ("campaigns", name))


def _ask_cancel(session: Session, fields: FormFields) -> Question:
    name = _name(session, fields)
    what = f"Cancel {name} for good, with {_people(session, name)}?"
    told = ["Messages whose POST has started may still be accepted."]
    return Question(what, f"Cancel {name} for good", ("campaigns", name), told, typed=name)


def _acts(action: Action, session: Session, by: By, fields: FormFields) -> str:
    name = _name(session, fields)
    return f"{name} is {session.campaigns.act(name, action, by)}."


def _pause(session: Session, by: By, fields: FormFields) -> str:
    return _acts("pause", session, by, fields)


def _resume(session: Session, by: By, fields: FormFields) -> str:
    check_resumable(session, session.campaigns.get(_name(session, fields)))
    return _acts("resume", session, by, fields)


def _cancel(session: Session, by: By, fields: FormFields) -> str:
    return _acts("cancel", session, by, fields)


def _ask_pace(session: Session, fields: FormFields) -> Question:
    name = _name(session, fields)
    campaign = session.campaigns.get(name)
    rate = f"{campaign.per_second:g}" if campaign.per_second else ""
    inputs = [
        FormInput("rate", "Its own limit, in segments per second; empty for none", rate),
        FormInput("weight", "Its weight beside others, 0.01 to 100", f"{campaign.weight:g}"),
    ]
    return Question(
        f"Change the pace of {name}, with {_people(session, name)}?",
        f"Change the pace of {name}",
        ("campaigns", name),
        inputs=inputs,
    )


def _pace(session: Session, by: By, fields: FormFields) -> str:
    name = _name(session, fields)
    rate = _number(fields.one("rate") or "0", "the rate")
    weight = _number(fields.one("weight") or "1", "the weight")
    session.campaigns.pace(name, rate, weight, by)
    pace = own_pace(session.campaigns.get(name)) or "no rate of its own, weight 1"
    return f"{name}: {pace}."


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise BadForm(f"{what}: give a number of 0 or more, such as 2.5")
    return value


def _ask_approve(session: Session, fields: FormFields) -> Question:
    name = _name(session, fields)
    seen = session.campaigns.proposal(name)
    campaign = session.campaigns.get(name)
    pairs = [*proposal_pairs(seen, campaign), *guard_pairs(campaign)]
    told = [(word, str(said)) for word, said in pairs if said]
    what = f"Let {name} go out to {counted(seen.recipients, 'recipient')} as it is?"
    shown = FormInput("hash", "The hash of what you see", seen.hash, "hidden")
    return Question(what, f"Approve {name}", ("campaigns", name), inputs=[shown], pairs=told)


def _approve(session: Session, by: By, fields: FormFields) -> str:
    """Approve what the question showed; raises BadForm where it has changed since."""
    seen = session.campaigns.proposal(_name(session, fields))
    if fields.one("hash") != seen.hash:
        raise BadForm("it has changed since you looked: read it again")
    approval, state = approved(session.campaigns, seen, by)
    return f"{seen.plan.name} is approved as {approval.hash}, and {state}."


CAMPAIGN_ACTS = (
    DashboardAct("approve", "campaigns", _ROLES, _ask_approve, _approve),
    DashboardAct("pause", "campaigns", _ROLES, _ask_pause, _pause),
    DashboardAct("resume", "campaigns", _ROLES, _ask_resume, _resume),
    DashboardAct("cancel", "campaigns", _ROLES, _ask_cancel, _cancel),
    DashboardAct("pace", "campaigns", _ROLES, _ask_pace, _pace),
)
