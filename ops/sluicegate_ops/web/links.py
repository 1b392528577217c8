"""Short links: people are sent on to where a link leads, and counted; programs are told apart."""

import asyncio
import re
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, NamedTuple

import redis
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from sluicegate.campaigns.link_book import LINKS
from sluicegate.campaigns.short_links import PATH
from sluicegate.keys import Keys
from sluicegate.scripts import Scripts
from sluicegate.stored import hash_of

from .site import Site

KNOWN_SECONDS: Final = 60.0
"""So long a link is known without asking Redis: it never leads elsewhere, but may be deleted."""

COUNTING_SECONDS: Final = 0.5
"""Nobody waits longer for being counted."""

_MOST_KNOWN = 10_000
_PROGRAM = re.compile(
    r"bot\b|bot/|crawl|spider|preview|facebookexternalhit|facebookcatalog|whatsapp|telegram|slack|"
    r"discord|skype|twitter|linkedin|pinterest|embed|monitor|scan|curl|wget|python|java/|okhttp|"
    r"go-http-client|headless|urlcheck|safebrowsing|bitdefender|proofpoint|barracuda|mimecast",
    re.IGNORECASE,
)
_PURPOSES: Final = ("purpose", "sec-purpose", "x-purpose", "x-moz")
_HEADERS: Final = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
_NOWHERE: Final = "This link leads nowhere (any more).\n"
_LATER: Final = "Please try this link again in a minute.\n"


class KnownLink(NamedTuple):
    """A link of an account's: its campaign, where it leads, over how many sets its members are."""

    account: str
    campaign: str
    address: str
    shards: int


class LinkRoutes:
    """Follows the short links of all accounts; ``clock`` is monotonic, in seconds."""

    def __init__(self, site: Site, clock: Callable[[], float] = monotonic) -> None:
        self._site, self._clock = site, clock
        self._scripts = {
            name: Scripts(site.client, Keys(name).prefix) for name in site.config.accounts
        }
        self._known: dict[str, tuple[float, Sequence[KnownLink]]] = {}

    async def follow(self, request: Request) -> Response:
        """Send whoever comes on to where the link leads, if it is a recipient's."""
        found = PATH.fullmatch(f"/{request.path_params['link']}")
        if found is None:
            return _told(_NOWHERE, 404)
        code, short = found.groups()
        try:
            async with asyncio.timeout(COUNTING_SECONDS):
                address = await self._followed(code, short, _kind(request))
        except (TimeoutError, redis.RedisError):
            return self._uncounted(code)
        if not address:
            self._site.counts.note("links_unknown")
            return _told(_NOWHERE, 404)
        return RedirectResponse(address, 302, _HEADERS)

    async def _followed(self, code: str, short: str, kind: str) -> str:
        hash = hash_of(short.encode())
        for link in await self._links(code):
            whose = ["followed", link.campaign, code, str(hash % link.shards), str(hash), kind]
            if await self._scripts[link.account].acall(LINKS, whose):
                self._site.counts.note(f"links_{kind}", link.account)
                return link.address
        return ""

    async def _links(self, code: str) -> Sequence[KnownLink]:
        """Each account's link of that code; codes are chosen for each account by itself."""
        now = self._clock()
        until, known = self._known.get(code, (0.0, ()))
        if now < until:
            return known
        if len(self._known) >= _MOST_KNOWN:  # somebody tries them all
            self._known.clear()
        found = []
        for account, scripts in self._scripts.items():
            told = await scripts.acall(LINKS, ["find", code])
            if told:
                campaign, address, shards = (text.decode() for text in told)
                found.append(KnownLink(account, campaign, address, int(shards)))
        self._known[code] = now + KNOWN_SECONDS, found
        return found

    def _uncounted(self, code: str) -> Response:
        """Redis did not answer in time: whoever follows a known link is sent on all the same."""
        _, known = self._known.get(code, (0.0, ()))
        self._site.counts.note("links_uncounted", known[0].account if known else "")
        if len(known) == 1:
            return RedirectResponse(known[0].address, 302, _HEADERS)
        return _told(_LATER, 503, {"retry-after": "60"})


def _kind(request: Request) -> str:
    """``person``, or ``preview`` where a program looks before anybody does, as it seems."""
    asks = any(request.headers.get(name) for name in _PURPOSES)
    agent = request.headers.get("user-agent", "")
    is_program = request.method != "GET" or asks or not agent or _PROGRAM.search(agent)
    return "preview" if is_program else "person"


def _told(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, {**_HEADERS, **(headers or {})})
