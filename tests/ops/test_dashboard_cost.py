"""What a page costs: Overview asks the same whatever waits, and many look for the price of one."""

import json
import time
from collections import Counter
from typing import Any

import pytest
import redis

from sluicegate.outbox import ENQUEUE
from sluicegate.stored import OptOutAct
from sluicegate_ops.dashboard.accounts import OpenAccounts
from sluicegate_ops.dashboard.drawing import drawn
from sluicegate_ops.dashboard.pages import PAGES, DashboardPage, PageAnswer, answered
from sluicegate_ops.dashboard.sharing import SharedLooks
from sluicegate_ops.inspect import Waits
from sluicegate_ops.web.keywords import HEAR
from support.bench import Bench
from support.effort import size
from support.messages import message, plan

OVERVIEW = PAGES[0]
OF_PAGE = {"campaign": ("c1",)}
"""What a page is asked with."""
MOST_SERVER_MS, MOST_MS = 5.0, 200.0
LOOKS = 15
"""So often a page is looked at before it is called slow: other tests use the cores as well."""
SHARE_OF_A_CORE = 0.03


def fill(bench: Bench, lanes: int, each: int) -> None:
    """Enqueue for so many senders, many calls to a round trip."""
    sha = bench.store.script_load(ENQUEUE.source())
    numbers = iter(range(lanes * each))
    while batch := [number for number, _ in zip(numbers, range(5_000), strict=False)]:
        pipeline = bench.store.pipeline(transaction=False)
        for at in range(0, len(batch), 250):
            messages = [
                message(n, sender=f"+1555{n % lanes:07d}", priority="bulk")
                for n in batch[at : at + 250]
            ]
            args = bench.outbox.enqueue_args(messages, bench.token())
            pipeline.execute_command("EVALSHA", sha, 1, bench.keys.prefix, *args)
        pipeline.execute()


@pytest.fixture
def accounts(redis_url: str, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> OpenAccounts:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    return OpenAccounts()


def look(accounts: OpenAccounts, page: DashboardPage = OVERVIEW) -> PageAnswer:
    asks = [""] * len(page.asks)
    answer = answered(accounts, page, "", *OF_PAGE.get(page.slug, ()), *asks)
    assert not answer.trouble
    return answer


def commands(store: Any, accounts: OpenAccounts, page: DashboardPage = OVERVIEW) -> Counter[str]:
    """How often a look asks what of Redis, within scripts too."""
    look(accounts, page)
    store.config_resetstat()
    look(accounts, page)
    stats = store.info("commandstats")
    found = {name.removeprefix("cmdstat_"): row["calls"] for name, row in stats.items()}
    return Counter({name: calls for name, calls in found.items() if "|" not in name})


def test_overview_asks_the_same_whatever_waits(
    accounts: OpenAccounts, valkey: redis.Redis
) -> None:
    bench = Bench(valkey)
    bench.at(time.time() * 1000)
    fill(bench, 2, 3)
    few = commands(bench.store, accounts)
    fill(bench, 150, 4)
    many = commands(bench.store, accounts)
    assert few == many
    assert few["evalsha"] == 1
    assert sum(few.values()) < 150


def test_queue_looks_at_the_lanes_that_it_shows(valkey: redis.Redis) -> None:
    bench = Bench(valkey)
    fill(bench, 400, 1)
    whole, total = Waits(valkey, bench.keys).lanes()
    some, as_many = Waits(valkey, bench.keys).lanes(30)
    assert total == as_many == 400
    assert [lane.lane for lane in some] == [lane.lane for lane in whole[:30]]
    assert [lane.place for lane in some] == list(range(1, 31))


def test_many_campaigns_are_asked_about_at_once(
    accounts: OpenAccounts, valkey: redis.Redis
) -> None:
    bench = Bench(valkey)
    bench.at(time.time() * 1000)
    bench.publish()
    for number in range(12):
        bench.campaign(plan(f"c{number}"), 1)
    [page] = [page for page in PAGES if page.slug == "campaigns"]
    assert len(look(accounts, page).data["campaigns"]) == 12
    assert commands(bench.store, accounts, page)["evalsha"] <= 3


@pytest.mark.long
def test_every_page_takes_less_than_a_fifth_of_a_second(
    accounts: OpenAccounts, crowded: redis.Redis
) -> None:
    slow: dict[str, float] = {}
    for page in PAGES:
        took_ms = list[float]()
        while min(took_ms, default=MOST_MS + 1) > MOST_MS and len(took_ms) < LOOKS:
            began = time.perf_counter()
            drawn(page, look(accounts, page))
            took_ms.append(1000 * (time.perf_counter() - began))
        if min(took_ms) > MOST_MS:
            slow[page.slug] = min(took_ms)
    assert slow == {}


@pytest.fixture
def crowded(valkey: redis.Redis) -> redis.Redis:
    """A thousand lanes, sixty campaigns, and a thousand each of dead letters and replies."""
    bench = Bench(valkey)
    bench.at(time.time() * 1000)
    bench.publish()
    for number in range(60):
        bench.campaign(plan(f"c{number}"), 18)
    for number in range(1_000):
        bench.later(1_000)
        bench.send(kind="dead", code=f"4030{number % 3}", reason="HTTP 400", heard=True)
    said = OptOutAct(source="recipient", text="We have got to STOP this bill").said()
    for number in range(1_000):
        told: list[Any] = [
            f"+1555123{number:04}",
            "review",
            int(bench.now_ms),
            "",
            said,
            f"e{number}",
        ]
        bench.call(HEAR, [*told, 1_000, 1, "t"])
    fill(bench, 1_000, 3)
    return valkey


@pytest.mark.long
@pytest.mark.timeout(600)  # a million messages, with the thorough profile
def test_a_thousand_lanes_cost_a_few_milliseconds(
    accounts: OpenAccounts, valkey: redis.Redis
) -> None:
    bench = Bench(valkey)
    bench.at(time.time() * 1000)
    fill(bench, 1_000, size(50, 1_000))
    look(accounts)
    before, began = _cpu_ms(bench.store), time.perf_counter()
    for _ in range(20):
        look(accounts)
    took_ms = 1000 * (time.perf_counter() - began) / 20
    assert (_cpu_ms(bench.store) - before) / 20 <= MOST_SERVER_MS
    assert took_ms <= MOST_MS


@pytest.mark.long
def test_ten_open_dashboards_cost_little_more_than_one(
    accounts: OpenAccounts, valkey: redis.Redis
) -> None:
    bench = Bench(valkey)
    bench.at(time.time() * 1000)
    fill(bench, 1_000, 1)
    drawn(OVERVIEW, look(accounts))
    now = [0.0]
    shared, looks = SharedLooks(lambda: now[0]), [0]

    def count() -> PageAnswer:
        looks[0] += 1
        return look(accounts)

    began, seconds = time.process_time(), 40
    for tenth in range(10 * seconds):
        now[0] = tenth / 10
        if tenth % 2 == 0:  # ten of them, each every 2 s
            answer = shared(OVERVIEW.slug, count)
            json.dumps({"data": answer.data, "html": drawn(OVERVIEW, answer)})
    assert looks[0] <= seconds
    assert time.process_time() - began < SHARE_OF_A_CORE * seconds


def _cpu_ms(store: Any) -> float:
    cpu = store.info("cpu")
    return 1000 * float(cpu["used_cpu_sys"] + cpu["used_cpu_user"])
