"""Every recipient of a campaign, each once, read from records, leases, lanes and lists."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import redis

from sluicegate.archive import ArchiveReader
from sluicegate.campaigns.ab import side_of
from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.keys import NAMED_ENDS, UNSENT, Keys
from sluicegate.numbering import area_of, region_of
from sluicegate.stored import DELIVERY_FIELDS, Lease, MessageId, Record, Ticket

from .clicked import with_clicks
from .costs import amount_text
from .recipient_status import RecipientStatus
from .record import delivery_of

_PAGE = 1000
_ROUNDS = 3
_FIELDS = (
    *("state", "to", "attempts", "maybe", "maybe_before"),
    *("provider_id", "code", "reason", "at"),
    *("bill", "billed", "provider_id_2", "version"),
    *DELIVERY_FIELDS,
)


class CampaignRecipients:
    """The recipients of a campaign, streamed in no order.

    A recipient that has a record stands where the record says, unless it waits in a cancelled
    campaign: then it is cancelled too. To yield each only once takes about 100 bytes of memory
    per recipient. Raises ArchiveUnavailable where some are in an archive that can't be asked.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        campaign: Campaign,
        archive: ArchiveReader | None = None,
    ) -> None:
        self._client: Any = client
        self._archive = archive
        self._keys, self._campaign = keys, campaign
        self._seen: set[bytes] = set()
        self._waiting: dict[bytes, RecipientStatus] = {}

    def __iter__(self) -> Iterator[RecipientStatus]:
        """Read everything, then again for those that moved past the reading meanwhile."""
        everyone, campaign = self._everyone(), self._campaign
        if not campaign.plan.short_links:
            return everyone
        return with_clicks(self._client, self._keys, campaign.name, everyone)

    def _everyone(self) -> Iterator[RecipientStatus]:
        self._seen.clear()
        for _ in range(_ROUNDS):
            before = len(self._seen)
            yield from self._recorded()
            yield from self._unrecorded()
            if len(self._seen) in (before, self._members()):
                break
        yield from self._archived()

    def _archived(self) -> Iterator[RecipientStatus]:
        """Those whose records have left Redis; some stand in both."""
        for message in self._archive.of_campaign(self._campaign.name) if self._archive else ():
            if message.short not in self._seen:
                self._seen.add(message.short)
                yield self._recipient(message.short, message.values(_FIELDS))

    def _members(self) -> int:
        shards = self._client.scan_iter(
            match=self._keys.members(self._campaign.name, "*"), count=_PAGE
        )
        return sum(self._client.scard(shard) for shard in shards)

    def _recorded(self) -> Iterator[RecipientStatus]:
        """Those with a record; one that waits is kept until the lists have been read."""
        self._waiting.clear()
        prefix = self._keys.record(f"{self._campaign.name}.").encode()
        cursor, first = 0, True
        while cursor or first:
            first = False
            cursor, scanned = self._client.scan(cursor, match=prefix + b"*", count=_PAGE)
            fresh = [key for key in scanned if key[len(prefix) :] not in self._seen]
            pipeline = self._client.pipeline(transaction=False)
            for key in fresh:
                pipeline.hmget(key, _FIELDS)
            for key, values in zip(fresh, pipeline.execute(), strict=True):
                short = key[len(prefix) :]
                if values[0] is None or short in self._seen:
                    continue
                recipient = self._recipient(short, values)
                if recipient.state == "waiting":
                    self._waiting[short] = recipient
                else:
                    self._seen.add(short)
                    yield recipient

    def _unrecorded(self) -> Iterator[RecipientStatus]:
        """Those that wait or ended without a record, then those that wait and have one."""
        for ended, state in UNSENT.items():
            code = ended if ended in NAMED_ENDS else ""
            yield from self._new(self._tickets(self._unsent(ended)), state, code)
        yield from self._new(self._leased(), "waiting")
        state = "cancelled" if self._campaign.state == "cancelled" else "waiting"
        for lane in (self._campaign.plan.lane, *self._other_lanes()):
            yield from self._new(self._tickets(self._keys.lane(lane)), state)
        for short, recipient in self._waiting.items():
            if short not in self._seen:
                self._seen.add(short)
                yield recipient

    def _new(
        self, tickets: Iterator[bytes], state: str, code: str = ""
    ) -> Iterator[RecipientStatus]:
        for ticket in tickets:
            short = Ticket.short_of(ticket)
            if short in self._seen:
                continue
            self._seen.add(short)
            known = self._waiting.get(short)
            if known is not None:
                yield msgspec.structs.replace(known, state=state)
            else:
                to = Ticket.parse(ticket).to
                yield RecipientStatus(
                    self._id(short),
                    to,
                    state,
                    code=code,
                    country=region_of(to),
                    area=area_of(to),
                    variant=self._variant(to),
                )

    def _leased(self) -> Iterator[bytes]:
        prefix = f"{self._campaign.name}.".encode()
        for id, lease in self._client.hscan_iter(self._keys("leases"), count=_PAGE):
            if id.startswith(prefix):
                yield Lease.parse(lease).ticket.format()

    def _other_lanes(self) -> Iterator[str]:
        names = self._client.smembers(self._keys.other_lanes(self._campaign.name))
        return (name.decode() for name in sorted(names))

    def _tickets(self, key: str) -> Iterator[bytes]:
        """A list's tickets from its end, which stays where it is while workers take its head."""
        end = -1
        while page := self._client.lrange(key, end - _PAGE + 1, end):
            yield from reversed(page)
            end -= _PAGE

    def _unsent(self, ended: str) -> str:
        return self._keys.unsent(self._campaign.name, ended)

    def _variant(self, to: str) -> str:
        plan = self._campaign.plan
        return side_of(plan.dealer, to, plan.b_share) if plan.b_share else ""

    def _id(self, short: bytes) -> str:
        return MessageId(self._campaign.name, short.decode()).format()

    def _recipient(self, short: bytes, values: list[bytes | None]) -> RecipientStatus:
        record = Record.parse_some(_FIELDS, values)
        if record.provider_id_2:  # seldom: what the others cost has no fixed names
            id = self._id(short)
            record = Record.parse(self._client.hgetall(self._keys.record(id)))
        costs = [bill for bill in record.bills if bill.cost_billionths is not None]
        return RecipientStatus(
            id=self._id(short),
            to=record.to,
            state=record.state,
            attempts=record.attempts,
            provider_id=record.provider_id,
            code=record.code,
            reason=record.reason,
            when=_moment(record.at),
            delivery=delivery_of(record.state, record.delivery),
            delivery_at=_moment(record.delivery_at),
            delivery_code=record.delivery_code,
            maybe_sent=record.maybe_sent,
            cost=", ".join(amount_text(bill.cost_billionths or 0) for bill in costs),
            currency=", ".join(bill.currency for bill in costs),
            parts=sum(bill.parts for bill in record.bills),
            version=int(record.version or 1),
            carrier=record.bill.carrier_name,
            country=region_of(record.to),
            area=area_of(record.to),
            variant=self._variant(record.to),
        )


def _moment(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat() if wall_ms else ""
