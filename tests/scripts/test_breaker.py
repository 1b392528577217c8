"""The breaker's rules, script by script: when it opens, what it lets pass, and how it closes."""

from typing import Any, cast

import fakeredis
import pytest
import redis

from sluicegate.config import Account, Config
from sluicegate.outbox import Outbox
from sluicegate.scripts import Scripts
from sluicegate_worker.queue import PUBLISH, STEP, Queue
from sluicegate_worker.wire import Claimed, Grant, Settle, Start, parse_stepped
from support.bench import Bench
from support.clock import CLOCK
from support.messages import message

ACCEPTED: dict[str, Any] = {"kind": "accepted", "provider_id": "p", "heard": True, "took_ms": 50}
FAILED: dict[str, Any] = {
    "kind": "retry",
    "code": "10007",
    "reason": "HTTP 500",
    "heard": True,
    "failing": True,
}
NO_CONNECTION: dict[str, Any] = {"kind": "retry", "code": "not_sent", "failing": True}
NO_ANSWER: dict[str, Any] = {
    "kind": "doubt",
    "code": "no_answer",
    "failing": True,
    "delay_ms": 1e9,
}
LATER_MS = 1e9
LEASE_MS = 15_000.0


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """An account that has heard an answer, with plenty of messages; it probes only when told."""
    return made(store)


def made(store: redis.Redis, messages: int = 32, usual_ms: float = 50, **fields: Any) -> Bench:
    repeat = not isinstance(store, fakeredis.FakeRedis)  # once is enough, and the fake is slow
    bench = Bench(store, repeat=repeat, **{"limit": 1000, "concurrency": 100} | fields)
    bench.answers_probes = None
    bench.enqueue(*(message(n) for n in range(messages)))
    bench.send(took_ms=usual_ms)
    return bench


class Other(Bench):
    """Another account on the same server."""

    def __init__(self, store: redis.Redis, **fields: Any) -> None:
        super().__init__(store, **fields)
        config = Config(accounts={"default": Account(), "other": self.config.accounts["default"]})
        self.outbox = Outbox(config, "other")
        self.keys = self.outbox.keys
        self.queue = Queue(cast("Any", store), config, "other")
        self._scripts = Scripts(store, self.keys.prefix, CLOCK)
        self.at(self.now_ms)
        self.call(PUBLISH, self.queue.publish_args())


def opened(bench: Bench) -> int:
    """How often the breaker has opened from closed."""
    return bench.totals()["breaker_opened"]


def fail(bench: Bench, times: int = 1, **how: Any) -> None:
    for _ in range(times):
        bench.send(**{"delay_ms": LATER_MS} | FAILED | how)


def start(bench: Bench, count: int) -> list[Grant]:
    """So many POSTs that begin at the same time."""
    grants = bench.claim_all(count)
    bench.later(max(0, *(grant.slot_ms for grant in grants)))
    assert bench.start(*grants) == [True] * count
    return grants


def settle(grant: Grant, how: dict[str, Any]) -> Settle:
    return Settle(id=grant.id, token=grant.token, **{"delay_ms": LATER_MS} | how)


def ask(bench: Bench, token: str, want: int = 1) -> Claimed:
    args = bench.queue.step_args(want=want, token=token)
    return parse_stepped(bench.call(STEP, args), token).claimed


def tell(bench: Bench, token: str, *, well: bool) -> None:
    bench.call(STEP, bench.queue.step_args(probed=(token, well)))


def opens(bench: Bench) -> None:
    fail(bench, 5)
    assert ask(bench, "nobody").why == "breaker"


def half_opens(bench: Bench) -> None:
    """Open it, and let a probe succeed."""
    opens(bench)
    bench.later(1000)
    assert ask(bench, "prober").why == "probe"
    tell(bench, "prober", well=True)


def closes(bench: Bench) -> None:
    half_opens(bench)
    for _ in range(3):
        bench.send(took_ms=0)


def attempts(bench: Bench, *grants: Grant) -> list[int]:
    return [bench.status(grant.id).attempts for grant in grants]


# -- when it opens


@pytest.mark.parametrize("how", [FAILED, NO_CONNECTION, NO_ANSWER])
def test_five_failures_in_a_row_open_it(bench: Bench, how: dict[str, Any]) -> None:
    fail(bench, 4, **how)
    assert opened(bench) == 0
    fail(bench, **how)
    assert opened(bench) == 1
    assert ask(bench, "a").why == "breaker"


