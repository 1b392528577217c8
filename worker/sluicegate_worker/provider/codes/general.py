"""The provider's codes 10xxx and 20xxx: what any of its APIs may answer."""

from collections.abc import Mapping

from .row import (
    BILLING,
    KEY_VARIABLE,
    KEYS,
    NUMBERS,
    PROFILES,
    RECORDS,
    VERIFICATIONS,
    CodeRow,
    account,
    dead,
    sender,
)

_REENQUEUE = "Correct it, enqueue the message under a new id, and purge this one."
_BAD_PARAMETER = dead("one of the message's fields was refused", _REENQUEUE)
_BAD_ID = dead(
    "an id in the message, most likely its messaging profile's, is not known to Telnyx",
    "Look up the messaging profile's id, enqueue the message again with it, and purge this one.",
    PROFILES,
)
_BAD_KEY = account(
    "the API key is not valid, was revoked, or may not be used here",
    f"Put a working key in {KEY_VARIABLE}, restart the workers, then lift the halt.",
    KEYS,
)
_NOT_VERIFIED = account(
    "the account is not verified, or not entitled, far enough to send",
    "Complete the account's verification or ask Telnyx for the feature, then lift the halt.",
    VERIFICATIONS,
)
_WRONG_CALL = account(
    "the request reached something that does not take messages in this form",
    "Check base_url, api and any proxy in between, restart the workers, then lift the halt.",
)
_NOT_ABOUT_MESSAGES = dead(
    "an error that Telnyx publishes for other things than sending",
    "Read the provider's answer in the record, and replay the message once its cause is removed.",
)

GENERAL: Mapping[str, CodeRow] = {
    # The limit on requests. Not an attempt: the bucket waits, the message keeps its place.
    "10011": CodeRow(
        verdict="throttle",
        means="the limit on requests was used up",
        advice="Do nothing: the message keeps its place and goes out as soon as the rate allows.",
    ),
    # In passing, perhaps after the message was taken.
    "10007": CodeRow(
        verdict="retry",
        perhaps=True,
        means="something failed at Telnyx",
        advice="Do nothing: it is retried; replay what is dead of it once Telnyx is well again.",
    ),
    "10008": CodeRow(
        verdict="retry",
        perhaps=True,
        means="Telnyx took too long to work on the request",
        advice="Do nothing: it is retried; replay what is dead of it once Telnyx is well again.",
    ),
    "10037": CodeRow(
        verdict="retry",
        means="Telnyx was not available and refused the request",
        advice="Do nothing: it is retried; replay what is dead of it once Telnyx is well again.",
    ),
    # The same idempotency key is being worked on: our earlier request arrived.
    "10036": CodeRow(
        verdict="retry",
        perhaps=True,
        seconds=1.0,
        means="an earlier request for this message is still being worked on",
        advice="Do nothing: the same request is repeated and learns what became of the first.",
    ),
    # The same key came with other bytes: an earlier request arrived, and this is not it.
    "10027": CodeRow(
        verdict="hold",
        perhaps=True,
        means="an earlier, different request for this message had reached Telnyx",
        advice="Look the recipient up in Telnyx's message records, then say what you found with "
        "sluicegate doubt resolve.",
        portal=RECORDS,
    ),
    # On a send it says that the same was there before.
    "10012": CodeRow(
        verdict="hold",
        perhaps=True,
        means="Telnyx says that it has this already",
        advice="Look the recipient up in Telnyx's message records, then say what you found with "
        "sluicegate doubt resolve.",
        portal=RECORDS,
    ),
    # The account: its URL, its key, its standing, its balance.
    "10005": account(
        "Telnyx does not know this URL, or did not see the key",
        "Check base_url, and that no proxy removes the authorization header; restart the "
        "workers, then lift the halt.",
    ),
    "10009": _BAD_KEY,
    **dict.fromkeys([str(code) for code in range(20000, 20012)], _BAD_KEY),
    "20012": account(
        "the account is not active; often its balance is used up",
        "Top the balance up or have the account activated again, then lift the halt.",
        BILLING,
    ),
    "20013": account(
        "Telnyx has blocked the account",
        "Ask Telnyx's support why, and lift the halt once it is unblocked.",
    ),
    "20100": account(
        "the balance does not cover sending",
        "Top the balance up, better with auto-recharge, then lift the halt.",
        BILLING,
    ),
    **dict.fromkeys(("10038", "10039", "20014", "20015", "20016", "20017"), _NOT_VERIFIED),
    **dict.fromkeys(("10014", "10024", "10029", "10030", "10034"), _WRONG_CALL),
    # The sender, as far as the evidence goes.
    "10001": sender(
        "the sending number is not active",
        "Activate the number or take another, then lift the halt.",
        NUMBERS,
    ),
    "10010": sender(
        "the key may not send with this number or messaging profile",
        "Give the key the permission, or the number to the right profile, then lift the halt.",
        KEYS,
    ),
    "10035": sender(
        "Telnyx has locked the number or messaging profile",
        "Ask Telnyx's support to unlock it, then lift the halt.",
    ),
    # The recipient.
    "10002": dead("the recipient's number is not valid", _REENQUEUE),
    "10016": dead("a number was not in E.164 form, such as +15551234567", _REENQUEUE),
    # The message.
    "10003": dead(
        "a URL in the message is not valid or too long",
        "Correct its media or webhook URL, enqueue it under a new id, and purge this one.",
    ),
    "10004": dead("a field that Telnyx requires was missing", _REENQUEUE),
    "10015": dead(
        "Telnyx could not make sense of the request, or its text is too long",
        "Read the provider's answer in the record, correct the message, and enqueue it anew.",
    ),
    "10025": dead("one of the message's texts is too long or too short", _REENQUEUE),
    **dict.fromkeys(
        ("10018", "10019", "10020", "10023", "10026", "10028", "10031", "10032", "10033"),
        _BAD_PARAMETER,
    ),
    **dict.fromkeys(("10006", "10013", "10017", "10022"), _BAD_ID),
    # Other people's business; named so that nothing in the catalogue is undecided.
    **dict.fromkeys(("10021", "10700"), _NOT_ABOUT_MESSAGES),
    **dict.fromkeys([str(code) for code in range(20200, 20210)], _NOT_ABOUT_MESSAGES),
}
