"""The probe: what it asks, what it concludes, what it keeps, and what it never shows."""

import json
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from math import ceil
from pathlib import Path
from random import Random
from typing import Any, Literal

import httpx
import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import Result

from sluicegate.config import Account
from sluicegate.keys import Keys
from sluicegate_ops.cli.probe.advice import remarks, settings
from sluicegate_ops.cli.probe.calls import Call, Clock, calls
from sluicegate_ops.cli.probe.findings import Findings, findings
from sluicegate_ops.cli.probe.rehearsal import Learned, learned
from sluicegate_ops.cli.probe.samples import KEPT, LEFT_OUT, Sample, anonymised, save
from sluicegate_ops.cli.probe.window import Window
from sluicegate_ops.simulator import Settings, limits, simulator_in_thread
from sluicegate_worker.provider.rate_headers import parse_rate_headers
from support.command_line import invoked

KEY = "KEY0123456789ABCDEF_s3cret"
REQUEST = httpx.Request(
    "GET", "https://provider.test/v2/balance", headers={"Authorization": f"Bearer {KEY}"}
)
START = 1_772_366_400.3


class World:
    """A provider behind a clock that only moves when the probe sleeps or waits for an answer."""

    def __init__(
        self,
        kind: Literal["fixed", "sliding", "bucket"] = "fixed",
        limit: int = 100,
        window_seconds: float = 60.0,
        *,
        reset: Literal["epoch", "delta"] = "delta",
        skew_seconds: float = 0.0,
        others: int = 0,
        **headers: str,
    ) -> None:
        self.now, self.slept, self.under_way, self.methods = 0.0, list[float](), 0, set[str]()
        self.skew_seconds, self.others = skew_seconds, others
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.settings = Settings(
            limiter=kind, limit=limit, window_seconds=window_seconds, reset=reset
        )
        made = limits.build(self.settings, now=0.0, random=Random(3))
        assert made is not None
        self.limiter = made

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def calls(self, count: int, interval_seconds: float) -> Iterator[Call]:
        clock = Clock(lambda: START + self.now, lambda: self.now, self.sleep)
        with httpx.Client(transport=httpx.MockTransport(self._answer)) as client:
            yield from calls(client, REQUEST, count, interval_seconds, clock)

    def findings(self, count: int, interval_seconds: float) -> Findings:
        return findings(list(self.calls(count, interval_seconds)))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.methods.add(request.method)
        self.now += 0.04
        for _ in range(self.others):
            self.limiter.take(self.now)
        verdict = self.limiter.take(self.now)
        wall = START + self.now + self.skew_seconds
        self.now += 0.03
        headers = {
            "date": formatdate(int(wall), usegmt=True),
            "x-ratelimit-limit": str(self.limiter.limit),
            "x-ratelimit-remaining": str(verdict.remaining),
            "x-ratelimit-reset": limits.reset_text(verdict, wall, self.settings),
            "x-request-id": "a1b2c3d4",
            "set-cookie": "session=a1b2c3d4",
        }
        if not verdict.admitted:
            headers["retry-after"] = str(ceil(verdict.retry_seconds))
        return httpx.Response(200 if verdict.admitted else 429, headers=headers | self.headers)


def call(status: int = 200, problem: str = "", /, **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call(START, 0.0, 12.3, status, named, problem)


# What the workers would learn


@pytest.mark.parametrize("kind", ["fixed", "sliding", "bucket"])
def test_the_workers_scripts_learn_the_window_from_the_answers(
    valkey: redis.Redis, kind: Any
) -> None:
    world = World(kind, 20, 5.0)
    made = list(world.calls(90, 0.1))
    shown = learned(valkey, Keys("default"), Account(), made)
    assert shown is not None
    assert (shown.limit, shown.window_seconds) == pytest.approx((20, 5), rel=0.02)
    assert not shown.in_doubt
    assert findings(made, shown).window == Window(shown.window_seconds, "count", passed=True)
    assert settings(findings(made, shown), Account()) == {"limit": 20, "window_seconds": 5.0}
    assert not list(valkey.scan_iter("*rehearsal*")), "it leaves nothing behind"


def test_without_an_answer_nothing_is_learned(valkey: redis.Redis) -> None:
    assert learned(valkey, Keys("default"), Account(), [call(0, "ConnectError")]) is None
    doubtful = Learned(20, 1.0, "limit", in_doubt=True)
    assert findings([call()], doubtful).window.source == "nothing"


# What it asks


def test_calls_come_one_interval_apart() -> None:
    world = World()
    made = list(world.calls(4, 0.5))
    assert [one.since_ms for one in made] == pytest.approx([0, 500, 1000, 1500])
    assert world.slept == pytest.approx([0.43] * 3)  # and none after the last
    assert world.methods == {"GET"}


def test_an_answer_slower_than_the_interval_is_waited_for() -> None:
    made = list(World().calls(3, 0.0))
    assert [one.since_ms for one in made] == pytest.approx([0, 70, 140])


def test_a_429_is_obeyed() -> None:
    world = World("sliding", limit=2, window_seconds=10)
    made = list(world.calls(4, 0.1))
    assert [one.status for one in made] == [200, 200, 429, 200]
    assert made[2].wait_seconds == 10
    assert world.slept[2] == 10


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7", "x_ratelimit_reset": "3"}, 7),
        ({"x_ratelimit_reset": "3"}, 3),
        ({"retry_after": "soon"}, 1),
        ({"x_ratelimit_reset": "80000"}, 900),
        ({}, 1),
    ],
)
def test_how_long_a_429_makes_it_wait(headers: dict[str, str], seconds: float) -> None:
    assert call(429, **headers).wait_seconds == seconds
    assert call(200, **headers).wait_seconds == 0


