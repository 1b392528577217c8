"""Messages in doubt, as they are shown and chosen."""

import time
from collections.abc import Mapping, Sequence

import msgspec

from sluicegate_worker.operator.doubts import Doubtful, Resolution
from sluicegate_worker.queue import KEY_REUSE_MS

from .choosing import of_campaign
from .words import hidden, when


def decided_by(decided_ms: int | None) -> str:
    """Who decides, and when."""
    return "by you" if decided_ms is None else f"by policy {when(decided_ms)}"


def masked_doubt(message: Doubtful, full: bool) -> Doubtful:
    """The message with its phone numbers hidden, unless ``full``."""
    to, reason = hidden(message.to, full), hidden(message.reason, full)
    return msgspec.structs.replace(message, to=to, reason=reason)


REASONS: Mapping[Resolution, str] = {
    "accepted": "a person says that the provider accepted it",
    "resend": "a person wants it sent again",
}
"""The reason that a message keeps where a person gives none."""

SILENT = "no_answer"
"""The code of a doubt whose worker fell silent: no answer came, and no code."""


def passes(doubt: Doubtful, filters: Mapping[str, str]) -> bool:
    """Whether a doubt is of the ``code`` and the ``campaign`` in ``filters``, if they are."""
    code = filters.get("code")
    return code in (None, doubt.code or SILENT) and of_campaign(
        doubt.campaign, filters.get("campaign")
    )


def old_keys(doubts: Sequence[Doubtful]) -> int:
    """How many keys the provider may soon forget; by this host's clock, for a warning only."""
    since = time.time() * 1000 - KEY_REUSE_MS
    return sum(0 < doubt.key_ms < since for doubt in doubts)
