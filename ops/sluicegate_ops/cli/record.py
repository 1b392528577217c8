"""One message's record, read whole for a person to look at."""

import math
from typing import Any

import msgspec

from sluicegate.campaigns.campaign import UnknownCampaign
from sluicegate.errors import UnknownMessage
from sluicegate.keys import sender_of
from sluicegate.message import decode
from sluicegate.outbox import Outbox

from ..inspect.history import History, read_history
from .kit.output import hidden
from .kit.session import Session
from .members import member
from .status.reasons import sentence

_MORE = ("content", "maybe", "answer", "key_at", "history", "fate", "fate_at", "fate_code")


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What there is to know of one message; times are wall milliseconds.

    ``maybe`` of its ``attempts`` may have been acted on. ``due_ms`` is when it is tried again or
    first, ``decided_ms`` when policy decides on a doubt, ``held`` where only a person does.
    What it was to say is gone once it is finished. ``fate`` is what a receipt said of one that was
    accepted, "unknown" where none has. ``held_by`` is what holds it back while it waits.
    """

    id: str
    state: str
    to: str
    campaign: str = ""
    held_by: str = ""
    sender: str = ""
    type: str = ""
    priority: str = ""
    segments: int = 0
    text: str = ""
    media_urls: tuple[str, ...] = ()
    enqueued_ms: int = 0
    changed_ms: int = 0
    attempts: int = 0
    maybe: int = 0
    generation: int = 0
    provider_id: str = ""
    second_provider_id: str = ""
    code: str = ""
    reason: str = ""
    answer: str = ""
    due_ms: int | None = None
    decided_ms: int | None = None
    held: bool = False
    key_used_ms: int | None = None
    key_age_seconds: int | None = None
    fate: str = ""
    fate_ms: int | None = None
    fate_code: str = ""
    history: History = History()


def read(session: Session, id: str, full: bool = True) -> Record:
    """The record of message ``id``, its numbers and text hidden unless ``full``.

    A campaign's recipient that was never started has none, and is told by its ticket. Raises
    UnknownMessage.
    """
    try:
        return _recorded(session, id, full)
    except UnknownMessage:
        found = member(session, id)
        if found is None:
            raise
    return Record(
        id=id,
        state=found.state,
        to=hidden(found.to, full),
        campaign=found.campaign,
        held_by=_held_by(session, found.state, found.campaign, "", full),
    )


def _recorded(session: Session, id: str, full: bool) -> Record:
    outbox, keys = Outbox(session.config, session.name), session.keys
    campaign = id.partition(".")[0] if "." in id else ""
    pipeline = session.client.pipeline(transaction=True)
    outbox.ask_status(pipeline, id)
    pipeline.hmget(keys.record(id), *_MORE)
    pipeline.zscore(keys("due"), id)
    pipeline.zscore(keys("doubts"), id)
    pipeline.hget(keys.campaign(campaign), "state")
    pipeline.time()
    *about, more, due, decided, over, (seconds, _) = pipeline.execute()
    status = Outbox.status(id, about)
    # What waited in a campaign was cancelled with it, whatever its record says.
    state = "cancelled" if (status.state, over) == ("waiting", b"cancelled") else status.state
    content, maybe, answer, key_at, history, *fate = more
    known = msgspec.structs.asdict(status) | {"state": state}
    known |= {name: hidden(known[name], full) for name in ("to", "reason")}
    held_by = _held_by(session, state, campaign, _sender(content, id), full)
    used_ms = int(key_at) if key_at else None
    held = decided is not None and math.isinf(decided)
    return Record(
        **known,
        **_content(content, id, full),
        **_fate(status.state, *fate),
        campaign=campaign,
        held_by=held_by,
        history=read_history((history or b"").decode()),
        maybe=int(maybe or 0),
        answer=hidden((answer or b"").decode(errors="replace"), full),
        due_ms=None if due is None else int(due),
        decided_ms=None if decided is None or held else int(decided),
        held=held,
        key_used_ms=used_ms,
        key_age_seconds=None if used_ms is None else max(0, int(seconds) - used_ms // 1000),
    )


def _held_by(session: Session, state: str, campaign: str, sender: str, full: bool) -> str:
    """What holds it back while it waits, by its campaign or its sender."""
    if state != "waiting":
        return ""
    try:
        why = session.waits.campaign(campaign) if campaign else session.waits.sender(sender)
    except UnknownCampaign:
        return ""
    return hidden(sentence(why), full)


def _sender(content: bytes | None, id: str) -> str:
    """The sender's name in lanes; "" for a campaign's, whose text is in its plan."""
    if content is None:
        return ""
    message = decode(content, id)
    return sender_of(message.sender, message.messaging_profile_id)


def _fate(state: str, fate: bytes | None, at: bytes | None, code: bytes | None) -> dict[str, Any]:
    if not fate:
        return {"fate": "unknown" if state == "accepted" else ""}
    found = {"fate": fate.decode(), "fate_code": (code or b"").decode(errors="replace")}
    return found | {"fate_ms": int(at) if at else None}


def _content(content: bytes | None, id: str, full: bool) -> dict[str, Any]:
    if content is None:
        return {}
    message = decode(content, id)
    text = message.text or ""
    sender = message.sender or f"the pool of {message.messaging_profile_id}"
    return {
        "sender": hidden(sender, full),
        "type": message.type,
        "priority": message.priority,
        "segments": message.segments.parts,
        "text": text if full or not text else f"{len(text)} characters, shown with --full",
        "media_urls": message.media_urls if full else (),
    }
