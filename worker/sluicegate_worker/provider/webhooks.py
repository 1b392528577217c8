"""What a provider's webhook tells, and how it is checked and read."""

import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from sluicegate.receipts import Receipt

TOLERANCE_SECONDS: Final = 300
"""How far a signature's time may be from ours."""

Keyword = Literal["stop", "start", ""]


class Forged(Exception):
    """A webhook that is not the provider's: its text says what is wrong, and repeats nothing."""


class InboundMessage(msgspec.Struct, frozen=True):
    """A message that ``number`` sent to a messaging profile; ``profile`` may be empty.

    ``keyword`` is what the provider says that it acted on, empty where it says nothing.
    """

    event_id: str
    number: str
    profile: str
    text: str
    keyword: Keyword
    occurred_ms: int


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event that tells nothing we know of; ``kind`` is its type, empty where it has none."""

    kind: str


WebhookEvent = Receipt | InboundMessage | UnknownEvent


class WebhookReader(NamedTuple):
    """One kind of webhook, as one account's are checked and read.

    ``headers`` are those that a signature is made of, in lower case; the first one tells the kind.
    ``check(headers, body, now_seconds)`` raises Forged. ``read(body, id, heard_ms)`` never raises;
    ``id`` is the message that the webhook's URL names, or empty, and ``heard_ms`` is when it
    arrived, for an event without a time. Only what was checked is read.
    """

    headers: tuple[str, ...]
    check: Callable[[Mapping[str, str], bytes, float], None]
    read: Callable[[bytes, str, int], WebhookEvent]


def check_age(timestamp: str, now_seconds: float) -> None:
    """Raise Forged unless ``timestamp``, in Unix seconds, is near our own time."""
    if not re.fullmatch(r"[0-9]{1,12}", timestamp, re.ASCII):
        raise Forged("it has no time")
    if abs(now_seconds - int(timestamp)) > TOLERANCE_SECONDS:
        raise Forged("its signature is too old, or from the future; or our clock is wrong")
