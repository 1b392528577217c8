"""Levels as people name them on the command line, checked against those that exist."""

from sluicegate.levels import published

from ...inspect import published_levels
from ...operating.session import Session
from ...operating.words import listed
from .failures import BAD_INPUT, fail

LEVELS = (
    "account, sender:SENDER, mms:SENDER, registration:NAME, brand:NAME, campaign:NAME or app:NAME"
)

_SHORT_CODE = 8  # digits at most


def level_named(session: Session, text: str) -> str:
    """The level that ``text`` names; ends the command if there is no such level.

    Raises UnknownCampaign.
    """
    kind, _, name = text.partition(":")
    if text == "account":
        return text
    if kind in ("sender", "mms") and name:
        return f"{kind}:{sender_named(session, name)}"
    if kind == "campaign" and name:
        return f"campaign:{session.campaigns.get(name).name}"
    if kind == "app" and name:
        return text
    if kind not in ("registration", "brand") or not name:
        fail(f"{text}: no such level; a level is {LEVELS}", BAD_INPUT)
    return _declared(session, text)


def sender_named(session: Session, name: str) -> str:
    """A sender by its name in lanes; ends the command if the account declares others only."""
    known = _known(session, "sender")
    if name in known or f"pool:{name}" in known:
        return name if name in known else f"pool:{name}"
    if known:
        declared = listed(sorted(known))
        fail(f"sender {name}: not one of the account's senders: {declared}", BAD_INPUT)
    if name.isdigit() and len(name) > _SHORT_CODE:
        fail(f"sender {name}: a number begins with +, as in +{name}", BAD_INPUT)
    return name


def _declared(session: Session, text: str) -> str:
    kind, _, name = text.partition(":")
    known = _known(session, kind)
    if name not in known:
        there_are = f"there are {listed(sorted(known))}" if known else "there are none"
        fail(f"{kind} {name}: not declared; {there_are}", BAD_INPUT)
    return text


def _known(session: Session, kind: str) -> set[str]:
    """Names of that kind, in the limits in force and in the configuration read here."""
    fields = published_levels(session.client, session.keys)
    parts = (field.partition(":") for field in (*fields, *published(session.account)))
    return {name for of, _, name in parts if of == kind}
