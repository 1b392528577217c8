"""The script that one writes in an afternoon: a list, a semaphore and an HTTP client.

It loses what it holds when it dies, repeats nothing and keeps to no limit.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import redis.asyncio

from .task import (
    HEADERS,
    MESSAGES_URL,
    REDIS_URL,
    TIMEOUT_SECONDS,
    UNDER_WAY,
    encoded,
    tls,
    understood,
)

QUEUE = "queue"
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def _with_httpx() -> None:
    limits = httpx.Limits(max_connections=UNDER_WAY, max_keepalive_connections=UNDER_WAY)
    async with httpx.AsyncClient(
        headers=HEADERS, timeout=TIMEOUT_SECONDS, limits=limits, verify=tls()
    ) as client:

        async def send(message: dict[str, Any]) -> None:
            answer = await client.post(MESSAGES_URL, content=encoded(message))
            answer.raise_for_status()
            understood(answer.content)

        await _drain(send)


async def _with_aiohttp() -> None:
    connector = aiohttp.TCPConnector(limit=UNDER_WAY, ssl=tls())
    timeout = aiohttp.ClientTimeout(TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(
        headers=HEADERS, connector=connector, timeout=timeout
    ) as session:

        async def send(message: dict[str, Any]) -> None:
            async with session.post(MESSAGES_URL, data=encoded(message)) as answer:
                answer.raise_for_status()
                understood(await answer.read())

        await _drain(send)


async def _drain(send: Send) -> None:
    places = asyncio.Semaphore(UNDER_WAY)
    tasks: set[asyncio.Task[None]] = set()

    async def one(message: dict[str, Any]) -> None:
        try:
            await send(message)
        finally:
            places.release()

    async with redis.asyncio.Redis.from_url(REDIS_URL) as client:
        store: Any = client
        while True:
            await places.acquire()
            while not (found := await store.brpop([QUEUE], timeout=1)):
                pass
            task = asyncio.create_task(one(json.loads(found[1])))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run({"httpx": _with_httpx, "aiohttp": _with_aiohttp}[sys.argv[1]]())
