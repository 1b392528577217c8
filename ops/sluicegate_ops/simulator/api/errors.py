"""The provider's error codes that the simulator gives, with their HTTP statuses, in one table."""

from dataclasses import dataclass
from functools import lru_cache

import msgspec

_PAGE = "https://developers.telnyx.com/docs/overview/errors/"


@dataclass(frozen=True, slots=True)
class Problem:
    """One row: HTTP status (0: the setting ``block_status`` says), code, and our own words."""

    status: int
    code: str
    title: str
    detail: str


#: Codes and the pairs of status and code are the provider's where it publishes them; the words
#: are ours, but for the few titles that a client may look at to tell two meanings apart.
PROBLEMS = {
    "bad_request": Problem(400, "10015", "Bad Request", "This request is not well formed."),
    "bad_json": Problem(400, "10023", "Invalid JSON", "The body does not parse as JSON."),
    "bad_type": Problem(400, "10026", "Invalid parameter type", "A value of another type is due."),
    "bad_choice": Problem(400, "10032", "Invalid enumerated value", "Not one of the choices."),
    "bad_range": Problem(400, "10033", "Value outside of range", "Too early or too late."),
    "bad_url": Problem(400, "10003", "Invalid URL", "Not an http or https URL."),
    "missing": Problem(400, "10004", "Missing required parameter", "This parameter is required."),
    "not_found": Problem(404, "10005", "Resource not found", "There is nothing here."),
    "method": Problem(405, "10030", "Method not allowed", "This URL takes another method."),
    "too_big": Problem(413, "10015", "Bad Request", "The body is larger than 1 MB."),
    "unauthorized": Problem(401, "10009", "Authentication failed", "This key is not known."),
    "forbidden": Problem(403, "10010", "Authorization failed", "This key may not do that."),
    "no_funds": Problem(402, "20100", "Insufficient Funds", "The balance does not cover this."),
    "rate": Problem(429, "10011", "Too many requests", "The request limit is used up."),
    "concurrency": Problem(429, "10011", "Too many requests", "Too many at the same time."),
    "key_reused": Problem(422, "10027", "Unprocessable Entity", "This key had another body."),
    "key_busy": Problem(409, "10036", "Resource is being processed", "The first is in progress."),
    "unexpected": Problem(500, "10007", "Unexpected error", "Something broke on our side."),
    "unavailable": Problem(503, "10037", "Service unavailable", "Not at the moment."),
    "too_long": Problem(422, "10015", "Message too long", "More than 10 parts."),
    "not_gsm7": Problem(400, "40009", "Invalid message body", "The text does not fit GSM-7."),
    "opted_out": Problem(0, "40300", "Blocked due to STOP message", "A block rule is in force."),
    "bad_from": Problem(400, "40305", "Invalid 'from' address", "Not a sender of this profile."),
    "bad_region": Problem(400, "40309", "Invalid destination region", "Not an allowed region."),
    "bad_to": Problem(400, "40310", "Invalid 'to' address", "One number in E.164 form is due."),
    "disabled": Problem(403, "40312", "Messaging profile is disabled", "It was switched off."),
    "empty": Problem(400, "40316", "No content provided for message", "No text and no media."),
    "bad_media": Problem(400, "40317", "Invalid MMS content", "More than 10 media."),
    "queue_full": Problem(0, "40318", "Message queue full", "Wait, then send again."),
    "sender_pending": Problem(
        400, "40320", "Temporarily unusable 'from' address", "This sender is not usable yet."
    ),
    "content": Problem(400, "40322", "Blocked due to content", "This content is not allowed."),
    "bad_content": Problem(
        400, "40304", "Invalid combination of message content arguments", "A body, or media."
    ),
    "bad_secret": Problem(401, "40311", "Invalid messaging profile secret", "It is not known."),
    "no_secret": Problem(401, "40313", "Missing messaging profile secret", "No X-Profile-Secret."),
    "spend_cap": Problem(
        429, "40333", "Messaging profile spend limit reached", "Nothing more until midnight UTC."
    ),
}


@lru_cache(maxsize=1024)
def render(name: str, pointer: str = "", detail: str = "") -> bytes:
    """The JSON body of an error: ``pointer`` is what it is about, ``detail`` replaces ours.

    Raises ``KeyError`` when the table has no such row.
    """
    problem = PROBLEMS[name]
    error: dict[str, object] = {
        "code": problem.code,
        "title": problem.title,
        "detail": detail or problem.detail,
        "source": {"pointer": pointer} if pointer else {},
        "meta": {"url": _PAGE + problem.code},
    }
    return msgspec.json.encode({"errors": [error]})
