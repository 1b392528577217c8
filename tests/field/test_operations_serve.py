"""What trials in the field found about a web front that nobody watched, in numbered order."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from sluicegate import Config
from sluicegate.keys import Keys
from sluicegate_ops.metrics import AccountScrape
from sluicegate_ops.web.counts import Counts
from sluicegate_ops.web.health import metrics_text
from sluicegate_ops.web.heartbeat import HEARTBEAT
from support.command_line import Cli
from support.messages import message
from support.served import URLS, Front, run, told

RULES = Path(__file__).parents[2] / "ops/prometheus"
AWAY = redis.Redis(host="127.0.0.1", port=1, socket_timeout=0.2)
HOUR_MS = 3_600_000


def findings(cli: Cli, *, exits: int) -> list[str]:
    whats = [found["what"] for found in cli.document("status", exits=exits)["findings"]]
    return [what for what in whats if "serve" in what]


def beat(cli: Cli, seconds_ago: float, name: str = "web:1") -> None:
    cli.bench.at(1000 * (time.time() - seconds_ago))
    cli.bench.call(HEARTBEAT, [name, HOUR_MS])


@pytest.fixture
def asking(cli: Cli) -> Cli:
    """A message was accepted that asks for a receipt."""
    Path("sluicegate.toml").write_text('[web]\npublic_url = "https://sms.example.com"\n')
    cli.bench.enqueue(message(1))
    cli.bench.send()
    return cli


def test_08_status_misses_a_front_that_is_silent_or_was_never_heard(asking: Cli) -> None:
    assert findings(asking, exits=1) == ["sluicegate serve has never been heard from"]
    beat(asking, 300)
    assert findings(asking, exits=1) == ["sluicegate serve has been silent for 5 min"]
    beat(asking, 1, "web:2")
    assert findings(asking, exits=0) == [], "one of them is enough"


def test_08_nobody_is_missed_who_is_not_needed(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send()
    assert findings(cli, exits=0) == [], "no receipts were asked for"
    Path("sluicegate.toml").write_text('[accounts.default]\nmessaging_profiles = ["p"]\n')
    assert findings(cli, exits=1) == ["sluicegate serve has never been heard from"]


def test_08_the_last_front_is_remembered_however_long_it_is_silent(asking: Cli) -> None:
    beat(asking, 3 * 86_400)
    assert findings(asking, exits=1) == ["sluicegate serve has been silent for 3 d"]
    beat(asking, 2)
    assert asking.bench.store.zcard(asking.bench.keys("serving")) == 1


def test_08_a_running_front_is_heard(valkey: redis.Redis, front: Config) -> None:
    store: Any = valkey

    async def story(door: Front) -> None:
        name = door.site.heartbeat.name.encode()
        await door.site.heartbeat.beat()
        for account in front.accounts:
            assert store.zrange(Keys(account)("serving"), 0, -1) == [name]

    run(front, story)


def test_08_a_front_says_what_it_answers_with_503(
    front: Config, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(door: Front) -> None:
        for account in door.site.webhook_accounts.values():
            cast("Any", account.receipts).apply = _fail
        for _ in range(3):
            assert (await door.hook(URLS.url("m1"), told("delivered", "p"))).status_code == 503

    with caplog.at_level(logging.WARNING):
        run(front, story)
    [line] = [record.getMessage() for record in caplog.records if "503" in record.getMessage()]
    assert line.startswith("default: 1 webhooks answered 503, for the provider to send again: ")
    assert "Redis did not answer" in line


async def _fail(receipt: object) -> str:
    raise TimeoutError


def test_08_an_outage_has_a_line_every_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    counts = Counts(["default"], lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(25):
            counts.note("not_stored", "default", "away")
            now[0] += 1
    said = [record.getMessage() for record in caplog.records]
    assert [line.split()[1] for line in said] == ["1", "10", "10"]


def test_08_counters_are_there_from_the_start(front: Config) -> None:
    async def story(door: Front) -> None:
        text = await metrics_text(door.site)
        for what in ("forged", "not_recorded", "not_stored", "receipts_applied", "inbound_heard"):
            assert f'sluicegate_http_total{{what="{what}",account="default"}} 0\n' in text
        assert 'sluicegate_http_total{what="unauthorized",account=""} 0\n' in text

    run(front, story)


def test_08_a_slow_scrape_tells_the_last_values_again(cli: Cli) -> None:
    now = [0.0]
    cli.bench.enqueue(message(1))
    scrape = AccountScrape(cli.bench.store, cli.bench.config, monotonic=lambda: now[0])
    waiting = 'sluicegate_messages{account="default",state="waiting"} 1.0'
    text = asyncio.run(scrape.text())
    assert waiting in text
    assert "sluicegate_redis_up 1.0" in text
    cast("Any", scrape)._client = AWAY
    now[0] = 59.0
    text = asyncio.run(scrape.text())
    assert waiting in text
    assert "sluicegate_redis_up 0.0" in text
    now[0] = 61.0
    assert waiting not in asyncio.run(scrape.text())


def test_08_the_alerts_on_the_front_and_on_receipts_are_tried() -> None:
    tests = (RULES / "alerts.test.yml").read_text(encoding="utf-8")
    assert all(name in tests for name in ("SluicegateServeAway", "SluicegateNoReceipts"))
