"""Trends: what was counted in each minute and hour, whoever swept, and gaps where nobody did."""

from collections.abc import Sequence
from typing import Any

import pytest
import redis

from sluicegate.errors import Malformed
from sluicegate.memory import ServerMemory
from sluicegate.stored import TrendCounts
from sluicegate_ops.inspect import (
    HOURS,
    MINUTES,
    TrendPoint,
    TrendSpan,
    read_facts,
    read_trend,
    seconds_until_full,
)
from sluicegate_ops.inspect.look import Look
from sluicegate_worker.operator.deleting import delete_campaign
from support.bench import BY_TEST, Bench
from support.clock import CLOCK
from support.command_line import Cli
from support.messages import message, plan

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
BEGAN = 472_222 * HOUR_MS  # a whole hour


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    bench = Bench(store, limit=1000)
    bench.at(BEGAN + 5 * MINUTE_MS)
    bench.sweep()
    return bench


def trend(bench: Bench, span: TrendSpan = MINUTES, campaign: str = "") -> list[TrendPoint]:
    return read_trend(bench.store, bench.keys, span, bench.now_ms, campaign)


def send(bench: Bench, numbers: Sequence[int]) -> None:
    bench.enqueue(*(message(n) for n in numbers))
    for _ in numbers:
        bench.send()


