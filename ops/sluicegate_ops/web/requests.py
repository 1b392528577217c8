"""Parses a request in the provider's shape into a message of ours."""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple, get_args

import msgspec
from starlette.datastructures import Headers

from sluicegate.errors import BadTime
from sluicegate.message import Encoding, Message, Priority, new_id
from sluicegate.rules import E164, SHORT_CODE
from sluicegate.times import exact_time
from sluicegate.trace_context import TRACEPARENT, TRACESTATE, TraceContext, trace_context
from sluicegate.tracing import context_of, current_or

from .problems import HttpProblem

KEY, PRIORITY, EXPIRES_AT = "Idempotency-Key", "Sluicegate-Priority", "Sluicegate-Expires-At"


class Asked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A request's body, where nothing of it has a wrong type; ``null`` is an absent field."""

    to: str
    from_: str | None = msgspec.field(name="from", default=None)
    text: str | None = None
    subject: str | None = None
    messaging_profile_id: str | None = None
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    encoding: str | None = None
    use_profile_webhooks: bool | None = None
    auto_detect: bool | None = None
    media_urls: tuple[str, ...] | None = None
    type: Any = None
    send_at: str | None = None


class Line(Asked, kw_only=True, forbid_unknown_fields=True, gc=False):
    """A line of a bulk request: with the body, what else is in headers."""

    idempotency_key: str | None = None
    priority: str | None = None
    expires_at: str | None = None
    traceparent: Any = None  # what is none is ignored, whatever its type
    tracestate: Any = None


_BODY, _LINE = msgspec.json.Decoder(Asked), msgspec.json.Decoder(Line)
_TEXTS: Final = (
    "to", "from", "text", "subject", "messaging_profile_id", "webhook_url",
    "webhook_failover_url", "encoding",
)  # fmt: skip
_FLAGS: Final = ("use_profile_webhooks", "auto_detect")
_KNOWN: Final = frozenset((*_TEXTS, *_FLAGS, "media_urls", "type", "send_at"))
_TRACE: Final = (TRACEPARENT, TRACESTATE)
_ONLY_IN_LINES: Final = ("idempotency_key", "priority", "expires_at", *_TRACE)


class MessageKind(NamedTuple):
    """What one of the provider's endpoints for a kind of sender needs and does without."""

    needed: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    sends: Callable[[str], object] = bool
    sender: str = ""


def _is_name(sender: str) -> bool:
    return not E164.match(sender) and not SHORT_CODE.match(sender)


_UNSCHEDULED: Final = ("send_at",)
KINDS: Final[Mapping[str, MessageKind]] = {
    "schedule": MessageKind(needed=("send_at",)),
    "long_code": MessageKind(
        ("from",), ("messaging_profile_id", *_UNSCHEDULED), E164.match, "a number in E.164"
    ),
    "short_code": MessageKind(
        ("from",), ("messaging_profile_id", *_UNSCHEDULED), SHORT_CODE.match, "a short code"
    ),
    "number_pool": MessageKind(("messaging_profile_id",), ("from", *_UNSCHEDULED)),
    "alphanumeric_sender_id": MessageKind(
        ("from", "messaging_profile_id", "text"),
        ("media_urls", "subject", "encoding", "auto_detect", "type", *_UNSCHEDULED),
        _is_name,
        "a name of 1 to 11 letters, digits and inner spaces",
    ),
}
"""By the last part of its path; ``/v2/messages`` itself takes every kind."""

ANY_KIND: Final = MessageKind()

_ASKED_FIELDS: Final = msgspec.structs.fields(Asked)
_PRIORITIES: Final = {name: name for name in get_args(Priority)}
_ENCODINGS: Final = {None: "auto"} | {name: name for name in get_args(Encoding)}
"""The very texts that ``rules.plain`` knows: it compares by identity."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_KEY = re.compile(r"(?!-)[A-Za-z0-9_:-]{1,255}")


def message_of(
    body: bytes,
    headers: Headers,
    priority: Priority = "transactional",
    kind: MessageKind = ANY_KIND,
) -> Message:
    """The message that a request asks for, not yet validated; raises HttpProblem.

    ``priority`` is what it has if it doesn't say. An unknown field is refused: it may mean
    something to the provider, and we would leave it out.
    """
    try:
        asked = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _fault(body) from None
    if kind is not ANY_KIND:
        _check_kind(asked, kind)
    expires_at = _moment(headers.get(EXPIRES_AT), f"/header/{EXPIRES_AT}")
    id, asked_priority = id_of(headers), headers.get(PRIORITY, priority)
    return _message(asked, id, asked_priority, expires_at, trace_of(headers))


def trace_of(headers: Headers) -> TraceContext | None:
    """The trace that a request belongs to, by its headers or by a framework's span around it."""
    parents, told = headers.getlist(TRACEPARENT), None
    if len(parents) == 1:
        told = trace_context(parents[0], ",".join(headers.getlist(TRACESTATE)))
    return current_or(told)


