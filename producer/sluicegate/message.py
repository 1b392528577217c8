"""One outbound SMS or MMS: its fields and its stored form. ``rules`` says what they may hold."""

import re
import secrets
import sys
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Literal, Required, TypedDict

import msgspec
from msgspec.structs import replace

from .errors import BadTime, InvalidMessage
from .masking import masked
from .segments import Segments, count
from .times import exact_time

URL_SAFE = bytes.maketrans(b"+/", b"-_")
"""Turns base64 into its URL-safe form; the standard library's own function is slow."""

Priority = Literal["transactional", "bulk"]
Encoding = Literal["auto", "gsm7", "ucs2"]
MediaKind = Literal["img", "audio", "video", "text"]
"""What API v1 calls a medium."""


class Message(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,  # texts and times refer to nothing, so no cycle goes through a message
):
    """One outbound message to one recipient; ``rules.validated`` says what each field may hold.

    ``sender`` is the provider's ``from``: an E.164 number, a short code or an alphanumeric sender
    id; None leaves the choice to the number pool of ``messaging_profile_id``. A message with
    ``media_urls`` is an MMS, and so is one with a subject alone, which only API v1 sends.
    ``media_kinds`` says what each of them is, for API v1, which else goes by their suffixes.
    ``send_at`` and ``expires_at`` are timezone-aware. An ``id`` of
    ``""`` is replaced by a new one when the message is enqueued. ``traceparent`` and
    ``tracestate`` say of which trace it is (W3C Trace Context); they are no part of its content.

    The order of the fields is part of ``digest``: new fields go to the end, with a default.
    """

    to: str
    sender: str | None = None
    text: str | None = None
    media_urls: tuple[str, ...] = ()
    subject: str | None = None
    messaging_profile_id: str | None = None
    priority: Priority = "transactional"
    encoding: Encoding = "auto"
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    use_profile_webhooks: bool | None = None
    auto_detect: bool | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    id: str = ""
    media_kinds: tuple[MediaKind, ...] = ()
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def type(self) -> Literal["SMS", "MMS"]:
        """``MMS`` if there are media, or a subject alone, else ``SMS``."""
        return "MMS" if self.media_urls or (self.subject and self.text is None) else "SMS"

    @property
    def segments(self) -> Segments:
        """What carriers count: the text's segments for an SMS, 1 part for an MMS.

        Raises InvalidMessage as ``count_segments`` does; never for a validated message.
        """
        if self.type == "MMS":
            counted = count(self.text or "")
            return Segments(counted.encoding, counted.units, 1, 1)
        return count(self.text or "", self.encoding)

    def __repr__(self) -> str:
        """Say which message it is, without its text and its full number: reprs end up in logs."""
        return f"Message(id={self.id!r}, to={masked(self.to)!r}, type={self.type!r})"


class MessageFields(TypedDict, total=False):
    """The fields of a ``Message`` as keywords of ``enqueue``."""

    to: Required[str]
    sender: str | None
    text: str | None
    media_urls: tuple[str, ...]
    subject: str | None
    messaging_profile_id: str | None
    priority: Priority
    encoding: Encoding
    webhook_url: str | None
    webhook_failover_url: str | None
    use_profile_webhooks: bool | None
    auto_detect: bool | None
    send_at: datetime | None
    expires_at: datetime | None
    id: str
    media_kinds: tuple[MediaKind, ...]
    traceparent: str | None
    tracestate: str | None


_FIELDS = Message.__struct_fields__
_new_hash = blake2b(digest_size=16).copy
_json = msgspec.json.Encoder().encode


def new_id() -> str:
    """Make a random id: 22 URL-safe characters (128 bits), the first not ``-``.

    A leading ``-`` would read as an option on a command line.
    """
    id = secrets.token_urlsafe(16)
    return new_id() if id[0] == "-" else id


def new_ids(count: int) -> list[str]:
    """Make ``count`` ids as ``new_id`` does, with one request for random bytes."""
    drawn = secrets.token_urlsafe(17 * count)  # 22 characters of 6 random bits each, and more
    ids = [drawn[start : start + 22] for start in range(0, 22 * count, 22)]
    return [new_id() if id[0] == "-" else id for id in ids]


def from_dict(mapping: Mapping[str, Any]) -> Message:
    """Make a Message of ``mapping``, which has its field names; times may be ISO 8601 strings.

    Only names and types are checked here: ``rules.validated`` has the rules.

    Raises InvalidMessage for an unknown or missing field, or a value of a wrong type.
    """
    if not isinstance(mapping, Mapping):
        raise InvalidMessage("message", type(mapping).__name__, "must be a mapping")
    for name, value in mapping.items():
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise InvalidMessage(str(name), masked(value), f"no such field; known: {known}")
    fields = {name: _read_time(name, value) for name, value in mapping.items()}
    try:
        return msgspec.convert(fields, Message)
    except msgspec.ValidationError as error:
        field, reason = _explained(error)
        raise InvalidMessage(field, shown(field, mapping.get(field)), reason) from error


def encode(message: Message, *, traced: bool = False) -> bytes:
    """Write a validated message as JSON, without its id and, unless ``traced``, its trace.

    This is the stored form. Fields at their default are left out and times are in UTC, so equal
    content is equal bytes.
    """
    return _json(_canonical(message, traced=traced))


def decode(data: bytes, id: str) -> Message:
    """Read what ``encode`` wrote, and give it its ``id``.

    Raises InvalidMessage where ``data`` is not the JSON of a message.
    """
    try:
        message = msgspec.json.decode(data, type=Message)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        field, reason = _explained(error)
        raise InvalidMessage(field, f"{len(data)} bytes of JSON", reason, id) from error
    return replace(message, id=id)


def digest(message: Message) -> str:
    """Hash a validated message's content without its id: equal content, equal digest.

    22 characters of URL-safe base64, of BLAKE2b with 16 bytes.
    """
    return content_digest(encode(message))


def content_digest(content: bytes) -> str:
    """``digest`` of a message that is encoded already."""
    hash = _new_hash()  # a copy is quicker than a new one
    hash.update(content)
    return b2a_base64(hash.digest())[:22].translate(URL_SAFE).decode()


def shown(field: str, value: object) -> object:
    """Mask what may be a phone number: errors are logged, and logs hold no full numbers."""
    return masked(value) if field in ("to", "sender") and value is not None else value


def _canonical(message: Message, *, traced: bool) -> Message:
    # The encoder leaves out a default that is the very same object, not one that is equal.
    priority, encoding = sys.intern(message.priority), sys.intern(message.encoding)
    changes: dict[str, Any] = {"id": "", "priority": priority, "encoding": encoding}
    if not traced and not message.traceparent is message.tracestate is None:
        changes |= {"traceparent": None, "tracestate": None}
    if message.send_at is not None:
        changes["send_at"] = message.send_at.astimezone(UTC)
    if message.expires_at is not None:
        changes["expires_at"] = message.expires_at.astimezone(UTC)
    return replace(message, **changes)


def _read_time(field: str, value: object) -> object:
    """A time that is given as a text, as a time; any other value as it is."""
    if field not in ("send_at", "expires_at") or not isinstance(value, str):
        return value
    try:
        return exact_time(value)
    except BadTime as error:
        raise InvalidMessage(field, value, error.reason) from None


def _explained(error: Exception) -> tuple[str, str]:
    """Read the field at fault out of a msgspec error, and the reason without msgspec's path."""
    reason = str(error)
    match = re.search(r"`\$\.(\w+)|field `(\w+)`", reason)
    field = match[1] or match[2] if match else "message"
    return field, re.sub(r" - at `\$.*`$", "", reason)
