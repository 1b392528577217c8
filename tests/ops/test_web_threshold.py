"""What holds for every request: how much of the server each may have, before who asks is known."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sluicegate_ops.web.peers import Proxies
from sluicegate_ops.web.threshold import HEAD_LINES, Shares, Threshold

Ask = Callable[[str, str], Awaitable[int]]


class Slow:
    """An app that reads its request, and then answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await self.go.wait()
        await Response()(scope, receive, send)


def story(tell: Callable[[Slow, Ask], Awaitable[None]], **options: Any) -> None:
    """Have ``tell`` ask an app behind a threshold: ``ask(path, address)`` gives the status."""

    async def told() -> None:
        slow = Slow()
        numbers = {"most": 8, "most_of_one": 4, "most_body_bytes": 1_000} | options
        threshold = Threshold(slow, **numbers)

        async def ask(path: str, address: str = "10.0.0.1") -> int:
            transport = httpx.ASGITransport(threshold, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                return (await client.post(path, content=b"x")).status_code

        await tell(slow, ask)

    asyncio.run(told())


def _future(asked: Awaitable[int]) -> asyncio.Future[int]:
    return asyncio.ensure_future(asked)


async def waiting(ask: Ask, path: str, addresses: list[str]) -> list[asyncio.Future[int]]:
    """Requests of which each has come as far as it can."""
    tasks = [_future(ask(path, address)) for address in addresses]
    for _ in range(50):
        await asyncio.sleep(0)
    return tasks


async def answers(slow: Slow, tasks: list[asyncio.Future[int]]) -> list[int]:
    slow.go.set()
    return list(await asyncio.gather(*tasks))


def test_room_is_kept_for_webhooks_also_of_one_address() -> None:
    async def tell(slow: Slow, ask: Ask) -> None:
        apps = await waiting(ask, "/v2/messages", ["10.0.0.1"] * 4)
        hooks = await waiting(ask, "/receipts/default", ["10.0.0.1"] * 9)
        assert await answers(slow, apps + hooks) == [200] * 3 + [503] + [200] * 9

    story(tell)


def test_room_is_kept_for_webhooks_of_all() -> None:
    async def tell(slow: Slow, ask: Ask) -> None:
        apps = await waiting(ask, "/x", [f"10.0.0.{number}" for number in range(8)])
        assert sorted(await answers(slow, apps)) == [200] * 6 + [503] * 2
        assert await ask("/x", "10.0.0.1") == 200, "what was taken is given back"

    story(tell)


def test_a_proxy_has_no_share_of_its_own() -> None:
    async def tell(slow: Slow, ask: Ask) -> None:
        apps = await waiting(ask, "/x", ["10.0.0.1"] * 8)
        assert sorted(await answers(slow, apps)) == [200] * 6 + [503] * 2

    story(tell, proxies=Proxies(["10.0.0.1"]))


@pytest.mark.parametrize(("lines", "status"), [(HEAD_LINES, 200), (HEAD_LINES + 1, 431)])
def test_a_head_has_so_many_lines(lines: int, status: int) -> None:
    async def asked() -> None:
        sent = list[Any]()

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        slow = Slow()
        slow.go.set()
        headers = [(b"a", b"b")] * lines
        scope = {"type": "http", "path": "/", "headers": headers, "method": "GET", "client": None}
        await Threshold(slow, most=1, most_of_one=1, most_body_bytes=1)(scope, receive, send)
        assert sent[0]["status"] == status
        assert (b"cache-control", b"no-store") in sent[0]["headers"]

    asyncio.run(asked())


def test_what_is_taken_is_bounded_in_all_and_by_peer() -> None:
    shares = Shares(10, 4)
    assert shares.take("a", 4)
    assert not shares.take("a", 1)
    assert shares.take("", 6), "nobody in particular may have all that is left"
    assert not shares.take("b", 1)
    shares.give_back("a", 4)
    assert shares.take("b", 4)
