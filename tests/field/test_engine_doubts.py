"""What trials in the field found about messages that may have been sent, in numbered order."""

from collections import Counter
from typing import Any

import pytest
import redis

from sluicegate.campaigns.ledger import Ledgers
from sluicegate.config import InDoubt
from sluicegate_worker.attempt import settled
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Doubt
from sluicegate_worker.wire import Grant, Settle
from support.bench import Bench, warm_bench
from support.messages import message, plan, recipient

DAY_MS = 86_400_000.0


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return warm_bench(valkey)


def started(bench: Bench, number: int = 1, **fields: Any) -> Grant:
    """A message whose POST is under way."""
    bench.enqueue(message(number, **fields))
    return bench.begin()


def of_campaign(bench: Bench, number: int = 1) -> Grant:
    """A recipient whose POST is under way."""
    july = plan()
    bench.campaigns.create(july)
    bench.add("july", recipient(july, number))
    bench.act("july", "start")
    return bench.begin()


def days_pass(bench: Bench, days: int = 2) -> list[Grant]:
    """Let the sweep and claims do all that they may; return what was granted."""
    granted: list[Grant] = []
    for _ in range(5):  # a longer step would be a silence, after which leases last longer
        bench.later(5000)
        bench.step()
        bench.sweep()
    for _ in range(24 * days):
        bench.later(DAY_MS / 24)
        bench.sweep()
        granted += bench.claim(5).grants
    return granted


# 3: after a cancel of any answer, no further POST begins.

SETTLES: list[tuple[str, dict[str, Any], str]] = [
    ("retry", {"heard": True, "failing": True, "delay_ms": 1000}, "cancelled"),
    ("back", {"heard": True, "throttled": True, "wait_ms": 500}, "cancelled"),
    ("back", {"heard": True, "halt": "sender", "halt_ends": "1000"}, "cancelled"),
    ("unused", {}, "cancelled"),
    ("doubt", {"delay_ms": 1000}, "in_doubt"),
    ("dead", {"heard": True, "code": "40310"}, "dead"),
    ("accepted", {"heard": True, "provider_id": "p"}, "accepted"),
]


@pytest.mark.parametrize(("kind", "fields", "then"), SETTLES)
def test_03_what_is_cancelled_in_flight_is_never_posted_again(
    bench: Bench, kind: str, fields: dict[str, Any], then: str
) -> None:
    grant = started(bench)
    assert bench.cancel("m1") == "in_flight"
    assert bench.settle(grant, kind, **fields) == "applied"
    assert bench.status("m1").state == then
    assert days_pass(bench) == []
    assert bench.status("m1").state == then
    bench.check()


def test_03_what_is_cancelled_in_flight_and_lost_stays_in_doubt(bench: Bench) -> None:
    started(bench)
    assert bench.cancel("m1") == "in_flight"
    assert days_pass(bench) == []
    assert bench.status("m1").state == "in_doubt"


def in_doubt(bench: Bench, grant: Grant) -> None:
    assert bench.settle(grant, "doubt", delay_ms=1000) == "applied"


@pytest.mark.parametrize("stopped", ["cancel", "optout", "campaign"])
def test_03_a_doubt_that_nobody_wants_resent_stays(bench: Bench, stopped: str) -> None:
    grant = of_campaign(bench) if stopped == "campaign" else started(bench)
    in_doubt(bench, grant)
    if stopped == "cancel":
        assert bench.cancel("m1") == "in_doubt"
    elif stopped == "optout":
        bench.store.hset(bench.keys("optouts"), message(1).to, "0 test")
    else:
        bench.act("july", "cancel")
    assert days_pass(bench) == []
    assert bench.status(grant.id).state == "in_doubt"
    why = {
        "cancel": "cancelled", "optout": "opted out", "campaign": "in a cancelled campaign"
    }[stopped]  # fmt: skip
    assert bench.resolve(grant.id, "resend") == why
    assert bench.settle(grant, "accepted", provider_id="p", heard=True) == "applied"
    assert bench.status(grant.id).state == "accepted"
    bench.check()


def test_03_a_cancelled_doubt_that_is_dropped_ends_and_is_not_replayed(bench: Bench) -> None:
    in_doubt(bench, started(bench))
    bench.cancel("m1")
    assert bench.resolve("m1", "drop") == "resolved"
    status = bench.status("m1")
    assert (status.state, status.maybe_sent) == ("cancelled", True)


def test_03_a_cancelled_dead_letter_is_not_replayed(bench: Bench) -> None:
    bench.settle(started(bench), "dead", code="40310", heard=True)
    assert bench.cancel("m1") == "dead"
    assert bench.replay("m1") == "cancelled"
    assert bench.purge("m1") == "purged"


# 4: which wait a doubt has.


