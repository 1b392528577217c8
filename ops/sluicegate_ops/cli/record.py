"""One message's record, read whole for a person to look at."""

import math
from typing import Any

import msgspec

from sluicegate.message import decode
from sluicegate.outbox import Outbox

from .output import hidden
from .session import Session

_MORE = ("content", "maybe", "answer", "key_at")


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """What there is to know of one message; times are wall milliseconds.

    ``maybe`` of its ``attempts`` may have been acted on. ``due_ms`` is when it is tried again or
    first, ``decided_ms`` when policy decides on a doubt, ``held`` where only a person does.
    What it was to say is gone once it is finished.
    """

    id: str
    state: str
    to: str
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


def read(session: Session, id: str, full: bool = True) -> Record:
    """The record of message ``id``, its numbers and text hidden unless ``full``.

    Raises UnknownMessage.
    """
    outbox, keys = Outbox(session.config, session.name), session.keys
    pipeline = session.client.pipeline(transaction=True)
    outbox.ask_status(pipeline, id)
    pipeline.hmget(keys.record(id), *_MORE)
    pipeline.zscore(keys("due"), id)
    pipeline.zscore(keys("doubts"), id)
    pipeline.time()
    *about, more, due, decided, (seconds, _) = pipeline.execute()
    status = Outbox.status(id, about)
    content, maybe, answer, key_at = more
    known = msgspec.structs.asdict(status)
    known |= {name: hidden(known[name], full) for name in ("to", "reason")}
    used_ms = int(key_at) if key_at else None
    held = decided is not None and math.isinf(decided)
    return Record(
        **known,
        **_content(content, id, full),
        maybe=int(maybe or 0),
        answer=hidden((answer or b"").decode(errors="replace"), full),
        due_ms=None if due is None else int(due),
        decided_ms=None if decided is None or held else int(decided),
        held=held,
        key_used_ms=used_ms,
        key_age_seconds=None if used_ms is None else max(0, int(seconds) - used_ms // 1000),
    )


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
