"""The engine's end, and the worker's beginning; the rest of it the end-to-end tests run."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import uvloop

from sluicegate_worker.account_work import end
from sluicegate_worker.engine import _new_loop


def test_a_task_that_takes_its_cancellation_for_a_failure_ends_all_the_same() -> None:
    """Redis's client may do so while it connects: a worker stopped early would hang for ever."""

    async def main() -> int:
        swallowed = 0

        async def stubborn() -> None:
            nonlocal swallowed
            while swallowed < 2:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    swallowed += 1

        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await asyncio.wait_for(end({task}), 10)
        assert task.done()
        return swallowed

    assert asyncio.run(main()) == 2


def test_a_worker_without_its_key_says_so_and_ends(tmp_path: Path) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SLUICEGATE_")}
    command = [sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "worker"]
    ended = subprocess.run(
        command,
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1
    assert "SLUICEGATE_TELNYX_API_KEY: set it" in ended.stderr


def test_the_loop_is_uvloops_and_asyncios_where_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = _new_loop()
    loop.close()
    assert isinstance(loop, uvloop.Loop)
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = _new_loop()
    loop.close()
    assert not isinstance(loop, uvloop.Loop)
