"""W3C Trace Context: what is read of the two headers, and what is kept with a message."""

from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from sluicegate import Sluice
from sluicegate.message import decode, encode
from sluicegate.trace_context import MOST_STATE, stored_trace, trace_context
from sluicegate.transactional.handover import handovers_of
from support.bench import Bench
from support.messages import message

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
FIELDS: dict[str, Any] = {"to": "+15551234567", "sender": "+15557654321", "text": "hi"}


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (PARENT, PARENT),
        (f" {PARENT}\t", PARENT),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-03"),
        (f"cc-{TRACE}-{SPAN}-01", PARENT),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", PARENT),
        (None, None),
        ("", None),
        (PARENT.upper(), None),
        (f"{PARENT}-more", None),
        (f"{PARENT}, {PARENT}", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"cc-{TRACE}-{SPAN}-01.what", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}-01\r\nx: y", None),
        (f"00-{TRACE[:-1]}\u0663-{SPAN}-01", None),
        ("x" * 100_000, None),
    ],
)
def test_a_traceparent_is_read_as_the_standard_says_or_ignored(
    header: str | None, read: str | None
) -> None:
    context = trace_context(header)
    assert (context.traceparent if context else None) == read


LONG = "long=" + "x" * 200


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (" a=1 ,, b@vendor=2\t", "a=1,b@vendor=2"),
        ("a=1,a=2", ""),
        ("A=1", ""),
        ("a=", ""),
        ("a=1\r\nx: y", ""),
        ("a=1,é=2", ""),
        (",".join(f"k{n}=1" for n in range(33)), ""),
        (",".join([LONG, *(f"k{n}={'y' * 60}" for n in range(6))]), None),
        (",".join(f"k{n}={'y' * 100}" for n in range(6)), None),
        ("a=1," * 100_000, ""),
    ],
)
def test_a_tracestate_is_kept_within_bounds_or_ignored(header: str, kept: str | None) -> None:
    context = trace_context(PARENT, header)
    assert context is not None
    if kept is not None:
        assert context.tracestate == kept
    else:
        assert 300 < len(context.tracestate) <= MOST_STATE
        assert LONG not in context.tracestate
        assert context.tracestate.startswith("k0=")


@given(st.text(), st.text())
def test_nothing_that_is_read_can_break_a_header_or_its_stored_form(
    parent: str, state: str
) -> None:
    context = trace_context(PARENT, state)
    assert context is not None
    for value in context.headers.values():
        assert value.isascii()
        assert value.isprintable()
    assert stored_trace(context.format()) == context
    assert trace_context(parent) in (None, trace_context(parent, state))


def test_it_is_kept_with_the_message_and_is_no_part_of_its_content(store: redis.Redis) -> None:
    bench, plain = Bench(store), message(1)
    traced = message(1, traceparent=PARENT, tracestate="a=1")
    assert encode(traced) == encode(plain)
    [result] = bench.enqueue(traced)
    assert result.outcome == "enqueued"
    assert [one.outcome for one in bench.enqueue(plain)] == ["known"]
    bench.enqueue(message(3, traceparent="none"))
    first, other = bench.claim_all(2)
    assert first.trace == f"{PARENT} a=1"
    assert decode(first.content, "m") == decode(encode(plain), "m")
    assert other.trace == ""
    assert not store.hexists(bench.keys.record(message(3).id), "trace")


def test_a_replay_with_other_content_keeps_its_trace(store: redis.Redis) -> None:
    bench = Bench(store)
    bench.enqueue(message(1, traceparent=PARENT))
    grant = bench.send(kind="dead", code="40300", heard=True)
    assert bench.replay(grant.id) == "replayed"
    [again] = bench.claim_all(1)
    assert again.trace == PARENT


def test_a_client_takes_it_of_fields_and_of_messages(store: redis.Redis) -> None:
    sluice = Sluice(client=store)
    sluice.enqueue(**FIELDS, id="a", traceparent=PARENT)
    others = [{"id": "b"}, {"id": "c", "traceparent": PARENT}]
    list(sluice.enqueue_many([FIELDS | one for one in others]))
    kept = [store.hget(sluice.keys.record(id), "trace") for id in "abc"]
    assert kept == [PARENT.encode(), None, PARENT.encode()]


def test_a_row_of_a_transaction_keeps_it() -> None:
    traced, malformed = handovers_of(
        [{**FIELDS, "traceparent": PARENT, "tracestate": "a=1"}, {**FIELDS, "traceparent": "no"}]
    )
    assert traced.message().traceparent == PARENT
    assert traced.message().tracestate == "a=1"
    assert "trace" not in malformed.content
