"""The document of ``status``: what ``--json`` prints and the dashboard shows."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ...inspect import AccountCause, AccountState
from ..words import counted, hidden, when
from .causes import document
from .finding import Finding
from .halts import masked


def status_document(state: AccountState, problems: Sequence[Finding]) -> dict[str, Any]:
    """All that is known of a masked state, and what is wrong with it, for a program."""
    known: dict[str, Any] = msgspec.structs.asdict(state)
    known |= {"why": document(state.why), "counts": _counts(state)}
    needed = any(finding.person for finding in problems)
    return {"person_needed": needed, "findings": problems} | known


def masked_state(state: AccountState) -> AccountState:
    """The state with the phone numbers in its causes hidden."""
    return msgspec.structs.replace(
        state,
        halts=masked(state.halts),
        breaker=msgspec.structs.replace(state.breaker, cause=hidden(state.breaker.cause)),
        dead_causes=_masked_causes(state.dead_causes),
        held_causes=_masked_causes(state.held_causes),
    )


def _masked_causes(causes: Sequence[AccountCause]) -> list[AccountCause]:
    return [msgspec.structs.replace(cause, reason=hidden(cause.reason)) for cause in causes]


def _counts(state: AccountState) -> dict[str, int]:
    """The counts by the words of the screen."""
    counts: dict[str, int] = msgspec.structs.asdict(state.counts)
    due, held = counts.pop("due"), counts.pop("held")
    return counts | {"scheduled_or_retrying": due, "in_doubt_held": held}


def headline(state: AccountState, problems: Sequence[Finding]) -> str:
    """The account, the time, and whether a person is needed."""
    needed = sum(finding.person for finding in problems)
    if needed:
        verdict = f"{counted(needed, 'thing needs', 'things need')} a person"
    else:
        verdict = "no person is needed" if problems else "nothing is wrong"
    return f"account {state.account}, {when(state.now_ms)}: {verdict}"
