"""Levels as people name them, checked against those that exist."""

from sluicegate.errors import SluicegateError
from sluicegate.levels import published

from ..inspect import published_levels
from .session import Session
from .words import listed

LEVELS = (
    "account, sender:SENDER, mms:SENDER, registration:NAME, brand:NAME, campaign:NAME or app:NAME"
)

_SHORT_CODE = 8  # digits at most


class UnknownLevel(SluicegateError):
    """No level has that name, or it is no name of a level; the text says which there are."""


def level_named(session: Session, text: str) -> str:
    """The level that ``text`` names.

    Raises UnknownLevel and UnknownCampaign.
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
        raise UnknownLevel(f"{text}: no such level; a level is {LEVELS}")
    return _declared(session, text)


def sender_named(session: Session, name: str) -> str:
    """A sender by its name in lanes; raises UnknownLevel if the account declares others only."""
    known = _known(session, "sender")
    if name in known or f"pool:{name}" in known:
        return name if name in known else f"pool:{name}"
    if known:
        declared = listed(sorted(known))
        raise UnknownLevel(f"sender {name}: not one of the account's senders: {declared}")
    if name.isdigit() and len(name) > _SHORT_CODE:
        raise UnknownLevel(f"sender {name}: a number begins with +, as in +{name}")
    return name


def _declared(session: Session, text: str) -> str:
    kind, _, name = text.partition(":")
    known = _known(session, kind)
    if name not in known:
        there_are = f"there are {listed(sorted(known))}" if known else "there are none"
        raise UnknownLevel(f"{kind} {name}: not declared; {there_are}")
    return text


def _known(session: Session, kind: str) -> set[str]:
    """Names of that kind, in the limits in force and in the configuration read here."""
    fields = published_levels(session.client, session.keys)
    parts = (field.partition(":") for field in (*fields, *published(session.account)))
    return {name for of, _, name in parts if of == kind}
