"""HTTP statuses, for answers whose code decides nothing."""

from collections.abc import Mapping

from .row import BILLING, KEY_VARIABLE, KEYS, NUMBERS, CodeRow, account, dead, sender

_FAILED = "Do nothing: it is retried; replay what is dead of it once Telnyx is well again."
_IN_DOUBT = (
    "Do nothing: a receipt or the policy on doubts decides, or you do with "
    "sluicegate doubt resolve."
)
_WRONG_CALL = account(
    "what answers at base_url does not take messages",
    "Check base_url, api and any proxy in between, restart the workers, then lift the halt.",
)

REFUSED = dead(
    "Telnyx refused the message",
    "Read the provider's answer in the record, and replay the message once its cause is removed.",
)
"""Any other 4xx."""

FAILED = CodeRow(verdict="retry", perhaps=True, means="something failed at Telnyx", advice=_FAILED)
"""Any other 5xx that is the provider's own."""

UNREADABLE = CodeRow(
    verdict="doubt",
    perhaps=True,
    means="something in between answered, not Telnyx, and it may have passed the request on",
    advice=_IN_DOUBT,
)
"""A redirect, or a 5xx without the provider's own error: what is in between may have passed the
request on."""

NO_SUCH_PAGE = account(
    "there is no such page at base_url",
    "Correct base_url, restart the workers, then lift the halt.",
)
"""A 404 without the provider's own error: the URL is wrong, for every message."""

STATUSES: Mapping[int, CodeRow] = {
    401: account(
        "the API key was not accepted",
        f"Put a working key in {KEY_VARIABLE}, restart the workers, then lift the halt.",
        KEYS,
    ),
    402: account(
        "the account has to be paid for first",
        "Top the balance up, then lift the halt.",
        BILLING,
    ),
    403: sender(
        "sending from this number or messaging profile is not allowed",
        "Assign the number to a messaging profile, register the sender if its kind requires it, "
        "then lift the halt.",
        NUMBERS,
    ),
    404: sender(
        "Telnyx does not find something that the request names, such as its messaging profile",
        "Check the number and its messaging profile, then lift the halt.",
        NUMBERS,
    ),
    405: _WRONG_CALL,
    406: _WRONG_CALL,
    407: account(
        "a proxy in between wants a password",
        "Let the workers reach Telnyx, then lift the halt.",
    ),
    408: CodeRow(verdict="retry", perhaps=True, means="the request took too long", advice=_FAILED),
    409: CodeRow(
        verdict="retry",
        perhaps=True,
        means="the request met another for the same message",
        advice="Do nothing: the same request is repeated and learns what became of the first.",
    ),
    415: _WRONG_CALL,
    425: CodeRow(verdict="retry", means="the request came too early", advice=_FAILED),
    429: CodeRow(
        verdict="throttle",
        means="the limit on requests was used up",
        advice="Do nothing: the message keeps its place and goes out as soon as the rate allows.",
    ),
    500: FAILED,
    502: CodeRow(
        verdict="doubt",
        perhaps=True,
        means="a gateway of Telnyx's had no answer from behind it",
        advice=_IN_DOUBT,
    ),
    503: CodeRow(verdict="retry", means="Telnyx was not available", advice=_FAILED),
    504: CodeRow(
        verdict="doubt",
        perhaps=True,
        means="a gateway of Telnyx's had no answer in time",
        advice=_IN_DOUBT,
    ),
}
"""By HTTP status; any other is REFUSED or FAILED."""


def row_of(status: int, *, explained: bool) -> CodeRow:
    """The row of an answer's status; ``explained`` where it has the provider's own error."""
    if status < 400 or (status >= 500 and not explained):
        return UNREADABLE
    if status == 404 and not explained:
        return NO_SUCH_PAGE
    return STATUSES.get(status) or (REFUSED if status < 500 else FAILED)
