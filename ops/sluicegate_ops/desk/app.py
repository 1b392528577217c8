"""The desk's ASGI app: its routes behind the threshold that every request passes."""

from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from sluicegate.config import Config, Desk
from sluicegate.connections import connect
from sluicegate.keys import Keys

from ..dashboard.accounts import OpenAccounts
from ..web.peers import Peers, Proxies
from ..web.server import ListenerApp
from ..web.threshold import Threshold
from ..web.wall import LIMITS
from .again import AgainRoutes
from .beside import Beside
from .blasts import BlastRoutes
from .draft_pages import DraftPages
from .drafts import DeskDrafts
from .jobs import Jobs, Spawn, spawned
from .reached import ReachedRoutes
from .routes import DeskRoutes, told
from .sessions import Sessions
from .visitors import Visitors

CONNECTIONS: Final = 200
CONNECTIONS_PER_ADDRESS: Final = 60
EXCHANGE_SECONDS: Final = 900.0
"""How long one exchange may take: a large file comes slowly."""


class DeskSite:
    """What the desk opens, once for its process; close it at the end.

    Nothing is asked of Redis before somebody asks for a page.
    """

    def __init__(
        self, config: Config, config_path: str | None = None, spawn: Spawn = spawned
    ) -> None:
        self.config, self.beside = config, Beside()
        self.accounts = OpenAccounts(config_path, config)
        self._client = connect(config.redis_url)
        desk = config.web.desk or Desk()
        sessions = Sessions(self._client, Keys(self.accounts.names[0]), desk)
        self.visitors = Visitors(desk, config.web.proxies, sessions, self.accounts.users)
        self.drafts = DeskDrafts(Path(desk.files), desk.keep_files_seconds)
        self.jobs = Jobs(self.drafts, config_path, spawn)
        self.app = _app(self)

    def listener(self) -> ListenerApp:
        """The desk on a listener of its own, which lets large files take their time."""
        peers = Peers(CONNECTIONS, CONNECTIONS_PER_ADDRESS, Proxies(self.config.web.proxies))
        limits = LIMITS._replace(exchange_seconds=EXCHANGE_SECONDS)
        return ListenerApp(self.app, peers, limits, self.jobs.close)

    def close(self) -> None:
        """Close connections, and begin nothing more."""
        self.beside.close()
        self.accounts.close()
        self._client.close()


def _app(site: DeskSite) -> Starlette:
    desk = site.visitors.desk
    threshold = Middleware(
        Threshold,
        most=CONNECTIONS,
        most_of_one=CONNECTIONS_PER_ADDRESS,
        most_body_bytes=desk.upload_bytes,
        proxies=Proxies(site.config.web.proxies),
    )
    pages = DeskRoutes(site.accounts, site.visitors, site.beside)
    drafts = DraftPages(pages, site.drafts, site.jobs)
    rooms = (BlastRoutes(drafts), AgainRoutes(drafts), ReachedRoutes(drafts), drafts, pages)
    app = Starlette(
        routes=[route for room in rooms for route in room.routes()],
        middleware=[threshold],
        exception_handlers={HTTPException: _nothing_here, Exception: _fault},
    )
    app.router.redirect_slashes = False
    return app


async def _nothing_here(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for no other
    said = "There is nothing at this address." if error.status_code == 404 else str(error.detail)
    return told("Not found", said, error.status_code)


async def _fault(request: Request, error: Exception) -> Response:
    """The answer to a fault of our own; the server logs the error itself."""
    return told("Something broke", "Something broke on our side; the log says more.", 500)
