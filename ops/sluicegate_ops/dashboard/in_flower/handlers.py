"""A page inside Flower, and the files that pages load."""

import hashlib
from functools import cache, partial
from typing import Any

from flower.views import BaseHandler
from tornado.httputil import split_host_and_port
from tornado.netutil import is_valid_ip
from tornado.web import HTTPError, StaticFileHandler, authenticated, url

from ..accounts import OpenAccounts
from ..drawing import STATIC, drawn
from ..pages import PAGES, DashboardPage, PageAnswer, answered
from ..sharing import SharedLooks

FILES = "/sluicegate/files"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class PageHandler(BaseHandler):  # type: ignore[misc] # Flower has no types
    """Shows one page, or with ``?as=json`` what it shows: its data, and the HTML of them."""

    def initialize(self, page: DashboardPage, accounts: OpenAccounts, shared: SharedLooks) -> None:
        self._page, self._accounts, self._shared = page, accounts, shared

    def set_default_headers(self) -> None:
        """As Flower's, but no other site may read a page, whatever Flower opens to all."""
        super().set_default_headers()
        self.clear_header("Access-Control-Allow-Origin")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse a name where no login is asked for: whoever owns a name can point it here."""
        options = self.application.options
        if not (options.basic_auth or options.auth) and not is_address(self.request.host):
            raise HTTPError(403, "No password is asked for here: open it by address or localhost")

    @authenticated
    async def get(self, *names: str) -> None:
        answer = await self._answer(*names)
        html = drawn(self._page, answer, self._prefix)
        self.set_status(answer.status)
        if self.get_query_argument("as", "") == "json":
            self.write({"data": answer.data, "trouble": answer.trouble, "html": html})
            return
        title = ": ".join((self._page.title, *names))
        files = f"{self._prefix}{FILES}"
        self.render("sluicegate_page.html", title=title, body=html, files=files, version=version())

    async def _answer(self, *names: str) -> PageAnswer:
        """Redis is asked on another thread: it would hold up everybody's pages."""
        account = self.get_query_argument("account", "")
        words = [self.get_query_argument(name, "").strip() for name in self._page.asks]
        page, arguments = self._page, (account, *names, *words)
        look = partial(answered, self._accounts, page, *arguments)
        runner: Any = self.application.blocking_runner
        asked = (page.slug, *arguments)
        found: PageAnswer = await runner.run("look", page.slug, self._shared, asked, look)
        return found

    @property
    def _prefix(self) -> str:
        prefix = (self.application.options.url_prefix or "").strip("/")
        return f"/{prefix}" if prefix else ""


def is_address(host: str) -> bool:
    """Whether a request's host is an address or localhost, with or without a port."""
    name, _ = split_host_and_port(host)
    return name == "localhost" or is_valid_ip(name.strip("[]"))


@cache
def version() -> str:
    """Changes whenever a file does that browsers keep."""
    files = sorted(STATIC.iterdir())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def rules(accounts: OpenAccounts) -> list[Any]:
    """Each page, and the files.

    As ``url``: under a url prefix Flower takes the keywords off a plain tuple.
    """
    common = {"accounts": accounts, "shared": SharedLooks()}
    pages = [url(page.path, PageHandler, {"page": page, **common}) for page in PAGES]
    return [*pages, url(f"{FILES}/(.*)", StaticFileHandler, {"path": str(STATIC)})]
