"""Parses a request in the provider's shape into a message of ours."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers

from sluicegate.errors import BadTime, InvalidMessage
from sluicegate.message import Message, Priority, new_id
from sluicegate.rules import MAX_MMS_TEXT
from sluicegate.segments import MAX_PARTS, count
from sluicegate.times import exact_time

from .problems import HttpProblem

KEY, PRIORITY, EXPIRES_AT = "Idempotency-Key", "Sluicegate-Priority", "Sluicegate-Expires-At"

_TEXTS: Final = {
    "to": "to",
    "from": "sender",
    "text": "text",
    "subject": "subject",
    "messaging_profile_id": "messaging_profile_id",
    "webhook_url": "webhook_url",
    "webhook_failover_url": "webhook_failover_url",
    "encoding": "encoding",
}
_FLAGS: Final = ("use_profile_webhooks", "auto_detect")
_OTHERS: Final = ("media_urls", "type", "send_at")
_KNOWN: Final = frozenset((*_TEXTS, *_FLAGS, *_OTHERS))

_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_KEY = re.compile(r"(?!-)[A-Za-z0-9_:-]{1,255}")

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


def message_of(body: bytes, headers: Headers, priority: Priority = "transactional") -> Message:
    """The message that a request asks for, not yet validated; raises HttpProblem.

    ``priority`` is what it has if it doesn't say. An unknown field is refused: it may mean
    something to the provider, and we would leave it out. ``null`` counts as an absent field.
    """
    fields = {name: value for name, value in _object(body).items() if value is not None}
    for name in fields:
        if name not in _KNOWN:
            detail = "No such field, or not one that is passed on: leave it out."
            raise HttpProblem(400, "10015", "Bad Request", detail, f"/{name}"[:100])
    values: dict[str, Any] = {ours: _text(fields, name) for name, ours in _TEXTS.items()}
    values |= {name: _flag(fields, name) for name in _FLAGS}
    values["media_urls"] = _media(fields)
    values["send_at"] = _moment(fields.get("send_at"), "/send_at")
    values["priority"] = headers.get(PRIORITY, priority)
    values["expires_at"] = _moment(headers.get(EXPIRES_AT), _POINTERS["expires_at"])
    values["id"] = id_of(headers)
    if "to" not in fields:
        raise HttpProblem(400, "10004", "Missing required parameter", "To whom?", "/to")
    message = Message(**{name: value for name, value in values.items() if value is not None})
    if fields.get("type") not in (None, message.type):
        detail = f"'{message.type}' goes here, or nothing: it is an MMS where it has media_urls."
        raise HttpProblem(400, "10032", "Invalid enumerated value", detail, "/type")
    return message


def id_of(headers: Headers) -> str:
    """The message's id: its idempotency key, or a hash of a key that can't be an id.

    Without a key it is a new one at each call. Raises HttpProblem for a malformed key.
    """
    keys = headers.getlist(KEY)
    if not keys:
        return new_id()
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        detail = "One key, of 1 to 255 letters, digits, - and _, and not with - first."
        raise HttpProblem(400, "10015", "Bad Request", detail, f"/header/{KEY}")
    return id_of_key(keys[0])


def id_of_key(key: str) -> str:
    """What an app's key for a message is as an id: itself, or a hash where it can be none."""
    if _ID.fullmatch(key):
        return key
    hash = blake2b(key.encode(errors="replace"), digest_size=20).digest()
    return "key-" + urlsafe_b64encode(hash).decode().rstrip("=")


def refusal(error: InvalidMessage, message: Message) -> HttpProblem:
    """The answer to a message that is not valid; none of its values is repeated."""
    pointer = _POINTERS.get(error.field, f"/{error.field}")
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


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise HttpProblem(
            400, "10023", "Invalid JSON", "The body does not parse as JSON."
        ) from None
    if not isinstance(value, dict):
        raise HttpProblem(400, "10015", "Bad Request", "The body must be a JSON object.")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if name == "to" and isinstance(value, list):
        detail = "One number: group messages are not supported."
        raise HttpProblem(400, "40310", "Invalid 'to' address", detail, "/to")
    if value is not None and not isinstance(value, str):
        raise _bad_type("a string", name)
    return value


def _flag(fields: Mapping[str, Any], name: str) -> bool | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise _bad_type("true or false", name)
    return value


def _media(fields: Mapping[str, Any]) -> tuple[str, ...]:
    value = fields.get("media_urls", [])
    if not isinstance(value, list) or not all(isinstance(url, str) for url in value):
        raise _bad_type("a list of strings", "media_urls")
    return tuple(value)


def _moment(value: object, pointer: str) -> datetime | None:
    if value is None:
        return None
    try:
        return exact_time(value if isinstance(value, str) else "")
    except BadTime:
        detail = "A time goes here in ISO 8601 with its zone, as 2030-01-31T09:00:00Z."
        raise HttpProblem(400, "10015", "Bad Request", detail, pointer) from None


def _bad_type(valid: str, name: str) -> HttpProblem:
    return HttpProblem(400, "10026", "Invalid parameter type", f"It must be {valid}.", f"/{name}")
