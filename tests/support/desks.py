"""The desk, asked in process as a browser asks it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import unescape
from typing import Any, BinaryIO

import httpx

from sluicegate import Config
from sluicegate.config import Account, Desk, DeskUser, Role, Web
from sluicegate_ops.desk import passwords
from sluicegate_ops.desk.app import DeskSite
from sluicegate_ops.desk.jobs import Spawn
from support.command_line import invoked

PASSWORD = "correct horse battery"
ORIGIN = "http://127.0.0.1:8082"
_HASH = passwords.hashed(PASSWORD, log_n=8)  # cheap: many tests log in

PEOPLE: Mapping[str, tuple[Role, ...]] = {
    "ann": ("send", "operate"),
    "bea": ("send",),
    "len": ("look",),
    "nel": ("operate", "numbers"),
}


def desk_config(redis_url: str, *, accounts: Any = None, web: Any = None, **desk: Any) -> Config:
    """A configuration with a desk and its people, each with ``PASSWORD``."""
    users = {name: DeskUser(password_hash=_HASH, roles=roles) for name, roles in PEOPLE.items()}
    return Config(
        redis_url=redis_url,
        accounts=accounts or {"default": Account()},
        web=Web(desk=Desk(**{"users": users} | desk), **web or {}),
    )


class Browser:
    """One browser at the desk; ``address`` is where it sits."""

    def __init__(self, site: DeskSite, address: str = "127.0.0.1", origin: str = ORIGIN) -> None:
        self.site, self.origin = site, origin
        transport = httpx.ASGITransport(site.app, client=(address, 5000))
        self.http = httpx.AsyncClient(transport=transport, base_url=origin)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.http.get(path, **options)

    async def post(self, path: str, token: str | None = None, **fields: Any) -> httpx.Response:
        """Send a form as a page of the desk does; ``token`` is looked up unless it is given."""
        if token is None:
            token = await self.token()
        data = {"_xsrf": token} | {name.rstrip("_"): value for name, value in fields.items()}
        return await self.http.post(path, data=data, headers=self.from_here())

    def from_here(self) -> dict[str, str]:
        return {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}

    async def token(self) -> str:
        """What marks this session's forms."""
        page = await self.get("/desk/")
        found = re.search(r'name="_xsrf" value="([^"]+)"', page.text)
        return found[1] if found else ""

    async def login(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return await self.http.post(
            "/desk/login", data={"name": name, "password": password}, headers=self.from_here()
        )


def words(page: httpx.Response) -> str:
    """What a reader reads."""
    body = page.text.partition('<main id="sluicegate">')[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def _in_this_process(args: Sequence[str], out: BinaryIO, err: BinaryIO) -> int:
    """Run the command line here: it takes a process seconds to start."""
    done = invoked(list(args))
    out.write(done.stdout.encode())
    err.write(done.stderr.encode())
    return done.exit_code


@contextmanager
def desk_site(config: Config, spawn: Spawn = _in_this_process) -> Iterator[DeskSite]:
    site = DeskSite(config, spawn=spawn)
    try:
        yield site
    finally:
        site.close()


def at_the_desk(
    config: Config,
    story: Callable[[DeskSite], Awaitable[None]],
    spawn: Spawn = _in_this_process,
) -> None:
    """Open a desk and have ``story`` happen there."""

    async def told() -> None:
        with desk_site(config, spawn) as site:
            await story(site)

    asyncio.run(told())


async def logged_in(site: DeskSite, name: str) -> Browser:
    browser = Browser(site)
    answer = await browser.login(name)
    assert answer.status_code == 303, answer.text
    return browser