def test_a_failure_is_named_by_its_kind_alone() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout(f"lost {request.headers['authorization']}")

    clock = Clock(sleep=lambda _: None)
    with httpx.Client(transport=httpx.MockTransport(fail)) as client:
        (made,) = calls(client, REQUEST, 1, 0, clock)
    assert (made.status, made.problem, made.headers) == (0, "ReadTimeout", {})


def test_a_key_that_an_answer_repeats_is_hidden() -> None:
    (made,) = World(x_ratelimit_owner=f"key {KEY}").calls(1, 0)
    assert made.headers["x-ratelimit-owner"] == "key (API key)"
    assert set(made.headers) == {
        *("date", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
        "x-ratelimit-owner",
    }


# What it concludes


@pytest.mark.parametrize("kind", ["fixed", "sliding"])
@pytest.mark.parametrize("reset", ["delta", "epoch"])
@pytest.mark.parametrize("skew_seconds", [-30.0, 0.0, 3600.0])
@pytest.mark.parametrize(("window_seconds", "count"), [(1.0, 20), (10.0, 80), (60.0, 400)])
def test_a_window_that_passed_is_found(
    kind: Any, reset: Any, skew_seconds: float, window_seconds: float, count: int
) -> None:
    world = World(kind, 500, window_seconds, reset=reset, skew_seconds=skew_seconds)
    found = world.findings(count, 0.2)
    assert found.window == Window(window_seconds, "reset", passed=True)
    assert (found.limits, found.counting) == ([500], "alone")
    expected = "Unix time in s" if reset == "epoch" else "seconds from now"
    assert found.readings == [expected]
    assert found.skew is not None
    assert found.skew.least_seconds <= skew_seconds <= found.skew.most_seconds
    assert found.skew.error_seconds < 0.2


def test_a_window_that_goes_on_is_only_known_from_below() -> None:
    found = World("sliding", 500, 3600).findings(20, 0.2)
    assert found.window == Window(3600, "reset", passed=False)
    assert not settings(found, Account(limit=50))


def test_a_bucket_shows_no_window() -> None:
    found = World("bucket", 600, 60).findings(100, 0.05)
    assert (found.window, found.counting) == (Window(), "alone")
    assert World("bucket", 600, 60).findings(20, 0.5).counting == "still"


def test_a_policy_says_the_window() -> None:
    found = World("fixed", 100, 60, ratelimit_policy='"a";q=100;w=60').findings(2, 0.2)
    assert found.window == Window(60, "policy", passed=True)
    assert settings(found, Account()) == {"limit": 100, "window_seconds": 60.0}


def test_others_on_the_key_are_noticed() -> None:
    found = World(others=2).findings(10, 0.2)
    assert found.counting == "others"
    assert any("Something else uses this key" in line for line in remarks(found, Account()))


def test_a_reset_in_milliseconds() -> None:
    found = findings([call(x_ratelimit_reset="1772366403000", date=formatdate(START))])
    assert found.readings == ["Unix time in ms"]


def test_clocks_that_contradict_each_other_tell_no_skew() -> None:
    dates = [formatdate(START + ahead, usegmt=True) for ahead in (0, 30)]
    assert findings([call(date=dates[0]), call(date=dates[1])]).skew is None
    skew = findings([call(date=dates[1])]).skew
    assert skew is not None
    assert (skew.least_seconds, skew.most_seconds) == pytest.approx((29.69, 30.7), abs=0.01)


def test_latency_leaves_the_first_call_aside() -> None:
    took = [900, *range(1, 21)]
    latency = findings([Call(START, 0, ms, 200) for ms in took]).latency
    assert latency is not None
    assert msgspec.structs.astuple(latency) == (900, 10, 18, 20)


def test_headers_that_say_nothing_conclude_nothing() -> None:
    found = findings([call(), call(500), call(0, "ReadTimeout")])
    assert found.statuses == {200: 1, 500: 1, 0: 1}
    assert (found.limits, found.readings, found.counting, found.skew) == ([], [], "untold", None)
    assert found.window == Window()
    assert not settings(found, Account())
    assert not findings([]).calls


@pytest.mark.parametrize(
    ("limit", "window", "changed"),
    [
        (50, Window(1, "policy", True), {}),
        (40, Window(), {"limit": 40}),
        (600, Window(), {}),  # a limit for who knows what window is not raised
        (600, Window(60, "reset", False), {}),
        (600, Window(60, "reset", True), {"limit": 600, "window_seconds": 60}),
        (600, Window(60, "policy", True), {"limit": 600, "window_seconds": 60}),
    ],
)
def test_what_to_set(limit: int, window: Window, changed: dict[str, float]) -> None:
    found = msgspec.structs.replace(findings([]), limits=[limit], window=window)
    assert settings(found, Account(limit=50, window_seconds=1)) == changed


def test_an_inferred_window_is_never_made_shorter() -> None:
    found = msgspec.structs.replace(findings([]), limits=[50], window=Window(1, "reset", True))
    assert not settings(found, Account(limit=50, window_seconds=60))
    told = msgspec.structs.replace(found, window=Window(1, "policy", True))
    assert settings(told, Account(limit=50, window_seconds=60)) == {"window_seconds": 1}


TEXTS = st.text() | st.text('0123456789.,;=wqrt" -') | st.just("Sun, 01 Mar 2026 12:00:00 GMT")


@given(st.lists(st.dictionaries(st.sampled_from([*KEPT, "x-ratelimit-id"]), TEXTS), max_size=4))
def test_it_concludes_something_from_whatever_headers_hold(several: list[dict[str, str]]) -> None:
    made = [Call(START, 100.0 * n, 5, 200, headers) for n, headers in enumerate(several)]
    found = findings(made)
    assert found.calls == len(several)
    assert remarks(found, Account())
    for sample in anonymised(made):
        assert set(sample.headers) <= set(KEPT)


# What it keeps


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("x-ratelimit-limit", "50", "50"),
        ("x-ratelimit-limit", "100, 100;w=1, 5000;w=3600", "100, 100;w=1, 5000;w=3600"),
        ("x-ratelimit-remaining", "-1", "-1"),
        ("x-ratelimit-reset", "1772366403", "1772366403"),
        ("ratelimit", '"acme-corp";r=50;t=30', '"policy1";r=50;t=30'),
        (
            "ratelimit-policy",
            '"acme";q=1;w=2;pk=:aWQ=:, "b";q=2',
            '"policy1";q=1;w=2, "policy2";q=2',
        ),
        ("ratelimit-policy", '"a";q=9;qu="content-bytes"', LEFT_OUT),
        ("ratelimit-limit", "100;user=4031", "100"),
        ("x-ratelimit-limit", "203.0.113.7", LEFT_OUT),
        ("x-ratelimit-limit", "org_4031", LEFT_OUT),
        ("retry-after", "Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:00:00 GMT"),
        ("date", "Sun, 01 Mar 2026 13:00:00 +0100 (acme)", "Sun, 01 Mar 2026 12:00:00 GMT"),
    ],
)
def test_a_sample_holds_only_what_cannot_tell_on_anybody(name: str, value: str, kept: str) -> None:
    (sample,) = anonymised([Call(START, 0, 5, 200, {name: value, "x-ratelimit-key": "4031"})])
    assert sample.headers == {name: kept}