def line_of(
    body: bytes, priority: Priority = "transactional", trace: TraceContext | None = None
) -> tuple[Message, bool]:
    """``message_of`` a line of a bulk request, which holds what else is in headers.

    Also whether it has a key of its own. ``trace`` is that of the request, for lines without one.
    """
    try:
        asked = _LINE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _fault(body, _ONLY_IN_LINES) from None
    key = asked.idempotency_key
    if key is not None and not _KEY.fullmatch(key):
        raise _bad_key("/idempotency_key")
    expires_at = _moment(asked.expires_at, "/expires_at")
    id = new_id() if key is None else id_of_key(key)
    if asked.traceparent is not None:
        own = {TRACEPARENT: asked.traceparent, TRACESTATE: asked.tracestate}
        trace = context_of(own) or trace
    return _message(asked, id, asked.priority or priority, expires_at, trace), key is not None


def _message(
    asked: Asked,
    id: str,
    priority: str,
    expires_at: datetime | None,
    trace: TraceContext | None,
) -> Message:
    message = Message(
        to=asked.to,
        sender=asked.from_,
        text=asked.text,
        media_urls=asked.media_urls or (),
        subject=asked.subject,
        messaging_profile_id=asked.messaging_profile_id,
        priority=_PRIORITIES.get(priority, priority),  # checked later
        encoding=_ENCODINGS.get(asked.encoding, asked.encoding),  # type: ignore[arg-type] # checked later
        webhook_url=asked.webhook_url,
        webhook_failover_url=asked.webhook_failover_url,
        use_profile_webhooks=asked.use_profile_webhooks,
        auto_detect=asked.auto_detect,
        send_at=_moment(asked.send_at, "/send_at"),
        expires_at=expires_at,
        id=id,
        traceparent=trace.traceparent if trace else None,
        tracestate=trace.tracestate if trace and trace.tracestate else None,
    )
    if asked.type is not None and asked.type != message.type:
        detail = f"'{message.type}' goes here, or nothing: it is an MMS where it has media_urls."
        raise HttpProblem(400, "10032", "Invalid enumerated value", detail, "/type")
    return message


def _check_kind(asked: Asked, kind: MessageKind) -> None:
    given = {field.encode_name: getattr(asked, field.name) for field in _ASKED_FIELDS}
    for name in kind.absent:
        if given[name] is not None:
            raise _unknown_field(name)
    for name in kind.needed:
        if given[name] is None:
            raise HttpProblem(
                400, "10004", "Missing required parameter", "It is needed here.", f"/{name}"
            )
    if asked.from_ is not None and not kind.sends(asked.from_):
        detail = f"Here it is {kind.sender}."
        raise HttpProblem(400, "40305", "Invalid 'from' address", detail, "/from")


def _fault(body: bytes, more: tuple[str, ...] = ()) -> HttpProblem:
    """What is wrong with a body that is not one of ``Asked``; raises where a field is at fault."""
    fields = {name: value for name, value in _object(body).items() if value is not None}
    for name in fields:
        if name not in _KNOWN and name not in more:
            raise _unknown_field(name)
    for name in (*_TEXTS, *more):
        if name not in _TRACE:
            _check_text(fields, name)
    for name in _FLAGS:
        _check_flag(fields, name)
    _check_media(fields)
    _moment(fields.get("send_at"), "/send_at")
    if "to" not in fields:
        return HttpProblem(400, "10004", "Missing required parameter", "To whom?", "/to")
    return HttpProblem(400, "10015", "Bad Request", "The body is not what is taken here.")


def _unknown_field(name: str) -> HttpProblem:
    detail = "No such field, or not one that is passed on: leave it out."
    return HttpProblem(400, "10015", "Bad Request", detail, f"/{name}"[:100])


def id_of(headers: Headers) -> str:
    """The message's id: its idempotency key, or a hash of a key that can't be an id.

    Without a key it is a new one at each call. Raises HttpProblem for a malformed key.
    """
    keys = headers.getlist(KEY)
    if not keys:
        return new_id()
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise _bad_key(f"/header/{KEY}")
    return id_of_key(keys[0])


def _bad_key(pointer: str) -> HttpProblem:
    detail = "One key, of 1 to 255 letters, digits, - and _, and not with - first."
    return HttpProblem(400, "10015", "Bad Request", detail, pointer)


def id_of_key(key: str) -> str:
    """What an app's key for a message is as an id: itself, or a hash where it can be none."""
    if _ID.fullmatch(key):
        return key
    hash = blake2b(key.encode(errors="replace"), digest_size=20).digest()
    return "key-" + urlsafe_b64encode(hash).decode().rstrip("=")


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


def _check_text(fields: Mapping[str, Any], name: str) -> None:
    value = fields.get(name)
    if name == "to" and isinstance(value, list):
        detail = "One number: group messages are not supported."
        raise HttpProblem(400, "40310", "Invalid 'to' address", detail, "/to")
    if value is not None and not isinstance(value, str):
        raise _bad_type("a string", name)


def _check_flag(fields: Mapping[str, Any], name: str) -> None:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise _bad_type("true or false", name)


def _check_media(fields: Mapping[str, Any]) -> None:
    value = fields.get("media_urls", [])
    if not isinstance(value, list) or not all(isinstance(url, str) for url in value):
        raise _bad_type("a list of strings", "media_urls")


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
