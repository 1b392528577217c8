"""One outbound SMS or MMS: its fields, every rule that they must obey, and its stored form."""

import re
import secrets
import sys
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address
from operator import attrgetter
from typing import Any, Literal

import msgspec
from msgspec.structs import astuple, replace

from .errors import InvalidMessage
from .masking import masked
from .segments import MAX_PARTS, Segments, count, forcing_ucs2, parts

E164 = re.compile(r"^\+[1-9][0-9]{6,14}\Z")
"""An E.164 number: ``+``, then 7 to 15 digits, the first not 0.

ITU-T E.164 sets the maximum and no minimum. Ours is 7, the length of the shortest numbers in use
(+683 4000 on Niue): what is shorter is a national or a cut-off number.
"""

MAX_MEDIA = 10
"""Telnyx: at most 10 media files in an MMS."""

MAX_URL = 2_000
"""Characters in a URL. Telnyx publishes no limit; much software takes no more than about this."""

MAX_MMS_TEXT = 5_000
"""Characters in an MMS text. It isn't sent in segments, Telnyx publishes no limit and carriers
differ, so this one is lenient: it only keeps whole documents out of the queue."""

MAX_SUBJECT = 255
"""Characters in an MMS subject. Telnyx publishes no limit; this keeps out a misplaced text."""

URL_SAFE = bytes.maketrans(b"+/", b"-_")
"""Turns base64 into its URL-safe form; the standard library's own function is slow."""

_SHORT_CODE = re.compile(r"[0-9]{3,8}\Z")  # 5 or 6 digits in the US, 3 to 8 elsewhere
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])(?! )[A-Za-z0-9 ]{1,11}(?<! )\Z")  # 3GPP TS 23.040
_ID = re.compile(r"[A-Za-z0-9_-]{1,200}\Z")
_PROFILE = re.compile(r"[A-Za-z0-9_-]{1,100}\Z")

# A label of a host name, and a whole URL in one piece. A user name or a password in a URL is
# refused: it would stand in records and logs. No IGNORECASE: it lets the Kelvin sign be a k.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_URL = re.compile(
    rf"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://(?P<host>{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?:[/?#][^\s\x00-\x1f\x7f-\x9f\ud800-\udfff]*)?\Z",
)


class Message(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,  # texts and times refer to nothing, so no cycle goes through a message
):
    """One outbound message to one recipient; ``validated`` says what each field may hold.

    ``sender`` is the provider's ``from``: an E.164 number, a short code or an alphanumeric sender
    id; None leaves the choice to the number pool of ``messaging_profile_id``. It is an MMS where
    it has ``media_urls``. ``send_at`` and ``expires_at`` are timezone-aware. An ``id`` of ``""``
    stands for one that is made at enqueueing. The order of the fields is part of ``digest``: new
    ones go to the end, with a default.
    """

    to: str
    sender: str | None = None
    text: str | None = None
    media_urls: tuple[str, ...] = ()
    subject: str | None = None
    messaging_profile_id: str | None = None
    priority: Literal["transactional", "bulk"] = "transactional"
    encoding: Literal["auto", "gsm7", "ucs2"] = "auto"
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    use_profile_webhooks: bool | None = None
    auto_detect: bool | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    id: str = ""

    @property
    def type(self) -> Literal["SMS", "MMS"]:
        """``MMS`` exactly where there are media."""
        return "MMS" if self.media_urls else "SMS"

    @property
    def segments(self) -> Segments:
        """What carriers count: the text's segments for an SMS, 1 part for an MMS.

        :raises InvalidMessage: as ``segments.count``; never for a validated message.
        """
        if self.media_urls:
            counted = count(self.text or "")
            return Segments(counted.encoding, counted.units, 1, 1)
        return count(self.text or "", self.encoding)

    def __repr__(self) -> str:
        """Say which message it is, without its text and its full number: reprs end up in logs."""
        return f"Message(id={self.id!r}, to={masked(self.to)!r}, type={self.type!r})"


