"""What answers and receipts say of carrier, parts and cost: read, carried to the record, kept."""

from typing import Any

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.stored import NO_BILL, Bill, Record
from sluicegate_worker.provider.outcome import Accepted, Doubt
from sluicegate_worker.provider.telnyx import v1, v2
from sluicegate_worker.provider.telnyx.events import parse_v1_event, parse_v2_event
from sluicegate_worker.transport import Reply
from sluicegate_worker.wire import Settle, parse_settle
from support.bench import Bench
from support.messages import message
from support.receipts import tell

TOLD: dict[str, Any] = {
    "id": "p1",
    "to": [
        {"phone_number": "+15551234567", "carrier": "T-MOBILE USA, INC.", "line_type": "Wireless"}
    ],
    "parts": 2,
    "cost": {"amount": "0.0051", "currency": "USD"},
    "cost_breakdown": {
        "carrier_fee": {"amount": "0.00305", "currency": "USD"},
        "rate": {"amount": "0.00205", "currency": "USD"},
    },
    "tcr_campaign_id": "TCPA3X7",
}
BILL = Bill(
    carrier="t_mobile",
    parts=2,
    cost_billionths=5_100_000,
    currency="USD",
    line_type="Wireless",
    registration="TCPA3X7",
    carrier_name="T-MOBILE USA, INC.",
)


def answered(data: object) -> Bill:
    reply = Reply(200, {}, msgspec.json.encode({"data": data}))
    outcome = v2.outcome_of(reply)
    assert isinstance(outcome, Accepted)
    return outcome.bill


def test_an_answer_and_a_webhook_say_the_same() -> None:
    assert answered(TOLD) == BILL
    body = {"data": {"event_type": "message.finalized", "id": "e1", "payload": TOLD}}
    event = parse_v2_event(msgspec.json.encode(body), "m1", 1)
    assert getattr(event, "bill", None) == BILL


def test_v1_says_it_flat() -> None:
    record = {
        "sms_id": "p1",
        "status": "sent",
        "to": "+15551234567",
        "carrier": "AT&T",
        "line_type": "Wireless",
        "cost": 0.004,
        "currency": "usd",
        "body": {"parts": 3},
    }
    bill = Bill(
        carrier="att",
        parts=3,
        cost_billionths=4_000_000,
        currency="USD",
        line_type="Wireless",
        carrier_name="AT&T",
    )
    outcome = v1.outcome_of(Reply(200, {}, msgspec.json.encode(record)))
    assert isinstance(outcome, Accepted)
    assert outcome.bill == bill
    event = parse_v1_event(msgspec.json.encode(record), "m1", 1)
    assert getattr(event, "bill", None) == bill


@pytest.mark.parametrize(
    ("cost", "billionths"),
    [
        ({"amount": "0.0051", "currency": "USD"}, 5_100_000),
        ({"amount": 0.0051, "currency": "USD"}, 5_100_000),
        ({"amount": 5e-05, "currency": "USD"}, 50_000),
        ({"amount": "0.0000", "currency": "USD"}, 0),
        ({"amount": 1, "currency": "USD"}, 10**9),
        ({"amount": "0.0000000005", "currency": "USD"}, 0),
        ({"amount": "0.0051"}, None),
        ({"amount": "-0.0051", "currency": "USD"}, None),
        ({"amount": "NaN", "currency": "USD"}, None),
        ({"amount": "1_000", "currency": "USD"}, None),
        ({"amount": "1e9", "currency": "USD"}, None),
        ({"amount": True, "currency": "USD"}, None),
        ({"amount": None, "currency": "USD"}, None),
        ({"amount": "0.0051", "currency": "dollars"}, None),
        ("0.0051", None),
        (0.0051, None),
        ([1], None),
    ],
)
def test_a_cost_is_whole_billionths_of_a_currency(cost: object, billionths: int | None) -> None:
    assert answered({"id": "p1", "cost": cost}).cost_billionths == billionths


