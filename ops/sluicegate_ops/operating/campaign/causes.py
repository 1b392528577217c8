"""What a campaign's recipients were answered, with the numbers in it hidden."""

import msgspec

from ...inspect import CampaignCause, campaign_causes
from ..session import Session
from ..words import hidden


def masked_causes(session: Session, name: str, *states: str) -> list[CampaignCause]:
    """The causes of a campaign's ``states`` as a screen may show them."""
    causes = campaign_causes(session.client, session.keys, name, *states)
    return [msgspec.structs.replace(cause, reason=hidden(cause.reason)) for cause in causes]
