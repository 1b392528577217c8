"""Celery's consumer with patience: it declares nothing before a Redis broker takes writes.

A full server, or a replica during a failover, refuses what a consumer declares first. Celery would
try again five times a second, and log a traceback each time.
"""

import logging
import time
from typing import Any

import redis
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown

_REST_SECONDS = 1.0
_RESTS_PER_WARNING = 60

log = logging.getLogger(__name__)


class PatientConsumer(Consumer):  # type: ignore[misc] # Celery has no types
    """Named in the setting ``worker_consumer``."""

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        """Connect, and wait until writes are taken; ends early if the worker is told to stop."""
        connection, rests = super().connection_for_read(heartbeat), 0
        while refusal := _refusal(connection):
            if rests % _RESTS_PER_WARNING == 0:
                log.warning("the broker takes no writes, waiting: %s", refusal)
            rests += 1
            time.sleep(_REST_SECONDS)
            maybe_shutdown()
        if rests:
            log.warning("the broker takes writes again")
        return connection


def _refusal(connection: Any) -> str:
    """Why a Redis broker refuses a write, "" where it takes one; no other broker is asked."""
    if connection.transport.driver_type != "redis":
        return ""
    client = connection.default_channel.client
    try:
        # It must be a write that grows, as declaring a queue is; it is kept for a second.
        client.set(f"{__name__}.probe", "1", px=1000)
    except redis.ResponseError as error:
        return str(error)
    return ""
