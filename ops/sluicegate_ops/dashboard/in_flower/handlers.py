"""A page inside Flower, an act of one, and the files that pages load."""

import hashlib
from base64 import b64decode
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from flower.views import BaseHandler
from tornado.httputil import split_host_and_port
from tornado.netutil import is_valid_ip
from tornado.web import HTTPError, StaticFileHandler, authenticated, url

from ..accounts import OpenAccounts
from ..acts.acting import FormFields
from ..acts.performing import Wanted, asked, page_of, performed
from ..drawing import STATIC, drawn
from ..pages import PAGES, DashboardPage, PageAnswer, answered
from ..person import NOBODY, Person, person_named
from ..polling import told
from ..sharing import SharedLooks

FILES = "/sluicegate/files"
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}


class SluicegateHandler(BaseHandler):  # type: ignore[misc] # Flower has no types
    """What a page and an act have in common: who asks, and who may not."""

    def set_default_headers(self) -> None:
        """As Flower's, but no other site may read a page, whatever Flower opens to all."""
        super().set_default_headers()
        self.clear_header("Access-Control-Allow-Origin")
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        """Refuse a name where no login is asked for: whoever owns a name can point it here."""
        if not self._logs_in and not is_address(self.request.host):
            raise HTTPError(403, "No password is asked for here: open it by address or localhost")

    @property
    def _logs_in(self) -> bool:
        options = self.application.options
        return bool(options.basic_auth or options.auth)

    def person_of(self, accounts: OpenAccounts) -> Person:
        """Who has logged in, with the roles of that name; raises InvalidConfig."""
        options = self.application.options
        if not self._logs_in:
            return NOBODY
        name = str(self.current_user) if options.auth else self._basic_name()
        person = person_named(accounts.users(), name)
        if options.read_only:
            return person._replace(roles=person.roles - {"send", "operate"})
        return person

    def _basic_name(self) -> str:
        """The name in a header whose password Flower has checked."""
        shown = self.request.headers.get("Authorization", "").partition(" ")[2]
        return b64decode(shown).decode().partition(":")[0]

    def show(self, page: DashboardPage, answer: PageAnswer, person: Person, title: str) -> None:
        """Write the page, or what ``?as=`` asks for of it."""
        token = self.xsrf_token.decode() if person.roles else ""
        html = drawn(page, answer, self._prefix, person, token)
        self.set_status(answer.status)
        asked_as, have = self.get_query_argument("as", ""), self.get_query_arguments("have")
        if (polled := told(asked_as, have, answer, html)) is not None:
            self.write(polled)
            return
        files = f"{self._prefix}{FILES}"
        self.render("sluicegate_page.html", title=title, body=html, files=files, version=version())

    async def beside(self, what: str, call: Any, *arguments: Any) -> Any:
        """Ask Redis on another thread: it would hold up everybody's pages."""
        runner: Any = self.application.blocking_runner
        return await runner.run(what, "sluicegate", call, *arguments)

    @property
    def _prefix(self) -> str:
        prefix = (self.application.options.url_prefix or "").strip("/")
        return f"/{prefix}" if prefix else ""


class PageHandler(SluicegateHandler):
    """Shows one page."""

    def initialize(self, page: DashboardPage, accounts: OpenAccounts, shared: SharedLooks) -> None:
        self._page, self._accounts, self._shared = page, accounts, shared

    @authenticated
    async def get(self, *names: str) -> None:
        person = await self.beside("person", self.person_of, self._accounts)
        account = self.get_query_argument("account", "")
        words = [self.get_query_argument(name, "").strip() for name in self._page.asks]
        page, full = self._page, person.may("numbers")
        look = partial(answered, self._accounts, page, account, *names, *words, full=full)
        key = (page.slug, full, account, *names, *words)
        answer = await self.beside("look", self._shared, key, look)
        self.show(page, answer, person, ": ".join((page.title, *names)))


class ActHandler(SluicegateHandler):
    """Asks before an act, and does it."""

    def initialize(self, accounts: OpenAccounts) -> None:
        self._accounts = accounts

    def check_xsrf_cookie(self) -> None:
        """Take a form from our own page only; Flower asks for less where a password is sent along.

        Raises HTTPError.
        """
        site, origin = (self.request.headers.get(name) for name in ("Sec-Fetch-Site", "Origin"))
        known = site == "same-origin" or (not site and bool(origin))
        if not self._logs_in or not known:
            raise HTTPError(403, "Acts take a login, and a form of this page")
        if origin is not None and urlsplit(origin).netloc != self.request.host:
            raise HTTPError(403, "Cross-origin request forbidden")
        super(BaseHandler, self).check_xsrf_cookie()

    @authenticated
    async def get(self, slug: str) -> None:
        await self._show(slug, asked, self.request.query_arguments)

    @authenticated
    async def post(self, slug: str) -> None:
        await self._show(slug, performed, self.request.body_arguments)

    async def _show(self, slug: str, do: Any, given: dict[str, list[bytes]]) -> None:
        texts = {
            name: [one.decode(errors="replace") for one in all] for name, all in given.items()
        }
        fields = FormFields(texts)
        person = await self.beside("person", self.person_of, self._accounts)
        wanted = Wanted(slug, person, fields.one("account"), fields)
        answer = await self.beside("act", do, self._accounts, wanted)
        self.show(page_of(slug), answer, person, "Confirm")


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
    """Each page, the acts, and the files.

    As ``url``: under a url prefix Flower takes the keywords off a plain tuple.
    """
    common = {"accounts": accounts, "shared": SharedLooks()}
    pages = [url(page.path, PageHandler, {"page": page, **common}) for page in PAGES]
    acts = url("/act/([a-z-]+)", ActHandler, {"accounts": accounts})
    return [*pages, acts, url(f"{FILES}/(.*)", StaticFileHandler, {"path": str(STATIC)})]