def test_a_success_between_begins_the_count_anew(bench: Bench) -> None:
    fail(bench, 4)
    bench.later(30_001)
    bench.send()
    fail(bench, 4)
    assert opened(bench) == 0
    assert ask(bench, "a").grants


def test_half_of_ten_answers_open_it(bench: Bench) -> None:
    bench.later(30_001)
    for n in range(5):
        bench.send()
        assert opened(bench) == 0, n
        fail(bench)
    assert opened(bench) == 1


def test_less_than_half_of_many_answers_do_not(bench: Bench) -> None:
    for _ in range(6):
        bench.send()
        bench.send()
        fail(bench)
    assert opened(bench) == 0


def test_failures_of_more_than_half_a_minute_ago_are_forgotten(bench: Bench) -> None:
    for _ in range(6):
        bench.send()
        fail(bench)
        bench.later(8000)
    assert opened(bench) == 0


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "dead", "code": "40300", "reason": "HTTP 400", "heard": True},
        {
            "kind": "back",
            "code": "10011",
            "reason": "HTTP 429",
            "heard": True,
            "throttled": True,
            "wait_ms": 1,
        },
        {
            "kind": "back",
            "code": "40318",
            "reason": "queue full",
            "heard": True,
            "queue_full": True,
        },
    ],
)
def test_a_refusal_is_an_answer_and_no_failure(store: redis.Redis, answer: dict[str, Any]) -> None:
    bench = made(store)
    fail(bench, 4)
    for n in range(10):  # each of another sender, since a full queue stops its sender
        bench.enqueue(message(1000 + n, sender=f"+1555999{n:04d}"))
        bench.send(**answer)
    fail(bench, 4)
    assert opened(bench) == 0


def test_silence_opens_it(bench: Bench) -> None:
    start(bench, 5)
    bench.later(900)
    bench.step()
    assert opened(bench) == 0
    bench.later(200)
    bench.step()
    assert opened(bench) == 1
    assert ask(bench, "a").why == "breaker"


def test_what_is_silence_depends_on_how_long_answers_use_to_take(store: redis.Redis) -> None:
    bench = made(store, usual_ms=800)
    start(bench, 5)
    bench.later(7900)
    bench.step()
    assert opened(bench) == 0
    bench.later(200)
    bench.step()
    assert opened(bench) == 1


def test_four_that_wait_are_no_silence(bench: Bench) -> None:
    start(bench, 4)
    for _ in range(20):
        bench.later(1000)
        bench.step()
    assert opened(bench) == 0


def test_one_slow_answer_among_others_is_no_silence(bench: Bench) -> None:
    [slow, *others] = start(bench, 6)
    for _ in range(5):
        bench.later(500)
        bench.step([settle(grant, ACCEPTED) for grant in others])
        others = start(bench, 5)
    assert opened(bench) == 0
    assert bench.settle(slow, "accepted", provider_id="slow", heard=True) == "applied"


def test_at_a_cold_start_waiting_is_no_silence(store: redis.Redis) -> None:
    bench = Bench(store, repeat=True, limit=1000)
    bench.answers_probes = None
    bench.enqueue(*(message(n) for n in range(5)))
    start(bench, 2)
    for _ in range(20):
        bench.later(1000)
        assert ask(bench, bench.token()).why == "probing"
    assert opened(bench) == 0


def dies(bench: Bench, posts: int) -> None:
    """A worker dies with POSTs under way, and its leases end."""
    start(bench, posts)
    for _ in range(2):
        bench.later(LEASE_MS / 2 + 1)
        bench.sweep()
    assert bench.totals()["leases_lost"] == posts


@pytest.mark.parametrize("posts", [1, 4, 5])
def test_a_worker_that_died_with_posts_under_way_is_no_silence(bench: Bench, posts: int) -> None:
    dies(bench, posts)
    start(bench, 5)
    bench.later(900)
    bench.step()
    assert opened(bench) == 0


def test_nor_is_one_whose_leases_have_not_ended_yet(bench: Bench) -> None:
    start(bench, 1)
    bench.later(LEASE_MS / 2)
    others = start(bench, 7)
    bench.step()
    assert opened(bench) == 0
    bench.later(200)
    bench.step([settle(grant, ACCEPTED) for grant in others])
    assert opened(bench) == 0


