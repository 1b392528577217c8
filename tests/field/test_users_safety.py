"""What trials in the field found about unsafe settings, and about an app's own callbacks."""

import asyncio
import logging
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from sluicegate import Config
from sluicegate.config import Account
from sluicegate.safety import credential_hazard, redis_hazards
from sluicegate_worker.account_work import AccountWork
from sluicegate_worker.observe.metrics import Meters
from sluicegate_worker.provider.gateway import Gateway
from support.command_line import Cli

ROOT = Path(__file__).parents[2]
SAFE = {"maxmemory_policy": "noeviction", "aof_enabled": 1, "aof_last_write_status": "ok"}
REAL, SIMULATED = "KEY0123456789ABCDEF0123456789ABCDEF_abcdefghij", "KEY"


class Unused:
    """A gateway that nobody sends with."""

    async def aclose(self) -> None: ...


# 6: an app's own callback.


def test_06_the_node_sdk_s_dropped_option_is_warned_of_and_gone_around() -> None:
    shown = (ROOT / "docs/HTTP.md").read_text(encoding="utf-8")
    assert "drops its own `idempotencyKey`" in shown
    assert "Sluicegate-Message-Id" in shown
    example = (ROOT / "examples/http/send_sdk.mjs").read_text(encoding="utf-8")
    assert '{ headers: { "Idempotency-Key": key } }' in example


# 7: unsafe settings.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"maxmemory_policy": "allkeys-lru"}, ["a full Redis would drop messages"]),
        ({"maxmemory_policy": "volatile-ttl"}, ["a full Redis would drop messages"]),
        ({"aof_enabled": 0}, ["messages are lost when Redis restarts"]),
        ({"aof_last_write_status": "err"}, ["messages are lost when Redis restarts"]),
        ({"maxmemory_policy": "allkeys-random", "aof_enabled": 0}, ["a full", "messages are"]),
    ],
)
def test_07_an_unsafe_redis_is_noticed(changes: dict[str, Any], said: list[str]) -> None:
    found = [hazard.what for hazard in redis_hazards(SAFE | changes)]
    assert len(found) == len(said)
    assert all(what.startswith(start) for what, start in zip(found, said, strict=True))


def test_07_a_hosted_redis_that_says_nothing_is_not_accused() -> None:
    assert not list(redis_hazards({}))


@pytest.mark.parametrize(
    ("key", "base_url", "said"),
    [
        (REAL, "", ""),
        (SIMULATED, "http://127.0.0.1:9000/v2", ""),
        ("", "", ""),
        (REAL, "https://proxy.example.com/v2", ""),
        (SIMULATED, "", "account default will be refused by the provider"),
        ("sk_live_1234567890123456789012345", "", "account default will be refused"),
        (REAL, "http://localhost:9000/v2", "account default sends to localhost"),
    ],
)
def test_07_a_key_and_a_base_url_belong_together(key: str, base_url: str, said: str) -> None:
    account = Account(base_url=base_url)
    found = credential_hazard("default", account, {account.api_key_env: key})
    assert (found.what if found else "").startswith(said)
    assert (found is None) == (not said)
    assert not found or not key or key not in str(found) or key == SIMULATED


def test_07_a_worker_warns_of_all_of_it_when_it_starts(
    redis_url: str, valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async def started() -> None:
        gateway = cast("Gateway", Unused())
        config = Config(redis_url=redis_url)
        work = AccountWork(config, "default", "w", gateway, Meters(), lambda _: None)
        with caplog.at_level(logging.WARNING):
            await asyncio.wait_for(work._warn(), 5)
        await work.aclose()

    asyncio.run(started())
    assert "it writes no append-only file; CONFIG SET appendonly yes" in caplog.text


def test_07_status_lists_it_and_wants_a_person_where_messages_are_dropped(
    cli: Cli, valkey: redis.Redis
) -> None:
    valkey.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "its maxmemory-policy is allkeys-lru" in cli("status").stdout
        valkey.config_set("maxmemory", "1gb")
        assert "- " not in cli("status", exits=1).stdout.partition("a full Redis")[0]
    finally:
        valkey.config_set("maxmemory", "0")
        valkey.config_set("maxmemory-policy", "noeviction")
    env = {"SLUICEGATE_TELNYX_API_KEY": "of-the-simulator"}
    assert "none of Telnyx's" in cli("status", env=env).stdout
