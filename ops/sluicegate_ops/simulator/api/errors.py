"""The error codes that the simulator answers with, and their HTTP statuses, in one table."""

from dataclasses import dataclass
from functools import lru_cache

import msgspec

_PAGE = "https://developers.telnyx.com/docs/overview/errors/"


@dataclass(frozen=True, slots=True)
class ApiProblem:
    """One row: HTTP status (0: see the setting ``block_status``), code and texts."""

    status: int
    code: str
    title: str
    detail: str


#: Codes and statuses are the provider's where it documents them. The texts are ours, except for a
#: few titles that a client may need to tell two meanings apart.
PROBLEMS = {
    "bad_request": ApiProblem(400, "10015", "Bad Request", "This request is not well formed."),
    "bad_json": ApiProblem(400, "10023", "Invalid JSON", "The body does not parse as JSON."),
    "bad_type": ApiProblem(
        400, "10026", "Invalid parameter type", "A value of another type is due."
    ),
    "bad_choice": ApiProblem(400, "10032", "Invalid enumerated value", "Not one of the choices."),
    "bad_range": ApiProblem(400, "10033", "Value outside of range", "Too early or too late."),
    "bad_url": ApiProblem(400, "10003", "Invalid URL", "Not an http or https URL."),
    "missing": ApiProblem(
        400, "10004", "Missing required parameter", "This parameter is required."
    ),
    "not_found": ApiProblem(404, "10005", "Resource not found", "There is nothing here."),
    "method": ApiProblem(405, "10030", "Method not allowed", "This URL takes another method."),
    "too_big": ApiProblem(413, "10015", "Bad Request", "The body is larger than 1 MB."),
    "unauthorized": ApiProblem(401, "10009", "Authentication failed", "This key is not known."),
    "forbidden": ApiProblem(403, "10010", "Authorization failed", "This key may not do that."),
    "no_funds": ApiProblem(402, "20100", "Insufficient Funds", "The balance does not cover this."),
    "rate": ApiProblem(429, "10011", "Too many requests", "The request limit is used up."),
    "concurrency": ApiProblem(429, "10011", "Too many requests", "Too many at the same time."),
    "key_reused": ApiProblem(422, "10027", "Unprocessable Entity", "This key had another body."),
    "key_busy": ApiProblem(
        409, "10036", "Resource is being processed", "The first is in progress."
    ),
    "unexpected": ApiProblem(500, "10007", "Unexpected error", "Something broke on our side."),
    "unavailable": ApiProblem(503, "10037", "Service unavailable", "Not at the moment."),
    "too_long": ApiProblem(422, "10015", "Message too long", "More than 10 parts."),
    "not_gsm7": ApiProblem(400, "40009", "Invalid message body", "The text does not fit GSM-7."),
    "opted_out": ApiProblem(
        0, "40300", "Blocked due to STOP message", "A block rule is in force."
    ),
    "bad_from": ApiProblem(
        400, "40305", "Invalid 'from' address", "Not a sender of this profile."
    ),
    "bad_region": ApiProblem(400, "40309", "Invalid destination region", "Not an allowed region."),
    "bad_to": ApiProblem(400, "40310", "Invalid 'to' address", "One number in E.164 form is due."),
    "disabled": ApiProblem(403, "40312", "Messaging profile is disabled", "It was switched off."),
    "empty": ApiProblem(400, "40316", "No content provided for message", "No text and no media."),
    "bad_media": ApiProblem(400, "40317", "Invalid MMS content", "More than 10 media."),
    "queue_full": ApiProblem(0, "40318", "Message queue full", "Wait, then send again."),
    "sender_pending": ApiProblem(
        400, "40320", "Temporarily unusable 'from' address", "This sender is not usable yet."
    ),
    "content": ApiProblem(400, "40322", "Blocked due to content", "This content is not allowed."),
    "bad_content": ApiProblem(
        400, "40304", "Invalid combination of message content arguments", "A body, or media."
    ),
    "bad_secret": ApiProblem(401, "40311", "Invalid messaging profile secret", "It is not known."),
    "no_secret": ApiProblem(
        401, "40313", "Missing messaging profile secret", "No X-Profile-Secret."
    ),
    "spend_cap": ApiProblem(
        429, "40333", "Messaging profile spend limit reached", "Nothing more until midnight UTC."
    ),
}


@lru_cache(maxsize=1024)
def render(name: str, pointer: str = "", detail: str = "") -> bytes:
    """The JSON body of an error; ``pointer`` is the field at fault, ``detail`` replaces our text.

    Raises ``KeyError`` if the table has no such row.
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
