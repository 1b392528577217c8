"""What one exchange costs a worker with each transport: CPU per message, connection memory.

    python -m sluicegate_rigs.bench.exchange

Each figure is the median of several runs, which take turns, each in its own process. Bare aiohttp
is one ``session.post`` and ``read``; the difference to it is what a gateway adds.
"""

import asyncio
import gc
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path
from typing import Literal

import aiohttp
import uvloop

from sluicegate.config import Account
from sluicegate_worker.provider.telnyx.v2 import TelnyxV2
from sluicegate_worker.transport.aiohttp import tls_context

from .certificate import write_certificate
from .stub import HOLDING, Endpoint, stub

_RUNS, _EACH, _UNDER_WAY, _CONNECTIONS = 5, 20, 150, 200
_KEY = "KEY0123456789ABCDEF0123456789ABCDEF_abcdefghijklmnopqrstuv"
_REQUEST = (
    b'{"from":"+15557654321","to":"+12025550100","text":"Your parcel comes today","type":"SMS"}'
)
_HEADERS = {
    "Authorization": f"Bearer {_KEY}",
    "Content-Type": "application/json",
    "Idempotency-Key": "k" * 27,
}

Client = Literal["bare aiohttp", "aiohttp", "httpx"]
CLIENTS: tuple[Client, ...] = ("bare aiohttp", "aiohttp", "httpx")
LOOPS = ("asyncio", "uvloop")
_Post = Callable[[], Awaitable[object]]


def main() -> None:
    """Measure and print both tables."""
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "certificate.pem"
        write_certificate(certificate)
        os.environ["SSL_CERT_FILE"] = str(certificate)
        with stub(certificate) as provider:
            for tls, loop in product((False, True), LOOPS):
                url = provider.url(Endpoint(0, tls))
                _print(f"CPU us, {'TLS' if tls else 'plain'}, {loop}", url, loop, _cpu_us)
            for loop in LOOPS:
                what = f"MB for {_CONNECTIONS} TLS connections, {loop}"
                _print(what, provider.url(HOLDING), loop, _held_mb)


def _print(what: str, url: str, loop: str, measure: Callable[[_Post], Awaitable[float]]) -> None:
    figures: dict[Client, list[float]] = {client: [] for client in CLIENTS}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for _ in range(_RUNS):
            for client in CLIENTS:
                figures[client].append(pool.apply(_run, (client, url, loop, measure)))
    columns = (f"{client} {statistics.median(values):6.1f}" for client, values in figures.items())
    print(f"{what:38}", "  ".join(columns), flush=True)  # noqa: T201 - this is the command's output


def _run(
    client: Client, url: str, loop: str, measure: Callable[[_Post], Awaitable[float]]
) -> float:
    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_measured(client, url, measure))


async def _measured(
    client: Client, url: str, measure: Callable[[_Post], Awaitable[float]]
) -> float:
    if client == "bare aiohttp":
        connector = aiohttp.TCPConnector(limit=0, ssl=tls_context())
        async with aiohttp.ClientSession(connector=connector) as session:

            async def post() -> object:
                async with session.post(
                    url + "/messages", headers=_HEADERS, data=_REQUEST
                ) as answer:
                    return await answer.read()

            return await measure(post)
    gateway = TelnyxV2(Account(base_url=url, transport=client), _KEY)
    try:
        return await measure(lambda: gateway.send(_REQUEST, "k" * 27))
    finally:
        await gateway.aclose()


async def _cpu_us(post: _Post) -> float:
    """Microseconds of this process's CPU per exchange, with many in flight on open connections."""

    async def post_often(count: int) -> None:
        for _ in range(count):
            await post()

    await asyncio.gather(*(post_often(3) for _ in range(_UNDER_WAY)))
    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(post_often(_EACH) for _ in range(_UNDER_WAY)))
    return (time.process_time() - began) * 1e6 / (_EACH * _UNDER_WAY)


async def _held_mb(post: _Post) -> float:
    """How many MB the open connections take, after two exchanges on each."""
    await post()
    before = _resident_mb()
    for _ in range(2):
        await asyncio.gather(*(post() for _ in range(_CONNECTIONS)))
    return _resident_mb() - before


def _resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
