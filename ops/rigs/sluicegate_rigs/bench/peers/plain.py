"""The script that you would write in an afternoon: a list, a semaphore and an HTTP client.

If it dies, its messages are lost; it never retries and respects no limit.
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
    parse_id,
    tls,
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
            parse_id(answer.content)

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
                parse_id(await answer.read())

        await _drain(send)


async def _drain(send: Send) -> None:
    slots = asyncio.Semaphore(UNDER_WAY)
    tasks: set[asyncio.Task[None]] = set()

    async def send_one(message: dict[str, Any]) -> None:
        try:
            await send(message)
        finally:
            slots.release()

    async with redis.asyncio.Redis.from_url(REDIS_URL) as client:
        store: Any = client
        while True:
            await slots.acquire()
            while not (popped := await store.brpop([QUEUE], timeout=1)):
                pass
            task = asyncio.create_task(send_one(json.loads(popped[1])))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run({"httpx": _with_httpx, "aiohttp": _with_aiohttp}[sys.argv[1]]())
