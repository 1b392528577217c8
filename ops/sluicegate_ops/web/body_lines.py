"""The lines of a request's body as they come: a batch at a time, and no more than that is kept."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, NamedTuple

from starlette.requests import ClientDisconnect, Request

GATHER_SECONDS: Final = 0.005
"""How long a batch waits for more of its lines, if they don't come at once."""

BATCH_BYTES: Final = 262_144


class BodyLine(NamedTuple):
    """One line of the body: its number, and its bytes; None where it was too long to keep."""

    number: int
    raw: bytes | None


class BodyLines:
    """One request's. A batch has up to ``most`` lines, a line up to ``most_bytes``."""

    def __init__(self, request: Request, most: int, most_bytes: int) -> None:
        self._request, self._most, self._most_bytes = request, most, most_bytes
        self._coming: asyncio.Task[tuple[bytes, bool]] | None = None
        self._taken, self.go_on = taken_of(request), go_on_of(request)

    async def ask(self) -> None:
        """Ask for the first of the body: a client may wait for that, before any answer."""
        self._coming = asyncio.create_task(received(self._request))
        await asyncio.sleep(0)

    async def batches(self) -> AsyncGenerator[list[BodyLine], None]:
        """The lines as they come, so many at a time; raises ClientDisconnect."""
        rows, size = list[BodyLine](), 0
        async with aclosing(self._rows()) as lines:
            async for row in lines:
                if row is not None:
                    rows.append(row)
                    size += len(row.raw or b"")
                if rows and (row is None or len(rows) >= self._most or size >= BATCH_BYTES):
                    yield rows
                    rows, size = [], 0
        if rows:
            yield rows

    async def _rows(self) -> AsyncGenerator[BodyLine | None, None]:
        """Each line with its number; None where no more has come for ``GATHER_SECONDS``."""
        number, begun, kept = 1, list[bytes](), 0
        async with aclosing(self._chunks()) as chunks:
            async for chunk in chunks:
                if chunk is None:
                    yield None
                    continue
                *whole, rest = chunk.split(b"\n")
                for part in whole:
                    yield self._row(number, begun, part, kept)
                    number, begun, kept = number + 1, [], 0
                kept += len(rest)
                if kept > self._most_bytes:
                    begun.clear()
                elif rest:
                    begun.append(rest)
        if kept:
            yield self._row(number, begun, b"", kept)

    def _row(self, number: int, begun: list[bytes], part: bytes, kept: int) -> BodyLine:
        if kept + len(part) > self._most_bytes:
            return BodyLine(number, None)
        return BodyLine(number, b"".join((*begun, part)) if begun else part)

    async def _chunks(self) -> AsyncGenerator[bytes | None, None]:
        """The body as it comes; None where no more has come for ``GATHER_SECONDS``."""
        try:
            while True:
                coming = self._coming or asyncio.create_task(received(self._request))
                self._coming = coming
                done, _ = await asyncio.wait([coming], timeout=GATHER_SECONDS)
                if not done:
                    yield None
                    await asyncio.wait([coming])
                self._coming = None
                chunk, more = coming.result()
                yield chunk
                self._taken(len(chunk))
                if not more:
                    return
        finally:
            if self._coming is not None:
                self._coming.cancel()


def go_on_of(request: Request) -> Callable[[], object]:
    """Says that something was done: the wall counts the time of an exchange anew."""
    return _hooks(request).get("go_on", lambda: None)


def taken_of(request: Request) -> Callable[[int], object]:
    """Says that so many bytes of the body are held no longer."""
    return _hooks(request).get("taken", lambda size: None)


def _hooks(request: Request) -> dict[str, Callable[..., object]]:
    found: dict[str, Callable[..., object]]
    found = request.scope.get("extensions", {}).get("sluicegate", {})
    return found


async def received(request: Request) -> tuple[bytes, bool]:
    """The next of the body, and whether there is more; raises ClientDisconnect."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message.get("body", b""), message.get("more_body", False)
