"""What a row of the tables of codes holds, and the places that its advice points to."""

from typing import Literal

import msgspec

Act = Literal["throttle", "queue", "retry", "dead", "doubt", "hold", "halt", "halt_sender"]
"""What an answer makes of its message.

    throttle      the rate limit refused it: the bucket waits, the message keeps its place
    queue         the sender's queue at the provider is full: its lane cools down
    retry         failed in passing: sent again later
    dead          refused for good
    doubt, hold   nobody knows whether it was sent; policy decides, or only a person can
    halt          every message of the account would meet the same refusal
    halt_sender   every message of its sender would, and perhaps no other
"""

Ends = Literal["cleared", "midnight_utc"]
"""When a halt ends: a person clears it, or the provider's day is over."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What a code means and what to do about it, for a person.

    ``means`` is a clause and ``advice`` one sentence. ``portal`` is the way to the place in the
    provider's portal, ``""`` where there is none.
    """

    means: str
    advice: str
    portal: str = ""


class Row(Advice, frozen=True, kw_only=True):
    """What to do about an answer, and whether its request may have been acted on.

    ``seconds`` is when a retry is due, where the provider doesn't say, or how long a halt lasts;
    None leaves it to the policy, or to ``ends``.
    """

    act: Act
    perhaps: bool = False
    seconds: float | None = None
    ends: Ends = "cleared"


PROFILES = "Messaging > Messaging Profiles"
OUTBOUND = "Messaging > Messaging Profiles > Outbound"
NUMBERS = "Numbers > My Numbers"
TOLL_FREE = "Messaging > Compliance > Toll Free Verification"
TEN_DLC = "Messaging > 10DLC Campaigns"
KEYS = "API Keys"
BILLING = "Billing"
RECORDS = "Reports > Reporting"
VERIFICATIONS = "Account Settings > Verifications"


def dead(means: str, advice: str, portal: str = "") -> Row:
    """One message's own fault: it is a person's business now."""
    return Row(act="dead", means=means, advice=advice, portal=portal)


def sender(
    means: str,
    advice: str,
    portal: str = "",
    *,
    seconds: float | None = None,
    ends: Ends = "cleared",
) -> Row:
    """A fault that every message of this sender would meet."""
    return Row(
        act="halt_sender", means=means, advice=advice, portal=portal, seconds=seconds, ends=ends
    )


def account(means: str, advice: str, portal: str = "") -> Row:
    """A fault that every message of this account would meet."""
    return Row(act="halt", means=means, advice=advice, portal=portal)