def test_silence_after_a_workers_death_opens_it(bench: Bench) -> None:
    dies(bench, 4)
    start(bench, 5)
    bench.later(1100)
    bench.step()
    assert opened(bench) == 1


def test_posts_that_begin_one_by_one_and_are_not_answered_open_it(bench: Bench) -> None:
    for _ in range(5):
        start(bench, 1)
        assert opened(bench) == 0
        bench.later(300)
    bench.step()
    assert opened(bench) == 1


def test_another_account_goes_on(store: redis.Redis) -> None:
    other = Other(store, limit=1000)
    other.enqueue(*(message(n) for n in range(20)))
    bench = made(store)
    opens(bench)
    for _ in range(10):
        other.send()
    assert ask(bench, "a").why == "breaker"


# -- while it is open


def test_while_it_is_open_nothing_is_claimed(bench: Bench) -> None:
    opens(bench)
    claimed = ask(bench, "a", want=50)
    assert (claimed.why, claimed.grants) == ("breaker", [])
    assert 0 < claimed.wait_ms <= 1000
    assert bench.check()["waiting"] == 32 - 6


def test_what_was_granted_goes_back_uncharged(bench: Bench) -> None:
    under_way = start(bench, 5)
    granted = bench.claim(10).grants
    slots = len(bench.log())
    bench.step([settle(grant, FAILED) for grant in under_way])
    bench.later(max(grant.slot_ms for grant in granted))
    assert bench.start(*granted) == [False] * len(granted)
    assert attempts(bench, *granted) == [0] * len(granted)
    assert len(bench.log()) == slots - len(granted)
    assert bench.check() == {"accepted": 1, "retrying": 5, "waiting": 26}


def test_what_opens_it_and_a_start_may_share_a_call(bench: Bench) -> None:
    under_way = start(bench, 5)
    [granted] = bench.claim(1).grants
    bench.later(granted.slot_ms)
    done = bench.step(
        [settle(grant, FAILED) for grant in under_way],
        [Start(granted.id, granted.token, b"{}")],
        want=10,
    )
    assert list(done.started) == [False]
    assert done.claimed.why == "breaker"


# -- probing


def test_one_probes_at_a_time_and_ever_more_rarely(bench: Bench) -> None:
    opens(bench)
    for seconds in [1, 2, 4, 8, 15, 15]:
        claimed = ask(bench, bench.token())
        assert (claimed.why, claimed.wait_ms) == ("breaker", 1000 * seconds)
        bench.later(claimed.wait_ms - 1)
        assert ask(bench, bench.token()).why == "breaker"
        bench.later(1)
        prober = bench.token()
        assert ask(bench, prober) == Claimed(0, "probe", [])
        assert ask(bench, bench.token()).why == "breaker"
        tell(bench, prober, well=False)
        bench.step()
    assert opened(bench) == 1


def test_a_prober_that_says_nothing_is_replaced_and_its_word_is_void(bench: Bench) -> None:
    opens(bench)
    bench.later(1000)
    assert ask(bench, "first").why == "probe"
    bench.later(9999)
    assert ask(bench, "other").why == "breaker"
    bench.later(1)
    assert ask(bench, "second").why == "probe"
    tell(bench, "first", well=True)
    assert ask(bench, "other2").why == "breaker"
    tell(bench, "second", well=True)
    assert len(ask(bench, "other3", want=10).grants) == 1


def test_a_prober_tells_once(bench: Bench) -> None:
    half_opens(bench)
    fail(bench)
    tell(bench, "prober", well=True)
    claimed = ask(bench, "a")
    assert (claimed.why, claimed.wait_ms) == ("breaker", 2000)


def test_nobodys_word_is_void(bench: Bench) -> None:
    opens(bench)
    tell(bench, "", well=True)
    tell(bench, "stranger", well=True)
    assert ask(bench, "a").why == "breaker"


def test_a_probe_that_ends_after_it_closed_means_nothing(bench: Bench) -> None:
    under_way = start(bench, 8)
    for grant in under_way[:5]:
        bench.step([settle(grant, FAILED)])
    bench.later(1000)
    assert ask(bench, "prober").why == "probe"
    for grant in under_way[5:]:
        bench.settle(grant, "accepted", provider_id="p", heard=True)
    bench.later(10_000)
    assert len(ask(bench, "a", want=5).grants) == 5
    tell(bench, "prober", well=True)
    assert len(ask(bench, "b", want=5).grants) == 5


