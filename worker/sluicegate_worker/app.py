"""The Celery application: ``celery -A sluicegate_worker.app worker``.

Celery supervises the workers; messages never travel in its queues. Its transport may lose or
double a message when a worker dies, so it carries only signals, which may be lost or doubled.
"""

import os
import sys
from collections.abc import MutableMapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from celery import Celery
from kombu.entity import Exchange, Queue

from sluicegate.config import Config, load
from sluicegate.config.redis_url import broker_of, is_redis, tls_options

QUEUE = "sluicegate"
"""The queue that all workers share; each worker also has one of its own, see ``own_queue``."""

_OWN_QUEUE_EXPIRES_SECONDS = 3600


def own_queue(worker: str) -> Queue:
    """The queue to which a worker sends its own signals; it expires an hour after the worker."""
    name = f"{QUEUE}.{worker}"
    return Queue(name, Exchange(name), routing_key=name, expires=_OWN_QUEUE_EXPIRES_SECONDS)


def broker_url(config: Config) -> str:
    """The broker's URL; what it says of TLS is in ``broker_tls``, which kombu would ignore."""
    return broker_of(config.broker) if is_redis(config.broker) else config.broker


def broker_tls(config: Config) -> dict[str, Any] | None:
    """How TLS is spoken with a broker that is a Redis: as with the data's; None for no TLS."""
    return (tls_options(config.broker) or None) if is_redis(config.broker) else None


def show_pages_in_flower(args: list[str], environ: MutableMapping[str, str]) -> None:
    """Name the dashboard's configuration to Flower, unless somebody has one of their own.

    Flower reads the variable after this module, so that its command needs no option.
    """
    ops = find_spec("sluicegate_ops")  # in the same wheel; this package doesn't import it
    if "flower" not in args or ops is None or Path("flowerconfig.py").exists():
        return
    for folder in ops.submodule_search_locations or ():
        pages = Path(folder, "dashboard", "in_flower", "flowerconfig.py")
        environ.setdefault("FLOWER_CONF", str(pages))


config = load()
show_pages_in_flower(sys.argv, os.environ)

app = Celery("sluicegate", broker=broker_url(config), include=["sluicegate_worker.tasks"])
app.conf.update(
    broker_use_ssl=broker_tls(config),
    task_default_queue=QUEUE,
    task_ignore_result=True,
    # The sweep sends a lost signal again. Acknowledging or returning one late, on a connection
    # that was lost meanwhile, would end the worker (Celery 5.7).
    task_acks_late=False,
    task_send_sent_event=False,
    worker_send_task_events=True,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    # Drains wait for the network on one event loop; threads only wait for drains.
    worker_pool="threads",
    worker_concurrency=max(4, 2 * len(config.accounts)),
    worker_hijack_root_logger=False,
    # A full server, a replica during a failover: whatever the broker refuses is waited out for as
    # long as it lasts (patience.py), where Celery would end the worker.
    worker_consumer="sluicegate_worker.patience:PatientConsumer",
    broker_channel_error_retry=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 300,  # far above a drain's length
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 10,
        "global_keyprefix": "sluicegate-broker:",
    },
)
