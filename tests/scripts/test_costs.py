"""What was billed: each send counts once, whatever tells its cost, in whatever order."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.stored import Bill, CostSum, Record, SumField, parse_sums
from sluicegate_worker.wire import Grant
from support.bench import Bench
from support.effort import size
from support.messages import message, plan, recipient
from support.receipts import tell

MINE = 4_000_000
DAY_MS = 86_400_000
NOW_MS = 1_700_000_000_000


def bill(cost: int | None = MINE, currency: str = "USD", parts: int = 1, **fields: Any) -> Bill:
    return Bill(cost_billionths=cost, currency=currency, parts=parts, **fields)


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    return Bench(store, repeat=True)


def of_day(bench: Bench, ms: float = NOW_MS) -> dict[str, CostSum]:
    """The sums of a day that are not 0."""
    stored = parse_sums(bench.store.hgetall(bench.keys.day_costs(int(ms // DAY_MS))))
    return {field.format(): sum for field, sum in stored.items() if sum.messages}


def all_of(bench: Bench, currency: str = "USD") -> CostSum:
    return of_day(bench).get(f"{currency}|all", CostSum())


def start_campaign(bench: Bench, count: int) -> None:
    bench.campaigns.create(plan())
    bench.add("july", *(recipient(plan(), number) for number in range(count)))
    bench.act("july", "start")


def granted(bench: Bench, number: int = 1, **fields: Any) -> Grant:
    bench.enqueue(message(number, **fields))
    return bench.begin()


def test_the_answers_cost_counts_by_day_sender_carrier_and_app(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True, app="shop")
    bench.enqueue(message(1), message(2))
    bench.send(bill=bill(carrier="t_mobile", parts=2))
    bench.send(bill=bill(MINE + 1, carrier="att"))
    sender = message(1).sender
    one, other = CostSum(MINE, 1, 2), CostSum(MINE + 1, 1, 1)
    assert of_day(bench) == {
        "USD|all": one + other,
        "USD|app|shop": one + other,
        f"USD|sender|{sender}": one + other,
        "USD|carrier|t": one,
        "USD|carrier|a": other,
    }
    bench.check()


def test_a_message_without_a_cost_is_counted_as_such_and_costs_nothing(bench: Bench) -> None:
    bench.enqueue(message(1), message(2))
    bench.send()
    bench.send(bill=Bill(parts=3, carrier="other"))
    assert all_of(bench) == CostSum()
    assert all_of(bench, "") == CostSum(0, 2, 3)
    tell(bench, "m1", bill=bill())
    assert (all_of(bench), all_of(bench, "")) == (CostSum(MINE, 1, 1), CostSum(0, 1, 3))
    bench.check()


def test_a_cost_of_nothing_is_a_cost(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(bill=bill(0))
    assert (all_of(bench), all_of(bench, "")) == (CostSum(0, 1, 1), CostSum())


def test_a_later_cost_takes_the_place_of_the_one_before_on_its_own_day(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(bill=bill())
    bench.later(2 * DAY_MS)
    assert tell(bench, "m1", bill=bill(7, "EUR", 2), occurred_ms=int(bench.now_ms)) == "applied"
    assert of_day(bench).keys() == {"EUR|all", "EUR|app|", "EUR|carrier|"} | {
        field for field in of_day(bench) if field.startswith("EUR|sender")
    }
    assert all_of(bench, "EUR") == CostSum(7, 1, 2)
    assert of_day(bench, bench.now_ms) == {}
    assert tell(bench, "m1", event_id="again", bill=bill(8, "EUR", 2)) == "stale"
    newer = int(bench.now_ms) + 1
    assert tell(bench, "m1", event_id="new", bill=bill(9), occurred_ms=newer) == "applied"
    assert all_of(bench) == CostSum(9, 1, 1)
    bench.check()


def test_an_answer_that_comes_after_its_receipt_changes_no_cost(bench: Bench) -> None:
    grant = granted(bench)
    tell(bench, "m1", bill=bill(9))
    bench.settle(grant, "accepted", provider_id="p-m1", heard=True, bill=bill(4))
    assert all_of(bench) == CostSum(9, 1, 1)
    bench.check()


def test_a_cost_that_only_a_receipt_tells_counts_for_the_sender_of_the_lane(bench: Bench) -> None:
    grant = granted(bench)
    bench.settle(grant, "doubt", delay_ms=1000)
    assert all_of(bench, "") == CostSum()  # nobody knows that the provider has it
    tell(bench, "m1", bill=bill(9))
    assert of_day(bench)[f"USD|sender|{message(1).sender}"] == CostSum(9, 1, 1)
    bench.check()


def test_a_message_that_the_provider_has_twice_is_billed_twice(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(bill=bill(4))
    assert tell(bench, "m1", provider_id="other", bill=bill(5)) == "twice"
    assert all_of(bench) == CostSum(9, 2, 2)
    later: dict[str, Any] = {
        "event_id": "more",
        "provider_id": "other",
        "occurred_ms": NOW_MS + 10**9,
    }
    assert tell(bench, "m1", bill=bill(6), **later) == "applied"
    assert tell(bench, "m1", provider_id="third", bill=bill(1)) == "twice"
    assert all_of(bench) == CostSum(11, 3, 3)
    record = Record.parse(bench.store.hgetall(bench.keys.record("m1")))
    assert [one.cost_billionths for one in record.bills] == [4, 6, 1]
    assert Record.parse({k.encode(): _raw(v) for k, v in record.format().items()}) == record
    bench.check()


def _raw(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def test_what_a_person_says_was_sent_has_no_cost_until_a_receipt_tells_it(bench: Bench) -> None:
    grant = granted(bench)
    bench.settle(grant, "doubt", delay_ms=-1)
    assert bench.resolve("m1", "accepted") == "resolved"
    assert all_of(bench, "") == CostSum(0, 1, 0)
    tell(bench, "m1", bill=bill())
    assert (all_of(bench), all_of(bench, "")) == (CostSum(MINE, 1, 1), CostSum())
    bench.check()


def test_a_campaigns_costs_stand_in_its_ledger_by_carrier(bench: Bench) -> None:
    start_campaign(bench, 3)
    bench.send(bill=bill(4, carrier="att"))
    sent = bench.send(bill=bill(5, "EUR"))
    bench.send()
    costs = bench.campaigns.ledger("july").costs
    assert costs == {
        "USD": {"att": CostSum(4, 1, 1)},
        "EUR": {"unknown": CostSum(5, 1, 1)},
        "": {"unknown": CostSum(0, 1, 0)},
    }
    assert bench.campaigns.recount("july").costs == costs
    assert b"billed" not in bench.store.hgetall(bench.keys.record(sent.id))  # nothing to say
    tell(bench, sent.id, provider_id="second", bill=bill(1))
    assert bench.campaigns.recount("july") == bench.campaigns.ledger("july")
    assert bench.campaigns.ledger("july").costs["USD"] == {
        "att": CostSum(4, 1, 1),
        "unknown": CostSum(1, 1, 1),
    }
    bench.check()


def test_a_big_campaigns_sum_is_exact_to_the_billionth(bench: Bench) -> None:
    """Ten million messages at 1.00 are more billionths than a number of Lua holds."""
    day = bench.keys.day_costs(NOW_MS // DAY_MS)
    before = 10_000_000 * 10**9 + 1
    assert before > 2**53
    bench.store.hset(day, "USD|all", f"{before} 10000000 10000000")
    bench.enqueue(message(1), message(2))
    bench.send(bill=bill(10**9))
    bench.send(bill=bill(1))
    assert all_of(bench) == CostSum(before + 10**9 + 1, 10_000_002, 10_000_002)
    tell(bench, "m1", bill=bill(3), occurred_ms=NOW_MS)
    assert all_of(bench) == CostSum(before + 4, 10_000_002, 10_000_002)


def test_a_days_sums_go_after_the_days_that_are_kept(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(bill=bill())
    day = bench.keys.day_costs(NOW_MS // DAY_MS)
    left_ms = bench.store.pttl(day)  # by the server's own clock
    ends_ms = bench.now_ms + left_ms
    assert 0 <= (NOW_MS // DAY_MS + 401) * DAY_MS - ends_ms < 60_000
    bench.later(500 * DAY_MS)
    bench.store.delete(day)
    tell(bench, "m1", bill=bill(5), occurred_ms=int(bench.now_ms))
    assert of_day(bench) == {}, "a difference without its sum would be a wrong sum"


def test_a_day_keeps_ten_thousand_sums_and_adds_up_the_rest(store: redis.Redis) -> None:
    bench = Bench(store)
    day = bench.keys.day_costs(NOW_MS // DAY_MS)
    known = {f"USD|sender|+1777{n:07d}": "1 1 1" for n in range(10_000)}
    bench.store.hset(day, mapping={"USD|all": "0 0 0"} | known)
    bench.enqueue(message(1), message(2))
    bench.send(bill=bill())
    bench.send(bill=bill(carrier="att"))
    sums = of_day(bench)
    assert len(sums) <= 10_004
    assert sums["USD|sender|*"] == CostSum(2 * MINE, 2, 2)
    tell(bench, "m2", bill=bill(5, carrier="att"), occurred_ms=NOW_MS)
    assert of_day(bench)["USD|sender|*"] == CostSum(MINE + 5, 2, 2)


def test_what_version_0_1_had_accepted_counts_once_its_cost_is_told(bench: Bench) -> None:
    bench.enqueue(message(1))
    bench.send(bill=bill())
    bench.store.hdel(bench.keys.record("m1"), "bill", "billed")
    bench.store.delete(bench.keys.day_costs(NOW_MS // DAY_MS))
    tell(bench, "m1", "sent", occurred_ms=NOW_MS)
    tell(bench, "m1", bill=bill(9), occurred_ms=NOW_MS)
    assert (all_of(bench), all_of(bench, "")) == (CostSum(9, 1, 1), CostSum())


Told = tuple[Literal["answer", "sent", "delivered"], str, int, int | None, str]
TELLINGS: st.SearchStrategy[Told] = st.tuples(
    st.sampled_from(["answer", "sent", "delivered"]),
    st.sampled_from(["p1", "p1", "p1", "p2", "p3"]),
    st.integers(1, 4),
    st.none() | st.integers(0, 2 * 10**9),
    st.sampled_from(["USD", "EUR"]),
)


def cleared(store: redis.Redis) -> Bench:
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    return Bench(store, repeat=True)


@pytest.mark.slow_on_fake
@settings(max_examples=size(20, 400), suppress_health_check=list(HealthCheck))
@given(
    told=st.lists(TELLINGS, min_size=1, max_size=6),
    before=st.sampled_from(["", "doubt", "retry", "dead"]),
    in_campaign=st.booleans(),
)
def test_the_sums_are_those_of_the_records_in_any_order(
    store: redis.Redis, told: Sequence[Told], before: str, in_campaign: bool
) -> None:
    bench = cleared(store)
    if in_campaign:
        start_campaign(bench, 1)
    else:
        bench.enqueue(message(1))
    grant = bench.begin()
    if before:
        bench.settle(grant, before, delay_ms=10**7)
    for number, (how, provider_id, at, cost, currency) in enumerate(told):
        said = bill(cost, currency, parts=at)
        if how == "answer":
            bench.settle(grant, "accepted", provider_id=provider_id, heard=True, bill=said)
        else:
            fields = {"provider_id": provider_id, "occurred_ms": NOW_MS + at, "bill": said}
            tell(bench, grant.id, how, event_id=f"e{number % 5}", **fields)
        bench.check()
    if in_campaign:
        assert bench.campaigns.recount("july") == bench.campaigns.ledger("july")


@pytest.mark.slow_on_fake
@settings(max_examples=size(6, 24), suppress_health_check=list(HealthCheck))
@given(order=st.permutations(range(4)))
def test_the_last_cost_told_counts_in_whatever_order_they_come(
    store: redis.Redis, order: Sequence[int]
) -> None:
    bench = cleared(store)
    grant = granted(bench)
    tellings: list[Callable[[], str]] = [
        lambda: bench.settle(grant, "accepted", provider_id="p-m1", heard=True, bill=bill(1)),
        lambda: tell(bench, "m1", "sent", bill=bill(2), occurred_ms=NOW_MS),
        lambda: tell(bench, "m1", bill=bill(3), occurred_ms=NOW_MS),
        lambda: tell(bench, "m1", event_id="x", bill=bill(4), occurred_ms=NOW_MS + 1),
    ]
    for place in order:
        tellings[place]()
    assert all_of(bench) == CostSum(4, 1, 1)


def test_fields_are_read_as_they_were_written() -> None:
    for field in (SumField("USD", "all"), SumField("", "app"), SumField("EUR", "sender", "a|b")):
        assert SumField.parse(field.format()) == field
