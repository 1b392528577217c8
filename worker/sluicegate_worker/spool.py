"""The spool: outcomes that Redis was not there to take when a worker stopped, kept in files."""

import logging
import os
import socket
from pathlib import Path

import msgspec

from .claims import BATCH, Claims, Settle

log = logging.getLogger(__name__)

_decoder = msgspec.json.Decoder(Settle)


class Spool:
    """One account's spool: JSON lines, a file per worker stop, readable by its owner only."""

    def __init__(self, directory: str | Path, account: str) -> None:
        self._directory, self._account = Path(directory), account

    def write(self, settles: list[Settle]) -> Path | None:
        """Keep ``settles``; return the file, None where there is nothing to keep."""
        if not settles:
            return None
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(msgspec.json.encode(settle) + b"\n" for settle in settles)
            file.flush()
            os.fsync(file.fileno())
        log.warning("%d outcomes wait for Redis in %s", len(settles), path)
        return path

    async def settle(self, claims: Claims) -> int:
        """Settle what the files hold and delete them; return how many outcomes there were.

        A file is renamed before it is read, so that two workers starting at once don't share it.
        Raises OutboxUnavailable where Redis is away again: the file stays.
        """
        count = 0
        for found in sorted(self._directory.glob(f"{self._account}@*.jsonl")):
            taken = self._path()
            try:
                found.rename(taken)
            except FileNotFoundError:
                continue
            settles = [_decoder.decode(line) for line in taken.read_bytes().splitlines()]
            for at in range(0, len(settles), BATCH):
                await claims.step(claims.step_args(settles[at : at + BATCH]))
            taken.unlink()
            count += len(settles)
            log.info("settled %d outcomes from %s", len(settles), found)
        return count

    def _path(self) -> Path:
        # A host name and a pid repeat across containers; the random part does not.
        name = f"{self._account}@{socket.gethostname()}-{os.getpid()}-{os.urandom(4).hex()}.jsonl"
        return self._directory / name
