"""The simulator's bills: what a message costs, what is told of it, and the books."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest

from sluicegate_ops.simulator import Billing, Settings, Webhooks
from sluicegate_ops.simulator.billing import UNREADABLE, amount_text, bill
from support.receiver import receiving
from support.simulated import Still, simulated

PRICES = {"+1 SMS": "0.004", "+44 SMS": "0.05", "+4477 SMS": "0.06", "* SMS": "0.1"}


def sent(still: Still, **body: Any) -> Any:
    return json.loads(still.send(**body).body)["data"]


@pytest.mark.parametrize(
    ("to", "text", "amount"),
    [
        ("+13125550002", "hi", "0.0040"),
        ("+13125550002", "x" * 161, "0.0080"),
        ("+442071838750", "hi", "0.0500"),
        ("+447700900123", "hi", "0.0600"),
        ("+33612345678", "hi", "0.1000"),
    ],
)
def test_a_message_costs_by_its_parts_and_the_longest_beginning_listed(
    to: str, text: str, amount: str
) -> None:
    data = sent(Still(billing=Billing(prices=PRICES)), to=to, text=text)
    assert data["cost"] == {"amount": amount, "currency": "USD"}


def test_a_carriers_fee_is_part_of_the_cost_and_shown_by_itself() -> None:
    still = Still(billing=Billing(carrier_fees={"SIMULATED": "0.00305"}))
    data = sent(still)
    assert data["cost"]["amount"] == "0.00705"
    parts = {name: part["amount"] for name, part in data["cost_breakdown"].items()}
    assert parts == {"carrier_fee": "0.00305", "rate": "0.0040"}


def test_a_final_event_may_tell_another_cost_and_more_parts_than_the_answer() -> None:
    changing = Billing(changed_cost=1, change="0.001", changed_parts=1)
    with receiving() as receiver:
        hooks = Webhooks(url=receiver.url, delay_seconds=0, jitter_seconds=0, connections=1)
        settings = Settings(limit=None, webhooks=hooks, billing=changing)
        with simulated(settings) as client:
            answer = client.send().json()["data"]
            told = [hook.payload for hook in receiver.hooks(2)]
            assert [one["cost"]["amount"] for one in (answer, *told)] == [
                "0.0040", "0.0040", "0.0100",
            ]  # fmt: skip
            assert [one["parts"] for one in (answer, *told)] == [1, 1, 2]
            (arrival,) = client.face("arrivals")
    assert (arrival["answered_cost"], arrival["billed_cost"]) == ("0.0040", "0.0100")
    assert arrival["cost_answered"]


def test_an_answer_may_tell_no_cost_at_all() -> None:
    data = sent(Still(billing=Billing(silent_answer=1)))
    assert (data["cost"], data["cost_breakdown"]) == (None, None)
    assert data["parts"] == 1


def test_nonsense_stands_where_a_cost_should() -> None:
    still = Still(billing=Billing(unreadable=1))
    told = {sent(still)["cost"]["amount"] for _ in UNREADABLE}
    assert told == set(UNREADABLE)


def test_the_books_add_up_by_sender_carrier_and_day() -> None:
    still = Still(billing=Billing(prices=PRICES))
    sent(still)
    sent(still, sender="+13125550009", text="x" * 161)
    still.now = 86_400.0
    sent(still, to="+442071838750")
    costs = still.provider.costs()
    assert costs.messages == 3
    assert costs.billed == {"USD": "0.0620"}
    assert costs.senders == {"+13125550001": {"USD": "0.0540"}, "+13125550009": {"USD": "0.0080"}}
    assert costs.carriers == {"SIMULATED": {"USD": "0.0620"}}
    assert costs.days == {"2023-11-15": {"USD": "0.0120"}, "2023-11-16": {"USD": "0.0500"}}


def test_the_currency_may_change_while_it_runs() -> None:
    with simulated(Settings(limit=None)) as client:
        client.send()
        client.face("settings", {"billing": {"currency": "EUR"}})
        client.send()
        assert client.face("costs")["billed"] == {"USD": "0.0040", "EUR": "0.0040"}


def test_a_replay_is_billed_once_and_tells_the_same() -> None:
    still = Still(billing=Billing(changed_cost=0.5, silent_answer=0.3))
    first, again = (still.send(key="k").body for _ in range(2))
    assert first == again
    assert still.provider.costs().messages == 1


def test_shares_are_kept_and_each_bill_is_the_same_each_time() -> None:
    billing = Billing(changed_cost=0.25, silent_answer=0.5)
    bills = [bill("+13125550002", "SMS", "", 1, n, billing, 7) for n in range(2000)]
    assert bills == [bill("+13125550002", "SMS", "", 1, n, billing, 7) for n in range(2000)]
    counted = Counter((one.cost != one.first_cost, one.answered) for one in bills)
    assert 400 < counted[True, True] + counted[True, False] < 600
    assert 900 < counted[True, True] + counted[False, True] < 1100


@pytest.mark.parametrize(
    "billing",
    [
        {"currency": "usd"},
        {"prices": {"US SMS": "1"}},
        {"prices": {"* SMS": "dear"}},
        {"carrier_fees": {"Acme": "1e3"}},
        {"changed_cost": 1.5},
    ],
)
def test_a_bad_setting_is_named(billing: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="billing"):
        Billing(**billing)


def test_amounts_are_written_to_the_last_decimal() -> None:
    assert [amount_text(n) for n in (0, 1, 4_000_000, -1_500_000_000)] == [
        "0.0000", "0.000000001", "0.0040", "-1.5000",
    ]  # fmt: skip
    assert Decimal(amount_text(10**17 + 1)) == Decimal(10**17 + 1) / 10**9
