"""What a webhook of either API tells: a receipt, something that came in, or what is unknown."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec

from sluicegate.receipts import FATE_OF, Receipt

from .signatures import Shape

Keyword = Literal["stop", "start", ""]

_KEYWORDS: Final[Mapping[str, Keyword]] = {
    **dict.fromkeys(("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"), "stop"),
    **dict.fromkeys(("START", "UNSTOP"), "start"),
}
"""What the provider acts on where a text is nothing else; without its spaces, in capitals."""

_EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,120}")
_CODE_SHOWN = 40


class Inbound(msgspec.Struct, frozen=True):
    """A message that came in from ``number`` by a messaging profile; ``profile`` may be empty."""

    number: str
    profile: str
    keyword: Keyword
    occurred_ms: int


class Unknown(msgspec.Struct, frozen=True):
    """An event that tells nothing we know of; ``kind`` is its type, where it has one."""

    kind: str


Event = Receipt | Inbound | Unknown


def event_of(shape: Shape, body: bytes, id: str, heard_ms: int) -> Event:
    """What a webhook tells; never raises.

    ``id`` is the message that its URL names, or empty; ``heard_ms`` its time where it says none.
    """
    read: Callable[[Mapping[str, Any], bytes, str, int], Event] = _v2 if shape == "v2" else _v1
    try:
        return read(_table(msgspec.json.decode(body)), body, id, heard_ms)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Unknown("not JSON")


def keyword_of(text: str) -> Keyword:
    """What a text that came in asks for."""
    return _KEYWORDS.get("".join(text.upper().split()), "")


def _v2(body: Mapping[str, Any], raw: bytes, id: str, heard_ms: int) -> Event:
    data = _table(body.get("data"))
    payload, kind = _table(data.get("payload")), _text(data.get("event_type"))
    occurred_ms = _iso_ms(data.get("occurred_at"), heard_ms)
    if kind == "message.received":
        said = _text(payload.get("autoresponse_type"))
        return Inbound(
            _number(payload.get("from")),
            _text(payload.get("messaging_profile_id")),
            keyword_of(said or _text(payload.get("text"))),
            occurred_ms,
        )
    if kind not in ("message.sent", "message.finalized"):
        return Unknown(kind)
    return Receipt(
        event_id=_event_id(_text(data.get("id")), raw),
        id=id,
        provider_id=_text(payload.get("id")),
        status=_text(_first(payload.get("to")).get("status")),
        occurred_ms=occurred_ms,
        code=_code(payload),
    )


def _v1(body: Mapping[str, Any], raw: bytes, id: str, heard_ms: int) -> Event:
    """A message detail record; of one message there are several, and none has an id of its own."""
    content = body.get("body")
    updated = body.get("updated")
    occurred_ms = updated if type(updated) is int else heard_ms
    if body.get("direction") == "inbound":
        text = _text(content) or _text(_table(content).get("text"))
        profile = _text(body.get("profile_id"))
        return Inbound(_number(body.get("from")), profile, keyword_of(text), occurred_ms)
    provider_id, status = _text(body.get("sms_id")), _text(body.get("status"))
    if not (provider_id and status):
        return Unknown("")
    told = _text(body.get("delivery_status"))
    return Receipt(
        event_id=_event_id(":".join((provider_id, status, told, str(occurred_ms))), raw),
        id=id,
        provider_id=provider_id,
        status=told if told in FATE_OF and status not in FATE_OF else status,
        occurred_ms=occurred_ms,
        code=_code(body),
    )


def _event_id(id: str, raw: bytes) -> str:
    """An id that can be part of a key: the event's own, or a hash of all that it says."""
    return id if _EVENT_ID.fullmatch(id) else blake2b(raw, digest_size=16).hexdigest()


def _code(tells: Mapping[str, Any]) -> str:
    code = _first(tells.get("errors")).get("code")
    return str(code)[:_CODE_SHOWN] if type(code) in (str, int) else ""


def _number(sender: object) -> str:
    """The number of a sender; the provider writes it bare, and inside an object."""
    return _text(sender) or _text(_table(sender).get("phone_number"))


def _iso_ms(value: object, otherwise_ms: int) -> int:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return otherwise_ms
    return int(moment.timestamp() * 1000) if moment.tzinfo else otherwise_ms


def _first(listed: object) -> Mapping[str, Any]:
    return _table(listed[0]) if isinstance(listed, list) and listed else {}


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
