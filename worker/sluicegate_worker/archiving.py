"""Archiving in a worker: a thread beside the loop, so that no message waits for the archive."""

import logging
import threading
from functools import partial
from typing import Final

from sluicegate.config import ArchiveSettings, Config
from sluicegate.connections import connect
from sluicegate.errors import WrongArchive

from .archiver import Archiver
from .beside import STOPS_A_PASS, Obstacle, beside_the_loop

FOLD_SECONDS: Final = 5.0
"""How often what came for archived messages is applied."""

_LEAST_SECONDS, _MOST_SECONDS, _PASSES = 60.0, 3600.0, 24

log = logging.getLogger(__name__)


async def archiving(config: Config, account: str) -> None:
    """Archive until cancelled, where an archive is configured for workers."""
    settings = config.archive
    if settings is None or not settings.in_workers:
        return
    await beside_the_loop(partial(_archive, config, account, settings))


def pass_seconds(settings: ArchiveSettings) -> float:
    """How long from one pass to the next: a record stays little longer than it has to."""
    wanted = settings.after_days * 86_400 / _PASSES
    return min(_MOST_SECONDS, max(_LEAST_SECONDS, wanted))


def _archive(
    config: Config, account: str, settings: ArchiveSettings, stop: threading.Event
) -> None:
    client = connect(config.redis_url)
    archiver = Archiver(client, config, account, share=settings.share, stop=stop)
    until_pass, obstacle = 0.0, Obstacle(account, "archiving")
    while not stop.is_set():
        try:
            if until_pass <= 0:
                _report(account, archiver)
                until_pass = pass_seconds(settings)
            else:
                archiver.fold()
            if obstacle.gone():
                archiver.say_why("")
        except STOPS_A_PASS as error:
            level = logging.ERROR if isinstance(error, WrongArchive) else logging.WARNING
            if obstacle.met(error, level):
                archiver.say_why(obstacle.words)
        stop.wait(FOLD_SECONDS)
        until_pass -= FOLD_SECONDS
    archiver.close()
    client.close()


def _report(account: str, archiver: Archiver) -> None:
    done = archiver.run()
    if done.messages or done.removed:
        log.info(
            "account %s: %d messages archived, %d removed from the archive after their time",
            account,
            done.messages,
            done.removed,
        )
