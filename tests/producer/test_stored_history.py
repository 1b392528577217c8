"""A message's history, read from what the scripts write."""

import redis

from sluicegate.stored import History, PastAttempt
from support.bench import Bench
from support.messages import message

FIRST = PastAttempt(1_700_000_000_000, 3, 250, "retry", "50000", "ab12")


def test_what_the_scripts_note_is_read(store: redis.Redis) -> None:
    bench = Bench(store, limit=1000)
    bench.enqueue(message(1))
    bench.send(kind="retry", delay_ms=1_000, code="50000", took_ms=40, heard=True)
    bench.later(1_000)
    began = int(bench.now_ms)
    bench.send(kind="dead", code="4,0;3", took_ms=7, heard=True)
    first, last = History.parse(bench.record("m1")["history"]).attempts
    assert (first.outcome, first.code, first.took_ms, first.late_ms) == ("retry", "50000", 40, 0)
    assert (last.outcome, last.code, last.took_ms, last.began_ms) == ("dead", "4 0 3", 7, began)


def test_of_many_attempts_the_first_and_the_last_are_kept(store: redis.Redis) -> None:
    bench = Bench(store, limit=1000)
    bench.enqueue(message(1))
    for _ in range(40):
        bench.send(kind="retry", code="50000", heard=True, uncharged=True)
        bench.later(1)
    history = History.parse(bench.record("m1")["history"])
    assert len(history.attempts) + history.left_out == 40
    assert len(history.attempts) > 10
    assert history.attempts[0].began_ms < history.attempts[1].began_ms


def test_an_entry_cut_short_is_left_out() -> None:
    whole = "1700000000000,3,250,retry,50000,ab12"
    assert History.parse(f"{whole};+12;1700000000000,3,2") == History((FIRST,), 12)
    assert History.parse("x,y,z,retry,50000,ab12") == History.parse("") == History()
