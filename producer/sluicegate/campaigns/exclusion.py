"""Leaves out of a campaign whoever other campaigns have reached, or may still reach.

    left out     waiting, retrying, in doubt, accepted, and whatever may have been sent
    taken        dead, cancelled, expired, suppressed, purged: surely not sent, and never will be

Who is a member of another campaign without a record is left out too, unless a list names them as
unsent: they wait, or the archive has kept their record for as long as it was to.
"""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from ..archive import ArchiveReader
from ..errors import InvalidMessage
from ..keys import UNSENT, Keys
from ..stored import Record, Ticket, hash_of
from .members import Members, read_members
from .plan import Plan, message_id

_PAGE = 1_000
_FIELDS = ("state", "maybe", "provider_id", "delivery")
_NOT_SENT = frozenset({"dead", "cancelled", "expired", "suppressed", "purged"})


class _Other(NamedTuple):
    """Another campaign, its members, and whom its lists name as unsent.

    ``unsent`` holds their hashes in order: 8 bytes each, and there may be a million.
    """

    name: str
    cancelled: bool
    members: Members
    unsent: "array[int]"

    def is_unsent(self, hash: int) -> bool:
        index = bisect_left(self.unsent, hash)
        return index < len(self.unsent) and self.unsent[index] == hash


class Exclusion:
    """Who is left out of ``plan``, on a synchronous client.

    Raises UnknownCampaign if an excepted campaign does not exist, and InvalidMessage if it tells
    its recipients apart by another column than ``plan`` does: then nobody could be compared.
    """

    def __init__(
        self, client: redis.Redis, keys: Keys, plan: Plan, archive: ArchiveReader | None = None
    ) -> None:
        self._client: Any = client
        self._keys, self._archive = keys, archive
        self._others = [self._other(plan, name) for name in plan.except_campaigns]

    def of(self, hashes: Sequence[int]) -> list[str]:
        """Return for each recipient the campaign for which it is left out, or ``""``.

        ``hashes`` are bare ones, as a file's reader makes them.
        """
        found = [""] * len(hashes)
        if not hashes:
            return found
        for other in self._others:
            for index in self._held(other, hashes):
                found[index] = found[index] or other.name
        return found

    def _held(self, other: _Other, hashes: Sequence[int]) -> list[int]:
        """The indexes of those whom ``other`` reached, or still holds."""
        hashes = [other.members.hash_of(bare) for bare in hashes]
        pipeline = self._client.pipeline(transaction=False)
        for hash in hashes:
            shard = hash % other.members.shards
            pipeline.sismember(self._keys.members(other.name, shard), hash)
        members = [index for index, is_member in enumerate(pipeline.execute()) if is_member]
        pipeline = self._client.pipeline(transaction=False)
        for index in members:
            pipeline.hmget(self._keys.record(message_id(other.name, hashes[index])), _FIELDS)
        records = pipeline.execute() if members else []
        ids = {index: message_id(other.name, hashes[index]) for index in members}
        found = {
            ids[index]: Record.parse_some(_FIELDS, values)
            for index, values in zip(members, records, strict=True)
        }
        missing = [id for id, record in found.items() if not record.state]
        if self._archive:
            archived = self._archive.some(missing)
            found |= {id: message.record for id, message in archived.items()}
        return [index for index in members if _keeps(other, hashes[index], found[ids[index]])]

    def _other(self, plan: Plan, name: str) -> _Other:
        members = read_members(self._client, self._keys, name)
        wanted = ("plan", "state", "lane")
        stored, state, lane = self._client.hmget(self._keys.campaign(name), wanted)
        theirs = msgspec.json.decode(stored, type=Plan).key_column
        if theirs != plan.key_column:
            by = "their number" if theirs is None else f"the column {theirs}"
            rule = f"it tells recipients apart by {by}, so this campaign must do so too"
            raise InvalidMessage("except_campaigns", name, rule)
        hashes = array("q")
        for ended in UNSENT:
            hashes.extend(self._listed(self._keys.unsent(name, ended)))
        if state == b"cancelled":  # they stay in its lanes until apps have been told of them
            for other in {lane, *self._client.smembers(self._keys.other_lanes(name))} - {None}:
                hashes.extend(self._listed(self._keys.lane(other.decode())))
        return _Other(name, state == b"cancelled", members, array("q", sorted(hashes)))

    def _listed(self, key: str) -> "array[int]":
        hashes, start = array("q"), 0
        while page := self._client.lrange(key, start, start + _PAGE - 1):
            hashes.extend(hash_of(Ticket.short_of(ticket)) for ticket in page)
            start += _PAGE
        return hashes


def _keeps(other: _Other, hash: int, record: Record) -> bool:
    if record.maybe or record.provider_id or record.delivery:
        return True
    if record.state in _NOT_SENT or (record.state == "retrying" and other.cancelled):
        return False  # a retry of a cancelled campaign ends when it is due
    return not (record.state in ("", "waiting") and other.is_unsent(hash))
