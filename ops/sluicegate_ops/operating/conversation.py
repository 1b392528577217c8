"""What a person was sent by the latest campaigns, to be read beside what they wrote."""

from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from sluicegate.campaigns.members import Members
from sluicegate.campaigns.plan import key_hash, message_id
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.errors import LostHashKey, UnknownCampaign, UnknownMessage

from ..inspect import imported, read_record
from .session import Session

LATEST = 20
"""So many campaigns are looked through; an app's messages are found by their ids alone."""


class SentMessage(msgspec.Struct, frozen=True):
    """One message, at ``at_ms`` (wall); ``text`` is its campaign's, with its variables' names."""

    id: str
    campaign: str
    state: str
    delivery: str
    at_ms: int
    text: str


class Conversations:
    """Finds what numbers were sent; reads the campaigns once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._campaigns: Sequence[tuple[Campaign, Members]] = list(self._latest())

    def _latest(self) -> Iterator[tuple[Campaign, Members]]:
        for campaign in islice(self._session.campaigns, LATEST):
            if campaign.plan.key_column is not None:
                continue  # its recipients are found by another key than their number
            try:
                yield campaign, self._session.campaigns.members(campaign.name)
            except (LostHashKey, UnknownCampaign):  # deleted meanwhile, or of another key
                continue

    def with_number(self, number: str) -> list[SentMessage]:
        """What the latest campaigns sent to a number, or tried to; the latest comes first."""
        bare, session = key_hash(number), self._session
        hashes = [members.hash_of(bare) for _, members in self._campaigns]
        among = [
            (campaign.name, members.shards, hash)
            for (campaign, members), hash in zip(self._campaigns, hashes, strict=True)
        ]
        found = imported(session.client, session.keys, among)
        return [
            sent
            for (campaign, _), hash, is_one in zip(self._campaigns, hashes, found, strict=True)
            if is_one and (sent := self._sent(campaign, message_id(campaign.name, hash)))
        ]

    def _sent(self, campaign: Campaign, id: str) -> SentMessage | None:
        session = self._session
        try:
            record = read_record(session.client, session.config, session.name, id)
        except UnknownMessage:
            return None
        status, text = record.status, campaign.current.text
        return SentMessage(
            id, campaign.name, status.state, record.delivery, int(status.changed_ms or 0), text
        )