@pytest.mark.parametrize(
    ("of", "seconds"), [("transactional", 30), ("bulk", 600), ("campaign", 600)]
)
def test_04_a_campaigns_doubts_wait_as_bulk_ones(
    valkey: redis.Redis, of: Any, seconds: int
) -> None:
    doubt = InDoubt(transactional_wait_seconds=30, bulk_wait_seconds=600)
    bench = warm_bench(valkey, in_doubt=doubt)
    grant = of_campaign(bench) if of == "campaign" else started(bench, priority=of)
    account = bench.config.account("default")
    bench.step(settles=[settled(grant, Attempt(Doubt("no answer")), account, Doubt("no answer"))])
    bench.later(1000 * seconds - 1)
    assert bench.sweep().resent == 0
    bench.later(1)
    assert bench.sweep().resent == 1


# 5: an acceptance under another token than the lease's.


def test_05_an_acceptance_of_a_lost_lease_leaves_the_lease_that_is_another_s(bench: Bench) -> None:
    first = started(bench)
    in_doubt(bench, first)
    assert bench.resolve("m1", "resend") == "resolved"
    [second] = bench.claim_all(1)
    bench.start(second)
    late = Settle(id="m1", token=first.token, kind="accepted", provider_id="p1", heard=True)
    assert bench.step(settles=[late]).settled == ["applied"]
    assert bench.totals()["late"] == 1
    assert bench.store.zscore(bench.keys("started"), "m1") is not None
    assert bench.settle(second, "accepted", provider_id="p2", heard=True) == "twice"
    assert bench.totals()["sent_twice"] == 1
    assert bench.totals()["accepted"] == 2


# 8: an attempt that may have been acted on is never forgotten.

PERHAPS: dict[str, Any] = {"kind": "retry", "heard": True, "perhaps": True, "delay_ms": 1000}


@pytest.mark.parametrize("end", ["cancelled", "expired", "suppressed", "dead", "purged"])
def test_08_every_end_after_a_perhaps_says_that_it_may_have_been_sent(
    bench: Bench, end: str
) -> None:
    grant = of_campaign(bench)
    if end in ("dead", "purged"):
        bench.settle(grant, "dead", heard=True, perhaps=True, code="10007")
    else:
        bench.settle(grant, **PERHAPS)
    if end == "cancelled":
        bench.act("july", "cancel")
    elif end == "suppressed":
        bench.store.hset(bench.keys("optouts"), recipient(plan(), 1).to, "0 test")
    elif end == "expired":
        name = bench.keys.record(grant.id)
        id, segments, kind, _, rest = bench.store.hget(name, "ticket").split(b"|", 4)
        expired = b"|".join([id, segments, kind, b"%d" % bench.now_ms, rest])
        bench.store.hset(name, "ticket", expired)
    elif end == "purged":
        bench.purge(grant.id)
    bench.later(2000)
    bench.claim(1)
    status = bench.status(grant.id)
    assert (status.state, status.maybe_sent) == (end, True)
    ledgers = Ledgers(bench.store, bench.keys)
    assert ledgers.read("july").maybe_sent == ledgers.recount("july").maybe_sent == 1
    bench.check()


def test_08_a_late_answer_corrects_it(bench: Bench) -> None:
    grant = of_campaign(bench)
    in_doubt(bench, grant)
    bench.act("july", "cancel")
    assert bench.resolve(grant.id, "drop") == "resolved"
    ledgers = Ledgers(bench.store, bench.keys)
    assert ledgers.read("july").maybe_sent == 1
    bench.settle(grant, "accepted", provider_id="p", heard=True)
    status = bench.status(grant.id)
    assert (status.state, status.maybe_sent) == ("accepted", False)
    assert ledgers.read("july").maybe_sent == ledgers.recount("july").maybe_sent == 0
    bench.check()


def test_08_a_persons_word_corrects_it(bench: Bench) -> None:
    grant = of_campaign(bench)
    in_doubt(bench, grant)
    assert bench.resolve(grant.id, "accepted") == "resolved"
    assert not bench.status(grant.id).maybe_sent
    bench.check()


def test_08_a_cancel_says_that_it_may_have_been_sent_and_so_does_its_repeat(bench: Bench) -> None:
    bench.settle(started(bench), **PERHAPS)
    assert (bench.cancel("m1"), bench.cancel("m1")) == ("maybe_sent", "maybe_sent")
    assert bench.status("m1").maybe_sent


def test_08_a_replay_does_not_forget_what_was_before(bench: Bench) -> None:
    bench.settle(started(bench), "dead", heard=True, perhaps=True, code="10007")
    assert bench.replay("m1") == "replayed"
    assert bench.cancel("m1") == "maybe_sent"


# 9: a doubt of which nothing had been written is counted once that is known.


@pytest.mark.parametrize(("replayed", "anew"), [(False, 1), (True, 0)])
def test_09_a_doubt_that_never_reached_the_provider_is_counted(
    bench: Bench, replayed: bool, anew: int
) -> None:
    in_doubt(bench, started(bench))
    bench.later(1000)
    assert bench.sweep().resent == 1
    grant = bench.begin()
    bench.settle(grant, "accepted", provider_id="p", heard=True, replayed=replayed)
    assert bench.totals() & Counter(accepted_anew=9) == Counter(accepted_anew=anew)
