"""The one Celery task, and what ties a worker process's life to its engine."""

import gc
import logging
from typing import Any

from celery import signals

from sluicegate.campaigns.template import Template
from sluicegate.errors import InvalidConfig

from .app import app, config, own_queue
from .engine import Engine
from .observe import logs
from .observe.metrics import Exporter, export, listen_at
from .provider.registry import gateway_of

log = logging.getLogger(__name__)

_SIGNAL_EXPIRES_SECONDS = 60

_engine: Engine | None = None
_exporter: Exporter | None = None


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
        logs.style()
        listen_at()
        for account in config.accounts:
            gateway_of(config, account)
    except InvalidConfig as error:
        raise SystemExit(f"sluicegate: {error}") from None


@signals.after_setup_logger.connect
@signals.after_setup_task_logger.connect
def _dress(logger: logging.Logger, **_: object) -> None:
    """Celery has set up its handlers, by --loglevel and --logfile: only how they write is ours."""
    logs.dress(logger, logs.style(), logs.secrets_of(config))


@signals.celeryd_after_setup.connect
def _listen_to_own_queue(sender: str, instance: Any, **_: object) -> None:
    instance.app.amqp.queues.select_add(own_queue(sender))


@signals.worker_ready.connect
def _start(sender: Any, **_: object) -> None:
    _settle_down()
    engine = _engine_of(sender.hostname)
    engine.start()
    _export(engine)


def _settle_down() -> None:
    """Do now what would stop the event loop later, between a POST's gate and its first byte.

    The first campaign's text would import Jinja there, and the garbage collector would look
    through all that Celery has loaded: each took a tenth of a second, and three on a busy host.
    """
    Template("Hi {{ name }}").render({"name": "you"})
    gc.collect()
    gc.freeze()


def _export(engine: Engine) -> None:
    """Serve this process's metrics where that is asked for; without a port, it works without."""
    global _exporter
    if not (at := listen_at()):
        return
    try:
        _exporter = export(engine.meters, *at)
    except OSError as error:
        log.error("no metrics are served, %s:%d and the ports after it: %s", *at, error)
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
