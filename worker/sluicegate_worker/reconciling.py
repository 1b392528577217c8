"""Reconciling in a worker: a slow pass beside the loop, one of all workers' at a time."""

import logging
import random
import threading
from functools import partial
from typing import Final

import redis

from sluicegate.config import Config, ReconcileSettings
from sluicegate.connections import connect

from .beside import STOPS_A_PASS, Obstacle, beside_the_loop
from .reconcile import ReconcileBusy, Reconciled, Reconciler
from .reconcile.progress import Progress

_LOOK_SECONDS: Final = 300.0
_FIRST_SECONDS: Final = 60.0

log = logging.getLogger(__name__)


async def reconciling(config: Config, account: str) -> None:
    """Reconcile until cancelled, where that is configured for workers."""
    settings = config.reconcile
    if settings is None or not settings.in_workers:
        return
    await beside_the_loop(partial(_reconcile, config, account, settings))


def _reconcile(
    config: Config, account: str, settings: ReconcileSettings, stop: threading.Event
) -> None:
    client, obstacle = connect(config.redis_url), Obstacle(account, "reconciling")
    wait = _FIRST_SECONDS * (0.5 + random.random())  # noqa: S311 - so that workers don't all ask
    while not stop.wait(wait):
        wait = _LOOK_SECONDS
        try:
            if is_due(client, config, account, settings):
                run_once(client, config, account, stop)
            obstacle.gone()
        except ReconcileBusy:
            pass
        except STOPS_A_PASS as error:
            obstacle.met(error)
    client.close()


def is_due(client: redis.Redis, config: Config, account: str, settings: ReconcileSettings) -> bool:
    """Whether the last run ended long enough ago, or one was cut short."""
    looking = Progress(client, account, config.retention_ms, 0, dry_run=True)
    ended_ms = int(looking.last().get("ended", 0))
    return looking.now()[0] >= ended_ms + settings.every_hours * 3_600_000


def run_once(
    client: redis.Redis, config: Config, account: str, stop: threading.Event
) -> Reconciled:
    """Make one run, and say what came of it; raises what ``Reconciler.run`` raises."""
    import httpx  # 4 MB of each worker process, where it reconciles

    settings = config.account(account)
    timeout = httpx.Timeout(
        settings.read_timeout_seconds, connect=settings.connect_timeout_seconds
    )
    with httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as http:
        done = Reconciler(client, config, account, http, stop=stop).run()
    mended, left = sum(done.mended.values()), sum(done.left.values())
    level = logging.INFO if done.agrees else logging.WARNING
    if done.cut_short:
        log.log(level, "account %s: reconciling goes on later: %s", account, done.cut_short)
    else:
        text = "account %s: reconciled %d records, %d things mended, %d differences left"
        log.log(level, text, account, done.counts.get("records", 0), mended, left)
    return done
