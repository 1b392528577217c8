"""Standstills, staged: ``sluicegate status`` must name each, and its remedy must end it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from sluicegate import Sluice

from ..deployment import Deployment
from .setting import SENDER

NAMED_SECONDS = 60.0
"""How soon ``status`` must name a standstill and exit with 1."""

GOES_ON_SECONDS = 60.0
POISON = b"no ticket at all"

DERIVED = (
    *("ready:ts", "ready:bs", f"ready:ts:s|{SENDER}", f"ready:bs:s|{SENDER}", "virtual"),
    *("ready:ts:a|app", "ready:bs:a|app"),
    *("parked:t", "parked:b", "parked_by", "granted", "started", "due", "running", "campaigns"),
)
"""The keys that are lost: ``dead`` and ``doubts`` are the evidence of other disasters."""


class Staging(NamedTuple):
    """What is done, the word by which ``status`` names it, and the remedy."""

    name: str
    cause: Callable[[], object]
    word: str
    remedy: Callable[[], object]


class Staged(NamedTuple):
    """After how many seconds it was named, None for never; and whether messages went on after."""

    name: str
    named_seconds: float | None
    went_on: bool


class Standstills:
    """Stages them one after the other, while traffic goes on and workers live."""

    def __init__(self, deployment: Deployment, sluice: Sluice) -> None:
        self._deployment, self._keys = deployment, sluice.keys
        self._store = cast("Any", sluice.client)
        self.planted = 0

    def staged(self) -> Iterator[Staged]:
        """Stage each of them; the next begins when messages go on."""
        for staging in self._all():
            staging.cause()
            began = time.monotonic()
            named = self._within(NAMED_SECONDS, lambda word=staging.word: self._names(word))  # type: ignore[misc] # mypy can't infer a lambda with defaults
            seconds = time.monotonic() - began if named else None
            staging.remedy()
            goal = self._accepted() + 20
            went_on = self._within(GOES_ON_SECONDS, lambda goal=goal: self._accepted() >= goal)  # type: ignore[misc] # likewise
            yield Staged(staging.name, seconds, went_on)

    def _all(self) -> Iterator[Staging]:
        store = self._store
        promote = ("REPLICAOF", "NO", "ONE")
        demote = ("REPLICAOF", "127.0.0.1", "1")
        yield Staging("full", self._fill, "Redis is full", self._give_memory)
        yield Staging(
            "a replica",
            lambda: store.execute_command(*demote),
            "read-only replica",
            lambda: store.execute_command(*promote),
        )
        yield Staging("indexes lost", self._lose, "Redis lost entries", self._repair)
        yield Staging("unreadable ticket", self._plant, "unreadable", self._purge)

    def _fill(self) -> None:
        """Let it use more than it may, so that every write that grows is refused."""
        used = int(self._store.info("memory")["used_memory"])
        self._store.config_set("maxmemory", int(0.8 * used))

    def _give_memory(self) -> None:
        self._store.config_set("maxmemory", 0)

    def _lose(self) -> None:
        self._store.delete(*map(self._keys, DERIVED))

    def _repair(self) -> None:
        self._cli("repair")

    def _plant(self) -> None:
        self._store.lpush(self._keys.lane(f"ts:{SENDER}"), POISON)
        self._store.lpush(self._keys("wake"), "1")
        self.planted += 1

    def _purge(self) -> None:
        for id in self._store.zrange(self._keys("dead"), 0, -1):
            if id.startswith(b"unreadable-"):
                self._cli("dead", "purge", id.decode(), "--yes")

    def _names(self, word: str) -> bool:
        """Whether ``status`` names it and exits with 1."""
        status, said = self._cli("status", "--json")
        if status != 1:
            return False
        findings = json.loads(said)["findings"]
        return any(word in finding["what"] + finding["why"] for finding in findings)

    def _cli(self, *words: str) -> tuple[int, str]:
        """The exit status of one of our commands, and what it says."""
        command = [sys.executable, "-m", "sluicegate_ops.cli", *words]
        ran = subprocess.run(  # noqa: S603 - our own command
            command, env=self._deployment.environ, capture_output=True, text=True, check=False
        )
        return ran.returncode, ran.stdout

    def _accepted(self) -> int:
        return int(self._store.hget(self._keys("totals"), "accepted") or 0)

    @staticmethod
    def _within(seconds: float, condition: Callable[[], bool]) -> bool:
        ends = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > ends:
                return False
            time.sleep(0.5)
        return True
