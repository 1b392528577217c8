"""The engine's end, and the worker's beginning; the rest of it the end-to-end tests run."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from sluicegate_worker.engine import _ended, _new_loop, _packing_in_c


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
        await asyncio.wait_for(_ended({task}), 10)
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


def connection(client: Any) -> Any:
    """One of its connections, not connected yet."""
    return client.connection_pool.make_connection()


ARGUMENTS = st.lists(
    st.text() | st.binary() | st.integers() | st.floats() | st.just("x" * 10_000), max_size=9
)


@given(ARGUMENTS, st.sampled_from(["EVALSHA", "SCRIPT LOAD", "GET"]))
def test_commands_are_packed_as_redis_py_packs_them(
    args: list[str | bytes | float], command: str
) -> None:
    own, packing = (
        connection(redis.asyncio.Redis()),
        connection(_packing_in_c(redis.asyncio.Redis())),
    )
    written = b"".join(packing.pack_command(command, *args))
    assert written == b"".join(own.pack_command(command, *args))


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://h:1/0", "unix:///tmp/socket"])
def test_what_packs_in_c_connects_as_before(url: str) -> None:
    plain = connection(redis.asyncio.Redis.from_url(url))
    packing = connection(_packing_in_c(redis.asyncio.Redis.from_url(url)))
    assert isinstance(packing, type(plain))
    assert packing.repr_pieces() == plain.repr_pieces()
