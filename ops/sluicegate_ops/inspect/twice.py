"""Messages that the provider accepted twice, and that nobody has cleared yet."""

from typing import Any

import msgspec
import redis

from sluicegate.keys import Keys
from sluicegate.stored import AcceptedTwice, MessageId

_PAGE = 500


class SentTwice(msgspec.Struct, frozen=True):
    """One message and the provider's two ids for it; found at ``at_ms`` (wall).

    ``campaign`` is ``""`` for an app's own message, and ``app`` for one of nobody with a name.
    """

    id: str
    at_ms: int
    to: str
    campaign: str
    provider_id: str
    provider_id_2: str
    app: str = ""


def read_twice(client: redis.Redis, keys: Keys) -> list[SentTwice]:
    """The first 10,000 of an account that were not cleared, the latest first; raises Malformed."""
    store: Any = client
    scanned = dict(store.hscan_iter(keys("twice"), count=_PAGE))
    found = [_sent_twice(id.decode(), text) for id, text in scanned.items()]
    return sorted(found, key=lambda sent: (-sent.at_ms, sent.id))


def _sent_twice(id: str, text: bytes) -> SentTwice:
    known = AcceptedTwice.parse(text)
    name = MessageId.parse(id)
    both = (known.first, known.second)
    return SentTwice(id, known.at_ms, known.to, name.campaign, *both, name.app)
