"""Inbound messages: what a recipient wrote, according to a test, as the provider receives it."""

from uuid import uuid4

import msgspec

from sluicegate.segments import count

from .api.payload import Address, Money, iso
from .optouts import Autoresponse
from .webhooks.events import InboundPayload


class Written(msgspec.Struct, rename={"from_": "from"}, forbid_unknown_fields=True):
    """What a recipient wrote, and to which number."""

    from_: str
    to: str
    text: str
    #: If empty, the profile with which this number sent last, or the default one.
    messaging_profile_id: str = ""


def read(body: bytes) -> Written:
    """Read the JSON of a ``Written``; raises ``ValueError`` with the reason."""
    try:
        return msgspec.json.decode(body, type=Written)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"expected JSON with from, to and text: {error}") from error


def inbound(
    written: Written,
    profile: str,
    kind: Autoresponse | None,
    wall: float,
    urls: tuple[str, str],
) -> InboundPayload:
    """The message as an event reports it to ``urls``; ``wall`` is its Unix time."""
    segments = count(written.text)
    return InboundPayload(
        id=str(uuid4()),
        from_=Address(written.from_, "SIMULATED", "Wireless"),
        to=[Address(written.to, "Telnyx", "VoIP", "webhook_delivered")],
        text=written.text,
        messaging_profile_id=profile,
        received_at=iso(wall),
        encoding=segments.encoding,
        parts=segments.parts,
        num_chars=len(written.text),
        autoresponse_type=kind,
        webhook_url=urls[0] or None,
        webhook_failover_url=urls[1] or None,
        cost=Money("0.0000"),
    )