def test_without_a_cost_its_parts_are_added_up() -> None:
    assert answered(TOLD | {"cost": None}).cost_billionths == 5_100_000
    odd = TOLD["cost_breakdown"] | {"rate": {"amount": "0.1", "currency": "EUR"}}
    assert answered(TOLD | {"cost": None, "cost_breakdown": odd}).cost_billionths is None


def test_abroad_a_namesake_is_another_carrier() -> None:
    to = [{"phone_number": "+48501234567", "carrier": "T-Mobile Polska"}]
    assert answered({"id": "p1", "to": to}).carrier == "other"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["amount", "currency", "carrier", "line_type", "phone_number", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from([*TOLD, "carrier", "line_type", "currency", "body"]), ANYTHING)
)
def test_garbage_beside_the_id_changes_no_outcome(said: dict[str, Any]) -> None:
    bill = answered(said | {"id": "p1"})
    assert not bill.format() or Bill.parse(bill.format()) == bill
    record = {"sms_id": "p1", "status": "sent"} | {k: v for k, v in said.items() if k != "id"}
    outcome = v1.outcome_of(Reply(200, {}, msgspec.json.encode(record)))
    assert isinstance(outcome, Accepted)
    assert parse_v1_event(msgspec.json.encode(record), "m1", 1).__class__.__name__ == "Receipt"


def test_a_number_beyond_all_numbers_hides_nothing_else() -> None:
    odd = b'"parts": 1e999, "cost": {"amount": 1e999, "currency": "USD"}'
    body = b'{"data": {"id": "p1", %b, "to": [{"carrier": "AT&T"}]}}' % odd
    outcome = v2.outcome_of(Reply(200, {}, body))
    assert isinstance(outcome, Accepted)
    assert outcome.bill == Bill(carrier="att", carrier_name="AT&T")
    assert isinstance(v2.outcome_of(Reply(200, {}, b'{"data": {"parts": 1}}')), Doubt)


def test_a_bill_is_read_as_it_was_written() -> None:
    assert BILL.format() == "t|2|5100000|USD|Wireless|TCPA3X7|T-MOBILE USA, INC."
    assert Bill.parse(BILL.format()) == BILL
    assert NO_BILL.format() == ""
    odd = Bill(carrier_name="a|b\n", line_type="x|y", parts=-1, cost_billionths=5, currency="")
    assert Bill.parse(odd.format()) == odd
    assert Record.parse({b"bill": BILL.format().encode()}).bill == BILL


def test_a_settle_kept_as_json_keeps_its_bill() -> None:
    settle = Settle(id="m1", token="t", kind="accepted", bill=BILL)
    assert parse_settle(msgspec.json.encode(settle)) == settle
    assert settle.args()[-2:] == ("bill", BILL.format())


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    return Bench(store, repeat=True)


def bill_of(bench: Bench, id: str) -> Bill:
    return Record.parse(bench.store.hgetall(bench.keys.record(id))).bill


def test_what_the_answer_says_is_in_the_record_and_a_receipt_adds_to_it(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(bill=Bill(carrier="t_mobile", carrier_name="T-Mobile", parts=1))
    assert bill_of(bench, "m1").carrier == "t_mobile"
    paid = Bill(cost_billionths=4_000_000, currency="USD", parts=2)
    tell(bench, "m1", bill=paid)
    both = Bill(
        carrier="t_mobile", carrier_name="T-Mobile", parts=2, cost_billionths=4_000_000,
        currency="USD",
    )  # fmt: skip
    assert bill_of(bench, "m1") == both
    tell(bench, "m1", "sent", bill=Bill(cost_billionths=9, currency="USD", line_type="Wireless"))
    assert bill_of(bench, "m1") == msgspec.structs.replace(both, line_type="Wireless")


def test_a_receipt_before_the_answer_counts_as_well(bench: Bench) -> None:
    bench.enqueue(message(1))
    [grant] = bench.claim_all(1)
    bench.start(grant)
    tell(bench, "m1", bill=Bill(parts=3))
    bench.settle(grant, "accepted", provider_id="p-m1", bill=Bill(parts=1, line_type="VoIP"))
    assert bill_of(bench, "m1") == Bill(parts=3, line_type="VoIP")
