"""One account as a scrape sees it: its state in Redis, read at a cost that no backlog raises."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from sluicegate.campaigns.ledger import Ledger
from sluicegate.keys import FINAL_STATES, Keys
from sluicegate.stored import CostSum, SumField

from ..inspect import (
    AccountFacts,
    AppCounts,
    ArchiveState,
    Look,
    ReconcileState,
    WaitingWebhooks,
    cost_of_day,
    day_of,
    read_facts,
    read_ledgers,
    read_scrape,
)

EVENTS: Final[Mapping[str, str]] = {
    "enqueued": "messages enqueued or imported",
    "accepted": "messages that the provider has",
    "delivered": "receipts: delivered",
    "failed": "receipts: not delivered",
    "unconfirmed": "receipts: sent, and nobody says whether it arrived",
    "dead": "messages that became dead letters",
    "dead_replayed": "dead letters replayed",
    "retried": "attempts that failed and are repeated",
    "throttled": "attempts answered 429",
    "in_doubt": "attempts after which a message was in doubt",
    "resolved": "doubts ended by a late answer or by a person",
    "by_receipt": "messages that a receipt proved sent, whatever they were taken for",
    "resent": "POSTs repeated under the same idempotency key",
    "replayed": "such POSTs of messages that the provider had already",
    "accepted_anew": "accepted after a doubt under a key that the provider did not know",
    "sent_twice": "messages that the provider has twice",
    "late": "evidence of acceptance after the lease or the message had ended",
    "leases_lost": "POSTs begun by a worker that fell silent",
    "void": "starts refused for being too late for their slot",
    "unused": "slots given back: a stop, a halt, a pause",
    "overtaken": "starts of messages that had ended meanwhile",
    "too_many": "messages ended because their recipients had got as many as they may",
    "too_soon": "messages ended because their recipients got one shortly before",
    "same_text": "messages ended because their recipients had got the same text",
    "held_too_many": "messages that had to wait because their recipients got as many as they may",
    "held_too_soon": "messages that had to wait because their recipients got one shortly before",
    "held_same_text": "messages that had to wait because their recipients got the same text",
    "held_prefix": "messages that had to wait behind the brake on numbers that begin alike",
    "breaker_opened": "times that the breaker opened",
    "receipts_applied": "receipts that told something",
    "receipts_stale": "receipts that told nothing new",
    "receipts_duplicate": "receipts of an event seen before",
    "receipts_archived": "receipts set aside for messages in the archive",
    "receipts_unknown": "receipts of no message known",
}
"""What the account's ``totals`` count, beside its states."""

LEVELS: Final = (
    *("account", "sender", "registration", "brand", "campaign", "app"),
    *("money", "messages", "segments", "canary"),
)
BREAKER: Final = ("closed", "open", "half")

_TAKEN_BACK: Final = FINAL_STATES - {"accepted"}


class Seen(NamedTuple):
    """One account at a scrape; ``halts`` and ``parked`` count by level, and how a halt ends.

    ``ledgers`` are those of the newest campaigns that have not ended, by name; ``apps`` are by
    name too. ``notices`` wait for a receiver. ``costs`` are the sums of today (UTC).
    """

    facts: AccountFacts
    halts: Counter[tuple[str, str]]
    parked: Counter[str]
    workers: int
    ready: int
    campaigns: int
    optouts: int
    ledgers: Mapping[str, Ledger]
    twice: int
    apps: Mapping[str, AppCounts]
    webhooks: WaitingWebhooks
    archive: ArchiveState
    reconcile: ReconcileState
    notices: int
    costs: Mapping[SumField, CostSum]

    @property
    def states(self) -> Mapping[str, int]:
        """Messages by where they are; those in doubt, by who decides."""
        counts: dict[str, int] = msgspec.structs.asdict(self.facts.counts)
        counts["in_doubt"] -= counts["held"]
        return counts

    @property
    def events(self) -> Mapping[str, int]:
        """Counters that never go back; each is there from the start."""
        totals = self.facts.totals
        return dict.fromkeys(EVENTS, 0) | {
            name: count for name, count in totals.items() if name not in _TAKEN_BACK
        }


def look(client: Any, keys: Keys) -> Seen:
    """Read one account: it costs as much as there are senders, parked lanes and campaigns."""
    facts = read_facts(Look(client, keys))
    counts = read_scrape(client, keys, facts.now_ms)
    halts = facts.halts.values()
    return Seen(
        facts=facts,
        halts=Counter((_kind(h.level), "itself" if h.until_ms else "person") for h in halts),
        parked=Counter(map(_kind, counts.parked)),
        workers=counts.workers,
        ready=counts.ready,
        campaigns=counts.campaigns,
        optouts=counts.optouts,
        ledgers=read_ledgers(client, keys),
        twice=counts.twice,
        apps=counts.apps,
        webhooks=counts.webhooks,
        archive=counts.archive,
        reconcile=counts.reconcile,
        notices=counts.notices,
        costs=cost_of_day(client, keys, day_of(facts.now_ms)),
    )


def _kind(level: str) -> str:
    return level.partition(":")[0]
