"""A row of the tables of codes, and the places in the portal that advice points to."""

from typing import Literal, NamedTuple

import msgspec

Verdict = Literal[
    "throttle", "queue", "retry", "dead", "doubt", "hold", "halt", "halt_sender", "halt_mms"
]
"""What becomes of a message by an answer.

    throttle      the rate limit refused it: the bucket waits, the message keeps its place
    queue         the sender's queue at the provider is full: its lane waits
    retry         a passing failure: sent again later
    dead          refused for good
    doubt, hold   it may have been sent; the policy decides, or with hold only a person
    halt          every message of the account would meet the same refusal
    halt_sender   every message of its sender would, and perhaps no other
    halt_mms      every MMS of its sender would, and none of its SMS
"""

Ends = Literal["cleared", "midnight_utc"]
"""When a halt ends: once a person clears it, or with the provider's day."""


KEY_VARIABLE = "the account's environment variable"
"""What advice calls the variable that holds the key; ``Advice.for_key`` names it."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What a code means and what to do about it, for a person.

    ``means`` is a clause and ``advice`` one sentence. ``portal`` is a path of menus in the
    provider's portal, ``""`` where there is none.
    """

    means: str
    advice: str
    portal: str = ""

    def for_key(self, variable: str) -> str:
        """The advice, with the name of the environment variable that holds the account's key."""
        return self.advice.replace(KEY_VARIABLE, variable)

    @property
    def for_letter(self) -> str:
        """The advice to whoever has a dead letter of this code, for which nothing was halted."""
        return self.advice.replace("lift the halt", "replay it")


class CodeRow(Advice, frozen=True, kw_only=True):
    """What becomes of a message by an answer; ``perhaps`` the provider has acted on the request.

    ``seconds`` is when a retry is due, unless the provider says so, or how long a halt lasts; None
    leaves it to the policy, or to ``ends``.
    """

    verdict: Verdict
    perhaps: bool = False
    seconds: float | None = None
    ends: Ends = "cleared"


class Sense(NamedTuple):
    """One of several senses of a code: its text matches, with that status (0 for any)."""

    status: int
    text: str
    row: CodeRow


PROFILES = "Messaging > Messaging Profiles"
OUTBOUND = "Messaging > Messaging Profiles > Outbound"
NUMBERS = "Numbers > My Numbers"
TOLL_FREE = "Messaging > Compliance > Toll Free Verification"
TEN_DLC = "Messaging > 10DLC Campaigns"
KEYS = "API Keys"
BILLING = "Billing"
RECORDS = "Reports > Reporting"
VERIFICATIONS = "Account Settings > Verifications"


def dead(means: str, advice: str, portal: str = "") -> CodeRow:
    """A fault of this one message: a person decides what becomes of it."""
    return CodeRow(verdict="dead", means=means, advice=advice, portal=portal)


def sender(
    means: str,
    advice: str,
    portal: str = "",
    *,
    seconds: float | None = None,
    ends: Ends = "cleared",
) -> CodeRow:
    """A fault that every message of this sender would meet."""
    return CodeRow(
        verdict="halt_sender",
        means=means,
        advice=advice,
        portal=portal,
        seconds=seconds,
        ends=ends,
    )


def account(means: str, advice: str, portal: str = "") -> CodeRow:
    """A fault that every message of this account would meet."""
    return CodeRow(verdict="halt", means=means, advice=advice, portal=portal)
