"""The codes of receipts, for messages that the provider accepted and did not deliver.

None of these is sent again automatically: a message that a receipt calls undelivered may have been
seen, some codes also stand for an opt-out, and carriers' filters punish repetition.
"""

from collections.abc import Mapping
from typing import Literal

from .row import NUMBERS, OUTBOUND, TEN_DLC, Advice

Again = Literal["never", "changed", "later"]
"""Whether a person may send it again: never, after a change, or later."""


class Undelivered(Advice, frozen=True, kw_only=True):
    """One code of a receipt."""

    again: Again


def _never(means: str, advice: str, portal: str = "") -> Undelivered:
    return Undelivered(means=means, advice=advice, portal=portal, again="never")


def _changed(means: str, advice: str, portal: str = "") -> Undelivered:
    return Undelivered(means=means, advice=advice, portal=portal, again="changed")


def _later(means: str, advice: str, portal: str = "") -> Undelivered:
    return Undelivered(means=means, advice=advice, portal=portal, again="later")


_CAMPAIGN_LIMIT = "Send at the rate that the campaign's registration allows, and these later."
_OTHER_PROVIDERS = "a code of another provider's catalogue, shown in Telnyx's pages"

RECEIPTS: Mapping[str, Undelivered] = {
    "40001": _never("a landline, or a mobile number that no message reaches", "Drop the number."),
    "40002": _changed(
        "a filter took it for spam, this time",
        "Change the text before you send to these numbers again.",
    ),
    "40003": _never(
        "a filter took it for spam, and the sender is blocked for good",
        "Take another sender, or ask Telnyx's support.",
        NUMBERS,
    ),
    "40004": _later("the recipient's carrier refused it", "Try another day, or another sender."),
    "40005": _later(
        "it expired on its way to the recipient", "Send it again if it still matters."
    ),
    "40006": _later(
        "the recipient's carrier could not be reached, though Telnyx tried more than once",
        "Send it again in some hours if it still matters.",
    ),
    "40007": _changed("it went round in a circle", "Ask Telnyx's support."),
    "40008": _never(
        "the recipient's carrier did not take it; this may be an opt-out",
        "Don't repeat it unasked; many of these at once call for a look at sender and text.",
    ),
    "40009": _changed("the carrier found its text not valid", "Change the text."),
    "40010": _never(
        "the sender is not registered for 10DLC",
        "Assign the number to a registered campaign before you send more.",
        TEN_DLC,
    ),
    "40011": _later("the carrier's rate limit was exceeded", "Lower the sender's rate."),
    "40012": _never("the carrier says that the number is not valid", "Drop the number."),
    "40013": _changed(
        "the carrier does not accept the sending number",
        "Check the number's set-up before you send more.",
        NUMBERS,
    ),
    "40014": _later(
        "it waited in Telnyx's queue for longer than it was valid",
        "Lower the sender's rate, and send it again if it still matters.",
    ),
    "40015": _changed("a filter of Telnyx's took it for spam", "Change the text."),
    "40016": _later("T-Mobile's limit for the campaign was reached", _CAMPAIGN_LIMIT, TEN_DLC),
    "40017": _changed("AT&T took it for spam", "Change the text, or ask Telnyx's support."),
    "40018": _later("AT&T's limit for the campaign was reached", _CAMPAIGN_LIMIT, TEN_DLC),
    "40019": _changed(
        "AT&T does not find the sender's 10DLC registration in order",
        "Check the number's campaign and its assignment before you send more.",
        TEN_DLC,
    ),
    "40020": _later(
        "traffic like this is blocked for 24 hours, as if it were inflated by machines",
        "Find out who asks for these messages before you send more.",
    ),
    "40300": _never("the recipient has opted out", "Drop the number until its owner texts START."),
    "40315": _changed(
        "too few of this sender's messages were delivered",
        "Let the number rest or take another.",
        OUTBOUND,
    ),
    "40322": _never("its content is not allowed", "Change the text before you send more."),
    "30003": _later(_OTHER_PROVIDERS + ": the phone is out of reach", "Try another day."),
    "30004": _changed(_OTHER_PROVIDERS + ": blocked", "Check sender and text."),
    "30005": _never(_OTHER_PROVIDERS + ": an unknown number", "Drop the number."),
    "30006": _never(_OTHER_PROVIDERS + ": a landline", "Drop the number."),
    "30007": _changed(_OTHER_PROVIDERS + ": filtered", "Change the text."),
    "30008": _later(_OTHER_PROVIDERS + ": no capacity, or unknown", "Try another day."),
}
