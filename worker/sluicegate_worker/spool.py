"""The spool: files that keep the outcomes which Redis could not take when a worker stopped."""

import fcntl
import logging
import os
import socket
from pathlib import Path
from typing import IO

import msgspec

from .observe.journal import warn_of_second
from .queue import Queue
from .wire import BATCH, Settle, parse_settle

log = logging.getLogger(__name__)


class Spool:
    """One account's spool: JSON lines, one file for each stop of a worker, readable by its owner.

    Whoever writes or settles a file holds its lock, which ends with the process. If two settle the
    same file after all, nothing is doubled: a settle may be repeated.
    """

    def __init__(self, directory: str | Path, account: str) -> None:
        self._directory, self._account = Path(directory), account

    def write(self, settles: list[Settle]) -> Path | None:
        """Keep ``settles`` in a new file and return it; None if there is nothing to keep."""
        if not settles:
            return None
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            _lock(file)
            file.writelines(msgspec.json.encode(settle) + b"\n" for settle in settles)
            file.flush()
            os.fsync(file.fileno())
        log.warning("%d outcomes wait for Redis in %s", len(settles), path)
        return path

    async def settle(self, queue: Queue) -> int:
        """Settle the outcomes in the files, delete the files, and return how many there were.

        Raises OutboxUnavailable if Redis doesn't answer: then the file stays.
        """
        paths = sorted(self._directory.glob(f"{self._account}@*.jsonl"))
        return sum([await self._settle_file(path, queue) for path in paths])

    async def _settle_file(self, path: Path, queue: Queue) -> int:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return 0
        with file:
            lines = file.read().splitlines() if _lock(file) else []
            if not lines:  # another process has the lock
                return 0
            settles = _parse(lines)
            for first in range(0, len(settles), BATCH):
                some = settles[first : first + BATCH]
                stepped = await queue.step(queue.step_args(some))
                warn_of_second(self._account, some, stepped.settled)
            _clear_away(path, len(lines) - len(settles))
        log.info("settled %d outcomes from %s", len(settles), path)
        return len(settles)

    def _path(self) -> Path:
        # A host name and a pid repeat across containers; the random part does not.
        name = f"{self._account}@{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
        return self._directory / name


def _lock(file: IO[bytes]) -> bool:
    """Take the file's lock; False if another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _parse(lines: list[bytes]) -> list[Settle]:
    """The settles of all lines that can be read: a crash may have cut the last one."""
    settles: list[Settle] = []
    for line in lines:
        try:
            settles.append(parse_settle(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    return settles


def _clear_away(path: Path, unreadable: int) -> None:
    """Delete a settled file; if some lines were unreadable, keep it under another name instead."""
    if unreadable:
        aside = path.replace(path.with_suffix(".unreadable"))
        log.error("%d lines can't be read, they are kept in %s", unreadable, aside)
    else:
        path.unlink(missing_ok=True)
