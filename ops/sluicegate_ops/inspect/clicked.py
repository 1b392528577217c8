"""Which recipients of a campaign followed one of its short links."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec

from sluicegate.keys import Keys
from sluicegate.stored import MessageId

from .recipient_status import RecipientStatus

_PAGE = 1000


def with_clicks(
    client: Any, keys: Keys, campaign: str, recipients: Iterable[RecipientStatus]
) -> Iterator[RecipientStatus]:
    """Yield recipients, each with whether it ``clicked``."""
    shards = int(client.hget(keys.campaign(campaign), "keyed_shards") or 1)
    everyone = iter(recipients)
    while page := list(islice(everyone, _PAGE)):
        pipeline = client.pipeline(transaction=False)
        for one in page:
            hash = MessageId.parse(one.id).hash or 0
            pipeline.sismember(keys.clicked(campaign, hash % shards), str(hash))
        for one, clicked in zip(page, pipeline.execute(), strict=True):
            yield msgspec.structs.replace(one, clicked=True) if clicked else one
