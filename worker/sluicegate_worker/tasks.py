"""The one Celery task, and the signals that start and stop the engine with its worker process."""

import gc
import logging
import os
import signal
from collections.abc import Mapping
from typing import Any

from celery import signals
from celery.concurrency import ALIASES

from sluicegate.campaigns.template import Template
from sluicegate.connections import connect
from sluicegate.errors import InvalidConfig, OutboxError, WrongDeployment
from sluicegate.identity import Identities

from .app import app, config, own_queue
from .engine import Engine
from .observe import logs
from .observe.metrics import Exporter, export, listen_at
from .provider.registry import gateway_of

log = logging.getLogger(__name__)

_SIGNAL_EXPIRES_SECONDS = 60

_engine: Engine | None = None
_exporter: Exporter | None = None
_consumer: Any = None


@app.task(name="sluicegate.drain", bind=True)
def drain(task: Any, account: str = "default") -> str:
    """Send the messages of ``account`` for at most 25 s or so; the result says what was done."""
    return str(_engine_of(task.request.hostname).drain(account))


def _engine_of(worker: str) -> Engine:
    """This process's engine; the first call makes it."""
    global _engine
    if _engine is None:
        own = own_queue(worker).name

        def ask(account: str) -> None:
            drain.apply_async([account], queue=own, expires=_SIGNAL_EXPIRES_SECONDS, retry=False)

        _engine = Engine(config, worker, ask, diagnose=lambda: _deaf(own), refuse=_give_up)
    return _engine


def _give_up(why: str) -> None:
    """End this worker, which learnt late that the account is another deployment's."""
    os.kill(os.getpid(), signal.SIGTERM)  # Celery's own orderly end; this is not its main thread


def _deaf(own: str) -> str:
    """Why this worker's signals start no drain, as its consumer knows; "" where it can't tell."""
    consumer: Any = _consumer
    if consumer is None or consumer.task_consumer is None:
        return "it has lost its connection to the broker"
    if not consumer.task_consumer.consuming_from(own):
        return f"its queue {own} is no longer consumed: cancelled in Flower or by remote control"
    if consumer.task_buckets.get(drain.name):
        return f"the task {drain.name} has a rate limit, set in Flower or by remote control"
    return ""


@signals.celeryd_init.connect
def _check(conf: Any, options: Mapping[str, Any], **_: object) -> None:
    """End a worker that can't work; Celery would log any other exception and go on."""
    _refuse_other_pools(options.get("pool_cls") or options.get("pool") or conf.worker_pool)
    try:
        logs.style()
        listen_at()
        for account in config.accounts:
            gateway_of(config, account)
        _claim_identities()
    except (InvalidConfig, WrongDeployment) as error:
        raise SystemExit(f"sluicegate: {error}") from None


def _claim_identities() -> None:
    """Raise WrongDeployment for an account of another deployment.

    While Redis doesn't answer, that is left to the engine, which does nothing before it knows.
    """
    with connect(config.redis_url) as client:
        try:
            for account in config.accounts:
                Identities(client, config, account).claim()
        except OutboxError as error:
            log.warning("whose accounts these are is asked again: %s", error)


def _refuse_other_pools(pool: Any) -> None:
    """Only threads wait for an event loop: elsewhere it hangs, or outlives the order to stop."""
    where = ALIASES.get(pool, pool) if isinstance(pool, str) else _place(pool)
    if where != ALIASES["threads"]:
        name = next((name for name, place in ALIASES.items() if place == where), where)
        raise SystemExit(
            f"sluicegate: -P {name} can't run drains, which wait for one event loop in threads: "
            "leave -P out, or say -P threads; for more throughput start more workers"
        )


def _place(implementation: Any) -> str:
    return f"{implementation.__module__}:{implementation.__qualname__}"


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def _dress(logger: logging.Logger, **_: object) -> None:
    """Celery sets up the handlers from --loglevel and --logfile; we only change how they write."""
    logs.dress(logger, logs.style(), logs.secrets_of(config))


@signals.celeryd_after_setup.connect
def _listen_to_own_queue(sender: str, instance: Any, **_: object) -> None:
    instance.app.amqp.queues.select_add(own_queue(sender))


@signals.worker_ready.connect
def _start(sender: Any, **_: object) -> None:
    _settle_down()
    global _consumer
    _consumer = sender
    engine = _engine_of(sender.hostname)
    engine.start()
    _export(engine)


def _settle_down() -> None:
    """Do now what would block the event loop later, between a POST's gate and its first byte.

    The text of the first campaign would import Jinja there, and the garbage collector would look
    through everything that Celery has loaded. Each took 100 ms, and 300 ms on a busy host.
    """
    Template("Hi {{ name }}").render({"name": "you"})
    gc.collect()
    gc.freeze()


def _export(engine: Engine) -> None:
    """Serve this process's metrics if that is configured; if no port is free, go on without."""
    global _exporter
    if not (address := listen_at()):
        return
    try:
        _exporter = export(engine.meters, *address)
    except OSError as error:
        log.error("no metrics are served, %s:%d and the ports after it: %s", *address, error)
    else:
        log.info("metrics at http://%s:%d/metrics", _exporter.host, _exporter.port)


@signals.worker_shutting_down.connect
def _stop(**_: object) -> None:
    if _engine is not None:
        _engine.stop()


@signals.worker_shutdown.connect
def _close(**_: object) -> None:
    if _engine is not None:
        _engine.close()
    if _exporter is not None:
        _exporter.close()
