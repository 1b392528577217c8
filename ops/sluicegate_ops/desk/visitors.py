"""Who a request is from, and whether a form of theirs comes from a page of ours."""

import hmac
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.requests import Request

from sluicegate.addresses import is_loopback
from sluicegate.config import Desk

from ..dashboard.person import Person, person_named
from ..dashboard.users import KnownUsers
from ..web.peers import Proxies
from .sessions import Sessions

COOKIE: Final = "sluicegate-desk"


class NotAllowed(Exception):
    """A request that is refused; the text says why, without a word of the request."""


class Visitor(NamedTuple):
    """Somebody who has logged in: ``token`` names the session, ``forms`` marks its forms."""

    person: Person
    token: str
    forms: str


class Visitors:
    """Tells visitors by their cookie or by a proxy's header."""

    def __init__(
        self, desk: Desk, proxies: Sequence[str], sessions: Sessions, users: KnownUsers
    ) -> None:
        self.desk, self.sessions, self.users = desk, sessions, users
        self._proxies = Proxies(proxies)

    @property
    def cookie(self) -> str:
        """The cookie's name; with https a browser holds it to this host, and to https."""
        return f"__Host-{COOKIE}" if self.secure else COOKIE

    @property
    def secure(self) -> bool:
        return bool(self.desk.url)

    def address(self, request: Request) -> str:
        """Where a request comes from; of a proxy's, what it says."""
        address = request.client.host if request.client else ""
        if address in self._proxies:
            said = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
            return said or address
        return address

    def check_host(self, request: Request) -> None:
        """Refuse a name that is not ours: whoever owns a name can point it here.

        Raises NotAllowed.
        """
        host = request.headers.get("host", "")
        named = bool(self.desk.url) and host == urlsplit(self.desk.url).netloc
        if not (named or _is_here(host)):
            raise NotAllowed("Open the desk at its own address.")

    def check_origin(self, request: Request) -> None:
        """Refuse what another site had a browser send; raises NotAllowed."""
        site, origin = (request.headers.get(name) for name in ("sec-fetch-site", "origin"))
        ours = origin is not None and urlsplit(origin).netloc == request.headers.get("host")
        if not ours or site not in (None, "same-origin"):
            raise NotAllowed("This form does not come from a page of the desk.")

    def check_site(self, request: Request) -> None:
        """Refuse a link that another site had a browser follow; raises NotAllowed."""
        if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise NotAllowed("Open this from a page of the desk.")

    def check_form(self, request: Request, visitor: Visitor, token: str) -> None:
        """``check_origin``, and that the form is one of the visitor's session."""
        self.check_origin(request)
        if not hmac.compare_digest(token.encode(), visitor.forms.encode()):
            raise NotAllowed("This form is old: open the page again.")

    def by_proxy(self, request: Request) -> str:
        """The name that a proxy says has logged in to it; ``""`` where none says so."""
        name = self.desk.user_header
        address = request.client.host if request.client else ""
        if not name or address not in self._proxies:
            return ""
        said = request.headers.getlist(name)
        return said[0].strip() if len(said) == 1 else ""

    def visitor(self, token: str, by_proxy: str) -> Visitor | None:
        """Whose session it is; None where it has ended, or is not who the proxy says.

        With a proxy that says who has logged in, its word opens a session. Raises redis-py's
        errors.
        """
        found = self.sessions.read(token) if token else None
        if by_proxy and (found is None or found.name != by_proxy):
            if by_proxy not in self.users():
                return None
            token = self.sessions.open(by_proxy)
            found = self.sessions.read(token)
        if found is None or (self.desk.user_header and not by_proxy and not self._has(found.name)):
            return None
        users = self.users()
        if found.name not in users:
            return None
        return Visitor(person_named(users, found.name), token, found.forms)

    def _has(self, name: str) -> bool:
        """Whether a person has a password here, and so may come past the proxy."""
        user = self.users().get(name)
        return bool(user and user.password_hash)


def _is_here(host: str) -> bool:
    """Whether a request's host is an address of this computer's own, or localhost."""
    name = urlsplit(f"//{host}").hostname or ""
    return is_loopback(name)
