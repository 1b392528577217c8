"""Receipts: in whatever state a message is, and in whatever order they come."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.keys import FINAL_STATES
from sluicegate.receipts import DELIVERIES, REMEMBERED_MS, Receipt
from sluicegate_worker.provider.telnyx.events import DELIVERY_OF
from sluicegate_worker.wire import Grant
from support.bench import Bench
from support.messages import member_id, message, plan, recipient
from support.receipts import apply, receipt, tell

UNDER_WAY = ("queued", "sending", "sent", "something new")
STATUSES = {
    "sent": "",
    "delivered": "delivered",
    "delivery_failed": "failed",
    "delivery_unconfirmed": "unconfirmed",
}
EXPIRY_MS = 100_000.0
BACK: dict[str, Any] = {"kind": "back", "heard": True, "reason": "HTTP 429"}


class Case(NamedTuple):
    """One message on its bench, an app's or a campaign's recipient."""

    bench: Bench
    id: str
    campaign: str
    to: str

    def record(self) -> dict[str, str]:
        return self.bench.record(self.id)

    def ledger(self) -> Counter[str]:
        """What the campaign's ledger says, nothing where it is an app's message."""
        if not self.campaign:
            return Counter()
        found = self.bench.campaigns.ledger(self.campaign)
        return Counter(found.states | found.deliveries)

    def granted(self) -> Grant:
        """Claim it, and wait for its slot; others may have been left before it."""
        [grant] = self.bench.claim_all(1)
        assert grant.id == self.id
        self.bench.later(max(grant.slot_ms, 0))
        return grant

    def started(self) -> Grant:
        grant = self.granted()
        assert self.bench.start(grant) == [True]
        return grant


def app_message(bench: Bench, number: int, **fields: Any) -> Case:
    made = message(number, **fields)
    bench.enqueue(made)
    return Case(bench, made.id, "", made.to)


def campaign_recipient(bench: Bench, number: int, **fields: Any) -> Case:
    of = plan(f"c{number}", **fields)
    row = recipient(of, number)
    bench.campaigns.create(of)
    bench.add(of.name, row)
    bench.act(of.name, "start")
    return Case(bench, member_id(of.name, row), of.name, row.to)


def heard(store: redis.Redis) -> Bench:
    """A bench on which the provider has answered before, and every call is made twice."""
    bench = Bench(store, repeat=True, limit=1000)
    bench.enqueue(message(99))
    bench.send()
    return bench


MAKERS = {"app": app_message, "campaign": campaign_recipient}


# What brings a message into each state.


def settled(case: Case, kind: str, **fields: Any) -> None:
    assert case.bench.settle(case.started(), kind, **fields) == "applied"


def waits(case: Case) -> None:
    """Given back once, so that a campaign's recipient has a record."""
    settled(case, **BACK)


def is_granted(case: Case) -> None:
    waits(case)
    case.granted()


def is_started(case: Case) -> None:
    case.started()


def retries(case: Case) -> None:
    settled(case, "retry", delay_ms=60_000, code="10007", reason="in passing", heard=True)


def in_doubt(case: Case) -> None:
    settled(case, "doubt", delay_ms=60_000, code="no_answer", reason="timed out")


def is_held(case: Case) -> None:
    settled(case, "doubt", delay_ms=-1, code="no_answer", reason="timed out")


def is_dead(case: Case) -> None:
    settled(case, "dead", code="40310", reason="no number", heard=True)


def accepted(case: Case) -> None:
    settled(case, "accepted", provider_id=f"p-{case.id}", heard=True)


def accepted_as_another(case: Case) -> None:
    settled(case, "accepted", provider_id="another", heard=True)


def accepted_by_word(case: Case) -> None:
    is_held(case)
    assert case.bench.resolve(case.id, "accepted") == "resolved"


def cancelled(case: Case) -> None:
    retries(case)
    assert case.bench.cancel(case.id) == "cancelled"


def cancelled_with_its_campaign(case: Case) -> None:
    waits(case)
    assert case.bench.act(case.campaign, "cancel") == "cancelled"


