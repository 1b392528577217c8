"""The provider's codes 40xxx, and the 422xx of one of its pages: what a send may answer."""

from collections.abc import Mapping

from .row import (
    KEY_VARIABLE,
    NUMBERS,
    OUTBOUND,
    PROFILES,
    TEN_DLC,
    TOLL_FREE,
    CodeRow,
    Sense,
    account,
    dead,
    sender,
)

OPTED_OUT = "40300"
"""Six meanings are published for it. Only with the text of a block rule is it an opt-out."""

_FIX_NUMBER = "Correct the number and enqueue the message under a new id, or purge this one."
_PURGE = "Purge it: this number can't be reached by text."
_OTHER_SENDER = "Send from a sender that reaches this number, or purge this one."
_OTHER_TEXT = "Change the text, enqueue the message under a new id, and purge this one."
_OTHER_MEDIA = "Correct the media, enqueue the message under a new id, and purge this one."
_SPAM = "Change the text, and replay nothing before you know what the filter disliked."
_FIX_SENDER = "Set the sender right in its messaging profile, then lift the halt."

_ENABLING = sender(
    "messaging could not be enabled on the sending number",
    "Finish setting the number up, with Telnyx's support if need be, then lift the halt.",
    NUMBERS,
)
_UPSTREAM_LIMIT = CodeRow(
    verdict="retry",
    seconds=60.0,
    means="the carrier's limit for this sender or its campaign was reached",
    advice="Lower the sender's rate to what its registration allows; what is dead, replay later.",
    portal=TEN_DLC,
)
_SPAM_FILTER = dead("a filter took the message for spam", _SPAM)
_EXPIRED = dead(
    "it waited longer than it was valid", "Replay it if it still matters, at a lower rate."
)
_NOT_ABOUT_MESSAGES = dead(
    "an error that Telnyx publishes for other things than sending",
    "Read the provider's answer in the record, and replay the message once its cause is removed.",
)

_PROFILE_OFF = sender(
    "the messaging profile is switched off",
    "Enable the profile, then lift the halt.",
    PROFILES,
)
_UNREGISTERED = sender(
    "the sender is not registered for 10DLC",
    "Assign the number to a registered campaign, then lift the halt.",
    TEN_DLC,
)
_UNASSIGNED = sender(
    "the sender does not belong to this account's messaging profile",
    "Assign the number to the messaging profile, then lift the halt.",
    NUMBERS,
)

_MISSING = dead(
    "a field that Telnyx requires was missing",
    "Correct it, enqueue the message under a new id, and purge this one.",
)
_BAD_NUMBER = dead("the recipient's number is not valid", _FIX_NUMBER)

