"""What guards a campaign, in words."""

from typing import Any

from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.stored import ShareLimit

from ..words import counted, when


def guard_pairs(campaign: Campaign) -> list[tuple[str, Any]]:
    """What guards a campaign, in words."""
    guards, pairs = campaign.guards, list[tuple[str, Any]]()
    if guards.canary:
        pairs.append(("canary", canary_words(campaign)))
    pairs += [("pauses if", share_words(one)) for one in guards.shares]
    pairs += [("leaves out", one.said) for one in guards.without]
    caps = (("messages", guards.max_messages), ("segments", guards.max_segments))
    return pairs + [(f"most {unit}", f"{most:,}") for unit, most in caps if most]


def canary_words(campaign: Campaign) -> str:
    """A canary and where it is, in words."""
    one = campaign.guards.canary
    if one is None:
        return ""
    within = f"{one.within_ms / 1000:g} s"
    text = f"{counted(one.size, 'message')} first, {100 * one.share:g}% delivered within {within}"
    if campaign.canary_passed_ms:
        return f"{text}; passed at {when(campaign.canary_passed_ms)}"
    if campaign.canary_full_ms:
        return f"{text}; all are on their way since {when(campaign.canary_full_ms)}"
    return text


def share_words(limit: ShareLimit) -> str:
    """A share that pauses, as it is written on the command line."""
    code = f" code {limit.code}" if limit.code else ""
    by = f" by {limit.by}" if limit.by else ""
    return f"{limit.kind}{code} > {100 * limit.share:g}%{by} of at least {limit.least}"