_FIELDS = Message.__struct_fields__
_REQUIRED = ("to", "priority", "encoding", "id")
_STRINGS = (
    *_REQUIRED,
    *("sender", "text", "subject", "messaging_profile_id", "webhook_url", "webhook_failover_url"),
)
_strings_of = attrgetter(*_STRINGS)
_seldom_set = attrgetter(
    "media_urls", "use_profile_webhooks", "auto_detect", "send_at", "expires_at"
)
_UNSET = ((), None, None, None, None)
_BULK, _TRANSACTIONAL, _AUTO = "bulk", "transactional", "auto"
_new_hash = blake2b(digest_size=16).copy
_json = msgspec.json.Encoder().encode
_SENDER_RULE = (
    "must be an E.164 number, a short code of 3 to 8 digits, or 1 to 11 ASCII letters, digits and "
    "inner spaces with a letter among them"
)
_URL_RULE = f"must be an https URL of at most {MAX_URL:,} characters with a valid host"


def new_id() -> str:
    """Make a random id: 22 URL-safe characters (128 bits), the first not ``-``.

    A leading ``-`` would read as an option on a command line.
    """
    made = secrets.token_urlsafe(16)
    return new_id() if made[0] == "-" else made


def new_ids(count: int) -> list[str]:
    """Make ``count`` ids as ``new_id`` does, with one request for random bytes."""
    drawn = secrets.token_urlsafe(17 * count)  # 22 characters of 6 random bits each, and more
    ids = [drawn[start : start + 22] for start in range(0, 22 * count, 22)]
    return [new_id() if id[0] == "-" else id for id in ids]


def validated(message: Message) -> Message:
    """Return ``message`` with an id filled in; the one place of all rules on a message's content.

    ====================== =====================================================================
    field                  rule
    ====================== =====================================================================
    to                     an E.164 number (ITU-T E.164; here at least 7 digits)
    sender                 an E.164 number; a short code of 3 to 8 digits; or 1 to 11 ASCII
                           letters, digits and inner spaces with a letter among them
                           (3GPP TS 23.040). Telnyx takes the last, and None (the number pool),
                           only with messaging_profile_id
    text                   SMS: not blank, at most 10 parts (Telnyx). MMS: 5,000 characters
    media_urls             1 to 10 (Telnyx) https URLs of at most 2,000 characters: an MMS
    subject                only with media; at most 255 characters
    messaging_profile_id   1 to 100 of A-Z a-z 0-9 _ -
    webhook URLs           https, or http to a loopback host; at most 2,000 characters
    send_at, expires_at    timezone-aware; expires_at after send_at; either may be past
    id                     1 to 200 of A-Z a-z 0-9 _ -, or "" for a new one
    ====================== =====================================================================

    Subclasses of ``str`` and ``datetime``, as template engines and tests bring them, come back as
    the plain types.

    :raises InvalidMessage: naming the first field at fault; also for a value of a wrong type.
    """
    if not isinstance(message, Message):
        raise InvalidMessage("message", type(message).__name__, "must be a Message")
    message = _with_plain_strings(message)
    _check_names(message)
    _check_addresses(message)
    if _seldom_set(message) != _UNSET:
        message = _with_plain_times(message)
        _check_media(message)
        _check_flags(message)
        _check_times(message)
    _check_webhooks(message)
    _check_content(message)
    return message if message.id else replace(message, id=new_id())


def plain(message: Message) -> tuple[int, bytes] | None:
    """Give ``segments.parts`` and ``encode`` of a message that is valid at a glance.

    None is no answer: ``validated`` has it. A glance is enough for what nearly every message is,
    an SMS with no field set but ``to``, ``sender``, ``text``, ``priority`` and ``id``. It leaves
    out one rule: the ``sender``'s is the caller's to know.
    """
    if type(message) is not Message:
        return None
    (to, sender, text, media_urls, subject, profile, priority, encoding, url, failover_url,
     use_profile_webhooks, auto_detect, send_at, expires_at, id) = astuple(message)  # fmt: skip
    if not (
        type(to) is type(sender) is type(text) is type(id) is str
        and subject is profile is url is failover_url is use_profile_webhooks is None
        and auto_detect is send_at is expires_at is None
        and media_urls == ()
        # By identity, as the encoder looks for defaults; ``encode`` makes equal ones the same.
        and encoding is _AUTO
        and (priority is _BULK or priority is _TRANSACTIONAL)
        and E164.match(to)
        and (not id or _ID.match(id))
        and text
        and not text.isspace()
        and 0 < (taken := parts(text)) <= MAX_PARTS
    ):
        return None
    content = _json(message)
    # A quote within a text is escaped, so this is found where the field is and nowhere else.
    return taken, content.replace(f',"id":"{id}"'.encode(), b"", 1) if id else content


