"""Limits on recipients under random loads: what goes, and when, is what a plain model says."""

from typing import NamedTuple

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.config import PerRecipient, RecipientLimits
from sluicegate_worker.wire import Start
from support.bench import Bench
from support.fake import examples
from support.messages import message, plan, recipient

SECOND, WEEK = 1000.0, 604_800_000.0
LATE_MS = 2500.0
"""A message goes so much later than it might at most: a worker comes once a second."""

SENDER = "+15550009999"
CAMPAIGNS = ("june", "july")
LIMITS = st.builds(
    RecipientLimits,
    hourly=st.integers(0, 2),
    daily=st.integers(0, 3),
    weekly=st.integers(0, 4),
    quiet_seconds=st.sampled_from([0.0, 30.0, 4000.0]),
)


class Arrival(NamedTuple):
    """Who has a message for the recipient, and how long after the one before."""

    after_seconds: float
    who: str


ARRIVALS = st.lists(
    st.builds(
        Arrival,
        st.sampled_from([0.0, 20.0, 1800.0, 3599.0, 40_000.0, 100_000.0]),
        st.sampled_from(["app", *CAMPAIGNS]),
    ),
    min_size=2,
    max_size=7,
)


def limited(store: redis.Redis, limits: RecipientLimits) -> Bench:
    """An empty account with these limits, whose provider has answered."""
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    limits_of = PerRecipient(bulk=limits, transactional=limits)
    bench = Bench(store, limit=1000, per_recipient=limits_of)
    bench.enqueue(message(999_999, priority="bulk", sender=SENDER))
    bench.send()
    return bench


def gone(bench: Bench, ms: float) -> list[float]:
    """Work for so long; when each message was sent. Times when nothing is due are passed over."""
    sent, ends = list[float](), bench.now_ms + ms
    while bench.now_ms < ends:
        sent += [one.at_ms for one in bench.drain(min(SECOND, ends - bench.now_ms))]
        due = bench.store.zrange(bench.keys("due"), 0, 0, withscores=True)
        if not bench.store.exists(bench.keys("ready:bs")):
            bench.at(max(bench.now_ms, min(ends, due[0][1]) if due else ends))
    return sent


def earliest(limits: RecipientLimits, arrived: float, before: list[float]) -> float:
    """When the next message may go that arrived then, after those that went before."""
    times = [arrived]
    times += [
        before[-most] + 1000 * seconds for seconds, most in limits.windows if len(before) >= most
    ]
    if before and limits.quiet_seconds:
        times.append(before[-1] + 1000 * limits.quiet_seconds)
    return max(times)


def check_arrivals(store: redis.Redis, limits: RecipientLimits, arrivals: list[Arrival]) -> None:
    """Campaigns and an app together send to one number just as often as it may get messages."""
    bench = limited(store, limits)
    for name in CAMPAIGNS:
        of = plan(name, text="Hi", sender=SENDER)
        bench.campaigns.create(of)
        bench.add(name, recipient(of, 1))
    to = recipient(plan("june", text="Hi", sender=SENDER), 1).to
    arrived, sent, started = list[float](), list[float](), set[str]()
    for n, arrival in enumerate(arrivals):
        sent += gone(bench, 1000 * arrival.after_seconds)
        arrived.append(bench.now_ms)
        if arrival.who == "app" or arrival.who in started:
            bench.enqueue(message(n, to=to, priority="bulk", sender=SENDER))
        else:
            bench.act(arrival.who, "start")
            started.add(arrival.who)
    sent += gone(bench, len(arrivals) * (WEEK + SECOND))
    assert len(sent) == len(arrived)
    for n, (at, came) in enumerate(zip(sent, arrived, strict=True)):
        soonest = earliest(limits, came, sent[:n])
        assert soonest <= at <= soonest + LATE_MS, (n, at - soonest)
    bench.check()


def test_campaigns_and_an_app_send_just_as_often_as_a_model_says(store: redis.Redis) -> None:
    @settings(max_examples=examples(store, 6))
    @given(LIMITS, ARRIVALS)
    def check(limits: RecipientLimits, arrivals: list[Arrival]) -> None:
        check_arrivals(store, limits, arrivals)

    check()


@pytest.mark.long
def test_so_they_do_in_many_examples(valkey: redis.Redis) -> None:
    @settings(max_examples=300)
    @given(LIMITS, ARRIVALS)
    def check(limits: RecipientLimits, arrivals: list[Arrival]) -> None:
        check_arrivals(valkey, limits, arrivals)

    check()


TEXTS = st.lists(
    st.tuples(st.sampled_from([1.0, 25.0, 61.0]), st.sampled_from(["aaaaaaa", "bbbbbbb"])),
    min_size=2,
    max_size=6,
)


def test_the_same_text_goes_when_a_model_says(store: redis.Redis) -> None:
    @settings(max_examples=examples(store, 6))
    @given(TEXTS)
    def check(texts: list[tuple[float, str]]) -> None:
        limits = RecipientLimits(same_text_seconds=60, beyond="end")
        bench = limited(store, limits)
        last = dict[str, float]()
        for n, (after, text) in enumerate(texts):
            bench.later(1000 * after)
            bench.enqueue(message(n, to="+14152000001"))
            [grant] = bench.claim().grants
            bench.later(max(0.0, grant.slot_ms))
            # No sum of these waits is within the fifth of a second that a limit may be late.
            may_go = bench.now_ms >= last.get(text, 0.0) + 60_000
            started = bench.step(starts=[Start(grant.id, grant.token, b"{}", text)]).started
            assert started == [may_go]
            if may_go:
                last[text] = bench.now_ms
                bench.settle(grant, "accepted", heard=True, provider_id=f"p{n}")
        bench.check()

    check()
