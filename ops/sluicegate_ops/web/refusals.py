"""What a message that is not valid is answered, in the provider's codes."""

from collections.abc import Mapping
from typing import Final

from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.rules import MAX_MMS_TEXT
from sluicegate.segments import MAX_PARTS, count

from .problems import HttpProblem
from .requests import EXPIRES_AT, KEY, PRIORITY

_REFUSALS: Final[Mapping[str, tuple[int, str, str]]] = {
    "to": (400, "40310", "Invalid 'to' address"),
    "sender": (400, "40305", "Invalid 'from' address"),
    "messaging_profile_id": (400, "10004", "Missing required parameter"),
    "media_urls": (400, "40317", "Invalid MMS content"),
    "subject": (400, "40304", "Invalid combination of message content arguments"),
    "webhook_url": (400, "10003", "Invalid URL"),
    "webhook_failover_url": (400, "10003", "Invalid URL"),
    "encoding": (400, "10032", "Invalid enumerated value"),
    "priority": (400, "10032", "Invalid enumerated value"),
}
_OTHERWISE: Final = (400, "10015", "Bad Request")
_POINTERS: Final = {
    "sender": "/from",
    "id": f"/header/{KEY}",
    "priority": f"/header/{PRIORITY}",
    "expires_at": f"/header/{EXPIRES_AT}",
}

_LINE_POINTERS: Final = {"sender": "/from", "id": "/idempotency_key"}


def refusal(error: InvalidMessage, message: Message, *, line: bool = False) -> HttpProblem:
    """The answer to a message that is not valid; none of its values is repeated.

    In a ``line`` of a bulk request everything is a field.
    """
    pointers = _LINE_POINTERS if line else _POINTERS
    pointer = pointers.get(error.field, f"/{error.field}")
    if error.field == "text":
        status, code, title = _text_refusal(message)
    elif error.field == "sender" and message.sender is None:
        status, code, title = _REFUSALS["messaging_profile_id"]
    else:
        status, code, title = _REFUSALS.get(error.field, _OTHERWISE)
    return HttpProblem(status, code, title, error.reason, pointer)


def _text_refusal(message: Message) -> tuple[int, str, str]:
    text = message.text or ""
    if not text.strip():
        return 400, "40316", "No content provided for message"
    if len(text) > MAX_MMS_TEXT:
        return 422, "10015", "Message too long"
    try:
        parts = count(text, message.encoding).parts
    except InvalidMessage:
        return 400, "40009", "Invalid message body"
    too_long = parts > MAX_PARTS or message.media_urls
    return (422, "10015", "Message too long") if too_long else _OTHERWISE
