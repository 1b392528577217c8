"""A campaign's ledger: its counters, and a recount that proves them from the records.

    imported = waiting + retrying + in doubt + accepted + dead
             + cancelled + expired + suppressed + purged
    accepted = delivered + failed + unconfirmed + unknown
    maybe_sent: of those not accepted, whom an attempt may have reached
    costs: what the provider billed for them, by currency and carrier

A message that a worker holds still counts as waiting, and an accepted one stays accepted whatever
a receipt says later. The scripts that move a message or apply a receipt keep the counters;
``recount`` trusts none of them and looks at every recipient.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import redis

from ..archive import ArchiveReader
from ..carriers import Carrier
from ..keys import ENDED_BY_LIMITS, LEFT_OUT, UNSENT, Keys
from ..receipts import DELIVERIES
from ..stored import (
    DELIVERY_FIELDS,
    Bill,
    CostSum,
    LaneName,
    MessageId,
    Record,
    Ticket,
    carrier_of_letter,
    parse_sums,
)
from ..withheld import WITHHELD

PENDING = ("waiting", "retrying", "in_doubt")
"""States that keep a campaign running: it is finished once no recipient is in any of them."""

STATES = (*PENDING, "accepted", "dead", "cancelled", "expired", "suppressed", "purged")

_PAGE = 1000

Costs = Mapping[str, Mapping[Carrier, CostSum]]
"""Sums of what was billed by currency and carrier; those without a cost are under ``""``."""


class Ledger(msgspec.Struct, frozen=True):
    """How many of a campaign's recipients are in each state.

    ``states`` has a count for each of ``STATES``. ``deliveries`` has one for each of
    ``receipts.DELIVERIES``: what receipts said of the accepted recipients. ``maybe_sent`` of those
    that are not accepted, in whatever state, may have been sent a message all the same; the
    counters of a campaign that version 0.1 created do not know, None, but a recount does.
    ``costs`` count each time that the provider has one of them: whom it sent a message twice costs
    twice.

    Of the suppressed, ``ended`` tells how many were so by which limit on their recipients, and
    ``held`` how many recipients had to wait for one: by code, those alone that occurred.
    ``segments`` are those of the accepted, as they were counted here; None where an earlier
    version created the campaign. ``left_out`` of the cancelled were left out by a person.
    """

    imported: int
    states: dict[str, int]
    deliveries: dict[str, int]
    maybe_sent: int | None = None
    costs: Costs = {}
    ended: dict[str, int] = {}
    held: dict[str, int] = {}
    segments: int | None = None
    left_out: int = 0

    @property
    def adds_up(self) -> bool:
        """Whether both equations above hold."""
        return self.imported == sum(self.states.values()) and self.unknown >= 0

    @property
    def unknown(self) -> int:
        """How many accepted recipients no receipt has decided yet."""
        return self.states["accepted"] - sum(self.deliveries.values())

    @property
    def pending(self) -> int:
        """How many recipients keep the campaign running."""
        return sum(self.states[state] for state in PENDING)


class Ledgers:
    """The ledgers of one account's campaigns, on a synchronous client.

    Who recounts hands in the reader of the account's archive.
    """

    def __init__(
        self, client: redis.Redis, keys: Keys, archive: ArchiveReader | None = None
    ) -> None:
        self._client: Any = client
        self._keys, self._archive = keys, archive

    def read(self, campaign: str) -> Ledger:
        """Return the counters, as the scripts keep them; all 0 for an unknown campaign."""
        return self.read_all([campaign])[campaign]

    def read_all(self, campaigns: Sequence[str]) -> dict[str, Ledger]:
        """Return the counters of several campaigns by name, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for campaign in campaigns:
            pipeline.hgetall(self._keys.ledger(campaign))
            pipeline.hgetall(self._keys.costs(campaign))
        answers = pipeline.execute()
        stored = zip(campaigns, answers[::2], answers[1::2], strict=True)
        return {campaign: _stored_ledger(counts, costs) for campaign, counts, costs in stored}

    def recount(self, campaign: str) -> Ledger:
        """Count the recipients from every ticket, lease, list and record of the campaign.

        A message that moves meanwhile may be counted twice or not at all, so compare with ``read``
        only while the campaign is paused, finished or cancelled. Only ``held``, ``segments`` and
        ``left_out``, of what is past, are what the counters say. Reads everything once and takes
        about 100 bytes of memory a recipient. Raises ArchiveUnavailable where some of them are in
        an archive that can't be asked.
        """
        states: dict[bytes, str] = dict.fromkeys(self._in_lanes(campaign), self._waits(campaign))
        states |= dict.fromkeys(self._leased(campaign), "waiting")
        ended = Counter[str]()
        for name, state in UNSENT.items():
            shorts = dict.fromkeys(self._unsent(campaign, name), state)
            ended[name] += len(shorts.keys() - states.keys())
            states |= shorts
        deliveries: dict[bytes, str] = {}
        bills: list[Bill] = []
        maybe_sent = 0
        for short, record in self._recorded(campaign):
            state, delivery = record.state, record.delivery
            bills += record.bills
            maybe_sent += record.maybe_sent
            ended[record.code] += state == "suppressed"
            # One that waits was found in a lane; or, cancelled with its campaign, in that list.
            if state != "waiting":
                states[short] = state
            if delivery:
                deliveries[short] = delivery
        for short, record in self._archived(campaign):
            if short not in states:
                bills += record.bills
                ended[record.code] += record.state == "suppressed"
                maybe_sent += record.maybe_sent
                states[short] = record.state
                if record.delivery:
                    deliveries[short] = record.delivery
        members = sum(self._client.scard(shard) for shard in self._shards(campaign))
        counts = Counter([*states.values(), *deliveries.values()])
        counts |= Counter({code: ended[code] for code in ENDED_BY_LIMITS})
        removed = self._archive.removed(campaign) if self._archive else []
        for state, delivery, maybe, count in removed:
            maybe_sent += count * maybe
            counts.update({state: count, delivery: count})
        ledger, known = _ledger(members, counts, maybe_sent, _summed(bills)), self.read(campaign)
        if removed:  # what was billed for them, and which limit ended them, can't be counted now
            ledger = msgspec.structs.replace(ledger, costs=known.costs, ended=known.ended)
        return msgspec.structs.replace(
            ledger, held=known.held, segments=known.segments, left_out=known.left_out
        )

    def _archived(self, campaign: str) -> Iterator[tuple[bytes, Record]]:
        """Yield what ``_recorded`` does of the recipients in the archive; some are in both."""
        for message in self._archive.of_campaign(campaign) if self._archive else ():
            yield message.short, message.record

    def _waits(self, campaign: str) -> str:
        """The state of those in its lanes: of a cancelled campaign they may stay a while."""
        state = self._client.hget(self._keys.campaign(campaign), "state")
        return "cancelled" if state == b"cancelled" else "waiting"

    def _in_lanes(self, campaign: str) -> Iterator[bytes]:
        lanes = self._keys.lane(LaneName.pattern(campaign))
        for lane in self._client.scan_iter(match=lanes, count=_PAGE):
            yield from self._tickets(lane)

    def _leased(self, campaign: str) -> Iterator[bytes]:
        for id in map(MessageId.parse, self._client.hkeys(self._keys("leases"))):
            if id.campaign == campaign:
                yield id.short.encode()

    def _unsent(self, campaign: str, ended: str) -> Iterator[bytes]:
        yield from self._tickets(self._keys.unsent(campaign, ended))

    def _tickets(self, key: str | bytes) -> Iterator[bytes]:
        start = 0
        while page := self._client.lrange(key, start, start + _PAGE - 1):
            yield from (Ticket.short_of(ticket) for ticket in page)
            start += _PAGE

    def _recorded(self, campaign: str) -> Iterator[tuple[bytes, Record]]:
        """Yield each recipient's short id, and of its record what a ledger tells."""
        prefix = self._keys.record(MessageId.prefix(campaign))
        names = (
            "state", "maybe", "maybe_before", "code", *DELIVERY_FIELDS, "bill", "billed",
            "provider_id_2",
        )  # fmt: skip
        cursor, first = 0, True
        while cursor or first:
            first = False
            cursor, keys = self._client.scan(cursor, match=f"{prefix}*", count=_PAGE)
            pipeline = self._client.pipeline(transaction=False)
            for key in keys:
                pipeline.hmget(key, *names)
            for key, values in zip(keys, pipeline.execute(), strict=True):
                record = Record.parse_some(names, values)
                if record.provider_id_2:  # seldom: what the further ones cost has no fixed names
                    record = Record.parse(self._client.hgetall(key))
                if record.state:
                    yield key[len(prefix) :], record

    def _shards(self, campaign: str) -> Iterator[bytes]:
        yield from self._client.scan_iter(match=self._keys.members(campaign, "*"), count=_PAGE)


