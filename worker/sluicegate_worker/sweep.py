"""The sweep: each worker's repair pass, once a second, which also finds work for drains."""

import asyncio
import logging
import time
from collections.abc import Callable

from sluicegate.errors import OutboxError

from .distance import TOO_FAR_SECONDS, Distance
from .observe.metrics import Meters
from .queue import Queue
from .wire import Swept

INTERVAL_SECONDS = 1.0

_TEND_SECONDS = 0.2

log = logging.getLogger(__name__)


async def sweeping(
    queue: Queue,
    on_work: Callable[[Swept], None],
    meters: Meters | None = None,
    deaf: Callable[[], str] = str,
    interval_seconds: float = INTERVAL_SECONDS,
) -> None:
    """Sweep until cancelled; ``on_work`` is called with each sweep that found work for a drain.

    All workers sweep; the script makes each repair once, for whichever comes first. ``deaf()``
    says why this worker's signals start no drain, "" where they do.
    """
    meters = meters or Meters()
    was_far = False
    while True:
        began = time.monotonic()
        try:
            swept = await queue.sweep(deaf())
        except OutboxError as error:
            meters.note_failed_call("sweep", error)
            log.warning("sweep failed, trying again: %s", error)
        else:
            meters.note_call("sweep", time.monotonic() - began)
            meters.note_sweep(swept)
            _report(swept)
            was_far = _report_distance(queue.distance, was_far)
            if swept.work:
                on_work(swept)
            if swept.tend and await _tend(queue):
                on_work(swept)
        await asyncio.sleep(interval_seconds)


async def _tend(queue: Queue) -> bool:
    """Tend campaigns for a part of the time between sweeps; returns whether any was started."""
    began, ended = time.monotonic(), 0
    started: list[str] = []
    try:
        while time.monotonic() - began < _TEND_SECONDS:
            tended = await queue.tend()
            ended += tended.ended
            started += tended.started
            for fault in tended.faults:
                log.error("hours can't be reckoned on, so nothing is sent in them: %s", fault)
            if not tended.more:
                break
    except OutboxError as error:
        log.warning("campaigns are not tended, trying again: %s", error)
    if ended:
        log.info("%d recipients expired with their hours", ended)
    for name in started:
        log.info("campaign %s starts: its time has come", name)
    return bool(started)


def _report_distance(distance: Distance, was_far: bool) -> bool:
    """Say so once where Redis is far away; return whether it is."""
    far_seconds = distance.far_seconds
    if far_seconds and not was_far:
        far_ms, most_ms = 1000 * far_seconds, 1000 * TOO_FAR_SECONDS
        what = "most messages are given back unsent" if far_seconds > TOO_FAR_SECONDS else "slow"
        log.warning(
            "Redis is far away: calls take %.0f ms, and should take less than %.0f: %s; "
            "run this worker nearer to it",
            far_ms,
            most_ms,
            what,
        )
    elif was_far and not far_seconds:
        log.info("Redis is near again")
    return far_seconds > 0


def _report(swept: Swept) -> None:
    if swept.given_back or swept.in_doubt:
        log.warning(
            "a worker fell silent: %d messages given back, %d in doubt",
            swept.given_back,
            swept.in_doubt,
        )
    if swept.mended:
        log.warning(
            "an index was lost, and %d entries are put back: sluicegate repair checks the rest",
            swept.mended,
        )
    if swept.resent or swept.held or swept.dropped:
        log.warning(
            "in doubt: %d resent under the same key, %d held for a person, %d dropped",
            swept.resent,
            swept.held,
            swept.dropped,
        )
