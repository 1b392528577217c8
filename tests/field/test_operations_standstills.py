"""What trials in the field found about standstills: what each is called, and which alert tells.

Each row is one way in which a person, Redis or the provider stops sending.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from sluicegate.config import Config
from sluicegate_ops.inspect import STALLED_SECONDS
from sluicegate_ops.metrics import exposed
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.command_line import SENDER, Cli
from support.standstills import (
    blocked,
    campaign,
    daily_cap,
    deaf,
    full,
    halted,
    no_worker,
    provider_away,
    read_only,
    serve_away,
    stalled,
    waiting,
)

RULES = Path(__file__).parents[2] / "ops/prometheus"
CANCELLED = "its queue sluicegate.w1 is no longer consumed"
LIMITED = "the task sluicegate.drain has a rate limit"
MINUTES = 130
"""How long each standstill lasts before its alert is looked for: longer than any of them waits."""

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
