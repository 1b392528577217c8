"""What trials in the field found about the account's rate and who shares it, in numbered order."""

import itertools
import re
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate import load_config
from sluicegate.errors import InvalidConfig
from sluicegate_ops.inspect.why import Waits
from sluicegate_ops.simulator import Settings
from sluicegate_rigs.limits.scenario import ProviderKind, Scenario
from sluicegate_rigs.limits.world import simulate
from support.bench import Bench
from support.clock import CLOCK
from support.command_line import Cli
from support.deployment import deployment, eventually
from support.effort import size
from support.messages import message

HEADER = 50


def bench(store: redis.Redis, waiting: int, named_ms: float = -1.0, **fields: Any) -> Bench:
    """A bench whose provider has said that 50 requests are allowed, and in how many ms."""
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    made = Bench(store, concurrency=1000, **{"limit": 10} | fields)
    made.enqueue(message(0))
    made.send(limit=HEADER, remaining=HEADER - 1, window_ms=named_ms)
    made.later(10_000)
    made.enqueue(*[message(n) for n in range(1, waiting + 1)])
    return made


def densest(times: list[float], stretch_ms: float) -> int:
    return max(sum(at <= other < at + stretch_ms for other in times) for at in times)


def why(made: Bench) -> Any:
    made.sweep()
    return Waits(made.store, made.keys, CLOCK).account().waits[0]


def test_07_the_ceiling_holds_below_the_limit_that_headers_name(valkey: redis.Redis) -> None:
    made = bench(valkey, 60, 1_000.0, max_requests_per_second=10)
    times = [sent.at_ms for sent in made.drain(4_000)]
    assert 36 <= len(times) <= 40, "and is used"
    assert densest(times, 1_000) == 10
    assert made.bucket()["limit"] == HEADER


def test_07_without_a_ceiling_the_headers_decide(valkey: redis.Redis) -> None:
    made = bench(valkey, 150, 1_000.0, limit=10)
    assert len(made.drain(2_000)) > 90


def test_07_a_ceiling_above_the_limit_changes_nothing(valkey: redis.Redis) -> None:
    made = bench(valkey, 150, 1_000.0, max_requests_per_second=100)
    assert len(made.drain(2_000)) > 90


def test_07_whatever_the_ceiling_and_the_provider_s_window_both_hold(valkey: redis.Redis) -> None:
    @settings(max_examples=size(8, 200))
    @given(
        ceiling=st.sampled_from([0.5, 1.0, 2.5, 7.0, 30.0]),
        limit=st.integers(1, 60),
        window_seconds=st.sampled_from([0.5, 1.0, 2.0, 10.0]),
        named_ms=st.sampled_from([-1.0, 2_000.0]),
    )
    def holds(ceiling: float, limit: int, window_seconds: float, named_ms: float) -> None:
        fields = {"limit": limit, "window_seconds": window_seconds}
        made = bench(valkey, 0, max_requests_per_second=ceiling, **fields)
        made.enqueue(message(0), *[message(n) for n in range(1000, 1050)])
        made.send(limit=limit, window_ms=named_ms)
        made.later(20_000)
        times = [sent.at_ms for sent in made.drain(4_000)]
        window_ms = named_ms if named_ms > 0 else 1000 * window_seconds
        assert densest(times, window_ms) <= limit
        assert densest(times, 1_000) <= max(1.0, ceiling) + (ceiling % 1 > 0)
        if ceiling < 1:
            assert all(b - a >= 1000 / ceiling for a, b in itertools.pairwise(times))

    holds()


@pytest.mark.parametrize("provider", ["fixed", "sliding", "bucket"])
def test_07_drains_keep_to_the_ceiling_at_any_provider(
    valkey: redis.Redis, provider: ProviderKind
) -> None:
    run = Scenario(
        provider=provider, limit=50, window=1.0, ceiling=10, workers=2, warm_up=10.0, windows=6
    )
    figures = simulate(run, valkey)
    assert figures.densest_second <= 10
    assert figures.utilisation >= 0.9 * 10 / 50
    assert figures.refused == 0


@pytest.mark.long
def test_07_real_workers_keep_to_the_ceiling_at_the_simulator() -> None:
    fields = {"limit": 10, "max_requests_per_second": 10}
    with deployment(Settings(limit=50, window_seconds=1.0), workers=2, account=fields) as account:
        account.enqueue(0, 40)
        eventually(
            lambda: account.deployment.provider("report")["accepted"] == 40, 30, account.deployment
        )
        moments = [1000 * request[0] for request in account.deployment.provider("requests")]
        assert densest(sorted(moments), 1_000) <= 11  # one may be late on its way


def test_07_why_names_the_ceiling_only_where_it_sets_the_pace(valkey: redis.Redis) -> None:
    made = bench(valkey, 60, max_requests_per_second=10)
    made.drain(1_000)
    assert (why(made).kind, why(made).limit) == ("ceiling", 10)
    made.publish(max_requests_per_second=40, limits_version=1)
    made.send(limit=20, remaining=10)
    made.drain(1_000)
    assert (why(made).kind, why(made).limit) == ("requests", 20)


def test_07_a_ceiling_that_would_be_none_once_rounded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sluicegate.toml"
    path.write_text("[accounts.default]\nmax_requests_per_second = 0.0000001\n")
    with pytest.raises(InvalidConfig, match=r"max_requests_per_second.*must be at least 0\.001"):
        load_config(path, {})


def beside(made: Bench, others: int, limit: int = HEADER) -> None:
    """Send for a while, as answered by a provider where others use so much of each window."""
    made.at(1000 * time.time() - 30_000)
    made.enqueue(*[message(number) for number in range(1, 60)])
    for _ in range(45):
        ours = 1 + made.store.zcount(made.keys("log"), f"({made.now_ms - 1000}", made.now_ms)
        made.send(limit=limit, remaining=max(0, limit - others - ours))
        made.later(40)
    made.at(1000 * time.time())
    made.sweep()


@pytest.mark.parametrize(("others", "person"), [(35, True), (49, True), (15, False)])
def test_06_what_others_use_of_the_key_is_said(cli: Cli, others: int, person: bool) -> None:
    beside(cli.bench, others)
    state = cli.document("status", exits=int(person))
    [found] = [each for each in state["findings"] if "of this key" in each["what"]]
    [used] = re.findall(r"^others use (\d+) of 50/s of this key$", found["what"])
    assert abs(int(used) - others) <= 5, "of what was left, some was ours"
    assert "give each a key of its own" in found["do"]
    assert found["person"] == person


def test_06_our_own_requests_are_nobody_else_s(cli: Cli) -> None:
    beside(cli.bench, 0)
    assert "of this key" not in cli("status").stdout


def test_06_a_429_names_others_and_not_the_limit(cli: Cli) -> None:
    beside(cli.bench, 49)
    cli.bench.send(kind="back", throttled=True, heard=True, wait_ms=60_000, limit=50, remaining=0)
    wait = cli.document("why")["waits"][0]
    assert wait["kind"] == "blocked"
    assert re.search(r"; others use 4\d of 50/s of this key", wait["what"])
    assert "give each a key of its own" in wait["change"]
