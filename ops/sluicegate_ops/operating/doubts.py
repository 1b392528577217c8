"""Messages in doubt as they are shown."""

import msgspec

from sluicegate_worker.operator.doubts import Doubtful

from .words import hidden, when


def decided_by(decided_ms: int | None) -> str:
    """Who decides, and when."""
    return "by you" if decided_ms is None else f"by policy {when(decided_ms)}"


def masked_doubt(message: Doubtful, full: bool) -> Doubtful:
    """The message with its phone numbers hidden, unless ``full``."""
    to, reason = hidden(message.to, full), hidden(message.reason, full)
    return msgspec.structs.replace(message, to=to, reason=reason)