def end_minute(bench: Bench, *workers: str) -> None:
    """Go to just behind the end of this minute, where those workers sweep."""
    bench.at((bench.now_ms // MINUTE_MS + 1) * MINUTE_MS + 700)
    for worker in workers or ("one",):
        bench.sweep(worker)


def later(bench: Bench, ms: float) -> None:
    bench.later(ms)
    bench.sweep()


def test_each_minute_has_what_came_in_it(bench: Bench) -> None:
    send(bench, range(3))
    end_minute(bench)
    bench.enqueue(message(10), message(11))
    end_minute(bench)
    end_minute(bench)
    bench.later(5_000)
    *_, first, second, third = trend(bench)
    assert [point.accepted for point in (first, second, third)] == [3, 0, 0]
    assert [point.enqueued for point in (first, second, third)] == [3, 2, 0]
    assert [point.waiting for point in (first, second, third)] == [0, 2, 2]
    assert first.seconds is not None
    assert 55 < first.seconds < 62
    assert first.accepted_per_second == pytest.approx(3 / first.seconds, abs=0.001)


def test_several_workers_that_sweep_count_nothing_twice(bench: Bench) -> None:
    send(bench, range(4))
    end_minute(bench, "one", "two", "three", "one")
    bench.later(5_000)
    assert trend(bench)[-1].accepted == 4


def test_what_nobody_swept_is_a_gap_and_not_a_zero(bench: Bench) -> None:
    end_minute(bench)
    bench.later(7 * MINUTE_MS)
    end_minute(bench)
    end_minute(bench)
    bench.later(5_000)
    before, *gap, after = trend(bench)[-10:]
    assert before.accepted == after.accepted == 0
    assert [point.accepted for point in gap] == [None] * 8
    assert gap[0].waiting is None


def test_a_look_that_comes_late_tells_no_more_than_it_saw(bench: Bench) -> None:
    end_minute(bench)
    bench.later(MINUTE_MS + 40_000)  # nobody swept at the end of this minute
    bench.sweep()
    send(bench, range(2))
    end_minute(bench)
    bench.later(5_000)
    *_, lost, rest = trend(bench)
    assert lost.accepted is None
    assert rest.accepted == 2
    assert rest.seconds is not None
    assert rest.seconds < 30


def test_the_sum_of_hours_is_what_was_counted(bench: Bench) -> None:
    for hour in range(3):
        send(bench, range(10 * hour, 10 * hour + 4))
        for _ in range(60):
            end_minute(bench)
    hours = trend(bench, HOURS)
    assert len(hours) == 720
    assert sum(point.accepted or 0 for point in hours) == 12
    assert [point.accepted for point in hours[-4:]] == [4, 4, 4, 0]


def test_waiting_is_what_status_calls_waiting(bench: Bench) -> None:
    bench.enqueue(*(message(n) for n in range(6)))
    bench.send(kind="retry", delay_ms=500_000, code="50000", reason="an error", heard=True)
    bench.send(kind="dead", code="40300", reason="blocked", answer="400 {}", heard=True)
    bench.begin()
    bench.at((bench.now_ms // MINUTE_MS + 1) * MINUTE_MS)
    bench.sweep()
    counts = read_facts(Look(bench.store, bench.keys, CLOCK)).counts
    bench.later(5_000)
    assert trend(bench)[-1].waiting == counts.waiting + counts.due == 4
    assert trend(bench)[-1].dead == 1


def test_a_campaign_that_begins_and_ends_within_a_minute_is_there(bench: Bench) -> None:
    bench.later(2_000)
    bench.campaign(plan(), 3)
    later(bench, 1_000)
    bench.drain(1_000)
    later(bench, 1_000)  # it is finished
    later(bench, 1_000)  # and that is written
    end_minute(bench)
    bench.later(5_000)
    [before, now] = trend(bench, campaign="july")
    assert (before.waiting, now.waiting, now.accepted) == (3, 0, 3)
    [hour] = trend(bench, HOURS, "july")
    assert hour.accepted == 3
    assert hour.so_far is not None
    assert hour.so_far.enqueued == 3


def test_a_campaign_is_followed_until_its_receipts_have_come(bench: Bench) -> None:
    bench.campaign(plan(), 1)
    later(bench, 1_000)
    bench.drain(1_000)
    later(bench, 1_000)
    later(bench, 1_000)
    for _ in range(3 * 24 + 2):
        later(bench, HOUR_MS)
    assert bench.store.zrange(bench.keys("trends_due"), 0, -1) == [b"account"]
    known = [point for point in trend(bench, HOURS, "july") if point.so_far]
    assert 70 < len(known) < 80


def test_a_campaign_that_ran_before_there_were_trends_is_found(bench: Bench) -> None:
    bench.campaign(plan(), 2)
    bench.store.delete(bench.keys("trends_due"))
    bench.sweep()
    bench.sweep()
    assert bench.store.zscore(bench.keys("trends_due"), "campaign:july") > bench.now_ms
    assert bench.store.zscore(bench.keys("trends_due"), "account") > bench.now_ms


def test_trends_have_an_end_and_few_bytes(bench: Bench) -> None:
    bench.campaign(plan(), 3)
    for _ in range(130):
        end_minute(bench)
    keys = [*bench.store.scan_iter(bench.keys("trend_*"))]
    assert len(keys) == 10  # three hours, and two days
    for key in keys:
        most = 3 * HOUR_MS if b"minutes" in key else 32 * DAY_MS
        assert 0 < bench.store.pttl(key) <= most
        assert bench.store.hlen(key) <= 60
        assert all(len(text) <= 64 for text in bench.store.hvals(key))


def test_a_deleted_campaign_has_no_trend(bench: Bench) -> None:
    bench.store.delete(bench.keys("test-clock"))  # deleting goes by the server's own clock
    seconds, _ = bench.store.time()
    bench.at(seconds * 1000.0)
    bench.campaign(plan(), 1)
    bench.sweep()
    bench.act("july", "cancel")
    bench.sweep()
    assert [*bench.store.scan_iter(bench.keys("trend_*july"))]
    delete_campaign(bench.store, bench.keys, "july", BY_TEST)
    assert not [*bench.store.scan_iter(bench.keys("trend_*july"))]
    assert bench.store.zscore(bench.keys("trends_due"), "campaign:july") is None


def test_what_the_script_writes_is_the_stored_form(bench: Bench) -> None:
    send(bench, range(2))
    end_minute(bench)
    texts: list[Any] = []
    for key in bench.store.scan_iter(bench.keys("trend_*")):
        texts += bench.store.hvals(key)
    assert texts
    for text in texts:
        assert TrendCounts.parse(text).format() == text
    with pytest.raises(Malformed):
        TrendCounts.parse(b"1 2 three")


def test_a_text_that_no_script_wrote_is_a_gap(bench: Bench) -> None:
    end_minute(bench)
    bench.later(5_000)
    hour = int(bench.now_ms // HOUR_MS)
    bench.store.hset(bench.keys(f"trend_minutes:{hour}"), "5", "rubbish")
    bench.store.hset(bench.keys(f"trend_minutes:{hour}"), "x", "1 2")
    assert trend(bench)[-1].so_far is None


def test_the_command_shows_gaps_as_gaps(cli: Cli) -> None:
    now_ms = cli.bench.now_ms
    cli.bench.at(now_ms - 5 * MINUTE_MS)
    cli.bench.sweep()
    send(cli.bench, range(2))
    end_minute(cli.bench)
    points = cli.lines("trend")
    assert len(points) == 60
    assert sum(point["accepted"] or 0 for point in points) == 2
    assert points[-1]["accepted"] is None
    shown = cli("trend").stdout
    assert "PER SECOND" in shown
    assert "-" in shown.splitlines()[-1].split()
    assert "nothing is known yet" not in shown
    cli("trend", "--campaign", "nobody", exits=2)


def test_without_a_sweep_the_command_says_so(cli: Cli) -> None:
    assert "nothing is known yet" in cli("trend").stdout
    assert len(cli.lines("trend", "--hours")) == 720


def minutes_of(*used_kib: int | None) -> list[TrendPoint]:
    texts = [None if kib is None else b"0 0 0 0 0 0 0 0 0 %d" % kib for kib in used_kib]
    return [
        TrendPoint(n * 60_000.0, so_far=TrendCounts.parse(text) if text else None)
        for n, text in enumerate(texts)
    ]


def test_memory_is_full_when_it_has_grown_on_as_it_did() -> None:
    mib = 1024
    grows = minutes_of(None, *(mib * n for n in range(10, 31)))  # a MiB a minute
    memory = ServerMemory(30 * 1024 * mib, 90 * 1024 * mib, 95 * 1024 * mib, 100 * 1024 * mib, "")
    assert seconds_until_full(memory, grows) == 60 * 60
    assert seconds_until_full(memory, grows[:5]) is None
    assert seconds_until_full(memory, minutes_of(*[mib] * 30)) is None
    assert seconds_until_full(memory._replace(ceiling=0.0), grows) is None
    assert seconds_until_full(memory._replace(used=memory.most), grows) == 0


def test_the_sweep_notes_the_memory_in_use(valkey: redis.Redis) -> None:
    bench = Bench(valkey, limit=1000)
    bench.at(BEGAN)
    bench.sweep()
    for _ in range(2):
        end_minute(bench)
    bench.later(5_000)
    so_far = trend(bench)[-1].so_far
    assert so_far is not None
    assert 500 < so_far.used_kib < 1_000_000
