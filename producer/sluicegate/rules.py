"""What a message may hold: the one table of rules, applied at a glance or in full.

``plain`` answers for nearly every message in about a microsecond, ``validated`` for all of them
and with a reason. Both ask the same predicates, so they cannot disagree.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple, get_args

import msgspec
from msgspec.structs import astuple, replace

from .characters import control_in, unfit
from .errors import InvalidMessage
from .message import Encoding, MediaKind, Message, Priority, new_id, shown
from .segments import MAX_PARTS, MAX_SMS_TEXT, count, sms_parts, strangers
from .urls import URL_RULE, is_media_url, is_webhook_url

E164: Final = re.compile(r"^\+[1-9][0-9]{6,14}\Z")
"""An E.164 number: ``+``, then 7 to 15 digits, the first not 0.

ITU-T E.164 sets the maximum and no minimum. Ours is 7, the length of the shortest numbers in use
(+683 4000 on Niue): what is shorter is a national or a cut-off number.
"""

MAX_MEDIA: Final = 10
"""Telnyx: at most 10 media files in an MMS."""

MAX_MMS_TEXT: Final = 5_000
"""Characters in an MMS text. It isn't sent in segments, Telnyx publishes no limit and carriers
differ, so this limit is lenient: it only keeps whole documents out of the queue."""

MAX_SUBJECT: Final = 255
"""Characters in an MMS subject. Telnyx publishes no limit; this keeps out a misplaced text."""

SHORT_CODE: Final = re.compile(r"[0-9]{3,8}\Z")
"""A short code: 5 or 6 digits in the US, 3 to 8 elsewhere."""

RECIPIENT: Final = re.compile("|".join((E164.pattern, r"^[0-9]{5,6}\Z")))
"""Whom a message may go to: Telnyx takes an E.164 number or a short code. Of those only 5 and 6
digits, as in the US: with 3, 7 or 8 it is as likely a number without its country."""

_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])(?! )[A-Za-z0-9 ]{1,11}(?<! )\Z")  # 3GPP TS 23.040
_SHOWN = 3  # characters named in an error
_EXPLAINED = 4  # times the longest text: so much may be counted, to say by how much it is too long
# No leading hyphen: on a command line it would be an option, as --all.
_ID = re.compile(r"(?!-)[A-Za-z0-9_-]{0,200}\Z")  # empty: one is made
_PROFILE = re.compile(r"(?!-)[A-Za-z0-9_-]{1,100}\Z")


class Rule(NamedTuple):
    """What the text of a field must be; ``allows`` returns something true if it is."""

    allows: Callable[[str], object]
    reason: str


_TEMPLATE_MARK = re.compile(r"\{[{%](?:[^\n]{0,60}?[%}]\})?")


def _anything(text: str) -> bool:
    """Stand for a field of which nothing is refused here: ``_check_content`` sees to the texts,
    and a malformed trace is ignored."""
    return True


def _is_sender(text: str) -> bool:
    return bool(E164.match(text) or SHORT_CODE.match(text) or _ALPHANUMERIC.match(text))


_WEBHOOK = Rule(is_webhook_url, f"{URL_RULE} (http only to a loopback host)")

RULES: Final[dict[str, Rule]] = {
    "id": Rule(_ID.match, "must be 1 to 200 of A-Z a-z 0-9 _ -, and not begin with -"),
    "priority": Rule(get_args(Priority).__contains__, "must be 'transactional' or 'bulk'"),
    "encoding": Rule(get_args(Encoding).__contains__, "must be 'auto', 'gsm7' or 'ucs2'"),
    "messaging_profile_id": Rule(
        _PROFILE.match, "must be 1 to 100 of A-Z a-z 0-9 _ -, and not begin with -"
    ),
    "to": Rule(
        RECIPIENT.match,
        "must be an E.164 number: + and 7 to 15 digits, no others; or a short code of 5 or 6",
    ),
    "sender": Rule(
        _is_sender,
        "must be an E.164 number, a short code of 3 to 8 digits, or 1 to 11 ASCII letters, digits "
        "and inner spaces with a letter among them",
    ),
    "text": Rule(_anything, ""),
    "subject": Rule(_anything, ""),
    "webhook_url": _WEBHOOK,
    "webhook_failover_url": _WEBHOOK,
    "traceparent": Rule(_anything, ""),
    "tracestate": Rule(_anything, ""),
}
"""The rule of each field that holds text; what spans several fields is in functions below."""

_REQUIRED = frozenset({"to", "priority", "encoding", "id"})
_TABLE = tuple((field, rule.allows, field in _REQUIRED) for field, rule in RULES.items())
_texts_of = attrgetter(*RULES)
_seldom_set = attrgetter(
    "media_urls", "use_profile_webhooks", "auto_detect", "send_at", "expires_at", "media_kinds"
)
_UNSET = ((), None, None, None, None, ())

# What ``plain`` asks of the table, looked up once.
_is_id, _is_number = RULES["id"].allows, RULES["to"].allows
_TRANSACTIONAL, _BULK = get_args(Priority)
_AUTO = Message(to="").encoding
_json = msgspec.json.Encoder().encode


def plain(message: Message) -> tuple[int, bytes] | None:
    """Return ``sms_parts`` and ``encode`` of a message that is valid at a glance.

    None decides nothing: ask ``validated``. A glance is enough for what nearly every message is,
    an SMS with no field set but ``to``, ``sender``, ``text``, ``priority`` and ``id``. The rule on
    ``sender`` is left to the caller, who knows the senders that were seen before.
    """
    if type(message) is not Message:
        return None
    (to, sender, text, media_urls, subject, profile, priority, encoding, url, failover_url,
     use_profile_webhooks, auto_detect, send_at, expires_at, id,
     media_kinds, traceparent, tracestate) = astuple(message)  # fmt: skip
    if not (
        type(to) is type(sender) is type(text) is type(id) is str
        and subject is profile is url is failover_url is use_profile_webhooks is None
        and auto_detect is send_at is expires_at is traceparent is tracestate is None
        and media_urls == media_kinds == ()
        # By identity, as the encoder looks for defaults; ``encode`` makes equal ones the same.
        and encoding is _AUTO
        and (priority is _BULK or priority is _TRANSACTIONAL)
        and _is_number(to)
        and (not id or _is_id(id))
        and (taken := sms_parts(text))
    ):
        return None
    content = _json(message)
    # A quote within a text is escaped, so this is found where the field is and nowhere else.
    return taken, content.replace(f',"id":"{id}"'.encode(), b"", 1) if id else content


def validated(message: Message) -> Message:
    """Return ``message`` with an id filled in, once it obeys every rule.

    ====================== =====================================================================
    field                  rule
    ====================== =====================================================================
    to                     an E.164 number (ITU-T E.164; here at least 7 digits), or a short code
                           of 3 to 8 digits
    sender                 an E.164 number; a short code of 3 to 8 digits; or 1 to 11 ASCII
                           letters, digits and inner spaces with a letter among them
                           (3GPP TS 23.040). Telnyx takes the last, and None (the number pool),
                           only with messaging_profile_id
    text                   SMS: not blank, at most 10 parts (Telnyx). MMS: 5,000 characters
    media_urls             1 to 10 (Telnyx) https URLs of at most 2,000 characters: an MMS
    subject                only with media, or alone (API v1 sends that as an MMS); at most 255
                           characters
    media_kinds            none, or one for each of media_urls: img, audio, video or text
    messaging_profile_id   1 to 100 of A-Z a-z 0-9 _ -, the first not -
    webhook URLs           https, or http to a loopback host; at most 2,000 characters
    send_at, expires_at    timezone-aware; expires_at after send_at; either may be past
    id                     1 to 200 of A-Z a-z 0-9 _ -, the first not -, or "" for a new one
    traceparent, -state    any string: what is no trace context is ignored when it is enqueued
    ====================== =====================================================================

    Subclasses of ``str`` and ``datetime``, as template engines and tests bring them, come back as
    the plain types.

    Raises InvalidMessage, naming the first field at fault; also for a value of a wrong type.
    """
    if not isinstance(message, Message):
        raise InvalidMessage("message", type(message).__name__, "must be a Message")
    message = _with_checked_texts(message)
    _check_sender(message)
    if _seldom_set(message) != _UNSET:
        message = _with_plain_times(message)
        _check_media(message)
        _check_flags(message)
        _check_times(message)
    _check_content(message)
    return message if message.id else replace(message, id=new_id())


def _with_checked_texts(message: Message) -> Message:
    """Apply the table to all text fields, and make plain strings of subclasses."""
    changed: dict[str, Any] = {}
    for (field, allows, required), value in zip(_TABLE, _texts_of(message), strict=True):
        if value is None and not required:
            continue
        if type(value) is not str:
            if not isinstance(value, str):
                raise _fault(message, field, f"must be a string, not {type(value).__name__}")
            # str() would ask the subclass; an Enum answers its name
            changed[field] = value = str.__str__(value)
        if not allows(value):
            raise _fault(message, field, RULES[field].reason)
    return replace(message, **changed) if changed else message


def _with_plain_times(message: Message) -> Message:
    changed: dict[str, Any] = {}
    for field in ("send_at", "expires_at"):
        value = getattr(message, field)
        if value is None or type(value) is datetime:
            continue
        if not isinstance(value, datetime):
            raise _fault(message, field, f"must be a datetime, not {type(value).__name__}")
        changed[field] = datetime.combine(value.date(), value.timetz())
    return replace(message, **changed) if changed else message


def _check_sender(message: Message) -> None:
    """Only a messaging profile has a number pool, and only with one may a name send."""
    sender = message.sender
    if message.messaging_profile_id is not None:
        return
    if sender is None:
        raise _fault(message, "sender", "needed, or messaging_profile_id for its number pool")
    if not E164.match(sender) and not SHORT_CODE.match(sender):
        raise _fault(message, "messaging_profile_id", "needed by an alphanumeric sender")


def _check_media(message: Message) -> None:
    urls = message.media_urls
    if not isinstance(urls, tuple) or not all(type(url) is str for url in urls):
        raise _fault(message, "media_urls", "must be a tuple of strings")
    if len(urls) > MAX_MEDIA:
        raise _fault(message, "media_urls", f"{len(urls)} URLs; at most {MAX_MEDIA} are allowed")
    for number, url in enumerate(urls, 1):
        if not is_media_url(url):
            raise _fault(message, "media_urls", f"number {number} {URL_RULE}")
    kinds = message.media_kinds
    if kinds == ():
        return
    if not isinstance(kinds, tuple) or not all(kind in get_args(MediaKind) for kind in kinds):
        raise _fault(message, "media_kinds", "must be a tuple of 'img', 'audio', 'video', 'text'")
    if len(kinds) != len(urls):
        raise _fault(message, "media_kinds", "needs one for each of media_urls, or none at all")


def template_mark(text: str) -> str:
    """The first mark of a campaign's template in a text that nobody will render, else ``""``."""
    match = _TEMPLATE_MARK.search(text)
    return match[0] if match else ""


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