def expired(case: Case) -> None:
    waits(case)
    case.bench.later(EXPIRY_MS)
    assert not case.bench.claim(1).grants


def suppressed(case: Case) -> None:
    waits(case)
    case.bench.store.hset(case.bench.keys("optouts"), case.to, "0 test")
    assert not case.bench.claim(1).grants


def purged(case: Case) -> None:
    is_dead(case)
    assert case.bench.purge(case.id) == "purged"


def replayed(case: Case) -> None:
    is_dead(case)
    assert case.bench.replay(case.id) == "replayed"


def scheduled(case: Case) -> None:
    assert case.record()["state"] == "scheduled"


EXPIRING: dict[str, Any] = {"expires_in": EXPIRY_MS / 1000}
PLACES: dict[Callable[[Case], None], str] = {
    waits: "waiting",
    is_granted: "waiting",
    is_started: "waiting",
    replayed: "waiting",
    retries: "retrying",
    in_doubt: "in_doubt",
    is_held: "in_doubt",
    is_dead: "dead",
    cancelled: "cancelled",
    cancelled_with_its_campaign: "cancelled",
    expired: "expired",
    suppressed: "suppressed",
    purged: "purged",
    scheduled: "scheduled",
}
"""How a message comes to where it is not accepted, and its state there."""

ROWS = [
    (kind, place)
    for kind in MAKERS
    for place in PLACES
    if (kind, place) not in {("app", cancelled_with_its_campaign), ("campaign", scheduled)}
]


def case_in(bench: Bench, kind: str, place: Callable[[Case], None], number: int) -> Case:
    now = datetime.fromtimestamp(bench.now_ms / 1000, UTC)
    fields: dict[str, Any] = {}
    if place is expired:
        fields = {"expires_at": now + timedelta(milliseconds=EXPIRY_MS)}
    elif place is scheduled:
        fields = {"send_at": now + timedelta(hours=1)}
    case = MAKERS[kind](bench, number, **fields)
    place(case)
    return case


def books(bench: Bench) -> None:
    """``Bench.check``, and the account's deliveries are those of its records."""
    bench.check()
    records = [bench.record(key.decode().partition("m:")[2]) for key in _records(bench)]
    told = Counter(record["delivery"] for record in records if "delivery" in record)
    totals = bench.totals()
    assert {delivery: totals[delivery] for delivery in DELIVERIES} == {
        delivery: told[delivery] for delivery in DELIVERIES
    }
    assert sum(told.values()) <= totals["accepted"]


def _records(bench: Bench) -> Iterator[bytes]:
    yield from bench.store.scan_iter(match=bench.keys("m:*"), count=1000)


def gain(after: Counter[str], before: Counter[str]) -> dict[str, int]:
    names = after.keys() | before.keys()
    return {name: by for name in names if (by := after[name] - before[name])}


# State by receipt.


