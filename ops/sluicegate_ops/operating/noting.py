"""Puts an act into the audit once it is done."""

from collections.abc import Mapping, Sequence

import redis

from sluicegate.audit import By, act

from .session import Session


def noted(
    session: Session,
    by: By,
    action: str,
    about: Mapping[str, str],
    count: int = 1,
    ids: Sequence[str] = (),
) -> str:
    """Put it there; a full server does not undo the act: then this says so, otherwise ``""``."""
    try:
        session.audit.note(act(by, action, *ids, filter=about), count)
    except redis.ResponseError as error:
        return f"done, and not noted in the audit: {error}"
    return ""