def from_dict(mapping: Mapping[str, Any]) -> Message:
    """Make a Message of ``mapping``, with its field names; times may be ISO 8601 strings.

    Only names and types are checked here: ``validated`` has the rules.

    :raises InvalidMessage: for an unknown or missing field, or a value of a wrong type.
    """
    if not isinstance(mapping, Mapping):
        raise InvalidMessage("message", type(mapping).__name__, "must be a mapping")
    for name, value in mapping.items():
        if name not in _FIELDS:
            known = ", ".join(_FIELDS)
            raise InvalidMessage(str(name), masked(value), f"no such field; there are {known}")
    try:
        return msgspec.convert(dict(mapping), Message)
    except msgspec.ValidationError as error:
        field, reason = _explained(error)
        raise InvalidMessage(field, _shown(field, mapping.get(field)), reason) from error


def encode(message: Message) -> bytes:
    """Write a validated message as JSON, without its id: the stored form.

    Fields at their default are left out and times are in UTC, so equal content is equal bytes.
    """
    return _json(_canonical(message))


def decode(data: bytes, id: str) -> Message:
    """Read what ``encode`` wrote, and give it its ``id``.

    :raises InvalidMessage: where ``data`` is not the JSON of a message.
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


def _with_plain_strings(message: Message) -> Message:
    plain: dict[str, Any] = {}
    for field, value in zip(_STRINGS, _strings_of(message), strict=True):
        if type(value) is str or (value is None and field not in _REQUIRED):
            continue
        if not isinstance(value, str):
            raise _fault(message, field, f"must be a string, not {type(value).__name__}")
        plain[field] = str.__str__(value)  # str() asks the subclass; an Enum answers its name
    return replace(message, **plain) if plain else message


def _with_plain_times(message: Message) -> Message:
    plain: dict[str, Any] = {}
    for field in ("send_at", "expires_at"):
        value = getattr(message, field)
        if value is None or type(value) is datetime:
            continue
        if not isinstance(value, datetime):
            raise _fault(message, field, f"must be a datetime, not {type(value).__name__}")
        plain[field] = datetime.combine(value.date(), value.timetz())
    return replace(message, **plain) if plain else message


def _check_names(message: Message) -> None:
    if message.id and not _ID.match(message.id):
        raise _fault(message, "id", "must be 1 to 200 of A-Z a-z 0-9 _ -")
    if message.priority not in ("transactional", "bulk"):
        raise _fault(message, "priority", "must be 'transactional' or 'bulk'")
    if message.encoding not in ("auto", "gsm7", "ucs2"):
        raise _fault(message, "encoding", "must be 'auto', 'gsm7' or 'ucs2'")
    profile = message.messaging_profile_id
    if profile is not None and not _PROFILE.match(profile):
        raise _fault(message, "messaging_profile_id", "must be 1 to 100 of A-Z a-z 0-9 _ -")


def _check_addresses(message: Message) -> None:
    if not E164.match(message.to):
        raise _fault(message, "to", "must be an E.164 number: + and 7 to 15 digits, no others")
    sender, profile = message.sender, message.messaging_profile_id
    if sender is None:
        if profile is None:
            raise _fault(message, "sender", "needed, or messaging_profile_id for its number pool")
    elif not E164.match(sender) and not _SHORT_CODE.match(sender):
        if not _ALPHANUMERIC.match(sender):
            raise _fault(message, "sender", _SENDER_RULE)
        if profile is None:
            raise _fault(message, "messaging_profile_id", "needed by an alphanumeric sender")


def _check_media(message: Message) -> None:
    urls = message.media_urls
    if not isinstance(urls, tuple) or not all(type(url) is str for url in urls):
        raise _fault(message, "media_urls", "must be a tuple of strings")
    if len(urls) > MAX_MEDIA:
        raise _fault(message, "media_urls", f"{len(urls)} URLs; at most {MAX_MEDIA} go")
    for place, url in enumerate(urls):
        if not _is_url(url):
            raise _fault(message, "media_urls", f"number {place + 1} {_URL_RULE}")


def _check_flags(message: Message) -> None:
    for field in ("use_profile_webhooks", "auto_detect"):
        value = getattr(message, field)
        if value is not None and type(value) is not bool:
            raise _fault(message, field, "must be True, False or None")


def _check_times(message: Message) -> None:
    send_at, expires_at = _instant(message, "send_at"), _instant(message, "expires_at")
    if send_at is not None and expires_at is not None and expires_at <= send_at:
        raise _fault(message, "expires_at", "must be after send_at")


def _instant(message: Message, field: str) -> datetime | None:
    """Read a time in UTC: two times of one zone compare by wall clock, wrong across a change."""
    value: datetime | None = getattr(message, field)
    if value is None:
        return None
    if value.utcoffset() is None:
        raise _fault(message, field, "must be timezone-aware")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise _fault(message, field, "must be within the years 1 to 9999 in UTC") from None


def _check_webhooks(message: Message) -> None:
    for field in ("webhook_url", "webhook_failover_url"):
        url = getattr(message, field)
        if url is not None and not _is_url(url, http_on_loopback=True):
            raise _fault(message, field, f"{_URL_RULE} (http only to a loopback host)")


def _is_url(url: str, *, http_on_loopback: bool = False) -> bool:
    found = _URL.match(url) if len(url) <= MAX_URL else None
    if found is None or not 1 <= int(found["port"] or 1) <= 65_535:
        return False
    host = found["host"].rstrip(".")
    if not _is_host(host):
        return False
    return found["scheme"].lower() == "https" or (http_on_loopback and _is_loopback(host))


def _is_host(host: str) -> bool:
    if host[0] == "[":
        return isinstance(_address(host[1:-1]), IPv6Address)
    looks_like_address = host.rpartition(".")[2].isdigit()
    return _address(host) is not None if looks_like_address else len(host) <= 253


def _is_loopback(host: str) -> bool:
    address = _address(host.strip("[]"))
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _check_content(message: Message) -> None:
    _check_unicode(message, "text")
    if message.media_urls:
        _check_mms(message)
        return
    if message.subject is not None:
        raise _fault(message, "subject", "only an MMS has one, and there are no media_urls")
    if not message.text or message.text.isspace():
        raise _fault(message, "text", "an SMS needs one that is not blank")
    _check_parts(message, message.text)


def _check_unicode(message: Message, field: str) -> None:
    text: str | None = getattr(message, field)
    if text is None or text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X} at position {error.start}"
        raise _fault(message, field, f"{half} is half a character (a lone surrogate)") from None


def _check_mms(message: Message) -> None:
    if message.text is not None and len(message.text) > MAX_MMS_TEXT:
        raise _fault(message, "text", f"at most {MAX_MMS_TEXT:,} characters go in an MMS")
    _check_unicode(message, "subject")
    if message.subject is not None and len(message.subject) > MAX_SUBJECT:
        raise _fault(message, "subject", f"at most {MAX_SUBJECT} characters go")


def _check_parts(message: Message, text: str) -> None:
    try:
        counted = count(text, message.encoding)
    except InvalidMessage as error:
        raise _fault(message, "text", error.reason) from None
    if counted.parts <= MAX_PARTS:
        return
    why = forcing_ucs2(text) if message.encoding == "auto" else None
    because = f" because of {why!a}" if why else ""
    size = f"{counted.units} units in {counted.encoding}{because}"
    raise _fault(message, "text", f"{counted.parts} parts ({size}); at most {MAX_PARTS} go")


def _canonical(message: Message) -> Message:
    # The encoder leaves out a default that is the very same object, not one that is equal.
    priority, encoding = sys.intern(message.priority), sys.intern(message.encoding)
    changes: dict[str, Any] = {"id": "", "priority": priority, "encoding": encoding}
    if message.send_at is not None:
        changes["send_at"] = message.send_at.astimezone(UTC)
    if message.expires_at is not None:
        changes["expires_at"] = message.expires_at.astimezone(UTC)
    return replace(message, **changes)


def _explained(error: Exception) -> tuple[str, str]:
    """Read the field at fault out of a msgspec error, and the reason."""
    reason = str(error)
    found = re.search(r"`\$\.(\w+)|field `(\w+)`", reason)
    return (found[1] or found[2] if found else "message"), reason


def _fault(message: Message, field: str, reason: str) -> InvalidMessage:
    id = message.id if field != "id" else ""
    return InvalidMessage(field, _shown(field, getattr(message, field)), reason, id)


def _shown(field: str, value: object) -> object:
    """Mask what may be a phone number: errors are logged, and logs hold no full numbers."""
    return masked(value) if field in ("to", "sender") and value is not None else value
