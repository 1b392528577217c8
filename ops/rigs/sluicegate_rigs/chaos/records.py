"""What our records say at the end, and what the provider says."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, cast

import msgspec

from sluicegate import Sluice
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.ledger import Ledger
from sluicegate.keys import Keys
from sluicegate.stored import (
    UNITS,
    Bill,
    CostSum,
    LaneName,
    MessageId,
    Record,
    Ticket,
    parse_sums,
)

from ..deployment import Deployment
from .setting import CAMPAIGN

PAGE = 1_000
INDEXES = ("doubts", "dead", "due", "granted", "started")

_FIELDS = (
    *("state", "delivery", "provider_id", "provider_id_2", "history", "reason"),
    *("bill", "billed"),
)


class Lost(NamedTuple):
    """A worker, named by its tag, lost a message; noticed at this time (wall ms)."""

    tag: str
    at_ms: float


class Begun(NamedTuple):
    """A worker, named by its tag, began a POST at this time (wall ms)."""

    tag: str
    at_ms: float


class StoredMessage(NamedTuple):
    """One message: state, delivery by receipt, the provider's ids, losses, attempts and why.

    ``bills`` are by the provider's id: ``billed`` of them count in the sums.
    """

    state: str
    delivery: str
    provider_ids: tuple[str, ...]
    lost: tuple[Lost, ...]
    begun: tuple[Begun, ...]
    reason: str = ""
    bills: Mapping[str, Bill] = {}
    billed: Sequence[Bill] = ()


class Arrived(NamedTuple):
    """One message that the provider accepted: recipient, provider's id, final status.

    ``cost_billionths`` is what it was billed in the end, which was surely ``told`` where an event
    that says so was acknowledged; ``answered_billionths`` what its answer told, None for nothing.
    """

    to: str
    id: str
    final: str
    cost_billionths: int = 0
    told: bool = False
    answered_billionths: int | None = None


class Posted(NamedTuple):
    """One POST as it reached the provider, in monotonic seconds."""

    at: float
    to: str
    status: int | str


class Books(msgspec.Struct, frozen=True):
    """Our side at one moment: records by id, ids by index, tickets, totals and the campaign.

    ``costs`` are the sums of all days, by currency.
    """

    records: Mapping[str, StoredMessage]
    indexes: Mapping[str, frozenset[str]]
    tickets: Counter[str]
    totals: Mapping[str, int]
    ledger: Ledger
    recount: Ledger
    campaign: str
    costs: Mapping[str, CostSum] = {}


class Provided(msgspec.Struct, frozen=True):
    """The provider's side: arrivals, every POST, its report, and the sums of its webhooks."""

    arrived: Sequence[Arrived]
    posts: Sequence[Posted]
    report: Mapping[str, Any]
    webhooks: Mapping[str, int]


def books(sluice: Sluice, ids: Sequence[str]) -> Books:
    """Read our side; ``ids`` are those of the enqueued messages."""
    client, keys = cast("Any", sluice.client), sluice.keys
    records: dict[str, StoredMessage] = {}
    for first in range(0, len(ids), PAGE):
        page = ids[first : first + PAGE]
        pipeline = client.pipeline(transaction=False)
        for id in page:
            pipeline.hmget(keys.record(id), *_FIELDS)
        stored = zip(page, pipeline.execute(), strict=True)
        records |= {id: _record(client, keys, id, fields) for id, fields in stored if fields[0]}
    indexes = {name: frozenset(_texts(client.zrange(keys(name), 0, -1))) for name in INDEXES}
    totals = {name.decode(): int(n) for name, n in client.hgetall(keys("totals")).items()}
    campaigns = Campaigns(sluice.client, keys)
    return Books(
        records,
        indexes,
        Counter(_tickets(client, keys)),
        totals,
        campaigns.ledger(CAMPAIGN),
        campaigns.recount(CAMPAIGN),
        campaigns.get(CAMPAIGN).state,
        _costs(client, keys),
    )


def provided(deployment: Deployment) -> Provided:
    """Read the provider's side from the simulator."""
    arrived: list[Arrived] = []
    while page := deployment.provider(f"arrivals?after={len(arrived)}&limit={PAGE}"):
        arrived += map(_arrived, page)
    posts = [
        Posted(moment, to, status) for moment, to, _, status, _ in deployment.provider("requests")
    ]
    return Provided(arrived, posts, deployment.provider("report"), deployment.provider("webhooks"))


def _arrived(entry: Mapping[str, Any]) -> Arrived:
    billed, told = _billionths(entry["billed_cost"]), entry["cost_finally_told"]
    answered = _billionths(entry["answered_cost"]) if entry["cost_answered"] else None
    return Arrived(entry["to"], entry["id"], entry["final"], billed, told, answered)


def _billionths(amount: str) -> int:
    return int(Decimal(amount) * UNITS)


def _costs(client: Any, keys: Keys) -> dict[str, CostSum]:
    """What all messages cost, by currency, as the days' sums say."""
    costs: dict[str, CostSum] = {}
    for day in client.scan_iter(match=keys("day_costs:*"), count=PAGE):
        for field, sum in parse_sums(client.hgetall(day)).items():
            if field.kind == "all" and sum.messages:
                costs[field.currency] = costs.get(field.currency, CostSum()) + sum
    return costs


def _record(client: Any, keys: Keys, id: str, fields: Sequence[bytes | None]) -> StoredMessage:
    stored = Record.parse_some(_FIELDS, fields)
    if stored.provider_id_2:
        stored = Record.parse(client.hgetall(keys.record(id)))
    ids = tuple(id for id in (stored.provider_id, stored.provider_id_2) if id)
    attempts = stored.history.attempts
    lost = [
        Lost(attempt.worker, attempt.began_ms + attempt.took_ms)
        for attempt in attempts
        if attempt.outcome == "lost"
    ]
    begun = tuple(Begun(attempt.worker, attempt.began_ms) for attempt in attempts)
    bills = {stored.provider_id: stored.bill}
    bills |= {id: other.bill for id, other in stored.other_bills.items()}
    return StoredMessage(
        stored.state, stored.delivery, ids, tuple(lost), begun, stored.reason, bills, stored.bills
    )


def _tickets(client: Any, keys: Keys) -> Iterator[str]:
    """The id of each message whose ticket is in a lane."""
    for lane in client.scan_iter(match=keys.lane("*"), count=PAGE):
        campaign = LaneName.parse(lane.removeprefix(keys.lane("").encode())).campaign
        for ticket in client.lrange(lane, 0, -1):
            yield MessageId(campaign, Ticket.parse(ticket).short).format()


def _texts(members: Any) -> Iterator[str]:
    return (member.decode() for member in members)
