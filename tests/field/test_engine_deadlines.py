"""What trials in the field found about a Redis that is there and does not answer."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import redis

from sluicegate import AsyncSluice, Config, Sluice
from sluicegate.errors import OutboxUnavailable
from sluicegate_rigs.embedded import EmbeddedServer
from support.command_line import Cli
from support.messages import message

SECONDS = 0.3
SLACK_SECONDS = 0.5
"""For a machine with more processes than cores."""


@contextmanager
def silent() -> Iterator[str]:
    """A listener that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


@contextmanager
def frozen(url: str) -> Iterator[None]:
    """The server at ``url`` is stopped where it stands."""
    with redis.Redis.from_url(url) as client:
        pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def times_out(call: Callable[[], object]) -> None:
    began = time.monotonic()
    with pytest.raises(OutboxUnavailable, match="Redis did not answer"):
        call()
    assert time.monotonic() - began < SECONDS + SLACK_SECONDS


CALLS: dict[str, Callable[[Sluice], object]] = {
    "enqueue": lambda sluice: sluice.enqueue(message(1)),
    "enqueue_many": lambda sluice: list(sluice.enqueue_many(message(n) for n in range(600))),
    "status": lambda sluice: sluice.status("m1"),
    "cancel": lambda sluice: sluice.cancel("m1"),
}


@pytest.mark.parametrize("call", CALLS)
def test_02_a_silent_redis_costs_a_call_its_deadline_and_no_more(call: str) -> None:
    with silent() as url, Sluice(Config(redis_url=url), timeout_seconds=SECONDS) as sluice:
        times_out(lambda: CALLS[call](sluice))


async def atimes_out(sluice: AsyncSluice) -> None:
    for call in (sluice.enqueue(message(2)), sluice.status("m1"), sluice.cancel("m1")):
        began = time.monotonic()
        with pytest.raises(OutboxUnavailable, match="Redis did not answer"):
            await call
        assert time.monotonic() - began < SECONDS + SLACK_SECONDS


def test_02_and_an_asynchronous_call_too() -> None:
    async def main(url: str) -> None:
        async with AsyncSluice(Config(redis_url=url), timeout_seconds=SECONDS) as sluice:
            await atimes_out(sluice)

    with silent() as url:
        asyncio.run(main(url))


@pytest.fixture
def own_url() -> Iterator[str]:
    """The URL of a server that only this test uses."""
    with EmbeddedServer() as server:
        yield server.url


def test_02_a_redis_that_freezes_under_connected_clients_costs_no_more(own_url: str) -> None:
    config = Config(redis_url=own_url)

    async def main() -> None:
        async with AsyncSluice(config, timeout_seconds=SECONDS) as sluice:
            await sluice.enqueue(message(1))
            with frozen(own_url):
                await atimes_out(sluice)
            assert (await sluice.enqueue(message(2))).ok

    with Sluice(config, timeout_seconds=SECONDS) as sluice:
        sluice.enqueue(message(3))
        with frozen(own_url):
            times_out(lambda: sluice.enqueue(message(4)))
            times_out(lambda: list(sluice.enqueue_many(message(n) for n in range(9, 600))))
        assert sluice.enqueue(message(4)).ok
    asyncio.run(main())


def test_02_the_default_is_three_seconds_also_on_the_command_line(
    valkey: redis.Redis, redis_url: str
) -> None:
    cli = Cli(redis_url, valkey)
    with silent() as url:
        began = time.monotonic()
        said = cli("status", exits=1, env={"SLUICEGATE_REDIS_URL": url})
        took = time.monotonic() - began
        assert 3 - SLACK_SECONDS < took < 2 * 3 + 2 * SLACK_SECONDS, "a busy machine needs longer"
        assert "Redis did not answer" in said.output
