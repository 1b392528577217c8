"""The heartbeat of ``sluicegate serve``: each account hears every few seconds that it is alive."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Final

import redis
import redis.asyncio

from sluicegate.config import Config
from sluicegate.errors import WrongDeployment
from sluicegate.identity import Identities
from sluicegate.keys import Keys
from sluicegate.redis_errors import translated
from sluicegate.scripts import Script, Scripts

HEARTBEAT = Script("sluicegate_ops.web.heartbeat")
BEAT_SECONDS: Final = 5.0
_FORGOTTEN_MS: Final = 3_600_000
_TRIES_PER_WARNING: Final = 60

log = logging.getLogger(__name__)


def _end_process() -> None:
    signal.raise_signal(signal.SIGTERM)


class Heartbeat:
    """One process's, on an asynchronous client."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        config: Config,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._identities = [Identities(client, config, name, environ) for name in config.accounts]
        self._scripts = [Scripts(client, Keys(name).prefix) for name in config.accounts]
        self.name = f"{socket.gethostname()}:{os.getpid()}"

    async def beat(self) -> None:
        """Tell every account once; raises OutboxUnavailable."""
        try:
            for scripts in self._scripts:
                await scripts.acall(HEARTBEAT, [self.name, _FORGOTTEN_MS])
        except redis.RedisError as error:
            raise translated(error, ()) from error

    async def go_on(self, stop: Callable[[], None] = _end_process) -> None:
        """Tell them until cancelled; while Redis doesn't take it, that is logged now and then.

        ``stop()`` is called where an account turns out to be another deployment's.
        """
        tries = 0
        while True:
            try:
                while self._identities:
                    await self._identities[-1].aclaim()
                    self._identities.pop()
                await self.beat()
                tries = 0
            except WrongDeployment as error:
                log.error("nothing is served: %s", error)
                return stop()
            except Exception as error:  # whatever it is, receipts are still to be taken
                if tries % _TRIES_PER_WARNING == 0:
                    log.warning("Redis does not take the heartbeat: %s", error)
                tries += 1
            await asyncio.sleep(BEAT_SECONDS)
