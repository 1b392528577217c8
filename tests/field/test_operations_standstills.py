"""What trials in the field found about standstills: what each is called, and which alert tells.

Each row is one way in which a person, Redis or the provider stops sending.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from sluicegate.config import Brand, Config, Registration, Sender
from sluicegate_ops.inspect import STALLED_SECONDS
from sluicegate_ops.metrics import exposed
from sluicegate_ops.web.heartbeat import HEARTBEAT
from sluicegate_rigs.embedded import EmbeddedServer
from sluicegate_worker.queue import SWEEP
from support.bench import Bench
from support.command_line import SENDER, Cli
from support.messages import message, plan, recipient

RULES = Path(__file__).parents[2] / "ops/prometheus"
CANCELLED = "its queue sluicegate.w1 is no longer consumed"
LIMITED = "the task sluicegate.drain has a rate limit"
MINUTES = 130
"""How long each standstill lasts before its alert is looked for: longer than any of them waits."""


def sweep(bench: Bench, deaf: str = "") -> None:
    bench.call(SWEEP, bench.queue.sweep_args("w1", bench.token(), deaf))


def waiting(bench: Bench) -> None:
    """A message waits, a worker is heard, and one was sent a moment ago."""
    bench.at(time.time() * 1000 - 1_500)
    bench.enqueue(message(1), message(2))
    bench.send()
    bench.at(time.time() * 1000)
    sweep(bench)


def halted(level: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        waiting(bench)
        bench.halts.set(level, "a test")

    return make


def daily_cap(bench: Bench) -> None:
    registration = Registration(sms_per_minute=600.0, brand="acme")
    bench.publish(
        limits_version=1,
        senders={SENDER: Sender(kind="10dlc", registration="notices")},
        registrations={"notices": registration},
        brands={"acme": Brand(tmobile_daily=1)},
    )
    waiting(bench)
    bench.claim()


def blocked(bench: Bench) -> None:
    waiting(bench)
    bench.send(kind="back", heard=True, throttled=True, wait_ms=600_000)


def campaign(state: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        bench.at(time.time() * 1000)
        july = plan("july")
        bench.campaigns.create(july)
        bench.add("july", *(recipient(july, number) for number in range(3)))
        if state == "paused":
            bench.act("july", "start")
            bench.act("july", "pause")
        sweep(bench)

    return make


def no_worker(bench: Bench) -> None:
    bench.at(time.time() * 1000 - 60_000)
    bench.enqueue(message(1))
    sweep(bench)


def deaf(why: str) -> Callable[[Bench], None]:
    def make(bench: Bench) -> None:
        stalled(bench, why)

    return make


def stalled(bench: Bench, why: str = "") -> None:
    """Something is ready, the worker sweeps, and for 45 s nobody has claimed."""
    began = time.time() * 1000 - 45_000
    bench.at(began)
    bench.enqueue(message(1))
    for seconds in range(0, 46, 5):
        bench.at(began + seconds * 1000)
        sweep(bench, why)


def full(bench: Bench) -> None:
    waiting(bench)
    used = int(bench.store.info("memory")["used_memory"])
    bench.store.config_set("maxmemory", int(used / 0.97))
    sweep(bench)


def read_only(bench: Bench) -> None:
    waiting(bench)
    bench.store.execute_command("REPLICAOF", "127.0.0.1", "1")


def provider_away(bench: Bench) -> None:
    bench.at(time.time() * 1000 - 3_000)
    bench.answers_probes = False
    bench.enqueue(*(message(number) for number in range(8)))
    sweep(bench)
    for _ in range(5):
        bench.send(kind="retry", delay_ms=60_000, failing=True)
    bench.at(time.time() * 1000)
    sweep(bench)


def serve_away(bench: Bench) -> None:
    """A message that asked for a receipt was accepted; `serve` was last heard five minutes ago."""
    bench.at(time.time() * 1000 - 300_000)
    bench.call(HEARTBEAT, ["web:1", 3_600_000])
    waiting(bench)


ASKING = '[web]\npublic_url = "https://sms.example.com"\n'


class Row(NamedTuple):
    """``status`` begins the first finding, "" for none; ``alert`` is "" where none fires.

    ``config`` is the text of sluicegate.toml; without ``scraped``, nobody answers Prometheus.
    """

    make: Callable[[Bench], None]
    status: str
    why: str
    exits: int
    alert: str
    config: str = ""
    scraped: bool = True


ROWS: Mapping[str, Row] = {
    "nothing": Row(waiting, "", "no level holds it back", 0, ""),
    "account halted": Row(
        halted("account"),
        "the account is halted until somebody clears it",
        "the account is halted (a test)",
        1,
        "SluicegateAccountHalted",
    ),
    **{
        f"{kind} halted": Row(
            halted(f"{kind}:{name}"),
            f"{kind} {name} is halted until somebody clears it",
            f"{kind} {name} is halted (a test)",
            1,
            "SluicegateLevelHalted",
        )
        for kind, name in (
            ("sender", SENDER),
            ("registration", "notices"),
            ("brand", "acme"),
            ("campaign", "july"),
        )
    },
    "daily cap": Row(daily_cap, "limits of version 1", "the daily cap of brand acme", 0, ""),
    "blocked": Row(blocked, "sending pauses for", "the provider answered 429", 0, ""),
    "campaign paused": Row(
        campaign("paused"),
        "campaign july is paused since",
        "campaign july is paused since",
        1,
        "SluicegateCampaignPaused",
    ),
    "campaign a draft": Row(campaign("draft"), "", "campaign july is a draft since", 0, ""),
    "no worker": Row(
        no_worker,
        "no worker has been heard from for",
        "no worker has been heard from for",
        1,
        "SluicegateNoWorkers",
    ),
    "consumer cancelled": Row(
        deaf(CANCELLED),
        "worker w1 starts no drain since",
        "messages are ready since",
        1,
        "SluicegateDeafWorkers",
    ),
    "rate limit": Row(
        deaf(LIMITED),
        "worker w1 starts no drain since",
        "messages are ready since",
        1,
        "SluicegateDeafWorkers",
    ),
    "broker full": Row(
        deaf("no signal can be sent: OOM"),
        "worker w1 starts no drain since",
        "messages are ready since",
        1,
        "SluicegateDeafWorkers",
    ),
    "whatever else": Row(
        stalled,
        "messages have been ready for 45 s, and nobody has claimed any",
        "messages are ready since",
        1,
        "SluicegateStalled",
    ),
    "Redis full": Row(
        full,
        "Redis is full: nothing is sent since",
        "Redis is full since",
        1,
        "SluicegateRedisFull",
    ),
    "Redis read-only": Row(
        read_only,
        "Redis is a read-only replica",
        "Redis is a read-only replica, so nothing is sent",
        1,
        "SluicegateRedisReadOnly",
    ),
    "provider away": Row(
        provider_away,
        "the provider has been failing or silent since",
        "the provider has been failing or silent since",
        0,
        "SluicegateBreakerOpen",
    ),
    "serve away": Row(
        serve_away,
        "sluicegate serve has been silent for 5 min",
        "no level holds it back",
        1,
        "SluicegateServeAway",
        ASKING,
        scraped=False,
    ),
}
BREAK_THEIR_SERVER = {"Redis full", "Redis read-only"}


@pytest.mark.parametrize("name", ROWS)
def test_02_each_standstill_is_named(name: str, server_of: Callable[[str], Cli]) -> None:
    row, cli = ROWS[name], server_of(name)
    Path("sluicegate.toml").write_text(row.config)
    row.make(cli.bench)
    state = cli.document("status", exits=row.exits)
    settings = {what for what, *_ in state["hazards"]}  # the test's server has some
    whats = [one["what"] for one in state["findings"] if one["what"] not in settings]
    assert (whats or [""])[0].startswith(row.status) if row.status else not whats
    assert state["person_needed"] == bool(row.exits)
    first = cli("status", exits=row.exits).stdout.splitlines()[0]
    assert ("a person" in first and "no person" not in first) == bool(row.exits)
    assert cli.document("why")["waits"][0]["what"].startswith(row.why)


@pytest.fixture
def server_of(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Cli]]:
    """The command line for a row: on a server of its own where the row breaks it."""
    monkeypatch.chdir(tmp_path)
    with EmbeddedServer() as own, redis.Redis.from_url(own.url) as client:
        yield (
            lambda name: (
                Cli(own.url, client) if name in BREAK_THEIR_SERVER else Cli(redis_url, valkey)
            )
        )


def test_02_redis_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EmbeddedServer() as own, redis.Redis.from_url(own.url) as client:
        cli = Cli(own.url, client)
    for command in ("status", "why"):
        said = cli(command, exits=1).stderr
        assert "Redis cannot be reached" in said
        assert ".." not in said
        assert "Redis is expected at" in said


def series(text: str) -> list[dict[str, str]]:
    """What a scrape says, as it would be scraped each minute; counters stand still."""
    samples = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return [
        {
            "series": f"{sample.name}{{{_labels(sample.labels)}}}",
            "values": f"{sample.value:.17g}+{_growth(sample)}x{MINUTES}",
        }
        for sample in samples
    ]


def _growth(sample: Any) -> int:
    """How much a sample grows a minute: a standstill lasts longer."""
    stands = sample.name == "sluicegate_stalled_seconds" and sample.value >= STALLED_SECONDS
    return 60 if stands else 0


def _labels(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())


def alert_test(scrape: str, alert: str) -> dict[str, Any]:
    """That this alert fires after a while; for "", that none does."""
    labels = f'alertstate="firing", alertname="{alert}"' if alert else 'alertstate="firing"'
    samples = [{"labels": "{}", "value": 1}] if alert else []
    expected = {
        "expr": f"count(ALERTS{{{labels}}})",
        "eval_time": f"{MINUTES - 5}m",
        "exp_samples": samples,
    }
    return {"interval": "1m", "input_series": series(scrape), "promql_expr_test": [expected]}


def faults_in(*files: Path) -> str:
    """What ``promtool`` has against files of tests, "" for nothing; skips where it is absent."""
    if not (promtool := shutil.which("promtool")):
        pytest.skip("promtool is not installed: apt install prometheus")
    command = [promtool, "test", "rules", *map(str, files)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


@pytest.mark.long
def test_02_each_standstill_fires_its_alert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tests = [alert_test(exposed(None, Config()), "SluicegateRedisAway")]
    with EmbeddedServer() as own, redis.Redis.from_url(own.url) as client:
        for name, row in ROWS.items():
            client.execute_command("REPLICAOF", "NO", "ONE")
            client.config_set("maxmemory", 0)
            client.flushall()
            Path("sluicegate.toml").write_text(row.config)
            row.make(Cli(own.url, client).bench)
            scrape = exposed(client, Config()) if row.scraped else ""
            tests.append(alert_test(scrape, row.alert) | {"name": name})
    file = tmp_path / "standstills.yml"
    rules = [str(RULES / "alerts.yml")]
    file.write_text(json.dumps({"rule_files": rules, "evaluation_interval": "1m", "tests": tests}))
    assert faults_in(file) == ""


def test_02_alerts_fire_when_they_say_they_do() -> None:
    assert faults_in(RULES / "alerts.test.yml") == ""


@pytest.mark.long
def test_02_alerts_that_wait_for_days_fire_when_they_say_they_do() -> None:
    assert faults_in(RULES / "alerts.days.test.yml") == ""
