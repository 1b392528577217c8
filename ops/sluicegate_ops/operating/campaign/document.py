"""All that is known of a campaign, for a program."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from sluicegate.campaigns.ledger import Ledger
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.stored import wall_ms

from ...inspect import CampaignCause, ClassHours, Why, campaign_hours, claimed
from ..message.deliveries import deliveries_of
from ..session import Session
from ..status.causes import document
from ..status.reasons import sentence
from .costs import costs_document


class CampaignLook(NamedTuple):
    """A campaign at one moment: workers hold ``held`` of it, ``dead`` says what its dead met."""

    campaign: Campaign
    ledger: Ledger
    held: int
    dead: Sequence[CampaignCause]
    why: Why
    hours: list[ClassHours]


def look_at(
    session: Session, campaign: Campaign, ledger: Ledger, dead: Sequence[CampaignCause]
) -> CampaignLook:
    """What else is known of a campaign at this moment."""
    client, keys = session.client, session.keys
    why = session.waits.of(campaign, ledger)
    hours = campaign_hours(client, keys, campaign.name, why.now_ms)
    held = claimed(client, keys, campaign.name)
    return CampaignLook(campaign, ledger, held, dead, why, hours)


def campaign_document(session: Session, seen: CampaignLook) -> dict[str, Any]:
    """All that is known of a campaign, for a program."""
    campaign, why = seen.campaign, seen.why
    estimates = session.campaigns.estimates(campaign.name)
    return summary(campaign, seen.ledger) | {
        "claimed": seen.held,
        "why": sentence(why),
        "dead": seen.dead,
        "rate": why.rate,
        "finish": why.finish,
        "plan": _plan(campaign),
        "waits": document(why)["waits"],
        "hours": seen.hours,
        "costs": costs_document(seen.ledger, estimates),
    }


def _plan(campaign: Campaign) -> dict[str, Any]:
    """The plan for a program, with its time as all times are written."""
    plan: dict[str, Any] = msgspec.structs.asdict(campaign.plan)
    expires_at = plan.pop("expires_at")
    return plan | {"expires_ms": None if expires_at is None else wall_ms(expires_at)}


def summary(campaign: Campaign, ledger: Ledger) -> dict[str, Any]:
    """A campaign and its counters, for a program."""
    fields: dict[str, Any] = msgspec.structs.asdict(campaign)
    del fields["plan"]
    about = {"name": campaign.name, "version": campaign.version}
    return about | fields | {"ledger": _counts(ledger)}


def _counts(ledger: Ledger) -> dict[str, Any]:
    counts = {"imported": ledger.imported, **ledger.states, "deliveries": deliveries_of(ledger)}
    counts["maybe_sent"] = ledger.maybe_sent
    return counts | {"adds_up": ledger.adds_up}
