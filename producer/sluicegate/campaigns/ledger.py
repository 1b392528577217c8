"""A campaign's ledger: its counters, and the proof of them from the records themselves.

    imported = waiting + retrying + in doubt + accepted + dead
             + cancelled + expired + suppressed + purged
    accepted = delivered + failed + unconfirmed + unknown

What a worker holds is still waiting; who was accepted stays so, whatever a receipt says later.
The counters are kept by the scripts that move a message, or hear of it; ``recount`` trusts none
of them and looks at every recipient.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import redis

from ..keys import Keys, unsent_states
from ..receipts import DELIVERIES
from ..stored import DELIVERY_FIELDS, LaneName, MessageId, Record, Ticket

PENDING = ("waiting", "retrying", "in_doubt")
"""States that a running campaign still has to do with; without any it is finished."""

STATES = (*PENDING, "accepted", "dead", "cancelled", "expired", "suppressed", "purged")

_PAGE = 1000


class Ledger(msgspec.Struct, frozen=True):
    """How many of a campaign's recipients are where, and what became of those accepted.

    ``deliveries`` are what receipts said: delivered, failed, unconfirmed.
    """

    imported: int
    states: dict[str, int]
    deliveries: dict[str, int]

    @property
    def adds_up(self) -> bool:
        """The equations above."""
        return self.imported == sum(self.states.values()) and self.unknown >= 0

    @property
    def unknown(self) -> int:
        """How many were accepted and no receipt has said more."""
        return self.states["accepted"] - sum(self.deliveries.values())

    @property
    def pending(self) -> int:
        return sum(self.states[state] for state in PENDING)


class Ledgers:
    """The ledgers of one account's campaigns, on a synchronous client."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys

    def read(self, campaign: str) -> Ledger:
        """The counters, as the scripts keep them."""
        found = self._client.hgetall(self._keys.ledger(campaign))
        counts = {name.decode(): int(count) for name, count in found.items()}
        return _ledger(counts.get("imported", 0), counts)

    def recount(self, campaign: str) -> Ledger:
        """The same, counted from every ticket, lease, list and record of the campaign.

        A message that moves while this looks may be seen twice or not at all, so compare only
        when nothing is under way: paused, finished or cancelled. Reads everything once; takes
        about 100 bytes a recipient.
        """
        where: dict[bytes, str] = dict.fromkeys(self._waiting(campaign), "waiting")
        for state in unsent_states():
            where |= dict.fromkeys(self._unsent(campaign, state), state)
        deliveries: dict[bytes, str] = {}
        for short, state, delivery in self._recorded(campaign):
            # What waits is only where it was found; in a cancelled campaign, among the cancelled.
            if state != "waiting":
                where[short] = state
            if delivery:
                deliveries[short] = delivery
        members = sum(self._client.scard(shard) for shard in self._shards(campaign))
        return _ledger(members, Counter([*where.values(), *deliveries.values()]))

    def _waiting(self, campaign: str) -> Iterator[bytes]:
        lanes = self._keys.lane(LaneName.pattern(campaign))
        for lane in self._client.scan_iter(match=lanes, count=_PAGE):
            yield from self._tickets(lane)
        for id in map(MessageId.parse, self._client.hkeys(self._keys("leases"))):
            if id.campaign == campaign:
                yield id.short.encode()

    def _unsent(self, campaign: str, state: str) -> Iterator[bytes]:
        yield from self._tickets(self._keys.unsent(campaign, state))

    def _tickets(self, key: str | bytes) -> Iterator[bytes]:
        start = 0
        while page := self._client.lrange(key, start, start + _PAGE - 1):
            yield from (Ticket.short_of(ticket) for ticket in page)
            start += _PAGE

    def _recorded(self, campaign: str) -> Iterator[tuple[bytes, str, str]]:
        """Each record's short id, state and delivery."""
        prefix = self._keys.record(MessageId.prefix(campaign))
        names = ("state", *DELIVERY_FIELDS)
        cursor, first = 0, True
        while cursor or first:
            first = False
            cursor, keys = self._client.scan(cursor, match=f"{prefix}*", count=_PAGE)
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, *names)
            for key, values in zip(keys, pipeline.execute(), strict=True):
                record = Record.parse_some(names, values)
                if record.state:
                    yield key[len(prefix) :], record.state, record.delivery

    def _shards(self, campaign: str) -> Iterator[bytes]:
        yield from self._client.scan_iter(match=self._keys.members(campaign, "*"), count=_PAGE)


def _ledger(imported: int, counts: Mapping[str, int]) -> Ledger:
    states = {state: counts.get(state, 0) for state in STATES}
    return Ledger(imported, states, {delivery: counts.get(delivery, 0) for delivery in DELIVERIES})
