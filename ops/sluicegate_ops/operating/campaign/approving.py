"""What a second person approves, in words, and what their approval lets happen."""

from decimal import Decimal

from sluicegate.audit import By
from sluicegate.campaigns.approval import Approval, Proposal
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.hours import SendingHours
from sluicegate.campaigns.stored_campaign import Campaign, CampaignState
from sluicegate.stored import UNITS

from ..words import cost, when


def hours_words(hours: SendingHours | None) -> str:
    """When a plan lets its recipients be sent to, in words; "" for any time."""
    if hours is None:
        return ""
    zone = hours.fixed_zone or (hours.zone and f"else in {hours.zone}")
    column = hours.zone_column or hours.state_column
    parts = [hours.windows, hours.preset and f"preset {hours.preset}", zone or ""]
    parts += [f"by column {column}"] * bool(column)
    parts += [f"from {hours.begins} on"] * bool(hours.begins)
    parts += [f"not on holidays of {', '.join(hours.holidays)}"] * bool(hours.holidays)
    parts += [f"not on {', '.join(hours.closed)}"] * bool(hours.closed)
    parts += ["what is not sent by the close ends"] * (hours.on_close == "expire")
    return "; ".join(filter(None, parts))


_AT_ONCE = {"draft": "at once, when it is approved"}


def proposal_pairs(seen: Proposal, campaign: Campaign) -> list[tuple[str, object]]:
    """What somebody is to approve, as names and values."""
    costs = (cost(Decimal(sum) / UNITS, currency) for currency, sum in seen.estimates.items())
    plan = seen.plan
    return [
        ("campaign", plan.name),
        ("changed by", seen.changed_by),
        ("from", plan.sender or f"the pool of {plan.messaging_profile_id}"),
        ("text", plan.text),
        ("media", " ".join(plan.media_urls)),
        ("recipients", f"{seen.recipients:,}"),
        ("cost", ", ".join(costs)),
        ("starts", when(seen.at_ms) if seen.at_ms else _AT_ONCE.get(campaign.state, "")),
        ("hours", hours_words(plan.hours)),
        ("expires", plan.expires_at and when(plan.expires_at.timestamp() * 1000)),
        ("cap", campaign.max_cost and f"{campaign.max_cost} {campaign.currency}"),
        ("hash", seen.hash),
    ]


def approved(campaigns: Campaigns, seen: Proposal, by: By) -> tuple[Approval, CampaignState]:
    """Approve what was seen, and let it go out: the approval, and the campaign's state then.

    Raises UnknownCampaign, NotApproved and WrongCampaignState.
    """
    name = seen.plan.name
    campaign = campaigns.get(name)
    approval, state = campaigns.approve(seen, by), campaign.state
    if state == "draft":
        state = campaigns.act(name, "start", by)
    elif campaign.stopped_by == "approval":
        state = campaigns.act(name, "resume", by)
    return approval, state
