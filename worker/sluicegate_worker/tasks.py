"""The one Celery task, and what ties a worker process's life to its engine."""

import logging
from typing import Any

from celery import signals

from sluicegate.errors import InvalidConfig

from .app import app, config, own_queue
from .engine import Engine, telnyx_gateway

log = logging.getLogger(__name__)

_SIGNAL_EXPIRES_SECONDS = 60

_engine: Engine | None = None


@app.task(name="sluicegate.drain", bind=True)
def drain(task: Any, account: str = "default") -> str:
    """Send what waits on ``account`` for some twenty seconds; the result says what was done."""
    return str(_engine_of(task.request.hostname).drain(account))


def _engine_of(worker: str) -> Engine:
    """This process's engine, made on first use."""
    global _engine
    if _engine is None:
        own = own_queue(worker).name

        def signal(account: str) -> None:
            drain.apply_async([account], queue=own, expires=_SIGNAL_EXPIRES_SECONDS, retry=False)

        _engine = Engine(config, worker, signal)
    return _engine


@signals.celeryd_init.connect
def _check(**_: object) -> None:
    """End a worker that lacks a secret it needs; other errors here, Celery logs and forgets."""
    try:
        for account in config.accounts:
            telnyx_gateway(config, account)
    except InvalidConfig as error:
        raise SystemExit(f"sluicegate: {error}") from None


@signals.celeryd_after_setup.connect
def _listen_to_own_queue(sender: str, instance: Any, **_: object) -> None:
    instance.app.amqp.queues.select_add(own_queue(sender))


@signals.worker_ready.connect
def _start(sender: Any, **_: object) -> None:
    _engine_of(sender.hostname).start()


@signals.worker_shutting_down.connect
def _stop(**_: object) -> None:
    if _engine is not None:
        _engine.stop()


@signals.worker_shutdown.connect
def _close(**_: object) -> None:
    if _engine is not None:
        _engine.close()
