"""Messages in doubt: listed, and ended by a person's word."""

from typing import Any

import pytest

from sluicegate.audit import Audit, By
from sluicegate.errors import UnknownMessage, WrongState
from sluicegate_worker.operator.doubts import Doubts, Resolution
from support.bench import Bench
from support.messages import SENDER, message

RETENTION_MS = 60_000


@pytest.fixture
def doubts(bench: Bench) -> Doubts:
    return Doubts(bench.store, bench.keys, RETENTION_MS)


def doubted(bench: Bench, number: int = 1, delay_ms: float = -1) -> None:
    bench.enqueue(message(number))
    bench.send(kind="doubt", delay_ms=delay_ms, code="no_answer", reason="read timeout")


def test_a_doubt_says_why_since_when_and_who_decides(bench: Bench, doubts: Doubts) -> None:
    doubted(bench, 1)
    held = int(bench.now_ms)
    doubted(bench, 2, delay_ms=30_000)
    listed = {doubt.id: doubt for doubt in doubts}
    assert (len(doubts), doubts.held) == (2, 1)
    assert listed["m1"].decided_ms is None
    assert listed["m2"].decided_ms == int(bench.now_ms) + 30_000
    first = listed["m1"]
    assert (first.since_ms, first.key_ms, first.reason) == (held, held, "read timeout")
    assert (first.to, first.attempts) == (message(1).to, 1)


@pytest.mark.parametrize(
    ("verdict", "state"), [("accepted", "accepted"), ("resend", "waiting"), ("drop", "dead")]
)
def test_a_person_decides(bench: Bench, doubts: Doubts, verdict: Resolution, state: str) -> None:
    doubted(bench)
    doubts.resolve("m1", verdict, provider_id="p", reason="seen in the portal")
    status = bench.status("m1")
    assert (status.state, len(doubts), bench.totals()["resolved"]) == (state, 0, 1)
    assert status.provider_id == ("p" if verdict == "accepted" else "")
    assert status.reason == ("read timeout" if verdict == "resend" else "seen in the portal")
    bench.check()


def test_what_was_accepted_expires_with_the_rest(bench: Bench, doubts: Doubts) -> None:
    doubted(bench)
    assert bench.store.ttl(bench.keys.record("m1")) == -1
    doubts.resolve("m1", "accepted", reason="seen")
    assert 0 < bench.store.pttl(bench.keys.record("m1")) <= RETENTION_MS


def test_a_resend_goes_first_under_the_same_key_and_bytes(bench: Bench, doubts: Doubts) -> None:
    doubted(bench)
    key_at = bench.record("m1")["key_at"]
    bench.enqueue(message(2))
    bench.store.delete(bench.keys("wake"))
    doubts.resolve("m1", "resend", reason="not in the portal")
    assert bench.store.llen(bench.keys("wake")) == 1
    assert bench.lane(f"ts:{SENDER}") == ["m1", "m2"]
    [grant] = bench.claim_all(1)
    assert (grant.request, grant.generation, bench.record("m1")["key_at"]) == (b"{}", 0, key_at)


@pytest.mark.parametrize("delay_ms", [-1.0, 30_000.0])
@pytest.mark.parametrize("verdict", ["accepted", "resend", "drop"])
def test_the_sweep_leaves_alone_what_a_person_decided(
    bench: Bench, verdict: str, delay_ms: float
) -> None:
    doubted(bench, delay_ms=delay_ms)
    assert bench.resolve("m1", verdict) == "resolved"
    bench.later(30_000)
    swept = bench.sweep()
    assert (swept.resent, swept.held, swept.dropped) == (0, 0, 0)


def test_a_doubt_is_resolved_once(bench: Bench, doubts: Doubts) -> None:
    doubted(bench)
    doubts.resolve("m1", "drop", reason="too late by now")
    before = bench.dump()
    with pytest.raises(WrongState, match="dead"):
        doubts.resolve("m1", "resend", reason="on second thoughts")
    with pytest.raises(UnknownMessage):
        doubts.resolve("nobody", "drop", reason="")
    assert bench.dump() == before


@pytest.mark.parametrize(
    "fields", [{"delay_ms": -1}, {"delay_ms": 30_000, "heard": True, "limit": 5}]
)
def test_a_doubt_is_charged_and_never_expires(bench: Bench, fields: dict[str, Any]) -> None:
    bench.enqueue(message(1))
    bench.send(kind="doubt", took_ms=1234, **fields)
    record = bench.record("m1")
    assert (record["attempts"], record["maybe"], record["age"]) == ("1", "1", "1234")
    assert bench.store.ttl(bench.keys.record("m1")) == -1


def test_more_than_one_page_of_doubts_is_listed_once_each(bench: Bench, doubts: Doubts) -> None:
    bench.store.zadd(bench.keys("doubts"), {f"d{n}": n for n in range(1_201)})
    assert sorted(doubt.id for doubt in doubts) == sorted(f"d{n}" for n in range(1_201))


def test_who_ended_a_doubt_is_audited(bench: Bench, doubts: Doubts) -> None:
    doubted(bench)
    doubts.resolve("m1", "drop", reason="too late", by=By("ann", "asked them"))
    [entry] = Audit(bench.store, bench.keys)
    about = (entry.who, entry.why, entry.action, entry.ids, entry.count)
    assert about == ("ann", "asked them", "resolve drop", ("m1",), 1)
