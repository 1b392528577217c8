"""A page inside Flower, and the files that pages load."""

import hashlib
from functools import cache
from typing import Any

from flower.views import BaseHandler
from tornado.web import StaticFileHandler, authenticated, url

from ..accounts import OpenAccounts
from ..drawing import STATIC, drawn
from ..pages import PAGES, DashboardPage, PageAnswer, answered

FILES = "/sluicegate/files"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class PageHandler(BaseHandler):  # type: ignore[misc] # Flower has no types
    """Shows one page, or with ``?as=json`` what it shows: its data, and the HTML of them."""

    def initialize(self, page: DashboardPage, accounts: OpenAccounts) -> None:
        self._page, self._accounts = page, accounts

    @authenticated
    async def get(self, *names: str) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)
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
        runner: Any = self.application.blocking_runner
        found: PageAnswer = await runner.run(
            "look", self._page.slug, answered, self._accounts, self._page, account, *names, *words
        )
        return found

    @property
    def _prefix(self) -> str:
        prefix = (self.application.options.url_prefix or "").strip("/")
        return f"/{prefix}" if prefix else ""


@cache
def version() -> str:
    """Changes whenever a file does that browsers keep."""
    files = sorted(STATIC.iterdir())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def rules(accounts: OpenAccounts) -> list[Any]:
    """Each page, and the files.

    As ``url``: under a url prefix Flower takes the keywords off a plain tuple.
    """
    pages = [url(page.path, PageHandler, {"page": page, "accounts": accounts}) for page in PAGES]
    return [*pages, url(f"{FILES}/(.*)", StaticFileHandler, {"path": str(STATIC)})]
