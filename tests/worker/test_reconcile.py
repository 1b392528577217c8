"""Reconciling: the provider's records settle doubts, fill in what was lost, and prove the bill."""

import redis

from sluicegate import Message
from sluicegate_ops.simulator.billing import Billing
from sluicegate_worker.reconcile import Reconciled
from support.books import SENDER, Books

CHANGING = Billing(
    changed_cost=0.05, changed_parts=0.03, silent_answer=0.02, carrier_fees={"SIMULATED": "0.0031"}
)


def to_send(count: int, prefix: str = "m") -> list[Message]:
    return [
        Message(id=f"{prefix}{n}", to=f"+1312{n + 6000000:07d}", text="Hello", sender=SENDER)
        for n in range(count)
    ]


def check_bill(books: Books, done: Reconciled, strangers: int = 0) -> None:
    assert set(done.difference.values()) <= {0}
    foreign = sum(done.foreign.values())
    assert books.booked() == sum(done.billed.values()) == books.billed() - foreign
    assert done.left.get("foreign", 0) == strangers


def lose(books: Books, count: int) -> Reconciled:
    """Send so many, lose 2 % of the receipts and 1 % of the answers, and 50 strangers send too."""
    messages = to_send(count)
    books.send(messages[: count // 2], lambda n: n % 100 == 7)
    names = books.strangers(50)
    books.send(messages[count // 2 :], lambda n: n % 100 == 7)
    books.pass_by(60)
    books.tell([m.id for n, m in enumerate(messages) if n % 50 != 3 and n % 100 != 7])
    books.pass_by(60)
    done = books.reconcile()
    assert {one.provider_id for one in done.differences if one.kind == "foreign"} == set(names)
    return done


def test_the_books_are_one_after_a_run(valkey: redis.Redis) -> None:
    books = Books(valkey, simulator={"billing": CHANGING})
    done = lose(books, 1_000)
    assert books.bench.store.zcard(books.bench.keys("doubts")) == 0
    assert done.mended["accepted"] == 10
    assert done.mended["deliveries"] == 30
    assert done.left == {"foreign": 50}
    check_bill(books, done, 50)
    states = books.bench.check()
    assert states["accepted"] == 1_000
    again = books.reconcile()
    assert not any(again.mended.values())
    check_bill(books, again, 50)
