"""What holds for every request, whatever its route: how much head, how many at once, no caching.

All of it is decided before anybody is asked who they are.
"""

from collections import Counter
from collections.abc import Container
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .peers import peer_of
from .problems import HttpProblem, unavailable

HEAD_LINES: Final = 100
HEAD_BYTES: Final = 16_384

_WEBHOOKS: Final = "/receipts/"
_BODIES_BYTES: Final = 16 * 1_048_576
_SHARE_OF_APPS: Final = 0.75  # of the connections; the rest is kept for the provider's webhooks
_SHARE_OF_ONE: Final = 0.25  # of the bodies' bytes


TOO_LONG: Final = HttpProblem(
    431,
    "10015",
    "Request head too large",
    f"It may have {HEAD_BYTES:,} bytes and {HEAD_LINES} lines at most.",
)


class Threshold:
    """ASGI middleware. The addresses in ``proxies`` speak for many clients.

    ``most`` and ``most_of_one`` are the connections in all and of one peer, ``most_body_bytes`` is
    what one body may have.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        most_of_one: int,
        most_body_bytes: int,
        proxies: Container[str] = (),
    ) -> None:
        self._app, self._proxies = app, proxies
        self._requests = Shares(int(most * _SHARE_OF_APPS), int(most_of_one * _SHARE_OF_APPS))
        bodies = max(_BODIES_BYTES, 8 * most_body_bytes)
        self._bodies = Shares(bodies, int(bodies * _SHARE_OF_ONE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _uncached(send)
        if len(scope["headers"]) > HEAD_LINES or _head_bytes(scope) > HEAD_BYTES:
            await TOO_LONG.response()(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        peer = "" if address in self._proxies else peer_of(address)
        if scope["path"].startswith(_WEBHOOKS):
            await self._limited(peer, scope, receive, send)
        elif not self._requests.take(peer, 1):
            problem = unavailable("Too many requests are being answered; send it again.", 1)
            await problem.response()(scope, receive, send)
        else:
            try:
                await self._limited(peer, scope, receive, send)
            finally:
                self._requests.give_back(peer, 1)

    async def _limited(self, peer: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the app, with what all bodies under way may have in memory."""
        held = 0

        async def received() -> Message:
            nonlocal held
            message = await receive()
            size = len(message.get("body", b""))
            if not self._bodies.take(peer, size):
                raise unavailable("Too much is on its way at once; send it again.", 1)
            held += size
            return message

        def taken(size: int) -> None:
            """A route that streams is through with so much."""
            nonlocal held
            held -= size
            self._bodies.give_back(peer, size)

        scope.setdefault("extensions", {}).setdefault("sluicegate", {})["taken"] = taken
        try:
            await self._app(scope, received, send)
        finally:
            self._bodies.give_back(peer, held)


def _head_bytes(scope: Scope) -> int:
    """About as many bytes as the head of a request had."""
    lines = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return lines + len(scope.get("raw_path") or b"") + len(scope.get("query_string", b""))


class Shares:
    """What is taken of a whole, by peer; whoever is nobody in particular may take all of it."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most, self._most_of_one = max(1, most), max(1, most_of_one)
        self._taken, self._of = 0, Counter[str]()

    def take(self, peer: str, size: int) -> bool:
        """Take so much, unless that is more than is left or than one peer may have."""
        most_of_one = self._most_of_one if peer else self._most
        if self._taken + size > self._most or self._of[peer] + size > most_of_one:
            return False
        self._taken += size
        self._of[peer] += size
        return True

    def give_back(self, peer: str, size: int) -> None:
        self._taken -= size
        self._of[peer] -= size
        if self._of[peer] <= 0:
            del self._of[peer]


def _uncached(send: Send) -> Send:
    """What is answered is about people: nobody on the way may keep it."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("cache-control", "no-store")
        await send(message)

    return sent
