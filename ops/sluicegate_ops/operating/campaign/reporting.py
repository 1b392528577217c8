"""What became of everybody in a campaign, by code, and what to do about it."""

from collections.abc import Sequence
from typing import Any

from sluicegate.campaigns.ledger import Ledger
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.keys import LEFT_OUT

from ...inspect import INDEXES, AcceptedPart, CampaignCause, accepted_parts
from ..advice import advised
from ..message.deliveries import advice_on, deliveries_of, set_up
from ..pasting import pasted
from ..session import Session
from .causes import masked_causes
from .costs import costs_document

_STATES = {
    "expired": "expires_at passed before their turn came, so nothing was sent to them",
    "suppressed": "they opted out before their turn came: sluicegate optout list",
    "cancelled": "the campaign was cancelled before their turn came",
    "purged": "a person gave them up",
}
LIMITS = {
    "too_many": "they had got as many messages as per_recipient lets one recipient get",
    "too_soon": "they had got a message less than per_recipient's quiet_seconds before",
    "same_text": "they had got the same text less than per_recipient's same_text_seconds before",
    "prefix": "too many messages went to numbers that begin like theirs: see per_prefix",
}
_LEFT_OUT = "a person left them out: sluicegate campaign guard NAME shows whom"


def ends_of(session: Session, name: str, ledger: Ledger) -> list[CampaignCause]:
    """How recipients ended, each cause with how many of them met it."""
    ends = masked_causes(session, name, *INDEXES)
    of_others = {"suppressed": sum(ledger.ended.values()), "cancelled": ledger.left_out}
    ends += [
        CampaignCause(state, "", count, reason)
        for state, reason in _STATES.items()
        if (count := ledger.states[state] - of_others.get(state, 0))
    ]
    ends += [
        CampaignCause("suppressed", code, count, LIMITS[code])
        for code, count in ledger.ended.items()
    ]
    if ledger.left_out:
        ends.append(CampaignCause("cancelled", LEFT_OUT, ledger.left_out, _LEFT_OUT))
    return ends


def parts_of(session: Session, name: str, ledger: Ledger) -> list[AcceptedPart]:
    """The accepted ones by what receipts say, where the counters don't tell it all."""
    if not (ledger.deliveries["failed"] or ledger.costs):
        return []
    return accepted_parts(session.client, session.keys, name, session.archive)


def undelivered(parts: Sequence[AcceptedPart]) -> list[tuple[str, int]]:
    """How many were accepted and not delivered, by code."""
    return [(part.code, part.count) for part in parts if part.delivery == "failed"]


def report_document(
    session: Session,
    campaign: Campaign,
    ledger: Ledger,
    ends: Sequence[CampaignCause],
    parts: Sequence[AcceptedPart],
) -> dict[str, Any]:
    """The report for a program."""
    lost = [{"code": code, "count": count} | advice_on(code) for code, count in undelivered(parts)]
    costs = costs_document(ledger, session.campaigns.estimates(campaign.name), parts)
    return {
        "name": campaign.name,
        "state": campaign.state,
        "receipts_set_up": set_up(session),
        "states": {"imported": ledger.imported, **ledger.states},
        "codes": [_entry(cause) for cause in ends],
        "maybe_sent": ledger.maybe_sent,
        "had_to_wait": ledger.held,
        "deliveries": deliveries_of(ledger),
        "undelivered": lost,
        "costs": costs,
    }


def cause_lines(cause: CampaignCause) -> list[tuple[str, str]]:
    """What the code means, and what to do about it."""
    if not cause.code:
        return []
    advice = advised(cause.code)
    see = f"look at them: sluicegate dead list --all --code {pasted(cause.code)}"
    do = advice["advice"] or (see if cause.state == "dead" else "")
    return [("means", advice["means"]), ("do", do), ("portal", advice["portal"])]


def _entry(cause: CampaignCause) -> dict[str, object]:
    about = {"state": cause.state, "code": cause.code, "count": cause.count}
    lines = {word: line for word, line in cause_lines(cause) if line}
    more = {"means": lines.get("means", ""), "advice": lines.get("do", "")}
    return about | {"reason": cause.reason} | more | {"portal": lines.get("portal", "")}
