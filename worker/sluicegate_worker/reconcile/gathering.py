"""Gathers our messages that may have reached the provider, out of Redis and the archive."""

from collections.abc import Sequence, Set
from itertools import chain

from sluicegate.archive import ArchiveReader
from sluicegate.errors import Malformed
from sluicegate.stored import Bill

from .ours import OwnMessage, OwnMessages
from .progress import Progress

_FIELDS = (
    "state", "to", "key_at", "at", "provider_id", "provider_id_2", "delivery", "fate", "maybe",
    "maybe_before", "bill",
)  # fmt: skip
"""As ``READ`` in ``reconcile.lua``."""


def gather_redis(progress: Progress, own: OwnMessages) -> None:
    """Gather those in Redis, whenever they were sent."""
    for page in progress.pages():
        own.add(_message(id, values) for id, *values in page if id is not None)


def gather_archive(
    archive: ArchiveReader,
    account: str,
    progress: Progress,
    own: OwnMessages,
    since_ms: int,
    until_ms: int,
) -> None:
    """Gather those of the archive that ended on the days of that time.

    A message is accepted after the provider took it: so these are all that have records of it.
    """
    opened = archive.archive
    for one in opened.ended_between(account, since_ms, until_ms) if opened else ():
        progress.keep()
        values = one.values(_FIELDS)
        if values[2] or values[4]:
            own.add([_message(one.id.encode(), values)])


def missed_since(progress: Progress, provider_ids: Set[str]) -> dict[str, str]:
    """Our ids of messages in Redis, by those of the provider's ids that one has by now."""
    found = {}
    for id, *values in chain.from_iterable(progress.pages()):
        for value in values[4:6]:
            if id and value and value.decode() in provider_ids:
                found[value.decode()] = id.decode()
    return found


def _message(id: bytes, values: Sequence[bytes | None]) -> OwnMessage:
    texts = [(value or b"").decode(errors="replace") for value in values]
    state, to, key_at, at, first, second, delivery, fate, _, _, bill = texts
    ended_ms = _whole(at) or _whole(key_at)
    lacks = state == "accepted" and (not (delivery or fate) or not _has_cost(bill))
    return OwnMessage(
        id.decode(), first, second, to, _whole(key_at) or ended_ms, ended_ms, state, lacks
    )


def _has_cost(bill: str) -> bool:
    try:
        return bool(bill) and Bill.parse(bill).cost_billionths is not None
    except Malformed:
        return False


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() else 0
