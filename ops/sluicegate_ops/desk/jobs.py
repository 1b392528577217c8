"""Commands that the desk runs: the command line in a process of its own, beside receipts.

So a file of a million rows is read by the very rules of ``sluicegate campaign``, and whatever it
takes, it takes from a process that gives way to all others.
"""

import asyncio
import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import BinaryIO, Final

from sluicegate.private import private_file

from .drafts import DeskDrafts, Draft, DraftJob, JobKind

log = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""Commands that run at once; others wait for their turn."""

_STOPPED, _NOT_RUN = 130, 126

Spawn = Callable[[Sequence[str], BinaryIO, BinaryIO], Awaitable[int]]
"""Runs the command line with arguments, its words to two files; its exit status."""


async def spawned(args: Sequence[str], out: BinaryIO, err: BinaryIO) -> int:
    """Run it in a process of its own, which is told to stop if this is cancelled."""
    nice = shutil.which("nice")
    gently = [nice, "-n", "10"] if nice else []
    command = [*gently, sys.executable, "-m", "sluicegate_ops.cli", *args]
    nothing = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=out, stderr=err)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()  # an import goes on where it stopped, once it is repeated
        await process.wait()
        raise


class Jobs:
    """Runs one command for a draft at a time; belongs to one event loop. Tests pass ``spawn``."""

    def __init__(
        self, drafts: DeskDrafts, config_path: str | None, spawn: Spawn = spawned
    ) -> None:
        self._drafts, self._config_path, self._spawn = drafts, config_path, spawn
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._running: dict[str, asyncio.Task[None]] = {}

    def runs(self, draft: Draft) -> bool:
        """Whether a command of it runs, or waits for its turn."""
        return draft.id in self._running

    def seen(self, draft: Draft) -> Draft:
        """The draft as it is: a command that another process began and did not end was stopped."""
        if draft.job is not None and draft.job.code is None and not self.runs(draft):
            draft.job.code = _STOPPED
        return draft

    def begin(self, draft: Draft, kind: JobKind, who: str, args: Sequence[str]) -> None:
        """Begin a command, unless one runs already; its words are in the draft's folder."""
        if self.runs(draft):
            return
        draft.job = DraftJob(
            kind=kind, who=who, began_ms=int(time.time() * 1000), checked=draft.hash
        )
        self._drafts.save(draft)
        task = asyncio.get_running_loop().create_task(self._run(draft, draft.job, list(args)))
        self._running[draft.id] = task
        task.add_done_callback(lambda _: self._running.pop(draft.id, None))

    async def _run(self, draft: Draft, job: DraftJob, args: list[str]) -> None:
        async with self._turns:
            try:
                code = await self._ended(draft, job.kind, args)
            except OSError as error:
                log.error("a command of the desk could not be run: %s", error)
                code = _NOT_RUN
        job.code = code
        if job.kind in ("start", "do") and code == 0:
            draft.sent = True
        self._drafts.save(draft)

    async def _ended(self, draft: Draft, kind: JobKind, args: list[str]) -> int:
        """Run it to its end; return its status."""
        place = self._drafts.place(draft)
        config = [f"--config={self._config_path}"] if self._config_path else []
        account = [f"--account={draft.account}"] if draft.account else []
        to = (private_file(place / f"{kind}.{stream}") for stream in ("out", "err"))
        with next(to) as out, next(to) as err:
            return await self._spawn([*account, *config, *args], out, err)

    async def settled(self, draft: Draft) -> None:
        """Wait until no command of it runs."""
        if task := self._running.get(draft.id):
            await asyncio.wait([task])

    async def close(self) -> None:
        """Stop what runs."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
