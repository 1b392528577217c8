"""Whether each promise held; if not, which messages broke it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sluicegate.keys import FINAL_STATES
from sluicegate.stored import UNITS, MessageId
from sluicegate_worker.provider.telnyx.events import DELIVERY_OF

from .evidence import Evidence
from .rate import held_up, highest, refused
from .records import Arrived, Books
from .setting import CAMPAIGN, CONCURRENCY, LIMIT

_AT_REST = FINAL_STATES | {"in_doubt", "dead"}
_INDEX_OF = {"in_doubt": "doubts", "dead": "dead", "retrying": "due", "scheduled": "due"}


class Promise(msgspec.Struct, frozen=True):
    """One promise, the figures that it was judged by, and what broke it."""

    name: str
    figures: str
    broken: Sequence[str] = ()


def judged(evidence: Evidence) -> list[Promise]:
    """Judge every promise, the most important first."""
    return [
        _nothing_lost(evidence),
        _one_state(evidence.before),
        _never_twice(evidence),
        _doubts(evidence),
        _accounted(evidence),
        _ledger(evidence),
        _costs(evidence),
        _rate(evidence),
        _concurrency(evidence.provided.report),
        _receipts(evidence),
        _standstills(evidence),
        Promise("no process ended by itself", "", evidence.ended),
        Promise("no secret and no number in a log", "", evidence.leaks),
    ]


def _nothing_lost(evidence: Evidence) -> Promise:
    states = Counter(record.state for record in evidence.before.records.values())
    shown = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in states.items())
    return Promise("nothing lost", f"{len(evidence.sent):,} enqueued: {shown}", evidence.lost)


def _one_state(books: Books) -> Promise:
    """At rest each message is final, dead or in doubt, and its index agrees."""
    broken = [
        f"{id} is {record.state}"
        for id, record in books.records.items()
        if record.state not in _AT_REST
    ]
    for name, ids in books.indexes.items():
        states = {id: books.records[id].state for id in ids if id in books.records}
        broken += [f"{id} is in {name} and has no record" for id in ids if id not in states]
        broken += [
            f"{id} is {state}, but in {name}"
            for id, state in states.items()
            if _INDEX_OF.get(state) != name
        ]
    for id, record in books.records.items():
        index = _INDEX_OF.get(record.state)
        if index and id not in books.indexes[index]:
            broken.append(f"{id} is {record.state}, but not in {index}")
    broken += [f"{id} still waits in a lane" for id in books.tickets]
    return Promise("each in exactly one state", f"{len(books.records):,} records", broken)


def _never_twice(evidence: Evidence) -> Promise:
    twice, records = evidence.duplicated, evidence.before.records
    recorded = [id for id in twice if id in records and len(records[id].provider_ids) > 1]
    figures = f"{len(twice)} arrived twice, {len(recorded)} of them recorded as such"
    return Promise("nothing sent twice", figures, twice)


def _reason(evidence: Evidence, id: str) -> str:
    record = evidence.before.records.get(id)
    return record.reason if record else "without a record"


def _doubts(evidence: Evidence) -> Promise:
    """A kill leaves only begun POSTs in doubt, and every doubt held at the end has that cause."""
    begun = set[str]().union(*(caught.begun for caught in evidence.killed.values()))
    doubted, held = evidence.doubted, evidence.before.indexes["doubts"]
    broken = [f"{id} was left in doubt, but its POST had not begun" for id in doubted - begun]
    broken += [
        f"{id} is held in doubt ({_reason(evidence, id)}), but no kill explains it"
        for id in held - begun
    ]
    if len(doubted) > evidence.begun:
        broken.append(f"{len(doubted)} messages in doubt exceed {evidence.begun} POSTs begun")
    figures = (
        f"{len(evidence.killed)} kills, {evidence.begun} POSTs begun: {len(doubted)} in doubt, "
        f"{len(held)} still held at the end"
    )
    return Promise("only begun POSTs in doubt", figures, broken)


def _accounted(evidence: Evidence) -> Promise:
    """After the doubts are resolved, what we call accepted arrived there, under the same id."""
    after, totals = evidence.after, evidence.after.totals
    arrived: dict[str, set[str]] = {}
    for arrival in evidence.provided.arrived:
        arrived.setdefault(arrival.to, set()).add(arrival.id)
    broken = [*_disagreements(evidence, arrived)]
    strangers = arrived.keys() - set(evidence.sent.values())
    broken += [f"{len(strangers)} recipients got a message that nobody enqueued"] * bool(strangers)
    accepted = sum(record.state == "accepted" for record in after.records.values())
    enqueued = len(evidence.sent) + evidence.planted
    for name, count in (("enqueued", enqueued), ("accepted", accepted)):
        if totals.get(name, 0) != count:
            broken.append(f"the totals say {totals.get(name, 0)} {name}, the records say {count}")
    figures = f"{accepted:,} accepted, {len(evidence.provided.arrived):,} arrived"
    return Promise("the provider's records agree with ours", figures, broken)


def _standstills(evidence: Evidence) -> Promise:
    """Each was named in time, and messages went on after its remedy."""
    broken: list[str] = []
    for staged in evidence.staged:
        if staged.named_seconds is None:
            broken.append(f"{staged.name}: status did not name it")
        if not staged.went_on:
            broken.append(f"{staged.name}: nothing went on after the remedy")
    named = [
        f"{staged.name} {staged.named_seconds:.0f} s"
        for staged in evidence.staged
        if staged.named_seconds is not None
    ]
    return Promise("standstills are named, and end", ", ".join(named), broken)


def _disagreements(evidence: Evidence, arrived: Mapping[str, set[str]]) -> Iterator[str]:
    for id, to in evidence.sent.items():
        record = evidence.after.records.get(id)
        theirs = arrived.get(to, set())
        if record is None or (record.state == "accepted") != bool(theirs):
            state = record.state if record else "unknown"
            yield f"{id} is {state} here, but arrived {len(theirs)} times"
        elif not set(record.provider_ids) <= theirs:
            yield f"{id} has a provider's id that is not its own"


def _ledger(evidence: Evidence) -> Promise:
    after = evidence.after
    broken = [
        f"the ledger says {books.ledger}, the records say {books.recount}"
        for books in (evidence.before, after)
        if books.ledger != books.recount
    ]
    imported = sum(MessageId.parse(id).campaign == CAMPAIGN for id in evidence.sent)
    if not after.ledger.adds_up or after.ledger.imported != imported:
        broken.append(f"{imported} were imported, the ledger says {after.ledger}")
    if after.campaign != "finished":
        broken.append(f"the campaign is {after.campaign}, although nothing is left to do")
    return Promise("the campaign's ledger is exact", f"{imported:,} imported", broken)


def _costs(evidence: Evidence) -> Promise:
    """Each message costs what the provider billed, as far as it told it, and the sums say so.

    What an acknowledged event told is known. Else an answer may be lost, and so its cost; or an
    event came whose acknowledgement was lost.
    """
    after = evidence.after
    bills = {
        provider_id: bill
        for record in after.records.values()
        for provider_id, bill in record.bills.items()
    }
    broken: list[str] = []
    ours = unknown = 0
    for arrival in evidence.provided.arrived:
        bill = bills.get(arrival.id)
        cost = None if bill is None else bill.cost_billionths
        billed = arrival.cost_billionths
        may_be = {billed} if arrival.told else {None, billed, arrival.answered_billionths}
        if cost not in may_be:
            broken.append(f"{arrival.id} was billed {billed} billionths, and is known as {cost}")
        ours, unknown = ours + (cost or 0), unknown + (cost is None)
    summed = sum(sum_of.cost_billionths for sum_of in after.costs.values())
    counted = Counter(bill.currency for record in after.records.values() for bill in record.billed)
    if summed != ours:
        broken.append(f"the sums say {summed} billionths, the records {ours}")
    if counted != Counter({name: one.messages for name, one in after.costs.items()}):
        broken.append(f"the sums count {after.costs}, the records {dict(counted)}")
    figures = f"{ours / UNITS:,.4f} billed and known, {unknown:,} messages without a cost"
    return Promise("costs are what the provider billed", figures, broken)


def _rate(evidence: Evidence) -> Promise:
    posts = evidence.provided.posts
    ids = {to: id for id, to in evidence.sent.items()}
    late = held_up(posts, ids, evidence.before.records, evidence.thawed)
    most = highest([post for post in posts if post not in late])
    answers = refused(posts, late)
    broken = [f"{most} requests in one second"] * (most > LIMIT)
    broken += [f"an answer 429, {_since(evidence.struck, moment)}" for moment in answers]
    figures = (
        f"at most {highest(posts)} of {LIMIT} requests in any second, {len(answers)} answers 429; "
        f"{len(late)} POSTs held up in a stopped worker"
    )
    return Promise("within the rate limit", figures, broken)


def _since(struck: Sequence[tuple[float, str]], moment: float) -> str:
    """How long after the last disaster ``moment`` was."""
    past = [(time, kind) for time, kind in struck if time <= moment]
    return f"{moment - past[-1][0]:.2f} s after: {past[-1][1]}" if past else "before any disaster"


def _concurrency(report: Mapping[str, Any]) -> Promise:
    highest = report["highest_concurrency"]
    broken = [f"{highest} at once"] * (highest > CONCURRENCY)
    return Promise("within the concurrency", f"at most {highest} of {CONCURRENCY} at once", broken)


def _receipts(evidence: Evidence) -> Promise:
    """No delivery is wrong, and none is missing unless its event was lost unacknowledged.

    The provider sends each false event once; we refuse it, so the provider counts it as given up.
    """
    events, totals = evidence.provided.webhooks, evidence.after.totals
    ids = {to: id for id, to in evidence.sent.items()}
    deliveries = [
        (arrival, *_deliveries(ids, evidence.after, arrival))
        for arrival in evidence.provided.arrived
    ]
    broken = [
        f"{ids.get(arrival.to)} is {ours} by receipt, but {theirs} there"
        for arrival, ours, theirs in deliveries
        if ours and ours != theirs
    ]
    missing = [arrival for arrival, ours, theirs in deliveries if theirs and not ours]
    lies = events["forged"] + events["tampered"] + events["stale"]
    excused = events["lost"] + events["given_up"] - lies
    if len(missing) > excused:
        broken.append(
            f"{len(missing)} deliveries are missing, but only {excused} events were lost"
        )
    recorded = sum(count for name, count in totals.items() if name.startswith("receipts_"))
    # A lower bound: the first event of a duplicate may have been lost.
    acknowledged = events["acknowledged"] - events["duplicate"]
    if recorded < acknowledged:
        broken.append(f"{acknowledged} events were acknowledged, but only {recorded} recorded")
    if totals.get("receipts_unknown"):
        broken.append(f"{totals['receipts_unknown']} receipts named messages unknown here")
    figures = (
        f"{len(deliveries) - len(missing):,} deliveries known, {len(missing)} missing "
        f"({excused} events lost); {lies} false events refused"
    )
    return Promise("receipts are right", figures, broken)


def _deliveries(ids: Mapping[str, str], books: Books, arrival: Arrived) -> tuple[str, str]:
    """A message's delivery by our record, and by the provider's."""
    record = books.records.get(ids.get(arrival.to, ""))
    return record.delivery if record else "", DELIVERY_OF.get(arrival.final, "")
