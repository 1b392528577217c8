"""Logging in and out, the dashboard's pages and its acts, for whoever has logged in."""

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import quote, urlsplit

import redis
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ..dashboard import polling
from ..dashboard.accounts import OpenAccounts
from ..dashboard.acts.performing import Wanted, asked, page_of, performed
from ..dashboard.drawing import drawn as page_drawn
from ..dashboard.pages import PAGES, DashboardPage, PageAnswer, answered
from ..dashboard.sharing import SharedLooks
from . import passwords, shell
from .beside import Beside, TooBusy
from .forms import TooLarge, asked_for, fields_of
from .shell import PREFIX
from .visitors import NotAllowed, Visitor, Visitors

Answered = Callable[[Request, Visitor], Awaitable[Response]]


class DeskRoutes:
    """The routes, on what all of them share."""

    def __init__(self, accounts: OpenAccounts, visitors: Visitors, beside: Beside) -> None:
        self.accounts, self.visitors, self.beside = accounts, visitors, beside
        self._shared = SharedLooks()

    def routes(self) -> list[Route]:
        """Those of the dashboard, and of logging in."""
        pages = [
            Route(f"{PREFIX}{_pattern(page)}", self.kept(partial(self._page, page)))
            for page in PAGES
        ]
        return [
            Route("/", _to_the_desk),
            Route(PREFIX, _to_the_desk),
            Route(f"{PREFIX}/files/{{name}}", self._file),
            Route(f"{PREFIX}/login", self._login_page),
            Route(f"{PREFIX}/login", self._login, methods=["POST"]),
            Route(f"{PREFIX}/logout", self.kept(self._logout), methods=["POST"]),
            Route(f"{PREFIX}/act/{{slug}}", self.kept(self._ask)),
            Route(f"{PREFIX}/act/{{slug}}", self.kept(self._act), methods=["POST"]),
            *pages,
        ]

    def kept(self, answer: Answered) -> Callable[[Request], Awaitable[Response]]:
        """A route for whoever has logged in; others are sent to the login, or told to go there."""

        async def answering(request: Request) -> Response:
            try:
                self.visitors.check_host(request)
                shown = request.cookies.get(self.visitors.cookie, "")
                by_proxy = self.visitors.by_proxy(request)
                visitor = await self.beside(self.visitors.visitor, shown, by_proxy)
                if visitor is None:
                    return _to_login(request)
                response = await answer(request, visitor)
            except NotAllowed as refused:
                return told("Refused", str(refused), 403)
            except TooLarge:
                return told("Too large", "No page of the desk sends a form so large.", 413)
            except TooBusy:
                return told("Too busy", "Too much is under way at once; try it again.", 503)
            except redis.RedisError:
                return told("Redis does not answer", "Try again in a moment.", 503)
            if visitor.token != shown and visitor.token:
                self._give(response, visitor.token)
            return response

        return answering

    async def _page(self, page: DashboardPage, request: Request, visitor: Visitor) -> Response:
        account = request.query_params.get("account", "")
        words = [request.query_params.get(name, "").strip() for name in page.asks]
        names = list(request.path_params.values())
        full = visitor.person.may("numbers")
        look = partial(answered, self.accounts, page, account, *names, *words, full=full)
        key = (page.slug, full, account, *names, *words)
        answer = await self.beside(self._shared, key, look)
        return await self._shown(page, answer, request, visitor, ": ".join((page.title, *names)))

    async def _ask(self, request: Request, visitor: Visitor) -> Response:
        fields = asked_for(request)
        wanted = Wanted(request.path_params["slug"], visitor.person, fields.one("account"), fields)
        answer = await self.beside(asked, self.accounts, wanted)
        return await self._shown(page_of(wanted.slug), answer, request, visitor, "Confirm")

    async def _act(self, request: Request, visitor: Visitor) -> Response:
        fields = await fields_of(request)
        self.visitors.check_form(request, visitor, fields.one("_xsrf"))
        wanted = Wanted(request.path_params["slug"], visitor.person, fields.one("account"), fields)
        answer = await self.beside(performed, self.accounts, wanted)
        return await self._shown(page_of(wanted.slug), answer, request, visitor, "Confirm")

    async def _shown(
        self,
        page: DashboardPage,
        answer: PageAnswer,
        request: Request,
        visitor: Visitor,
        title: str,
    ) -> Response:
        """The page, or what ``?as=`` asks for of it."""
        html = await self.beside(
            partial(page_drawn, desk=True), page, answer, PREFIX, visitor.person, visitor.forms
        )
        asked_as, have = request.query_params.get("as", ""), request.query_params.getlist("have")
        if (polled := polling.told(asked_as, have, answer, html)) is not None:
            return JSONResponse(polled, answer.status, shell.HEADERS)
        about = {"name": visitor.person.name, "forms": visitor.forms}
        live = page.slug != "act"
        return shell.page(title, html, answer.status, live=live, **about)

    async def _file(self, request: Request) -> Response:
        return shell.file(request.path_params["name"]) or told("Not found", "No such file.", 404)

    async def _login_page(self, request: Request) -> Response:
        try:
            self.visitors.check_host(request)
        except NotAllowed as refused:
            return told("Refused", str(refused), 403)
        return _login_form(request.query_params.get("next", ""))

    async def _login(self, request: Request) -> Response:
        try:
            self.visitors.check_host(request)
            self.visitors.check_origin(request)
            fields = await fields_of(request)
            name, password = fields.one("name")[:80], fields.one("password")
            address = self.visitors.address(request)
            token, said = await self.beside(self._tried, name, password, address)
        except NotAllowed as refused:
            return told("Refused", str(refused), 403)
        except (TooLarge, TooBusy):
            return told("Too busy", "Try it again.", 503)
        except redis.RedisError:
            return told("Redis does not answer", "Try again in a moment.", 503)
        if not token:
            return _login_form(fields.one("next"), name, said)
        response = RedirectResponse(_inside(fields.one("next")), 303, shell.HEADERS)
        self._give(response, token)
        return response

    def _tried(self, name: str, password: str, address: str) -> tuple[str, str]:
        """A session's token, or what to say where there is none."""
        sessions = self.visitors.sessions
        if not sessions.may_try(name, address):
            return "", "Too many tries: wait a quarter of an hour."
        user = self.visitors.users().get(name)
        if not passwords.matches(password, user.password_hash if user else ""):
            return "", "No such name with that password."
        sessions.forget(name, address)
        return sessions.open(name), ""

    async def _logout(self, request: Request, visitor: Visitor) -> Response:
        fields = await fields_of(request)
        self.visitors.check_form(request, visitor, fields.one("_xsrf"))
        await self.beside(self.visitors.sessions.end, visitor.token)
        response = RedirectResponse(f"{PREFIX}/login", 303, shell.HEADERS)
        response.delete_cookie(
            self.visitors.cookie, "/", secure=self.visitors.secure, httponly=True, samesite="lax"
        )
        return response

    def _give(self, response: Response, token: str) -> None:
        response.set_cookie(
            self.visitors.cookie,
            token,
            path="/",
            secure=self.visitors.secure,
            httponly=True,
            samesite="lax",
        )


def told(title: str, said: str, status: int) -> Response:
    """A page that says why there is none."""
    return shell.page(title, shell.drawn("refused", title=title, said=said), status)


def _pattern(page: DashboardPage) -> str:
    return page.path.replace("([^/]+)", "{name}")


async def _to_the_desk(request: Request) -> Response:
    return RedirectResponse(f"{PREFIX}/", 307, shell.HEADERS)


def _login_form(next: str, given: str = "", said: str = "") -> Response:
    body = shell.drawn("login", next=_inside(next), given=given, said=said)
    return shell.page("Log in", body, 401 if said else 200)


def _to_login(request: Request) -> Response:
    """The login, which leads back; a script or a form is told that its session has ended."""
    if request.method != "GET" or request.query_params.get("as"):
        return told("Log in", "Your session has ended: log in, and do it again.", 401)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"{PREFIX}/login?next={quote(path, safe='')}", 303, shell.HEADERS)


def _inside(path: str) -> str:
    """A path of the desk, whatever a link says: it leads nowhere else."""
    parts = urlsplit(path)
    alone = not parts.scheme and not parts.netloc and "\\" not in path
    return path if alone and parts.path.startswith(f"{PREFIX}/") else f"{PREFIX}/"