@pytest.mark.parametrize(("kind", "place"), ROWS, ids=lambda part: getattr(part, "__name__", part))
def test_any_receipt_proves_that_the_provider_has_it(
    store: redis.Redis, kind: str, place: Callable[[Case], None]
) -> None:
    bench = heard(store)
    for number, (status, delivery) in enumerate(STATUSES.items(), 1):
        case = case_in(bench, kind, place, number)
        assert bench.status(case.id).state in (PLACES[place], "granted", "started")
        totals, ledger = bench.totals(), case.ledger()
        assert (
            tell(bench, case.id, status, code="40008" if delivery == "failed" else "") == "applied"
        )

        record = case.record()
        assert (record["state"], record["provider_id"]) == ("accepted", f"p-{case.id}")
        assert record.get("delivery", "") == delivery
        assert record.get("delivery_code", "") == ("40008" if delivery == "failed" else "")
        assert not record.keys() & {"code", "reason", "answer", "content", "request", "ticket"}
        assert (bench.store.pttl(bench.keys.record(case.id)) > 0) == (kind == "app")

        moved = {"accepted": 1, "by_receipt": 1, "late": 1, "receipts_applied": 1}
        moved |= {delivery: 1} if delivery else {}
        moved |= {PLACES[place]: -1} if PLACES[place] in FINAL_STATES else {}
        assert gain(bench.totals(), totals) == moved
        if kind == "campaign":
            told = {delivery: 1} if delivery else {}
            assert gain(case.ledger(), ledger) == {PLACES[place]: -1, "accepted": 1} | told
            assert bench.campaigns.recount(case.campaign) == bench.campaigns.ledger(case.campaign)
        books(bench)
    assert not bench.claim(10).grants, "it is sent again"


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("place", "known", "gained"),
    [
        (accepted, ("p",), {}),
        (accepted_as_another, ("another", "p"), {"sent_twice": 1}),
        (accepted_by_word, ("p",), {}),
    ],
    ids=["the same id", "another id", "no id"],
)
def test_what_was_accepted_learns_its_delivery(
    store: redis.Redis,
    kind: str,
    place: Callable[[Case], None],
    known: Sequence[str],
    gained: dict[str, int],
) -> None:
    bench = heard(store)
    for number, (status, delivery) in enumerate(STATUSES.items(), 1):
        case = case_in(bench, kind, place, number)
        before, ledger = bench.totals(), case.ledger()
        news = bool(delivery) or place is not accepted
        applied = "twice" if "sent_twice" in gained else "applied"
        assert tell(bench, case.id, status) == (applied if news else "stale")
        record = case.record()
        ids = [record[name] for name in ("provider_id", "provider_id_2") if name in record]
        assert ids == [id.replace("p", f"p-{case.id}") if id == "p" else id for id in known]
        assert (record["state"], record.get("delivery", "")) == ("accepted", delivery)
        told = {delivery: 1} if delivery else {}
        answered = {"receipts_applied" if news else "receipts_stale": 1}
        assert gain(bench.totals(), before) == answered | gained | told
        assert gain(case.ledger(), ledger) == (told if kind == "campaign" else {})
        books(bench)


def test_of_a_message_that_is_not_known_nothing_is_done(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    never_started = campaign_recipient(bench, 1)
    before = bench.dump()
    for number, id in enumerate(("gone", "c1.AAAAAAAAAAA", "no-campaign.AAAAAAAAAAA")):
        assert tell(bench, id, event_id=f"e{number}") == "unknown"
    assert tell(bench, never_started.id) == "unknown"
    changed = {key for key, value in bench.dump().items() if before.get(key) != value}
    assert not [key for key in changed if b":m:" in key or b"ledger" in key]
    assert bench.totals()["receipts_unknown"] == 4
    books(bench)


@pytest.mark.parametrize("status", UNDER_WAY)
def test_a_status_that_is_under_way_is_no_delivery(store: redis.Redis, status: str) -> None:
    bench = Bench(store, repeat=True)
    case = case_in(bench, "campaign", in_doubt, 1)
    assert tell(bench, case.id, status) == "applied"
    assert case.record()["state"] == "accepted"
    assert "delivery" not in case.record()
    assert bench.campaigns.ledger("c1").unknown == 1


@pytest.mark.parametrize(("status", "delivery"), DELIVERY_OF.items())
def test_every_final_status_is_a_delivery(valkey: redis.Redis, status: str, delivery: str) -> None:
    bench = Bench(valkey, repeat=True)
    case = case_in(bench, "app", accepted, 1)
    tell(bench, case.id, status)
    assert case.record()["delivery"] == delivery


# The settle that comes after it.


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("how", "answer"),
    [
        ({"kind": "accepted", "provider_id": "p"}, "applied"),
        (
            {"kind": "retry", "delay_ms": 1_000, "code": "10007", "heard": True, "perhaps": True},
            "stale",
        ),
        ({"kind": "doubt", "delay_ms": 1_000, "code": "no_answer"}, "stale"),
        ({"kind": "dead", "code": "40310", "heard": True}, "stale"),
        ({"kind": "back", "code": "10011", "heard": True, "throttled": True}, "stale"),
    ],
    ids=lambda part: part["kind"] if isinstance(part, dict) else "",
)
def test_the_answer_to_a_post_finds_what_its_receipt_has_told(
    store: redis.Redis, kind: str, how: dict[str, Any], answer: str
) -> None:
    bench = heard(store)
    case = MAKERS[kind](bench, 1)
    grant = case.started()
    tell(bench, case.id)
    before, told = bench.totals(), case.record()
    if how["kind"] == "accepted":
        how = how | {"provider_id": f"p-{case.id}"}
    assert bench.settle(grant, **how) == answer
    record = case.record()
    history = record.pop("history")
    assert history.split(",")[3] == how["kind"]
    assert record == told, "it tells nothing that was not known"
    assert record["attempts"] == "1"
    assert gain(bench.totals(), before).keys() <= {"throttled"}
    books(bench)