# -- half open


def test_half_open_it_lets_one_message_pass_at_a_time(bench: Bench) -> None:
    half_opens(bench)
    for _ in range(2):
        [grant] = ask(bench, bench.token(), want=50).grants
        assert ask(bench, bench.token()).why == "concurrency"
        bench.later(grant.slot_ms)
        bench.start(grant)
        assert ask(bench, bench.token()).why == "concurrency"
        bench.settle(grant, "accepted", provider_id="p", heard=True)
        bench.later(1)


def test_three_successes_close_it(bench: Bench) -> None:
    half_opens(bench)
    bench.send()
    bench.send()
    [grant] = ask(bench, "a", want=50).grants
    bench.later(grant.slot_ms)
    bench.start(grant)
    bench.step([settle(grant, ACCEPTED)])
    assert len(ask(bench, "b", want=50).grants) > 1
    bench.later(60)
    fail(bench, 4)
    assert opened(bench) == 1, "what failed before is forgotten"


def test_a_failure_opens_it_again_for_twice_as_long(bench: Bench) -> None:
    half_opens(bench)
    bench.send()
    bench.send()
    for seconds in [2, 4, 8, 15, 15]:
        fail(bench)
        claimed = ask(bench, bench.token())
        assert (claimed.why, claimed.wait_ms) == ("breaker", 1000 * seconds)
        bench.later(claimed.wait_ms)
        token = bench.token()
        assert ask(bench, token).why == "probe"
        tell(bench, token, well=True)
    assert opened(bench) == 1, "from closed"


def test_once_closed_it_opens_as_briefly_as_at_first(bench: Bench) -> None:
    closes(bench)
    fail(bench, 5)
    assert opened(bench) == 2
    claimed = ask(bench, "a")
    assert (claimed.why, claimed.wait_ms) == ("breaker", 1000)


def test_an_answer_to_what_was_under_way_opens_it_half(bench: Bench) -> None:
    [late, *failing] = start(bench, 6)
    for grant in failing:
        bench.step([settle(grant, FAILED)])
    assert ask(bench, "a").why == "breaker"
    bench.settle(late, "accepted", provider_id="p", heard=True)
    bench.later(60)
    assert len(ask(bench, "b", want=50).grants) == 1


def test_failures_of_what_was_under_way_change_nothing_while_it_is_open(bench: Bench) -> None:
    for grant in start(bench, 20):
        bench.step([settle(grant, FAILED)])
    assert opened(bench) == 1
    claimed = ask(bench, "a")
    assert (claimed.why, claimed.wait_ms) == ("breaker", 1000)


# -- after closing


def test_after_closing_concurrency_comes_back_over_ten_seconds(store: redis.Redis) -> None:
    bench = made(store, messages=70, limit=10_000, concurrency=20)
    closes(bench)
    began = bench.now_ms
    for seconds, most in [(0, 2), (2.5, 6), (5, 11), (7.5, 15), (10, 20)]:
        bench.at(began + 1000 * seconds)
        under_way: list[Grant] = []
        while (claimed := ask(bench, bench.token(), want=20)).grants:
            under_way += claimed.grants
            bench.later(max(0, *(grant.slot_ms for grant in claimed.grants)))
            bench.start(*claimed.grants)
        assert (claimed.why, len(under_way)) == ("concurrency", most), seconds
        bench.step([settle(grant, ACCEPTED) for grant in under_way])


# -- the server's clock


def test_a_clock_set_back_neither_shortens_nor_lengthens_the_wait(bench: Bench) -> None:
    opens(bench)
    bench.later(400)
    bench.step()
    bench.at(bench.now_ms - 3_600_000)
    claimed = ask(bench, "a")
    assert (claimed.why, round(claimed.wait_ms)) == ("breaker", 600)
    bench.later(claimed.wait_ms)
    assert ask(bench, "b").why == "probe"
    tell(bench, "b", well=True)
    assert len(ask(bench, "c", want=9).grants) == 1


def test_a_clock_set_back_is_no_silence(bench: Bench) -> None:
    start(bench, 5)
    bench.at(bench.now_ms - 3_600_000)
    bench.later(900)
    bench.step()
    assert opened(bench) == 0
