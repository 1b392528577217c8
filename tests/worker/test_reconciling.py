"""Reconciling in a worker: when it is due, what is logged, and what makes it wait."""

import asyncio
import logging
import threading
from collections.abc import Iterator

import msgspec
import pytest
import redis

from sluicegate import Config
from sluicegate.config import Account, ReconcileSettings
from sluicegate.keys import Keys
from sluicegate_ops.simulator import Settings
from sluicegate_worker import reconciling
from support.simulated import simulated


@pytest.fixture
def config(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    monkeypatch.setenv("SLUICEGATE_TELNYX_API_KEY", "KEY")
    with simulated(Settings(limit=None)) as client:
        yield Config(
            redis_url=redis_url,
            accounts={"default": Account(base_url=client.simulator.url)},
            reconcile=ReconcileSettings(calls_per_second=1_000),
        )


def once(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker's thread, for one look."""
    looks = iter([False, True])
    stop = threading.Event()
    monkeypatch.setattr(stop, "wait", lambda timeout=None: next(looks, False))
    assert config.reconcile is not None
    reconciling._reconcile(config, "default", config.reconcile, stop)


def test_a_worker_reconciles_once_it_is_due(
    config: Config,
    valkey: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    done = reconciling.run_once(valkey, config, "default", threading.Event())
    assert done.agrees
    assert "reconciled 0 records, 0 things mended, 0 differences left" in caplog.text
    settings = ReconcileSettings()
    assert not reconciling.is_due(valkey, config, "default", settings)
    valkey.hset(Keys("default")("reconciled"), "ended", 1)
    assert reconciling.is_due(valkey, config, "default", settings)
    assert not valkey.exists(Keys("default")("reconciler"))


def test_what_makes_it_wait_is_said(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SLUICEGATE_TELNYX_API_KEY")
    once(config, monkeypatch)
    assert "account default: reconciling waits" in caplog.text
    caplog.clear()
    monkeypatch.setenv("SLUICEGATE_TELNYX_API_KEY", "KEY")
    account = Account(base_url="http://127.0.0.1:9/v2", connect_timeout_seconds=0.1)
    away = msgspec.structs.replace(config, accounts={"default": account})
    monkeypatch.setattr("sluicegate_worker.provider.telnyx.calls.TRIES", 1)
    monkeypatch.setattr("sluicegate_worker.provider.telnyx.reports.GARBLED_TRIES", 1)
    client = redis.Redis.from_url(config.redis_url)
    done = reconciling.run_once(client, away, "default", threading.Event())
    client.close()
    assert done.cut_short.startswith("/webhook_deliveries: ConnectError")
    assert "reconciling goes on later: /webhook_deliveries: ConnectError" in caplog.text


def test_one_that_finds_another_at_work_says_nothing(
    config: Config,
    valkey: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    valkey.set(Keys("default")("reconciler"), "somebody", px=60_000)
    once(config, monkeypatch)
    assert "reconcil" not in caplog.text


def test_nothing_is_asked_where_it_is_not_configured(config: Config) -> None:
    for settings in (None, ReconcileSettings(in_workers=False)):
        other = msgspec.structs.replace(config, reconcile=settings)
        asyncio.run(reconciling.reconciling(other, "default"))