MESSAGES: Mapping[str, CodeRow] = {
    # Limits that end by themselves.
    "40318": CodeRow(
        verdict="queue",
        means="the sender's queue at Telnyx is full",
        advice="Do nothing: its lane waits until the queue drains; a lower rate avoids it.",
    ),
    "40333": sender(
        "the messaging profile's daily spend limit is reached",
        "Wait for midnight UTC, or raise the limit and lift the halt.",
        PROFILES,
        ends="midnight_utc",
    ),
    "40320": sender(
        "the sending number can't be used for now",
        "Wait: it is tried again by itself; if it stays so, look at the number's state.",
        NUMBERS,
        seconds=900.0,
    ),
    **dict.fromkeys(("40011", "40016", "40018"), _UPSTREAM_LIMIT),
    "40006": CodeRow(
        verdict="retry",
        means="the recipient's carrier could not be reached",
        advice="Do nothing: it is retried; what is dead of it, replay later.",
    ),
    # The account.
    "40311": account(
        "the messaging profile's v1 secret is wrong",
        f"Put the profile's current secret in {KEY_VARIABLE}, restart the workers, then lift the "
        "halt.",
        OUTBOUND,
    ),
    "40313": account(
        "the messaging profile's v1 secret was missing",
        "Check base_url, and that no proxy removes the X-Profile-Secret header; restart the "
        "workers, then lift the halt.",
        OUTBOUND,
    ),
    "40314": account(
        "Telnyx has disabled messaging on the account",
        "Ask Telnyx's support why, and lift the halt once messaging is enabled.",
    ),
    # The sender, and its messaging profile.
    **dict.fromkeys(
        ("40305", "42200"),
        _UNASSIGNED,
    ),
    "40306": sender("the profile has no alphanumeric sender", _FIX_SENDER, PROFILES),
    "40307": sender("the alphanumeric sender is not the profile's", _FIX_SENDER, PROFILES),
    "40308": CodeRow(
        verdict="halt_mms",
        means="this sender can't send MMS",
        advice="Send MMS from a US long code or a short code enabled for it, then lift the halt.",
        portal=NUMBERS,
    ),
    "40312": _PROFILE_OFF,
    "40315": sender(
        "too few of this sender's messages were delivered",
        "Let the number rest or take another, then lift the halt.",
        OUTBOUND,
    ),
    "40321": sender(
        "the profile's number pool has no number that can be used",
        "Enable the pool and assign healthy numbers to the profile, then lift the halt.",
        OUTBOUND,
    ),
    "40325": sender("the alphanumeric sender is not valid", _FIX_SENDER, PROFILES),
    "40329": sender(
        "the toll-free number is not verified",
        "Have the number verified, then lift the halt.",
        TOLL_FREE,
    ),
    "40330": sender(
        "the toll-free number is not set up for messaging yet",
        "Wait for Telnyx to finish, or ask its support, then lift the halt.",
        NUMBERS,
    ),
    "40331": sender(
        "the messaging profile allows no destinations",
        "Choose the profile's allowed destinations, then lift the halt.",
        OUTBOUND,
    ),
    "40003": sender(
        "the sender was taken for a spammer and is blocked for good",
        "Take another sender, or ask Telnyx's support; lift the halt once it is unblocked.",
    ),
    "40010": _UNREGISTERED,
    "40013": sender(
        "the carrier does not accept the sending number",
        "Check the number's set-up with Telnyx's support, then lift the halt.",
        NUMBERS,
    ),
    "40019": sender(
        "AT&T does not find the sender's 10DLC registration in order",
        "Check the number's campaign and its assignment, then lift the halt.",
        TEN_DLC,
    ),
    "40100": sender(
        "the sending number is not enabled for messaging",
        "Assign the number to a messaging profile, then lift the halt.",
        NUMBERS,
    ),
    **dict.fromkeys([str(code) for code in range(40150, 40160)], _ENABLING),
    **dict.fromkeys(("40323", "40324", "40326"), _ENABLING),
    # The recipient.
    OPTED_OUT: dead(
        "a block rule stands in the way: the recipient has opted out, unless the answer says "
        "something else",
        "Purge it if its answer speaks of STOP or a block; if not, do what the answer asks for.",
    ),
    "40001": dead("a landline, or a mobile number that no message reaches", _PURGE),
    "40004": dead("the recipient's carrier refused it and did not say why", _OTHER_SENDER),
    "40008": dead("the recipient's carrier did not take it", _OTHER_SENDER),
    "40012": dead("the carrier says that the recipient's number is not valid", _FIX_NUMBER),
    "40301": dead("messages of this type can't be sent to this number", _OTHER_SENDER),
    "40309": dead(
        "the recipient's country is not allowed in the messaging profile",
        "Allow the country in the profile, then replay it.",
        OUTBOUND,
    ),
    "40310": dead("the recipient's number is not valid", _FIX_NUMBER),
    "40319": dead("this sender can't send this type of message to this number", _OTHER_SENDER),
    "42201": dead("the recipient's number is not valid", _FIX_NUMBER),
    # The content.
    "40009": dead("the text is not valid, or not in the encoding asked for", _OTHER_TEXT),
    "40302": dead("the text is longer than 10 parts", _OTHER_TEXT),
    "40304": dead("the message mixes what only an SMS and only an MMS may have", _OTHER_TEXT),
    "40316": dead("the message has neither text nor media", _OTHER_TEXT),
    "40317": dead("more than 10 media files, or 1 MB of them", _OTHER_MEDIA),
    "40322": dead("its content is not allowed", _OTHER_TEXT),
    "40327": dead("the profile's short links name a domain that is not allowed", _OTHER_TEXT),
    "40328": dead(
        "the text is longer than Telnyx recommends for an SMS",
        "Shorten it, make it an MMS, or set auto_detect to false; then enqueue it anew.",
    ),
    "42202": dead("the text is too long", _OTHER_TEXT),
    "42203": dead("a media URL can't be read from outside, or is no https URL", _OTHER_MEDIA),
    "42204": dead("more than 10 media files", _OTHER_MEDIA),
    "42205": dead("a media file is too large", _OTHER_MEDIA),
    # Mostly of receipts; what they mean as the answer to a send.
    "40002": _SPAM_FILTER,
    "40015": _SPAM_FILTER,
    "40017": _SPAM_FILTER,
    "40020": dead(
        "traffic like this is blocked for 24 hours, as if it were inflated by machines",
        "Find out who asks for these messages, wait a day, then replay what is real.",
    ),
    **dict.fromkeys(("40005", "40014"), _EXPIRED),
    "40007": dead("the message went round in a circle", "Ask Telnyx's support, then replay it."),
    # Other people's business; named so that nothing in the catalogue is undecided.
    **dict.fromkeys(("40303", "40332"), _NOT_ABOUT_MESSAGES),
}

_REGISTRATION = r"\bregist(?:er|ered|ration)\b"
_DISABLED = r"\bprofile\b.*\b(?:disabled|switched off|inactive|not (?:enabled|active))\b"
_NOT_ASSIGNED = r"\bnot (?:assigned|associated|enabled|on)\b|\bunassigned\b"

SENSES: Mapping[str, tuple[Sense, ...]] = {
    "40301": (Sense(403, _REGISTRATION, _UNREGISTERED),),
    "40302": (Sense(403, _DISABLED, _PROFILE_OFF),),
    "40002": (Sense(403, _NOT_ASSIGNED, _UNASSIGNED), Sense(422, r"\brequired\b", _MISSING)),
    "40003": (Sense(0, _REGISTRATION, _UNREGISTERED),),
    "40001": (Sense(0, r"\bE\.?164\b|\bformat\b", _BAD_NUMBER),),
}
"""Codes that Telnyx's own pages publish with other senses than its catalogue: the text says which.

Without such a text the catalogue's sense counts.
"""
