"""Telnyx's answers, as far as an outcome depends on them; reading one never raises."""

import msgspec

from ...transport import Reply
from ..outcome import ErrorAnswer
from ..rate_headers import parse_retry_after_ms

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a body may raise."""


def decoded(body: bytes) -> dict[str, object]:
    """A body's JSON object; empty where it is anything else."""
    try:
        value = msgspec.json.decode(body)
    except UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}


def parse_error(reply: Reply) -> ErrorAnswer:
    """The first of an answer's ``errors``; all but its status may be missing."""
    errors = decoded(reply.body).get("errors")
    values = errors if isinstance(errors, list) else [errors]
    first = next((value for value in values if isinstance(value, dict)), {})
    return error_answer(reply, first.get("code"), first.get("title"), first.get("detail"))


def error_answer(reply: Reply, code: object, title: object, detail: object = None) -> ErrorAnswer:
    """An error with these texts; whatever is not a text counts as an empty one."""
    wait_seconds = max(0.0, parse_retry_after_ms(reply.headers) / 1000)
    return ErrorAnswer(reply.status, text_of(code), text_of(title), text_of(detail), wait_seconds)


def text_of(value: object) -> str:
    """A value as text: codes are documented as strings, and sometimes come as numbers."""
    return str(value).strip() if type(value) in (str, int) else ""
