"""Queue, starts, settles, renewals and sweeps: who holds what, and what becomes of it."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from sluicegate.config import InDoubt
from sluicegate_worker.queue import KEY_REUSE_MS, STEP
from sluicegate_worker.wire import Grant, Renewal, Settle, SettleKind, Start, parse_stepped
from support.bench import Bench, warm_bench
from support.messages import SENDER, message, plan

LANE, BULK = f"ts:{SENDER}", f"bs:{SENDER}"
LEASE_MS = 15_000.0
HOUR_MS = 3_600_000.0


def ids(grants: Sequence[Grant]) -> list[str]:
    return [grant.id for grant in grants]


def enqueued(bench: Bench, *numbers: int, **fields: Any) -> None:
    bench.enqueue(*[message(n, **fields) for n in numbers])


def started(bench: Bench, *numbers: int, **fields: Any) -> list[Grant]:
    """Enqueue, claim and start so many; time moves to the last of their slots."""
    enqueued(bench, *numbers, **fields)
    grants = bench.claim_all(len(numbers))
    bench.later(max(0, *(grant.slot_ms for grant in grants), 0))
    assert bench.start(*grants) == [True] * len(grants)
    return grants


def at(bench: Bench, ms: float) -> datetime:
    return datetime.fromtimestamp(bench.now_ms / 1000, UTC) + timedelta(milliseconds=ms)


def away(bench: Bench, ms: float) -> None:
    """Let time pass in which other workers call; nobody hears of this one's leases."""
    for _ in range(int(ms // 5000)):
        bench.later(5000)
        bench.step()
    bench.later(ms % 5000)


# Claiming: in which order, and what is passed over.


def test_a_lane_is_claimed_in_its_order(bench: Bench) -> None:
    enqueued(bench, *range(1, 8))
    assert ids(bench.claim_all(7)) == [f"m{n}" for n in range(1, 8)]


def test_a_claim_repeated_after_a_lost_reply_gets_the_same_and_no_more(bench: Bench) -> None:
    enqueued(bench, *range(1, 8))
    args = bench.queue.step_args(want=2, token="again")
    first = parse_stepped(bench.call(STEP, args), "again").claimed
    bench.later(20)
    second = parse_stepped(bench.call(STEP, args), "again").claimed
    assert ids(second.grants) == ids(first.grants)
    assert [g.slot_ms for g in second.grants] == [g.slot_ms - 20 for g in first.grants]
    assert bench.check()["waiting"] == 7
    assert len(bench.lane(LANE)) == 5


def test_transactional_goes_first_and_bulk_gets_one_in_ten(bench: Bench) -> None:
    enqueued(bench, *range(1, 101), priority="bulk")
    enqueued(bench, *range(101, 201))
    order = [int(id[1:]) > 100 for id in ids(bench.claim_all(60))]
    assert order[0]
    assert all(order[n : n + 10].count(False) == 1 for n in range(50))


def test_a_transactional_message_overtakes_any_bulk_backlog(bench: Bench) -> None:
    enqueued(bench, *range(1, 101), priority="bulk")
    bench.claim_all(5)
    enqueued(bench, 200)
    assert bench.claim_all(1)[0].id == "m200"


def test_ready_lanes_share_equally_however_long_they_are(bench: Bench) -> None:
    for lane, size in enumerate((90, 30, 30)):
        sender = f"+1555000100{lane}"
        enqueued(bench, *range(lane * 100 + 1, lane * 100 + 1 + size), sender=sender)
    served = Counter(int(id[1:]) // 100 for id in ids(bench.claim_all(45)))
    assert all(abs(served[lane] - 15) <= 5 for lane in range(3))  # a call takes ten in a row


def test_a_lane_that_was_idle_has_no_arrears(bench: Bench) -> None:
    enqueued(bench, *range(1, 60), sender="+15550001001")
    bench.claim_all(30)
    enqueued(bench, *range(101, 160), sender="+15550001002")
    served = Counter(int(id[1:]) // 100 for id in ids(bench.claim_all(20)))
    assert served == {0: 10, 1: 10}


def test_a_lane_fed_message_by_message_gets_no_more_than_its_share(bench: Bench) -> None:
    for lane in (1, 2):
        enqueued(bench, *range(lane * 100, lane * 100 + 60), sender=f"+1555000100{lane}")
    served: Counter[int] = Counter()
    for n in range(30):
        enqueued(bench, 900 + n, sender="+15550001000")
        served.update(int(id[1:]) // 100 for id in ids(bench.claim_all(1)))
    assert served[9] <= 11


@pytest.mark.slow_on_fake
def test_a_thousand_cancelled_tickets_hold_nobody_up(bench: Bench) -> None:
    bench.repeat = False
    enqueued(bench, *range(1, 1001))
    for n in range(1, 1001):
        bench.cancel(f"m{n}")
    enqueued(bench, 2000)
    before = bench.now_ms
    calls = 0
    while not (claimed := bench.claim(10)).grants:
        assert (claimed.why, claimed.wait_ms) == ("again", 0)
        calls += 1
    assert ids(claimed.grants) == ["m2000"]
    assert bench.now_ms == before
    assert calls <= 1000 // 32


def test_cancelled_bulk_tickets_do_not_hold_up_transactional_messages(bench: Bench) -> None:
    bench.repeat = False
    enqueued(bench, *range(1, 201), priority="bulk")
    for n in range(1, 201):
        bench.cancel(f"m{n}")
    enqueued(bench, *range(301, 341))
    bench.repeat = True
    for _ in range(12):  # the tenth would be bulk's
        assert len(bench.claim(1).grants) == 1
        bench.later(20)
    bench.claim_all(28)
    enqueued(bench, 400, priority="bulk")
    assert ids(bench.claim_all(1)) == ["m400"]


def test_a_ticket_left_over_from_a_forgotten_message_grants_its_successor_only_once(
    bench: Bench,
) -> None:
    enqueued(bench, 1, 2)
    bench.cancel("m1")
    bench.store.delete(bench.keys.record("m1"))  # as after its retention
    enqueued(bench, 1)
    assert bench.lane(LANE) == ["m1", "m2", "m1"]
    assert ids(bench.claim_all(3, within_ms=100)) == ["m1", "m2"]


def test_an_empty_lane_costs_one_visit_and_no_more(bench: Bench) -> None:
    for n in range(1, 11):
        enqueued(bench, n, sender=f"+1555000100{n % 10}")
    assert len(bench.claim_all(10)) == 10
    assert bench.claim().why == "idle"
    assert not bench.sweep().work
    enqueued(bench, 20)
    assert ids(bench.claim_all(1)) == ["m20"]


def test_bulk_leaves_a_share_of_the_concurrency(store: redis.Redis) -> None:
    bench = warm_bench(store, concurrency=20)
    enqueued(bench, *range(1, 31), priority="bulk")
    assert len(bench.claim_all(30, within_ms=2000)) == 19
    assert bench.claim().why == "concurrency"
    enqueued(bench, *range(101, 104))
    assert ids(bench.claim_all(3, within_ms=500)) == ["m101"]


def test_started_leases_never_exceed_the_concurrency(store: redis.Redis) -> None:
    bench = warm_bench(store, concurrency=5)
    enqueued(bench, *range(1, 31))
    held: list[Grant] = []
    for _ in range(4):
        held += bench.claim(3).grants
        bench.later(50)
        bench.start(*held)
        assert bench.store.zcard(bench.keys("started")) <= 5
    assert bench.claim().why == "concurrency"
    bench.settle(held[0], "accepted", provider_id="p")
    assert len(bench.claim(3).grants) == 1


def test_bulk_leaves_the_last_slot_of_a_window_to_a_transactional_message(
    store: redis.Redis,
) -> None:
    bench = warm_bench(store, limit=100, concurrency=1000)
    bench.later(2000)
    enqueued(bench, *range(1, 141), priority="bulk")
    began, slots = bench.now_ms, []
    while bench.now_ms < began + 1004:
        claimed = bench.claim(50)
        slots += [bench.now_ms + grant.slot_ms for grant in claimed.grants]
        if not claimed.grants:
            bench.later(min(claimed.wait_ms, 5))
    window_ms = 1000 + 10  # and how much later than planned a request may arrive
    assert min(later - slot for slot, later in zip(slots, slots[99:], strict=False)) >= window_ms
    enqueued(bench, 200)
    [grant] = bench.claim(1).grants or bench.claim_all(1)
    assert (grant.id, bench.now_ms + grant.slot_ms <= slots[-1] + 11) == ("m200", True)
    assert grant.slot_ms <= 2 * 10 + 50


@pytest.mark.parametrize("limit", [20, 50, 100, 200])
def test_a_transactional_message_waits_for_what_bulk_was_granted_and_one_slot(
    store: redis.Redis, limit: int
) -> None:
    """Bulk is granted 35 ms ahead: at 50/s that is one slot, and never two.

    Slots that lie closer than 8 ms come in groups, so the next is the next group's.
    """
    bench = warm_bench(store, limit=limit)
    bench.later(2000)
    enqueued(bench, *range(1, limit + 1), priority="bulk")
    step_ms = max(1000 / limit, 8)
    for n in range(1001, 1011):
        while (claimed := bench.claim(50)).grants:
            assert claimed.grants[-1].slot_ms <= 35
        enqueued(bench, n)
        [grant] = bench.claim(1).grants or bench.claim_all(1)
        assert grant.id == f"m{n}"
        assert grant.slot_ms <= 35 + step_ms
        bench.later(2.3 * step_ms)


# Messages that return at their time.


def test_scheduled_messages_come_at_their_time_and_in_order(bench: Bench) -> None:
    for n in (3, 1, 2):
        enqueued(bench, n, send_at=at(bench, 1000 * n))
    for n in (1, 2, 3):
        idle = bench.claim()
        assert (idle.why, idle.wait_ms) == ("idle", 1000)
        bench.later(999)
        assert not bench.claim().grants
        bench.later(1)
        assert ids(bench.claim().grants) == [f"m{n}"]


def test_scheduled_messages_keep_their_order_also_where_many_are_due(bench: Bench) -> None:
    bench.enqueue(*[message(n, send_at=at(bench, 1000 + n)) for n in range(100, 160)])
    bench.later(5000)
    order = []
    for _ in range(60):
        order += ids(bench.claim_all(1))
        bench.later(5)
    assert order == [f"m{n}" for n in range(100, 160)]


def test_a_retry_returns_to_the_head_of_its_lane_at_its_time(bench: Bench) -> None:
    [grant] = started(bench, 1)
    assert bench.settle(grant, "retry", delay_ms=5000, code="10007", took_ms=250) == "applied"
    enqueued(bench, 2, 3)
    bench.later(4999)
    [second] = bench.claim_all(1)
    bench.settle(second, "unused")
    bench.later(2)
    [again] = bench.claim_all(1)
    assert (again.id, again.attempts, again.age_ms) == ("m1", 1, 5250)
    assert again.request == b"{}"


# Giving back.


@pytest.mark.parametrize("how", ["unused", "void", "expired"])
def test_what_was_not_started_goes_back_uncharged_to_the_head_in_order(
    bench: Bench, how: str
) -> None:
    enqueued(bench, *range(1, 7))
    log = bench.log()
    grants = bench.claim_all(3)
    if how == "unused":
        bench.step([g.unused() for g in grants])
    elif how == "void":
        bench.later(200)
        assert bench.start(*grants) == [False] * 3
    else:
        away(bench, LEASE_MS)
        assert bench.sweep().given_back == 3
    assert bench.lane(LANE) == [f"m{n}" for n in range(1, 7)]
    assert bench.log() == log
    assert not {"attempts", "maybe", "request"} & bench.record("m1").keys()
    bench.check()


@pytest.mark.parametrize("posted", [False, True])
def test_a_started_message_whose_post_was_never_begun_goes_back_uncharged(
    bench: Bench, posted: bool
) -> None:
    """Its worker stopped before it heard that it might begin; also where the sweep was first."""
    log = bench.log()
    [grant] = started(bench, 1)
    if posted:
        away(bench, LEASE_MS)
        assert bench.sweep().in_doubt == 1
    assert bench.settle(grant, "unused") == "applied"
    record = bench.record("m1")
    assert record["state"] == "waiting"
    assert (record.get("attempts", "0"), record.get("maybe", "0")) == ("0", "0")
    assert bench.lane(LANE) == ["m1"]
    assert posted or bench.log() == log
    bench.check()


# The start's gate.


@pytest.mark.parametrize(
    ("late_ms", "passes"), [(-20.0, True), (0.0, True), (50.0, True), (51.0, False)]
)
def test_a_slot_is_void_50_ms_after_its_time(bench: Bench, late_ms: float, passes: bool) -> None:
    enqueued(bench, 1)
    bench.later(1000)
    [grant] = bench.claim().grants
    bench.later(grant.slot_ms + late_ms)
    assert bench.start(grant) == [passes]
    assert bench.totals()["void"] == (not passes)


@pytest.mark.parametrize(
    ("cause", "then"),
    [
        ("cancel", "cancelled"),
        ("optout", "suppressed"),
        ("expiry", "expired"),
        ("halt", "waiting"),
    ],
)
def test_no_post_may_start_once_it_must_not(bench: Bench, cause: str, then: str) -> None:
    enqueued(bench, 1, expires_at=at(bench, 30) if cause == "expiry" else None)
    [grant] = bench.claim().grants
    log = bench.log()
    match cause:
        case "cancel":
            bench.cancel("m1")
        case "optout":
            bench.store.hset(bench.keys("optouts"), message(1).to, "0 test")
        case "expiry":
            bench.later(30)
        case "halt":
            bench.store.hset(bench.keys("halts"), "account", "|by a person")
    assert bench.start(grant) == [False]
    assert bench.record("m1")["state"] == then
    assert len(bench.log()) == len(log) - 1
    bench.check()


@pytest.mark.parametrize(("cause", "then"), [("optout", "suppressed"), ("expiry", "expired")])
def test_what_must_not_go_out_is_not_claimed(bench: Bench, cause: str, then: str) -> None:
    enqueued(bench, 1, expires_at=at(bench, 1000))
    enqueued(bench, 2)
    if cause == "optout":
        bench.store.hset(bench.keys("optouts"), message(1).to, "0 test")
    else:
        bench.later(1000)
    assert ids(bench.claim_all(1)) == ["m2"]
    assert bench.record("m1")["state"] == then
    bench.check()


def test_the_bytes_of_the_first_start_are_kept_for_every_later_one(bench: Bench) -> None:
    [grant] = started(bench, 1)
    first = bench.record("m1")
    assert first["key_at"] == f"{bench.now_ms:.0f}"
    bench.settle(grant, "retry", delay_ms=1)
    bench.later(10)
    [again] = bench.claim_all(1)
    assert again.request == b"{}"
    assert bench.step(starts=[Start(again.id, again.token, b"other")]).started == [True]
    assert (bench.record("m1")["request"], bench.record("m1")["key_at"]) == ("{}", first["key_at"])


# Settling.

LATE: list[tuple[SettleKind, dict[str, Any]]] = [
    ("retry", {"delay_ms": 1000, "heard": True}),
    ("back", {"heard": True, "throttled": True, "wait_ms": 500}),
    ("back", {"halt": "account", "reason": "HTTP 401"}),
    ("dead", {"code": "40310"}),
    ("doubt", {"delay_ms": -1}),
    ("unused", {}),
]


@pytest.mark.parametrize(("kind", "fields"), LATE)
def test_a_lost_lease_settles_nothing(
    bench: Bench, kind: SettleKind, fields: dict[str, Any]
) -> None:
    [lost] = started(bench, 1)
    away(bench, LEASE_MS)
    bench.sweep()
    bench.resolve("m1", "resend")
    [held] = bench.claim_all(1)
    assert bench.start(held) == [True]
    before = bench.dump()
    assert bench.settle(lost, kind, **fields) == "stale"
    assert bench.step(renewals=[Renewal(lost.id, lost.token)]).renewed == [False]
    assert bench.start(lost) == [False]
    assert bench.dump() == before


@pytest.mark.parametrize(
    ("kind", "fields", "then", "attempts"),
    [
        ("accepted", {"provider_id": "p"}, "accepted", 1),
        ("retry", {"delay_ms": 1000}, "retrying", 1),
        ("retry", {"delay_ms": 1000, "uncharged": True}, "retrying", 0),
        ("back", {"heard": True, "throttled": True}, "waiting", 0),
        ("dead", {"code": "40310"}, "dead", 1),
        ("unused", {}, "waiting", 0),
    ],
)
def test_the_late_settle_of_the_attempt_in_doubt_resolves_it(
    bench: Bench, kind: SettleKind, fields: dict[str, Any], then: str, attempts: int
) -> None:
    [grant] = started(bench, 1)
    away(bench, LEASE_MS)
    assert bench.sweep().in_doubt == 1
    assert bench.settle(grant, kind, **fields) == "applied"
    record = bench.record("m1")
    assert (record["state"], int(record.get("attempts", 0))) == (then, attempts)
    assert int(record.get("maybe", 0)) == 0
    assert bench.totals()["resolved"] == 1
    bench.check()


def test_who_asks_again_for_a_start_that_is_in_doubt_has_not_begun_its_post(bench: Bench) -> None:
    """The answer to the first was lost with the connection, and the worker slept."""
    enqueued(bench, 1)
    [grant] = bench.claim_all(1)
    start = Start(grant.id, grant.token, b"{}")
    assert bench.step(starts=[start]).started == [True]
    away(bench, LEASE_MS)
    assert bench.sweep().in_doubt == 1
    again = bench.step(starts=[start])
    assert (again.started, again.doubted) == ([False], [True])
    assert bench.status("m1").state == "in_doubt", "an old request may have been held up"
    assert bench.settle(grant, "unused") == "applied"
    assert bench.status("m1").state == "waiting"
    [other] = bench.claim_all(1)
    assert (other.id, other.maybe) == ("m1", 0)
    again = bench.step(starts=[start])
    assert (again.started, again.doubted) == ([False], [False]), "it is another's now"


@pytest.mark.parametrize(
    "state",
    ["waiting", "granted", "scheduled", "retrying", "in_doubt", "dead", "cancelled", "expired",
     "suppressed", "purged"],
)  # fmt: skip
def test_acceptance_is_evidence_in_any_state(bench: Bench, state: str) -> None:
    [lost] = started(bench, 1, expires_at=at(bench, HOUR_MS))
    away(bench, LEASE_MS)
    bench.sweep()
    bench.resolve("m1", "drop" if state in ("dead", "purged") else "resend")
    if state == "purged":
        bench.purge("m1")
    elif state == "cancelled":
        bench.cancel("m1")
    elif state == "suppressed":
        bench.store.hset(bench.keys("optouts"), message(1).to, "0 test")
        bench.claim()
    elif state == "expired":
        bench.later(HOUR_MS)
        bench.claim()
    elif state in ("granted", "retrying", "in_doubt"):
        [grant] = bench.claim_all(1)
        if state != "granted":
            bench.start(grant)
            bench.settle(grant, "retry" if state == "retrying" else "doubt", delay_ms=1000)
    log = bench.log()
    assert bench.settle(lost, "accepted", provider_id="p") == "applied"
    assert bench.record("m1")["state"] == "accepted"
    assert bench.record("m1")["provider_id"] == "p"
    assert len(bench.log()) == len(log) - (state == "granted")
    assert bench.totals()["sent_twice"] == 0
    bench.later(10_000)
    assert bench.claim().why == "idle"
    bench.check()


def test_two_ids_of_the_provider_for_one_message_are_kept_and_counted(bench: Bench) -> None:
    [first] = started(bench, 1)
    bench.settle(first, "doubt", delay_ms=-1)
    bench.resolve("m1", "resend")
    [second] = bench.claim_all(1)
    bench.start(second)
    assert bench.settle(first, "accepted", provider_id="p1") == "applied"
    assert bench.settle(second, "accepted", provider_id="p2") == "twice"
    assert bench.settle(first, "accepted", provider_id="p1") == "applied"
    status = bench.status("m1")
    assert (status.provider_id, status.second_provider_id) == ("p1", "p2")
    assert bench.totals()["sent_twice"] == 1
    assert bench.totals()["resent"] == 1
    assert bench.check()["accepted"] == 2


def test_the_same_acceptance_twice_is_no_second_sending(bench: Bench) -> None:
    [first] = started(bench, 1)
    bench.settle(first, "doubt", delay_ms=-1)
    bench.resolve("m1", "resend")
    [second] = bench.claim_all(1)
    bench.start(second)
    bench.settle(
        second, "accepted", provider_id="p", heard=True, replayed=True
    )  # the provider knew the key
    bench.settle(first, "accepted", provider_id="p")
    assert bench.totals()["sent_twice"] == 0
    assert bench.totals()["replayed"] == 1


def test_a_person_s_acceptance_gets_its_provider_id_when_that_becomes_known(
    bench: Bench,
) -> None:
    [grant] = started(bench, 1)
    bench.settle(grant, "doubt", delay_ms=-1)
    bench.resolve("m1", "accepted")
    bench.settle(grant, "accepted", provider_id="p")
    assert bench.status("m1").provider_id == "p"
    assert bench.status("m1").second_provider_id == ""
    assert bench.totals()["sent_twice"] == 0


def test_the_bucket_hears_an_answer_even_if_its_message_was_ended_meanwhile(bench: Bench) -> None:
    [first] = started(bench, 1)
    bench.settle(first, "doubt", delay_ms=-1)
    bench.resolve("m1", "resend")
    [second] = bench.claim_all(1)
    bench.start(second)
    bench.settle(first, "accepted", provider_id="p")
    enqueued(bench, 2)
    assert bench.settle(second, "back", heard=True, throttled=True, wait_ms=700) == "stale"
    assert bench.claim().why == "blocked"


def test_an_opt_out_that_a_settle_tells_of_stops_a_start_of_the_same_call(bench: Bench) -> None:
    enqueued(bench, 1)
    bench.enqueue(message(1, id="again"))
    first, second = bench.claim_all(2)
    bench.later(max(first.slot_ms, second.slot_ms, 0))
    assert bench.start(first) == [True]
    told = Settle(
        id=first.id, token=first.token, kind="dead", code="40300", heard=True, opted_out=True
    )
    done = bench.step(settles=[told], starts=[Start(second.id, second.token, b"{}")])
    assert done.started == [False]
    assert bench.status("again").state == "suppressed"


def test_an_acceptance_reads_alike_however_it_was_written(bench: Bench) -> None:
    """One whose record another settle of the same call has read goes the longer way."""
    quick, slow = started(bench, 1, 2)
    accepted: dict[str, Any] = {
        "kind": "accepted",
        "provider_id": "p",
        "took_ms": 70,
        "heard": True,
    }
    done = bench.step(
        settles=[
            Settle(id=quick.id, token=quick.token, **accepted),
            Settle(id=slow.id, token=slow.token, **accepted),
            Settle(id=slow.id, token="another", kind="back"),
        ]
    )
    assert list(done.settled) == ["applied", "applied", "stale"]
    records = [bench.record(grant.id) for grant in (quick, slow)]
    for record in records:
        del record["to"], record["digest"]
        record["history"] = record["history"].split(",", 2)[2]  # their slots differ
    assert records[0] == records[1]
    assert {bench.store.pttl(bench.keys.record(grant.id)) > 0 for grant in (quick, slow)} == {True}


@pytest.mark.parametrize(
    ("uncharged", "perhaps", "attempts", "maybe"),
    [(False, False, 1, 0), (False, True, 1, 1), (True, False, 0, 0), (True, True, 0, 1)],
)
@pytest.mark.parametrize("kind", ["retry", "dead"])
def test_an_attempt_is_charged_and_remembered_as_its_settle_says(
    bench: Bench, kind: SettleKind, uncharged: bool, perhaps: bool, attempts: int, maybe: int
) -> None:
    [grant] = started(bench, 1)
    told = {"heard": True, "uncharged": uncharged, "perhaps": perhaps}
    bench.settle(grant, kind, **told, delay_ms=1000)
    record = bench.record("m1")
    assert (int(record.get("attempts", 0)), int(record.get("maybe", 0))) == (attempts, maybe)


def test_a_halt_stops_claims_and_starts_until_it_is_lifted_or_over(bench: Bench) -> None:
    [grant] = started(bench, 1)
    enqueued(bench, 2)
    [other] = bench.claim_all(1)
    bench.settle(grant, "back", halt="account", halt_ends="60000", reason="HTTP 402")
    assert bench.start(other) == [False]
    assert (bench.claim().why, bench.claim().wait_ms) == ("halted", 1000)
    assert bench.lane(LANE) == ["m2", "m1"]
    assert not {"attempts"} & bench.record("m1").keys()
    bench.later(60_000)
    assert len(bench.claim_all(2)) == 2
    assert bench.store.hlen(bench.keys("halts")) == 0


# Leases, the sweep and the clock.


def test_a_silent_worker_s_started_message_goes_in_doubt_and_its_lane_knows_it_no_more(
    bench: Bench,
) -> None:
    started(bench, 1)
    away(bench, LEASE_MS - 1)
    assert bench.sweep().in_doubt == 0
    bench.later(1)
    assert bench.sweep().in_doubt == 1
    assert bench.status("m1").state == "in_doubt"
    assert bench.lane(LANE) == []
    assert bench.totals()["leases_lost"] == 1
    bench.check()


def test_a_renewed_lease_lasts_a_lease_longer(bench: Bench) -> None:
    [grant] = started(bench, 1)
    away(bench, 10_000)
    assert bench.step(renewals=[Renewal(grant.id, grant.token)]).renewed == [True]
    away(bench, LEASE_MS - 1)
    assert bench.sweep().in_doubt == 0
    bench.later(1)
    assert bench.sweep().in_doubt == 1


def steady(bench: Bench) -> float:
    clock = bench.store.hgetall(bench.keys("clock"))
    return float(clock[b"wall"]) + float(clock[b"offset"])


@pytest.mark.parametrize("back_ms", [1.0, 60_000.0, HOUR_MS])
def test_the_steady_clock_never_goes_back_and_leases_live_on(bench: Bench, back_ms: float) -> None:
    [grant] = started(bench, 1)
    bench.later(1000)
    bench.step()
    before = steady(bench)
    bench.later(-back_ms)
    assert bench.sweep().in_doubt == 0
    assert steady(bench) == before
    bench.later(5000)
    bench.step()
    assert steady(bench) == before + 5000
    bench.later(LEASE_MS - 6000 - 1)
    assert bench.sweep().in_doubt == 0
    assert bench.settle(grant, "accepted", provider_id="p") == "applied"


@pytest.mark.parametrize("gap_ms", [10_001.0, 60_000.0, HOUR_MS])
def test_after_a_gap_each_lease_has_one_more_lease_s_time(bench: Bench, gap_ms: float) -> None:
    started(bench, 1)
    bench.later(gap_ms)
    assert bench.sweep().in_doubt == 0
    away(bench, LEASE_MS - 1)
    assert bench.sweep().in_doubt == 0
    bench.later(1)
    assert bench.sweep().in_doubt == 1


def test_a_silence_of_ten_seconds_is_no_gap(bench: Bench) -> None:
    started(bench, 1)
    bench.later(10_000)
    bench.step()
    bench.later(5000)
    assert bench.sweep().in_doubt == 1


def doubtful(bench: Bench, number: int = 1, **fields: Any) -> None:
    started(bench, number, **fields)
    away(bench, LEASE_MS)
    assert bench.sweep().in_doubt == 1


@pytest.mark.parametrize(("priority", "wait_ms"), [("transactional", 30_000), ("bulk", 600_000)])
@pytest.mark.parametrize(
    ("policy", "then"), [("resend", "waiting"), ("drop", "dead"), ("hold", "in_doubt")]
)
def test_policy_decides_on_a_doubt_after_its_wait(
    store: redis.Redis, policy: Any, then: str, priority: str, wait_ms: float
) -> None:
    bench = warm_bench(store, in_doubt=InDoubt(policy=policy))
    doubtful(bench, priority=priority)
    bench.claim()  # finds the lane empty
    bench.later(wait_ms - 1)
    swept = bench.sweep()
    assert (swept.resent, swept.held, swept.dropped) == (0, 0, 0)
    bench.later(1)
    swept = bench.sweep()
    assert (swept.resent, swept.dropped) == (policy == "resend", policy == "drop")
    assert bench.status("m1").state == then
    assert swept.work == (policy == "resend")
    bench.check()


def test_a_resend_goes_out_with_the_same_bytes_and_is_counted(bench: Bench) -> None:
    doubtful(bench)
    bench.later(30_000)
    bench.sweep()
    [grant] = bench.claim_all(1)
    assert (grant.request, grant.attempts, grant.maybe) == (b"{}", 1, 1)
    assert bench.start(grant) == [True]
    assert bench.totals()["resent"] == 1


@pytest.mark.parametrize("late_ms", [0, 1])
def test_a_key_used_more_than_23_hours_ago_is_not_resent_under(bench: Bench, late_ms: int) -> None:
    started(bench, 1)
    key_at = float(bench.record("m1")["key_at"])
    away(bench, LEASE_MS)
    bench.sweep()
    bench.at(key_at + KEY_REUSE_MS + late_ms)
    swept = bench.sweep()
    assert (swept.resent, swept.held) == (1 - late_ms, late_ms)
    bench.later(HOUR_MS)
    assert bench.sweep().held == 0
    bench.check()


def test_a_policy_changed_to_hold_also_holds_what_waited_for_another(store: redis.Redis) -> None:
    bench = warm_bench(store, in_doubt=InDoubt(policy="resend"))
    doubtful(bench)
    changed = Bench(store, repeat=True, limit=1000, in_doubt=InDoubt(policy="hold"))
    changed.at(bench.now_ms + 30_000)
    assert (changed.sweep().held, changed.sweep().held) == (1, 0)


@pytest.mark.parametrize("what", ["nothing", "waiting", "due", "later", "started"])
def test_the_sweep_says_whether_there_is_work(bench: Bench, what: str) -> None:
    bench.claim()  # finds the lane empty
    if what == "waiting":
        enqueued(bench, 1)
    elif what == "started":
        started(bench, 1)
        bench.claim()
    elif what != "nothing":
        enqueued(bench, 1, send_at=at(bench, 1000 if what == "due" else 1001))
    bench.later(1000)
    assert bench.sweep().work == (what in ("waiting", "due"))


def test_the_sweep_knows_which_workers_were_heard_in_the_last_hour(bench: Bench) -> None:
    bench.sweep("one")
    bench.later(HOUR_MS - 1)
    bench.sweep("two")
    workers = bench.keys("workers")
    assert {name for name, _ in bench.store.zrange(workers, 0, -1, withscores=True)} == {
        b"one", b"two"
    }  # fmt: skip
    bench.later(1)
    bench.sweep("two")
    assert bench.store.zrange(workers, 0, -1) == [b"two"]


def test_a_lease_of_part_of_a_millisecond_is_a_lease(store: redis.Redis) -> None:
    bench = warm_bench(store, lease_seconds=2.0005)
    enqueued(bench, 1)
    assert ids(bench.claim_all(1)) == ["m1"]


def test_a_call_touches_a_bounded_number_of_tickets_whatever_the_backlog(bench: Bench) -> None:
    bench.repeat = False
    enqueued(bench, *range(1, 301))
    for n in range(1, 301):
        bench.cancel(f"m{n}")
    for n in range(301, 401):
        enqueued(bench, n, send_at=at(bench, 1))
    bench.later(10)
    bench.claim(50)
    assert bench.store.zcard(bench.keys("due")) == 100 - 16
    assert len(bench.lane(LANE)) == 300 + 16 - 50 - 32


# A start that the server has forgotten: a replica that takes over lacks the last writes.


@pytest.mark.parametrize("of", ["an app", "a campaign"])
@pytest.mark.parametrize(
    ("kind", "told", "state"),
    [
        ("accepted", {"heard": True, "provider_id": "p"}, "accepted"),
        ("dead", {"heard": True}, "dead"),
        ("retry", {"heard": True}, "retrying"),
        ("back", {"heard": True, "perhaps": True}, "waiting"),
        ("doubt", {"delay_ms": 900.0}, "in_doubt"),
    ],
)
def test_who_tells_of_an_attempt_has_made_one_though_nobody_knows_of_its_start(
    bench: Bench, of: str, kind: SettleKind, told: dict[str, Any], state: str
) -> None:
    if of == "an app":
        enqueued(bench, 1)
    else:
        bench.campaign(plan("july"), 1)
    [grant] = bench.claim_all(1)
    bench.later(grant.slot_ms)
    assert bench.settle(grant, kind, **told) == "applied"
    bench.check()
    assert bench.record(grant.id)["state"] == state
    assert bench.record(grant.id)["history"].split(",")[3] == kind
    bench.later(1000)
    bench.sweep()
    if state in ("accepted", "dead"):
        return
    [again] = bench.claim_all(1)
    assert (again.attempts, again.maybe) == (int(kind != "back"), int(kind in ("back", "doubt")))
    bench.later(again.slot_ms)
    assert bench.start(again, request=b'{"again":1}') == [True]
    assert bench.record(grant.id)["request"] == '{"again":1}'


@pytest.mark.parametrize("kind", ["dead", "retry"])
def test_a_message_that_could_not_be_made_was_not_attempted(
    bench: Bench, kind: SettleKind
) -> None:
    enqueued(bench, 1)
    before = bench.log()
    [grant] = bench.claim_all(1)
    assert (
        bench.settle(grant, kind, delay_ms=900.0 * (kind == "retry"), uncharged=True) == "applied"
    )
    bench.check()
    assert "history" not in bench.record("m1")
    assert bench.log() == before
