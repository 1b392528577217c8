"""What a webhook tells is read tolerantly: of either API, and whatever else it may hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.receipts import Receipt
from sluicegate_worker.provider.telnyx.events import (
    keyword_of,
    parse_v1_event,
    parse_v2_event,
)
from sluicegate_worker.provider.webhooks import InboundMessage, UnknownEvent

HEARD = 1_700_000_000_000


def v2(kind: object, payload: object, **data: Any) -> bytes:
    fields = {"event_type": kind, "id": "e1", "occurred_at": "2024-01-15T21:32:14.148+00:00"}
    return json.dumps({"data": fields | {"payload": payload} | data}).encode()


def v1(**fields: Any) -> bytes:
    record = {"sms_id": "p1", "direction": "outbound", "status": "sent", "delivery_status": ""}
    return json.dumps(record | {"updated": 1_522_097_596_061} | fields).encode()


def test_a_receipt_of_v2() -> None:
    payload = {
        "id": "p1",
        "to": [{"phone_number": "+15550000001", "status": "delivery_failed"}],
        "errors": [{"code": "40008", "title": "Undeliverable"}],
    }
    expected = Receipt("e1", "m1", "p1", "failed", 1_705_354_334_148, "40008")
    for kind in ("message.sent", "message.finalized"):
        assert parse_v2_event(v2(kind, payload), "m1", HEARD) == expected


def test_receipts_of_v1_are_told_apart_by_what_they_tell() -> None:
    sent = parse_v1_event(v1(), "m1", HEARD)
    delivered = parse_v1_event(v1(status="delivered", delivery_status="success"), "m1", HEARD)
    assert isinstance(sent, Receipt)
    assert isinstance(delivered, Receipt)
    assert (sent.provider_id, sent.delivery) == ("p1", "sent")
    assert (delivered.delivery, delivered.occurred_ms) == ("delivered", 1_522_097_596_061)
    assert sent.event_id != delivered.event_id
    assert parse_v1_event(v1(), "m1", HEARD) == sent


@pytest.mark.parametrize(
    ("fields", "delivery", "code"),
    [
        ({"status": "failed", "errors": [{"code": 40008}]}, "failed", "40008"),
        ({"status": "gw_reject"}, "failed", ""),
        ({"status": "dlr_unconfirmed"}, "unconfirmed", ""),
        ({"status": "new", "delivery_status": "failed"}, "failed", ""),
        ({"status": "new", "delivery_status": "new"}, "", ""),
    ],
)
def test_deliveries_of_v1(fields: dict[str, Any], delivery: str, code: str) -> None:
    event = parse_v1_event(v1(**fields), "m1", HEARD)
    assert isinstance(event, Receipt)
    assert (event.delivery, event.code) == (delivery, code)


@pytest.mark.parametrize("sender", ["+15550000001", {"phone_number": "+15550000001"}])
def test_a_text_that_came_in(sender: object) -> None:
    payload = {"from": sender, "text": "Stop", "messaging_profile_id": "p"}
    event = parse_v2_event(v2("message.received", payload), "", HEARD)
    at_ms = 1_705_354_334_148
    assert event == InboundMessage("e1", "+15550000001", "p", "Stop", "", at_ms)
    for content in ("stop", {"text": "stop"}):
        raw = v1(direction="inbound", body=content, profile_id="p", **{"from": sender})
        v1_event = parse_v1_event(raw, "", HEARD)
        assert isinstance(v1_event, InboundMessage)
        assert (v1_event.text, v1_event.occurred_ms) == ("stop", 1_522_097_596_061)
        assert len(v1_event.event_id) == 32, "a hash: it has no id of its own"


@pytest.mark.parametrize("text", [rb"STOP \ud83d", rb"STOP \ude00 \ud83d\ud83d", b"STOP \xf0\x9f"])
def test_a_text_that_was_cut_in_the_middle_of_a_character_is_read(text: bytes) -> None:
    raw = v2("message.received", {"from": "+15550000001", "text": "@"}).replace(b"@", text)
    event = parse_v2_event(raw, "", HEARD)
    assert isinstance(event, InboundMessage)
    assert event.text.startswith("STOP ")
    assert event.text.encode().decode() == event.text


@pytest.mark.parametrize("at", [None, "", "yesterday", 5, "2024-01-15T21:32:14"])
def test_an_event_without_a_time_happened_when_it_was_heard(at: object) -> None:
    event = parse_v2_event(v2("message.sent", {}, occurred_at=at), "m1", HEARD)
    assert isinstance(event, Receipt)
    assert event.occurred_ms == HEARD


@pytest.mark.parametrize("id", [None, "", "x" * 121, "a b", "a\nb", 5])
def test_an_event_without_an_id_is_known_by_all_that_it_says(id: object) -> None:
    first, again, other = (
        parse_v2_event(v2("message.sent", {"id": payload}, id=id), "m1", HEARD)
        for payload in ("p1", "p1", "p2")
    )
    assert isinstance(first, Receipt)
    assert isinstance(other, Receipt)
    assert first == again
    assert (len(first.event_id), first.event_id == other.event_id) == (32, False)


@pytest.mark.parametrize(
    "text", ["stop", "STOP", " Stop ", "stop all", "StopAll", "s t o p", "end"]
)
def test_words_that_stop(text: str) -> None:
    assert keyword_of(text) == "stop"


@pytest.mark.parametrize("text", ["", "help", "please stop", "stop it", "restart", "starting"])
def test_words_that_do_nothing(text: str) -> None:
    assert keyword_of(text) == ""


def test_words_that_start() -> None:
    assert {keyword_of(text) for text in ("start", " START\n", "unstop", "UNSTOP")} == {"start"}


def test_what_is_not_known_says_its_kind() -> None:
    assert parse_v2_event(v2("call.hangup", {}), "", HEARD) == UnknownEvent("call.hangup")
    assert parse_v1_event(b'{"a": 1}', "", HEARD) == UnknownEvent("")
    assert parse_v2_event(b"\xff", "", HEARD) == UnknownEvent("not JSON")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
KINDS = st.sampled_from(["message.sent", "message.received", "other", "", None, 5])
NAMES = st.sampled_from(
    ["id", "to", "from", "errors", "text", "autoresponse_type", "sms_id", "status", "direction"]
)


PARSERS = st.sampled_from([parse_v1_event, parse_v2_event])


@given(PARSERS, KINDS, st.dictionaries(NAMES, JSON), JSON)
def test_nothing_that_comes_can_break_it(parse: Any, kind: Any, fields: Any, other: Any) -> None:
    for raw in (v2(kind, fields), v2(kind, other), v1(**fields), json.dumps(other).encode()):
        parse(raw, "m1", HEARD)
