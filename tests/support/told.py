"""A deployment whose app is told of events: a front door, a bench that makes them, one clock."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
import redis

from sluicegate import Config
from sluicegate.config import App
from sluicegate.keys import Keys
from sluicegate.levels import published
from sluicegate.scripts import Argument
from sluicegate_worker.queue import PUBLISH

from .bench import Bench
from .clock import CLOCK
from .messages import message
from .receipts import tell
from .served import ENVIRON, NOW, Front

URL = "https://shop.example/events"
SECRET = "whsec_" + "A" * 43 + "="
OLD_SECRET = "whsec_" + "B" * 43 + "="
SECRETS = ENVIRON | {"SHOP_EVENTS": SECRET, "SHOP_EVENTS_PREVIOUS": OLD_SECRET}
Story = Callable[[Front], Awaitable[None]]


class ToldShop:
    """The app's server: it keeps what it takes, and answers as ``answer`` says."""

    def __init__(self) -> None:
        self.answer: Callable[[Any], int] = lambda body: 204
        self.got: list[httpx.Request] = []
        self.asked = 0

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._take))

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        status = self.answer(json.loads(request.content))
        if status == 0:
            raise httpx.ConnectError("away")
        if status < 300:
            self.got.append(request)
        return httpx.Response(status)

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.content) for request in self.got]

    @property
    def kinds(self) -> list[str]:
        return [body["data"]["sluicegate"]["kind"] for body in self.bodies]

    def of(self, id: str) -> list[str]:
        """The kinds that came of one message, in order."""
        return [
            body["data"]["sluicegate"]["kind"]
            for body in self.bodies
            if body["data"]["payload"].get("id") == id
        ]


class ToldDeployment:
    """A front door whose app wants events, a bench that makes them, and one clock for both."""

    def __init__(self, front: Config, store: redis.Redis, events: str = "own", url: str = URL):
        app = App(
            token_env="TOKEN_SHOP",
            events=events,  # type: ignore[arg-type] # as a test says
            events_url=url,
            events_secret_env="SHOP_EVENTS" if url else "",
        )
        apps = dict(front.web.apps) | {"shop": app}
        web = msgspec.structs.replace(front.web, apps=apps)
        self.config = msgspec.structs.replace(front, web=web)
        self.store, self.shop = store, ToldShop()
        self.bench = Bench(store, app="shop")
        self.bench.at(NOW * 1000)
        fields = published(self.config.account("default"), {"shop": app})
        args: list[Argument] = [b"9", b"d", b"", b""]
        args += [part for field in fields.items() for part in field]
        self.bench.call(PUBLISH, args)
        self.store.set(Keys("clinic")("test-clock"), self.bench.now_ms)

    def later(self, seconds: float) -> None:
        self.bench.later(seconds * 1000)
        self.store.set(Keys("clinic")("test-clock"), self.bench.now_ms)

    def tell(self, story: Story) -> None:
        """Have a story happen at a front door that passes nothing on unless it is asked to."""

        async def tell() -> None:
            door = Front(self.config, SECRETS, relay_client=self.shop.client(), time=CLOCK)
            async with door.http, door.monitoring:
                await story(door)
                await door.site.client.aclose()

        asyncio.run(tell())

    async def settle(self, door: Front, seconds: float = 900) -> float:
        """Give and pass on, and let time pass, until nothing waits; return how long it took."""
        took = 0.0
        while True:
            door.now = self.bench.now_ms / 1000
            given = await door.site.feed.feed()
            wait = await door.site.relays.settle()
            if (wait == float("inf") and not given) or took > seconds:
                return took
            wait = 0.0 if wait == float("inf") else wait
            self.later(wait + 0.001)
            took += wait

    def pass_on(self, seconds: float = 900) -> float:
        """``settle`` at a door of its own."""
        took = [0.0]

        async def story(door: Front) -> None:
            took[0] = await self.settle(door, seconds)

        self.tell(story)
        return took[0]

    def send(self, number: int) -> str:
        """Send a message and have it delivered; return the app's id of it."""
        self.bench.enqueue(message(number))
        grant = self.bench.send()
        tell(self.bench, grant.id)
        return message(number).id
