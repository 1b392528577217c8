"""``/v2/campaigns``: what the command line does with campaigns, for apps that may.

Everything is synchronous underneath, and runs on a few threads: so much at a time, and what more
is asked is answered 503. A long import keeps its connection, and ends with it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from threading import Event
from typing import IO, Any, Final, get_args

import msgspec
import redis
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from sluicegate.campaigns.campaign import Action
from sluicegate.redis_errors import translated

from .bodies import body_of
from .body_lines import go_on_of, received, taken_of
from .campaign_desk import CampaignDesk, ImportStopped
from .campaign_requests import NewCampaign, NewText, campaign_problem, read
from .problems import HttpProblem, unavailable
from .site import Site
from .tenants import Tenant

THREADS: Final = 4
MOST_UNDER_WAY: Final = 16
MOST_UPLOADS: Final = 3
"""Imports at a time, of which an app has one."""

UPLOAD_BYTES: Final = 128 * 1_048_576
UPLOAD_SECONDS: Final = 300.0
IN_MEMORY_BYTES: Final = 1_048_576
WHY: Final = "Sluicegate-Why"

_BEAT_SECONDS: Final = 1.0
_PATH: Final = "/v2/campaigns"
_Call = Callable[[], Any]


class CampaignRoutes:
    """The endpoints for campaigns."""

    def __init__(self, site: Site) -> None:
        self._site, self._stop = site, Event()
        self._threads = ThreadPoolExecutor(THREADS, "campaigns")
        self._under_way, self._uploading = 0, set[str]()

    def routes(self) -> list[Route]:
        """All of them."""
        one = f"{_PATH}/{{name}}"
        return [
            Route(_PATH, self.create, methods=["POST"]),
            Route(_PATH, self.listed, methods=["GET"]),
            Route(one, self.status, methods=["GET"]),
            Route(f"{one}/recipients", self.recipients, methods=["POST"]),
            Route(f"{one}/preflight", self.preflight, methods=["POST"]),
            Route(f"{one}/report", self.report, methods=["GET"]),
            Route(f"{one}/approval", self.approval, methods=["GET"]),
            Route(f"{one}/approve", self.approve, methods=["POST"]),
            Route(f"{one}/revise", self.revise, methods=["POST"]),
            *(
                Route(f"{one}/{action}", self._acting(action), methods=["POST"])
                for action in get_args(Action)
            ),
        ]

    def close(self) -> None:
        """Let what is under way end soon, and begin nothing more."""
        self._stop.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def create(self, request: Request) -> Response:
        """Make a draft; the same again finds it."""
        desk = self._desk(request)
        asked: NewCampaign = read(await self._body(request), NewCampaign)
        return await self._answer(request, lambda: desk.create(asked, desk.by(_why(request))))

    async def listed(self, request: Request) -> Response:
        """The app's latest campaigns."""
        return await self._answer(request, self._desk(request).listed)

    async def status(self, request: Request) -> Response:
        """Where a campaign stands."""
        desk, name = self._desk(request), request.path_params["name"]
        return await self._answer(request, lambda: desk.status(name))

    async def report(self, request: Request) -> Response:
        """What became of everybody."""
        desk, name = self._desk(request), request.path_params["name"]
        return await self._answer(request, lambda: desk.report(name))

    async def approval(self, request: Request) -> Response:
        """What a person would approve."""
        desk, name = self._desk(request), request.path_params["name"]
        return await self._answer(request, lambda: desk.approval(name))

    async def approve(self, request: Request) -> Response:
        """An app is no person: it is told who approves."""
        self._desk(request)
        detail = "An app approves nothing. A person does: sluicegate campaign approve."
        raise HttpProblem(403, "10010", "Authorization failed", detail)

    async def revise(self, request: Request) -> Response:
        """Give everybody who waits another text."""
        desk, name = self._desk(request), request.path_params["name"]
        text = read(await self._body(request), NewText).text
        return await self._answer(request, lambda: desk.revise(name, text, desk.by(_why(request))))

    async def recipients(self, request: Request) -> Response:
        """Check rows, and import those that can be sent to."""
        return await self._rows(request, only_check=False)

    async def preflight(self, request: Request) -> Response:
        """Check rows, and store nothing."""
        return await self._rows(request, only_check=True)

    def _acting(self, action: Action) -> Callable[[Request], Any]:
        async def act(request: Request) -> Response:
            desk, name = self._desk(request), request.path_params["name"]
            by = desk.by(_why(request))
            return await self._answer(request, lambda: desk.act(name, action, by))

        return act

    # How a call is made.

    def _desk(self, request: Request) -> CampaignDesk:
        """The desk of whoever asks; raises HttpProblem where an app may not have campaigns."""
        caller: Tenant = self._site.caller(request.headers)
        if not caller.settings.campaigns:
            detail = "This app may not run campaigns."
            raise HttpProblem(403, "10010", "Authorization failed", detail)
        for name in request.query_params:
            detail = "No such parameter: leave it out."
            raise HttpProblem(400, "10015", "Bad Request", detail, f"/{name}"[:100])
        return CampaignDesk(caller, self._site.config, self._site.blocking)

    async def _body(self, request: Request) -> bytes:
        return await body_of(request, self._site.config.web.max_body_bytes)

    async def _rows(self, request: Request, *, only_check: bool) -> Response:
        desk, name, stop = self._desk(request), request.path_params["name"], Event()
        by = desk.by(_why(request))
        if by.who in self._uploading or len(self._uploading) >= MOST_UPLOADS:
            raise unavailable("Other rows are being imported; send these later.", 10)
        self._uploading.add(by.who)
        try:
            with SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
                await _spooled(request, file)
                rows: Any = file

                def imported() -> Any:
                    return desk.rows(name, rows, by, stop, only_check=only_check)

                return await self._answer(request, imported, stop)
        finally:
            self._uploading.discard(by.who)

    async def _answer(self, request: Request, call: _Call, stop: Event | None = None) -> Response:
        """Make a call on a thread; the wall hears that it goes on."""
        if self._under_way >= MOST_UNDER_WAY:
            raise unavailable("Too much is under way at once; ask again.", 1)
        self._under_way += 1
        made = asyncio.get_running_loop().run_in_executor(self._threads, call)
        try:
            data = await self._made(request, made, stop)
        except redis.RedisError as error:
            raise campaign_problem(translated(error, ())) from None
        except ImportStopped:
            detail = "The server ends; what was imported before stays. Send it again."
            raise unavailable(detail, 1) from None
        except Exception as error:
            raise campaign_problem(error) from None
        finally:
            self._under_way -= 1
        return Response(msgspec.json.encode({"data": data}), media_type="application/json")

    async def _made(
        self, request: Request, made: "asyncio.Future[Any]", stop: Event | None
    ) -> Any:
        go_on = go_on_of(request)
        try:
            while not (await asyncio.wait([made], timeout=_BEAT_SECONDS))[0]:
                gone = stop is not None and await request.is_disconnected()
                if stop is not None and (gone or self._stop.is_set()):
                    stop.set()
                go_on()
        except asyncio.CancelledError:
            if stop is not None:
                stop.set()
            await asyncio.wait([made])  # its file is in use as long
            raise
        return made.result()


async def _spooled(request: Request, file: "SpooledTemporaryFile[bytes]") -> None:
    """Keep a body, on disk if it is large; raises HttpProblem where that is too large."""
    go_on, taken, size, more = go_on_of(request), taken_of(request), 0, True
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            while more:
                chunk, more = await received(request)
                size += len(chunk)
                if size > UPLOAD_BYTES:
                    detail = f"The rows have more than {UPLOAD_BYTES:,} bytes: send them in parts."
                    raise HttpProblem(413, "10015", "Bad Request", detail)
                file.write(chunk)
                taken(len(chunk))
                go_on()
    except TimeoutError:
        detail = f"The rows did not come within {UPLOAD_SECONDS:g} s: send them in parts."
        raise HttpProblem(408, "10008", "Request timeout", detail) from None
    except ClientDisconnect:
        raise HttpProblem(400, "10015", "Bad Request", "The body is not complete.") from None
    stream: IO[bytes] = file
    stream.seek(0)


def _why(request: Request) -> str:
    return request.headers.get(WHY, "")[:200]
