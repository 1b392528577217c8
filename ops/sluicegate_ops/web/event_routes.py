"""``GET /v2/events``: an app reads its events itself, a line each, and waits for the next."""

import asyncio
import re
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sluicegate.deadlines import in_time
from sluicegate.errors import OutboxError
from sluicegate.keys import Keys

from ..inspect import KeptEvents, aread_events
from .event_shapes import event_body, trimmed_body
from .problems import HttpProblem, unavailable
from .site import Site
from .tenants import Tenant

NEXT: Final = "Sluicegate-Next-After"
"""The header that says after which number to read on, also where nothing of the app's came."""

MOST_LINES: Final = 1_000
MOST_SECONDS: Final = 8.0
"""How long a request may wait: the wall closes it after 10 s."""

_PARAMETERS: Final = ("after", "limit", "wait")
_LOOK_SECONDS: Final = 0.2
_READ_SECONDS: Final = 1.5
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_SECONDS: Final = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")


class EventRoutes:
    """The endpoint at which apps read their events."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def get(self, request: Request) -> Response:
        """The events behind ``after``: at once if there are any, else the first that come."""
        caller = self._site.caller(request.headers)
        if not caller.settings.events:
            detail = 'This app reads no events: its [web.apps] table has no events = "own".'
            raise HttpProblem(403, "10010", "Authorization failed", detail)
        for name, values in _several(request):
            if name not in _PARAMETERS:
                raise _wrong(name[:40], f"is no parameter; known: {', '.join(_PARAMETERS)}")
            if len(values) > 1:
                raise _wrong(name, "was given more than once")
        after = int(_given(request, "after", "0", _NUMBER))
        limit = int(_given(request, "limit", "500", _NUMBER))
        wait = float(_given(request, "wait", "5", _SECONDS))
        if not 1 <= limit <= MOST_LINES:
            raise _wrong("limit", f"must be from 1 to {MOST_LINES}")
        if wait > MOST_SECONDS:
            raise _wrong("wait", f"must be at most {MOST_SECONDS:g} seconds")
        lines, after = await self._lines(caller, after, limit, wait)
        body = b"".join(line + b"\n" for line in lines)
        headers = {NEXT: str(after)}
        return Response(body, headers=headers, media_type="application/x-ndjson")

    async def _lines(
        self, caller: Tenant, after: int, limit: int, wait: float
    ) -> tuple[list[bytes], int]:
        """The app's lines behind a number, and the number to read on after."""
        loop, lines = asyncio.get_running_loop(), list[bytes]()
        ends = loop.time() + wait
        wants_all = caller.settings.events == "all"
        while True:
            page = await self._page(caller, after, limit - len(lines))
            if page.trimmed:
                lines.append(trimmed_body(caller.account, after, page.trimmed))
            lines += [
                event_body(caller.account, caller.name, event)
                for event in page.events
                if event.is_for(caller.name, wants_all=wants_all)
            ]
            after = page.read_to
            if len(lines) >= limit or (not page.events and lines):
                return lines, after
            if not page.events:
                if loop.time() >= ends:
                    return lines, after
                await asyncio.sleep(_LOOK_SECONDS)

    async def _page(self, caller: Tenant, after: int, count: int) -> KeptEvents:
        try:
            async with in_time(_READ_SECONDS):
                return await aread_events(self._site.client, Keys(caller.account), after, count)
        except (OutboxError, TimeoutError) as error:
            why = str(error) or "Redis did not answer in time"
            self._site.counts.note("not_read", caller.account, why)
            raise unavailable("Redis did not answer; ask again.", 1) from None


def _several(request: Request) -> list[tuple[str, list[str]]]:
    given = request.query_params
    return [(name, given.getlist(name)) for name in given]


def _given(request: Request, name: str, default: str, form: re.Pattern[str]) -> str:
    text = request.query_params.get(name, default)
    if not form.fullmatch(text):
        raise _wrong(name, "must be a number")
    return text


def _wrong(name: str, reason: str) -> HttpProblem:
    return HttpProblem(400, "10015", "Bad Request", f"{name} {reason}.", f"/{name}")