def test_samples_tell_a_test_what_the_answers_told(tmp_path: Path) -> None:
    policy = '"acme";q=100;w=60'
    world = World(limit=3, window_seconds=5, reset="epoch", ratelimit_policy=policy)
    made = list(world.calls(6, 0.1))
    save(made, tmp_path / "deep" / "probe.json")
    text = (tmp_path / "deep" / "probe.json").read_bytes()
    samples = msgspec.json.decode(text, type=list[Sample])
    assert [parse_rate_headers(one.headers) for one in samples] == [one.rate for one in made]
    assert [one.status for one in samples] == [one.status for one in made]
    assert not [word for word in (b"a1b2c3d4", b"acme", KEY.encode()) if word in text]


# The command


def run(*args: str, env: Mapping[str, str], exits: int = 0, config: Path | None = None) -> Result:
    before = () if config is None else ("--config", str(config))
    result = invoked([*before, "probe", *args], env=dict(env))
    assert result.exit_code == exits, (result.output, result.exception)
    assert KEY not in result.output
    return result


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A configuration for a simulated provider that knows one key."""
    monkeypatch.chdir(tmp_path)
    with simulator_in_thread(Settings(api_keys=(KEY,), limit=1000, window_seconds=60)) as provider:
        config = tmp_path / "sluicegate.toml"
        config.write_text(f'[accounts.default]\nbase_url = "{provider.url}"\n', encoding="utf-8")
        yield {"SLUICEGATE_CONFIG": str(config), "SLUICEGATE_TELNYX_API_KEY": KEY}


QUICK = ("--calls", "5", "--interval-seconds", "0")


def test_it_shows_each_call_and_what_it_found(environment: dict[str, str]) -> None:
    shown = run(*QUICK, env=environment).stdout
    for remaining in range(995, 1000):
        assert f"x-ratelimit-remaining: {remaining}" in shown
    assert "counts down by our calls alone" in shown
    assert "Unix time in s" in shown
    assert "sluicegate.toml may stay as it is" in shown
    assert len(json.loads(Path("build/probe.json").read_bytes())) == 5


def test_it_answers_with_one_document(environment: dict[str, str]) -> None:
    result = run(*QUICK, "--json", "--out", "mine.json", env=environment)
    document = json.loads(result.stdout)
    assert [one["status"] for one in document["calls"]] == [200] * 5
    assert document["findings"]["limits"] == [1000]
    assert document["settings"] == {}
    assert Path("mine.json").exists()


def test_a_key_that_is_not_known_ends_it_at_once(environment: dict[str, str]) -> None:
    result = run(env=environment | {"SLUICEGATE_TELNYX_API_KEY": "KEYother"}, exits=1)
    assert "SLUICEGATE_TELNYX_API_KEY" in result.stderr
    assert "KEYother" not in result.output
    assert result.stdout.count("ms") == 1
    assert not Path("build").exists()


def test_nobody_there_ends_it_at_once(tmp_path: Path, environment: dict[str, str]) -> None:
    config = tmp_path / "other.toml"
    config.write_text('[accounts.default]\nbase_url = "http://127.0.0.1:9"\n', encoding="utf-8")
    result = run(env=environment, exits=1, config=config)
    assert "no answer from 127.0.0.1: ConnectError" in result.stderr


def test_a_path_that_is_not_there_is_said(environment: dict[str, str]) -> None:
    result = run(*QUICK, "--path", "GET /v2/nothing", env=environment, exits=1)
    assert "is /v2/nothing a path that answers GET?" in result.stderr


@pytest.mark.parametrize(
    "path",
    [
        *("POST /v2/messages", "DELETE /v2/messages/1", "v2/balance", "//evil.test/v2", ""),
        *("https://evil.test/v2/balance", "/v2/number_lookup/+15551234567", "/v2/a\\b", "/v2/ä"),
    ],
)
def test_it_asks_nothing_that_costs_or_leads_elsewhere(
    path: str, environment: dict[str, str]
) -> None:
    assert "--path" in run("--path", path, env=environment, exits=2).stderr


@pytest.mark.parametrize("key", ["", "KEY with spaces", "KEYé"])
def test_a_key_that_cannot_be_one_is_bad_use(key: str, environment: dict[str, str]) -> None:
    result = run(env=environment | {"SLUICEGATE_TELNYX_API_KEY": key}, exits=2)
    assert "SLUICEGATE_TELNYX_API_KEY" in result.stderr
    assert not key or key not in result.output


def test_an_account_of_the_legacy_api_has_nothing_to_probe(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    config = tmp_path / "other.toml"
    config.write_text('[accounts.default]\napi = "v1"\n', encoding="utf-8")
    assert "--account" in run(env=environment, exits=2, config=config).stderr


def test_samples_that_cannot_be_written_spoil_nothing(environment: dict[str, str]) -> None:
    result = run(*QUICK, "--out", "sluicegate.toml/probe.json", env=environment)
    assert "the samples are not kept" in result.stderr
