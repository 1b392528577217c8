"""The provider's checks on a message's body."""

from datetime import datetime, timedelta
from re import compile as pattern
from typing import NamedTuple

import msgspec

from sluicegate.errors import InvalidMessage
from sluicegate.segments import MAX_PARTS, Segments, count

from ..faults import UNOWNED_SENDER

MAX_MEDIA = 10

#: As published: how far ahead a message may be scheduled.
EARLIEST, LATEST = timedelta(minutes=5), timedelta(days=5)

_E164 = pattern(r"\+[1-9][0-9]{1,14}\Z")
_RECIPIENT = pattern(r"(?:\+[1-9][0-9]{1,14}|[0-9]{3,8})\Z")
_SENDER = pattern(r"(?:\+[1-9][0-9]{1,14}|[0-9]{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11})\Z")
_URL = pattern(r"https?://[^/\s]+")

#: The fields that each path requires in addition to ``to`` and content.
REQUIRED: dict[str, tuple[str, ...]] = {
    "/v2/messages": (),
    "/v2/messages/long_code": ("from",),
    "/v2/messages/short_code": ("from",),
    "/v2/messages/number_pool": ("messaging_profile_id",),
    "/v2/messages/alphanumeric_sender_id": ("from", "messaging_profile_id"),
    "/messages": ("from",),
}

OPTOUTS = "/v2/messaging_optouts"

#: Paths that only allow reading.
READ_ONLY = ("/v2/balance", OPTOUTS)


class Body(msgspec.Struct, rename={"from_": "from"}):
    """A request's body with fields of any type, since each wrong type has its own answer.

    Other fields are accepted and ignored, as by the provider.
    """

    to: object = None
    from_: object = None
    text: object = None
    subject: object = None
    media_urls: object = None
    messaging_profile_id: object = None
    webhook_url: object = None
    webhook_failover_url: object = None
    use_profile_webhooks: object = None
    type: object = None
    encoding: object = "auto"
    send_at: object = None


class Refusal(NamedTuple):
    """A row of the error table, and the JSON pointer to the field at fault."""

    problem: str
    pointer: str = ""


_decoder = msgspec.json.Decoder(Body)


def decode(body: bytes) -> Body | Refusal:
    """Read a request's body, which must be a JSON object."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        return Refusal("bad_request")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal("bad_json")


def check(body: Body, path: str, now: datetime) -> Segments | Refusal:
    """The text's segments if the message is valid, otherwise the reason why not.

    ``path`` is a key of ``REQUIRED``; ``now`` is an aware time, to check ``send_at``.
    """
    return _addresses(body, path) or _kinds(body, now) or _media(body) or _segments(body)


def _addresses(body: Body, path: str) -> Refusal | None:
    if body.to is None:
        return Refusal("missing", "/to")
    if not isinstance(body.to, str) or not _RECIPIENT.match(body.to):
        return Refusal("bad_to", "/to")
    for name, value in (("from", body.from_), ("messaging_profile_id", body.messaging_profile_id)):
        if not value and name in REQUIRED[path]:
            return Refusal("missing", f"/{name}")
    if not body.from_:
        return None if body.messaging_profile_id else Refusal("missing", "/from")
    sender = body.from_
    if not isinstance(sender, str) or not _SENDER.match(sender) or sender == UNOWNED_SENDER:
        return Refusal("bad_from", "/from")
    return None


def _kinds(body: Body, now: datetime) -> Refusal | None:
    for name in ("text", "subject", "messaging_profile_id", "webhook_url", "webhook_failover_url"):
        value = getattr(body, name)
        if value is not None and not isinstance(value, str):
            return Refusal("bad_type", f"/{name}")
    if body.type not in (None, "SMS", "MMS"):
        return Refusal("bad_choice", "/type")
    if body.encoding not in ("auto", "gsm7", "ucs2"):
        return Refusal("bad_choice", "/encoding")
    return None if body.send_at is None else _send_at(body.send_at, now)


def _send_at(send_at: object, now: datetime) -> Refusal | None:
    if not isinstance(send_at, str):
        return Refusal("bad_type", "/send_at")
    try:
        ahead = datetime.fromisoformat(send_at) - now
    except (ValueError, TypeError):  # not a date, or one without a zone
        return Refusal("bad_request", "/send_at")
    return None if EARLIEST <= ahead <= LATEST else Refusal("bad_range", "/send_at")


def _media(body: Body) -> Refusal | None:
    media = body.media_urls
    if media is None:
        return None if body.text else Refusal("empty")
    if not isinstance(media, list):
        return Refusal("bad_type", "/media_urls")
    if not media and not body.text:
        return Refusal("empty")
    if len(media) > MAX_MEDIA:
        return Refusal("bad_media", "/media_urls")
    for index, url in enumerate(media):
        if not isinstance(url, str) or not _URL.match(url):
            return Refusal("bad_url", f"/media_urls/{index}")
    return None


def _segments(body: Body) -> Segments | Refusal:
    encoding = body.encoding
    assert isinstance(encoding, str)  # noqa: S101 - _kinds has checked it
    try:
        segments = count(str(body.text or ""), encoding)  # type: ignore[arg-type] # checked when it came
    except InvalidMessage:
        return Refusal("not_gsm7", "/text")
    if segments.parts > MAX_PARTS and not body.media_urls:
        return Refusal("too_long", "/text")
    return segments