def _stored_ledger(fields: Mapping[bytes, bytes], sums: Mapping[bytes, bytes]) -> Ledger:
    counts = {name.decode(): int(count) for name, count in fields.items()}
    maybe_sent = counts.get("maybe_sent") if counts else 0
    costs: dict[str, dict[Carrier, CostSum]] = {}
    for field, sum in parse_sums(sums).items():
        if sum.messages:
            costs.setdefault(field.currency, {})[carrier_of_letter(field.name)] = sum
    ledger = _ledger(counts.get("imported", 0), counts, maybe_sent, costs)
    known = not counts or "counts_segments" in counts
    segments = counts.get("segments", 0) if known else None
    left_out = counts.get(LEFT_OUT, 0)
    return msgspec.structs.replace(ledger, segments=segments, left_out=left_out)


def _summed(bills: Iterable[Bill]) -> Costs:
    costs: dict[str, dict[Carrier, CostSum]] = {}
    for bill in bills:
        of_currency = costs.setdefault(bill.currency, {})
        of_currency[bill.carrier] = of_currency.get(bill.carrier, CostSum()) + CostSum.of(bill)
    return costs


def _ledger(
    imported: int, counts: Mapping[str, int], maybe_sent: int | None, costs: Costs
) -> Ledger:
    states = {state: counts.get(state, 0) for state in STATES}
    deliveries = {delivery: counts.get(delivery, 0) for delivery in DELIVERIES}
    ended = {code: counts[code] for code in ENDED_BY_LIMITS if counts.get(code)}
    held = {code: counts[f"held_{code}"] for code in WITHHELD if counts.get(f"held_{code}")}
    return Ledger(imported, states, deliveries, maybe_sent, costs, ended, held)
