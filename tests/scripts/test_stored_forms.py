"""The stored forms, on what the scripts really write: each text is parsed and written back."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from sluicegate.config import Account, Brand, Registration, Sender
from sluicegate.keys import Keys
from sluicegate.levels import published
from sluicegate.optouts import OptOuts
from sluicegate.stored import (
    BrandDay,
    BrandLimits,
    HaltInfo,
    LaneName,
    Lease,
    MessageId,
    Record,
    RegistrationLimits,
    SenderLimits,
    Ticket,
    TreeMember,
)
from support.bench import Bench
from support.messages import SENDER, message, plan, recipient
from support.receipts import tell

SLOW = "+15550000001"
LEVELS: dict[str, Any] = {
    "senders": {
        SENDER: Sender(kind="10dlc", registration="notices"),
        SLOW: Sender(kind="toll_free", per_second=0.1),
    },
    "registrations": {"notices": Registration(sms_per_minute=4500.0, brand="acme")},
    "brands": {"acme": Brand(tmobile_daily=2000)},
}


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """An account with messages and recipients in every place where a text is stored of them."""
    bench = Bench(store, limit=1000, **LEVELS)
    bench.enqueue(*(message(n) for n in range(8)), message(8, priority="bulk"))
    bench.enqueue(*(message(n, sender=SLOW) for n in (10, 11)))
    bench.send(took_ms=80)
    bench.send(kind="retry", delay_ms=1_000, code="50000", reason="an error", heard=True)
    bench.send(kind="dead", code="40300", reason="blocked", answer="400 {}", heard=True)
    bench.send(kind="doubt", code="no_answer", reason="no answer")
    july = plan()
    bench.campaigns.create(july)
    OptOuts(store, bench.keys).add([recipient(july, 0).to])
    assert bench.add("july", *(recipient(july, n) for n in range(5))) == "saaaa"
    bench.act("july", "start")
    bench.halts.set("brand:other", "why | so", 60)
    bench.halts.set("sender:+15550000777", "complaints")
    grants = bench.claim_all(9)
    for grant in grants[-2:]:
        bench.later(max(grant.slot_ms, 0))
        bench.start(grant)
    [accepted] = [id for id in ids_of(bench) if bench.record(id).get("provider_id")]
    tell(bench, accepted)
    bench.claim()  # parks the slow sender
    return bench


def ids_of(bench: Bench) -> list[str]:
    prefix = bench.keys.record("")
    return [key.decode().removeprefix(prefix) for key in bench.store.scan_iter(f"{prefix}*")]


def lanes_of(store: Any, keys: Keys) -> Iterator[tuple[str, list[bytes]]]:
    prefix = keys.lane("")
    for key in store.scan_iter(f"{prefix}*"):
        yield key.decode().removeprefix(prefix), store.lrange(key, 0, -1)


def test_lanes_and_their_tickets(bench: Bench) -> None:
    lanes = dict(lanes_of(bench.store, bench.keys))
    tickets = [ticket for lane in lanes.values() for ticket in lane]
    tickets += bench.store.lrange(bench.keys.unsent("july", "suppressed"), 0, -1)
    assert {LaneName.parse(lane).campaign for lane in lanes} == {"", "july"}
    assert len(tickets) > 1
    for lane in lanes:
        assert LaneName.parse(lane).format() == lane
    for ticket in tickets:
        assert Ticket.parse(ticket).format() == ticket


def test_leases_and_ids(bench: Bench) -> None:
    leases = bench.store.hgetall(bench.keys("leases"))
    assert {Lease.parse(text).state for text in leases.values()} == {"granted", "started"}
    for id, text in leases.items():
        assert MessageId.parse(id).format().encode() == id
        assert Lease.parse(text).format() == text


def test_records(bench: Bench) -> None:
    fields_written = set()
    for id in ids_of(bench):
        fields = bench.store.hgetall(bench.keys.record(id))
        fields_written |= {name.decode() for name in fields}
        stored = {name: value.decode() for name, value in fields.items()}
        written = Record.parse(fields).format()
        texts = {
            name.encode(): value.decode() if isinstance(value, bytes) else value
            for name, value in written.items()
        }
        # A counter that is 0 says nothing, so it need not be written.
        assert texts == {name: value for name, value in stored.items() if value != "0"}
    assert fields_written <= set(Record.__struct_fields__)
    assert {"history", "lane", "ticket", "delivery", "answer", "age"} <= fields_written


def test_halts(bench: Bench) -> None:
    halts = bench.store.hgetall(bench.keys("halts"))
    assert len(halts) == 2
    for level, text in halts.items():
        assert HaltInfo.parse(level, text).format().encode() == text
    assert {halt.why for halt in bench.halts.list()} == {"why | so", "complaints"}


def test_limits_and_their_use(bench: Bench) -> None:
    fields = published(Account(**LEVELS))
    forms: dict[str, Any] = {
        "sender": SenderLimits,
        "registration": RegistrationLimits,
        "brand": BrandLimits,
    }
    seen = set()
    for field, text in fields.items():
        kind, colon, _ = field.partition(":")
        if colon:
            seen.add(kind)
            assert forms[kind].parse(text).format() == text
    assert seen == forms.keys()
    used = bench.store.hget(bench.keys("levels"), "brand:acme").decode()
    assert BrandDay.parse(used).format() == used


def test_what_is_parked(bench: Bench) -> None:
    parked = list(bench.store.hgetall(bench.keys("parked_by")))
    assert parked
    for member in parked:
        assert TreeMember.parse(member).format().encode() == member