def test_an_answer_with_another_id_was_sent_twice(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    case = app_message(bench, 1)
    grant = case.started()
    tell(bench, case.id)
    assert bench.settle(grant, "accepted", provider_id="another", heard=True) == "twice"
    record = case.record()
    assert (record["provider_id"], record["provider_id_2"]) == (f"p-{case.id}", "another")
    assert bench.totals()["sent_twice"] == 1
    books(bench)


def test_a_worker_that_never_answers_leaves_what_its_receipt_told(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    case = campaign_recipient(bench, 1)
    case.started()
    tell(bench, case.id)
    for _ in range(6):
        bench.later(5_000)
        bench.sweep()
    assert case.record()["state"] == "accepted"
    assert bench.totals()["leases_lost"] == bench.totals()["in_doubt"] == 0
    assert bench.campaigns.get("c1").state == "finished"
    books(bench)


def test_what_a_worker_was_about_to_send_is_not_sent(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    case = app_message(bench, 1)
    waits(case)
    grant = case.granted()
    slots = len(bench.log())
    tell(bench, case.id)
    assert bench.start(grant) == [False]
    assert len(bench.log()) == slots - 1, "its slot is free again"
    assert "attempts" not in case.record()
    books(bench)


# Once told, it stays.


@pytest.mark.parametrize("first", ["delivered", "delivery_failed", "delivery_unconfirmed"])
def test_a_delivery_is_told_once_and_stays(store: redis.Redis, first: str) -> None:
    bench = Bench(store, repeat=True)
    case = case_in(bench, "campaign", accepted, 1)
    bench.later(1_000)
    assert tell(bench, case.id, first, code="40008") == "applied"
    told = case.record()
    for status in ("sent", "delivered", "delivery_failed", "delivery_unconfirmed", "expired"):
        bench.later(1_000)
        answer = tell(bench, case.id, status, f"again {status}", occurred_ms=1, code="40001")
        assert answer == "stale"
        assert case.record() == told
    assert bench.campaigns.ledger("c1").unknown == 0
    books(bench)


def test_an_event_counts_once_whatever_it_says_later(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    one, other = (case_in(bench, "app", accepted, number) for number in (1, 2))
    assert tell(bench, one.id, "sent", "e1") == "stale"
    assert tell(bench, one.id, "delivered", "e1") == "duplicate"
    assert "delivery" not in one.record()
    assert tell(bench, other.id, "delivered", "e2") == "applied"
    both = [receipt(one.id, "delivered", "e3"), receipt(one.id, "delivered", "e3")]
    assert apply(bench, both) == ["applied", "applied"], "a repeat within its own batch"
    assert bench.totals()["delivered"] == 2
    assert 0 < bench.store.pttl(bench.keys("event:e3")) <= REMEMBERED_MS
    books(bench)


def test_when_it_happened_is_kept_and_not_when_it_was_heard(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    case = case_in(bench, "app", accepted, 1)
    tell(bench, case.id, "delivery_failed", occurred_ms=1_699_999_999_123, code="40008")
    record = case.record()
    assert (record["delivery_at"], record["delivery_code"]) == ("1699999999123", "40008")


# In any order.

EVENTS = ("settle", "queued", "sent", "delivered", "delivered again", "sent twice")
KINDS: dict[str, dict[str, Any]] = {
    "accepted": {"kind": "accepted", "heard": True},
    "retry": {"kind": "retry", "delay_ms": 60_000, "heard": True, "perhaps": True},
    "doubt": {"kind": "doubt", "delay_ms": 60_000},
}
TOLD = ("state", "delivery", "delivery_at", "to", "attempts")


def outcome(store: Any, kind: str, how: dict[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """What is left of a started message after its settle and its receipts, in that order."""
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    bench = Bench(store, repeat=True)
    case = MAKERS[kind](bench, 1)
    grant = case.started()
    made = how | ({"provider_id": f"p-{case.id}"} if how["kind"] == "accepted" else {})
    for name in order:
        other = {"provider_id": "another"} if name == "sent twice" else {}
        if name == "settle":
            bench.settle(grant, **made)
        else:
            tell(bench, case.id, name.partition(" ")[0], f"event {name}", **other)
        bench.check()
    record, totals = case.record(), bench.totals()
    ids = {record.get(name) for name in ("provider_id", "provider_id_2")}
    books(bench)
    counted = {name: totals[name] for name in (*FINAL_STATES, *DELIVERIES, "sent_twice")}
    kept = {name: record.get(name) for name in TOLD}
    return kept | counted | {"ids": ids, "ledger": case.ledger()}


@pytest.mark.parametrize("kind", MAKERS)
def test_in_whatever_order_they_come_the_end_is_the_same(store: redis.Redis, kind: str) -> None:
    expected = {name: outcome(store, kind, how, EVENTS) for name, how in KINDS.items()}
    assert len({str(sorted(end.items(), key=str)) for end in expected.values()}) == 1

    @settings(max_examples=6, suppress_health_check=list(HealthCheck))
    @given(
        st.permutations(EVENTS),
        st.lists(st.sampled_from(EVENTS), max_size=4),
        st.sampled_from(sorted(KINDS)),
    )
    def holds(order: list[str], repeated: list[str], how: str) -> None:
        assert outcome(store, kind, KINDS[how], [*order, *repeated]) == expected[how]

    holds()


@settings(max_examples=6, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(("delivered", "delivery_failed", "delivery_unconfirmed", "sent")))
def test_of_deliveries_that_differ_the_first_is_kept(store: redis.Redis, order: list[str]) -> None:
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    bench = Bench(store, repeat=True)
    case = case_in(bench, "campaign", accepted, 1)
    for status in order:
        tell(bench, case.id, status)
    first = next(DELIVERY_OF[status] for status in order if status in DELIVERY_OF)
    assert case.record()["delivery"] == first
    assert bench.campaigns.ledger("c1").deliveries == {
        delivery: int(delivery == first) for delivery in DELIVERIES
    }
    books(bench)


# Being handed to the carrier.


def sent(id: str, event_id: str, occurred_ms: int = 5) -> Receipt:
    return Receipt(event_id, id, f"p-{id}", "sent", occurred_ms)


def test_being_sent_is_kept_until_there_is_a_delivery(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    case = case_in(bench, "campaign", accepted, 1)
    assert apply(bench, [sent(case.id, "e1")]) == ["applied"]
    assert apply(bench, [sent(case.id, "e2", 9)]) == ["stale"]
    record = case.record()
    assert (record["sent_at"], "delivery" in record) == ("5", False)
    assert bench.campaigns.ledger("c1").unknown == 1
    assert tell(bench, case.id, "delivered") == "applied"
    assert apply(bench, [sent(case.id, "e3")]) == ["stale"]
    record = case.record()
    assert (record["delivery"], "sent_at" in record) == ("delivered", False)
    books(bench)


def test_being_sent_proves_that_the_provider_has_it(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True)
    case = case_in(bench, "app", in_doubt, 1)
    assert apply(bench, [sent(case.id, "e1")]) == ["applied"]
    assert (case.record()["state"], case.record()["sent_at"]) == ("accepted", "5")
    books(bench)
