"""The disasters other than kills: what each kind does, and when it strikes."""

import os
import signal
import time
from collections.abc import Callable
from random import Random

from ..deployment import Deployment
from .setting import LEASE_SECONDS
from .workers import Workers

ROUND_SECONDS = 60.0
"""How often every kind strikes once."""

STALL_SECONDS = 1.2
SHORT_STALL_SECONDS = 0.7
WEB_STALL_SECONDS = 3.0  # the provider waits 2 s for an answer
SLEEP_SECONDS = 2 * LEASE_SECONDS


class Disasters:
    """The kinds of disaster; ``struck`` lists when (monotonic seconds) each one struck."""

    def __init__(self, deployment: Deployment, workers: Workers, random: Random) -> None:
        self.struck: list[tuple[float, str]] = []
        self._deployment, self._workers, self._random = deployment, workers, random
        self._later: list[tuple[float, Callable[[], object]]] = []
        self._kinds: dict[str, Callable[[], None]] = {
            "server killed": self._kill_server,
            "server told to stop": self._stop_server,
            "server stalled": self._stall_server,
            "server and a worker killed": self._kill_both,
            "web killed": self._kill_web,
            "web told to stop": self._stop_web,
            "web stalled": self._stall_web,
            "worker asleep beyond its leases": self._put_to_sleep,
            "worker killed in its sleep": self._kill_asleep,
            "all workers stalled": lambda: self._workers.stall(SHORT_STALL_SECONDS),
        }

    def drawn(self, seconds: float) -> list[tuple[float, str]]:
        """Plan the disasters: seconds from the beginning, and kind; each kind at least once."""
        order: list[str] = []
        for _ in range(max(1, round(seconds / ROUND_SECONDS))):
            order += self._random.sample(list(self._kinds), len(self._kinds))
        apart = seconds / (len(order) + 1)
        return [(apart * position, kind) for position, kind in enumerate(order, 1)]

    def strike(self, kind: str) -> None:
        """Start a disaster; ``tend`` does what it schedules for later."""
        self.struck.append((time.monotonic(), kind))
        self._kinds[kind]()

    def tend(self) -> None:
        """End the disasters whose time is over."""
        now = time.monotonic()
        due = [end for moment, end in self._later if moment <= now]
        self._later = [(moment, end) for moment, end in self._later if moment > now]
        for end in due:
            end()

    def end(self) -> None:
        """End every disaster that still lasts."""
        for _, end in self._later:
            end()
        self._later = []

    def _after(self, seconds: float, end: Callable[[], object]) -> None:
        self._later.append((time.monotonic() + seconds, end))

    # The server.

    def _kill_server(self) -> None:
        self._deployment.restart_server()

    def _stop_server(self) -> None:
        self._deployment.restart_server(politely=True)

    def _stall_server(self) -> None:
        """Behave like a network that carries nothing for a while, then everything at once."""
        pid = self._deployment.server_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(STALL_SECONDS)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _kill_both(self) -> None:
        if worker := self._workers.catch():
            self._deployment.server.kill()
            self._workers.kill(worker)
        self._deployment.restart_server()

    # The front door.

    def _kill_web(self) -> None:
        if self._deployment.web:
            self._deployment.web.kill()
        self._deployment.start_web()

    def _stop_web(self) -> None:
        if self._deployment.web:
            self._deployment.web.stop()
        self._deployment.start_web()

    def _stall_web(self) -> None:
        if (web := self._deployment.web) and web.alive:
            web.freeze()
            self._after(WEB_STALL_SECONDS, web.thaw)

    # The workers.

    def _put_to_sleep(self) -> None:
        if worker := self._workers.catch():
            self._after(SLEEP_SECONDS, lambda: self._workers.thaw(worker))

    def _kill_asleep(self) -> None:
        if worker := self._workers.catch():
            self._after(SLEEP_SECONDS, lambda: self._workers.kill(worker))