def _check_content(message: Message) -> None:
    if message.media_urls:
        _check_mms(message)
    elif message.subject is not None:
        if message.text is not None or not message.subject.strip():
            raise _fault(message, "subject", "only an MMS has one, and there are no media_urls")
        _check_mms(message)
    elif message.encoding != "auto" or not sms_parts(message.text or ""):
        _explain_sms(message, message.text or "")


def _check_mms(message: Message) -> None:
    if message.text is not None and len(message.text) > MAX_MMS_TEXT:
        raise _fault(message, "text", f"an MMS has at most {MAX_MMS_TEXT:,} characters")
    if message.subject is not None and len(message.subject) > MAX_SUBJECT:
        raise _fault(message, "subject", f"at most {MAX_SUBJECT} characters are allowed")
    for field in ("text", "subject"):
        _check_unicode(message, field)
        if fault := control_in(getattr(message, field) or ""):
            raise _fault(message, field, fault)


def _explain_sms(message: Message, text: str) -> None:
    """Raise what keeps ``text`` from being sent in the message's encoding, if anything does."""
    if len(text) > _EXPLAINED * MAX_SMS_TEXT:  # by how many parts it is too long says nothing
        most = f"at most {MAX_SMS_TEXT:,} fit into {MAX_PARTS} parts"
        raise _fault(message, "text", f"{len(text):,} characters; {most}")
    _check_unicode(message, "text")
    if not text or text.isspace():
        raise _fault(message, "text", "an SMS needs one that is not blank")
    if reason := unfit(text):
        raise _fault(message, "text", reason)
    try:
        counted = count(text, message.encoding)
    except InvalidMessage as error:
        raise _fault(message, "text", error.reason) from None
    if counted.parts <= MAX_PARTS:
        return
    odd = strangers(text) if message.encoding == "auto" else ""
    because = f" because of {', '.join(map(ascii, odd[:_SHOWN]))}" if odd else ""
    because += f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
    size = f"{counted.units} units in {counted.encoding}{because}"
    raise _fault(message, "text", f"{counted.parts} parts ({size}); at most {MAX_PARTS} are sent")


def _check_unicode(message: Message, field: str) -> None:
    text: str | None = getattr(message, field)
    if text is None or text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X} at position {error.start}"
        raise _fault(message, field, f"{half} is half a character (a lone surrogate)") from None


def _fault(message: Message, field: str, reason: str) -> InvalidMessage:
    id = message.id if field != "id" else ""
    return InvalidMessage(field, shown(field, getattr(message, field)), reason, id)
