"""Pages of drafts: what those of a new campaign and those of another try have in common."""

import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate.config import Account
from sluicegate.errors import SluicegateError

from ..dashboard.acts.acting import FormFields
from ..operating.campaign.opening_words import OpeningLine, opening_line
from ..operating.words import clean, hidden, local, when
from . import shell
from .causes import LISTS, cause_lines
from .drafts import DeskDrafts, Draft, DraftKind, UnknownDraft
from .form_words import in_words_of_the_form
from .forms import fields_of
from .jobs import Jobs
from .routes import Answered, DeskRoutes, told
from .shell import PREFIX
from .visitors import Visitor

DRAFT: Final = f"{PREFIX}/drafts/{{id}}"
"""The path of a draft, as a route has it."""

MOST_TEXT: Final = 10_000
MOST_VALUE: Final = 300
REJECTS: Final = "rejected.csv"

_TEMPLATES: Final[Mapping[DraftKind, str]] = {
    "campaign": "draft",
    "revise": "again",
    "retry": "again",
    "unreached": "unreached",
}

_DOCUMENTS: Final[Mapping[DraftKind, str]] = {"retry": "ask.out", "unreached": "report.out"}
"""What the commands wrote that the page is about; of others that of the check."""

Draw = Callable[[Request, Visitor, Draft], Awaitable[Response]]
Fill = Callable[[Draft, Campaign], None]


class DraftPages:
    """Drafts as people who may send see them, whatever they are about."""

    def __init__(self, desk: DeskRoutes, drafts: DeskDrafts, jobs: Jobs) -> None:
        self.desk, self.drafts, self.jobs = desk, drafts, jobs

    def routes(self) -> list[Route]:
        return [
            Route(f"{PREFIX}/drafts", self.of_sender(self._list)),
            Route(DRAFT, self.of_draft(self._show)),
            Route(f"{DRAFT}/remove", self.of_draft(self._remove), methods=["POST"]),
        ]

    def of_sender(self, answer: Answered) -> Callable[[Request], Awaitable[Response]]:
        """A route for whoever may send."""

        async def answering(request: Request, visitor: Visitor) -> Response:
            return await answer(request, visitor) if visitor.person.may("send") else may_not()

        return self.desk.kept(answering)

    def of_draft(
        self, answer: Draw, *kinds: DraftKind
    ) -> Callable[[Request], Awaitable[Response]]:
        """A route of one draft, of any kind or of one of ``kinds``, for whoever may send."""

        async def answering(request: Request, visitor: Visitor) -> Response:
            try:
                found = await self.desk.beside(self.drafts.get, request.path_params["id"])
            except UnknownDraft:
                said = "There is no such draft on this host: it was removed, or is on another."
                return told("Not found", said, 404)
            if kinds and found.kind not in kinds:
                return told("Not found", "That is done to another kind of draft.", 404)
            return await answer(request, visitor, self.jobs.seen(found))

        return self.of_sender(answering)

    async def begun(
        self, kind: DraftKind, request: Request, visitor: Visitor, fill: Fill
    ) -> Draft | Response:
        """A new draft about the campaign of the route; the answer where there is none.

        ``fill`` puts in what the draft is to hold. It may wait for Redis, so a thread calls it.
        """
        self.desk.visitors.check_site(request)
        account = request.query_params.get("account", "")

        def begin() -> Draft:
            campaigns = self.desk.accounts.session(account).campaigns
            campaign = campaigns.get(request.path_params["name"])
            draft = self.drafts.make(kind, visitor.person.name, account, campaign.name)
            fill(draft, campaign)
            return draft

        try:
            return await self.desk.beside(begin)
        except SluicegateError as error:
            return told("Not found", clean(hidden(str(error))), 404)

    def page(
        self, visitor: Visitor, title: str, template: str, status: int = 200, **fields: Any
    ) -> Response:
        body = shell.drawn(template, forms=visitor.forms, person=visitor.person, **fields)
        return shell.page(title, body, status, name=visitor.person.name, forms=visitor.forms)

    async def draft_page(
        self, visitor: Visitor, draft: Draft, trouble: str = "", status: int = 200
    ) -> Response:
        job = draft.job
        about = await self.desk.beside(self._about, draft)
        return self.page(
            visitor,
            draft.name or draft.shown or draft.kind,
            _TEMPLATES[draft.kind],
            status,
            draft=draft,
            trouble=trouble,
            running=bool(job and job.code is None),
            current=bool(job and job.checked == draft.hash),
            watch=campaign_path(draft, draft.name),
            path=partial(campaign_path, draft, draft.name),
            path_to=partial(campaign_path, draft),
            **about,
        )

    def _about(self, draft: Draft) -> dict[str, Any]:
        """What the draft's files say, and what its form offers."""
        job = draft.job
        said = self.drafts.read(draft, f"{job.kind}.err") if job else ""
        told = job is not None and job.kind in ("ask", "do")
        out = self.drafts.read(draft, f"{job.kind}.out") if job and told else ""
        lines = [in_words_of_the_form(clean(hidden(line))) for line in said.splitlines()]
        account = self._account(draft)
        document = self.drafts.document(draft, _DOCUMENTS.get(draft.kind, "check.out"))
        place = self.drafts.place(draft)
        now_ms = time.time() * 1000
        return {
            "document": document,
            "openings": openings(document.get("hours", ()), now_ms),
            "done": self.drafts.document(draft, "do.out") if draft.sent else {},
            "rows": draft.kind == "retry" and self.drafts.rows_of(draft) is not None,
            "causes": list(cause_lines(document)),
            "made": {full: (place / name).exists() for full, name in LISTS.items()},
            "read_at": local(_written_ms(place / "report.out"), now_ms),
            "lines": list(filter(None, lines))[-8:],
            "output": hidden(out)[-20_000:],
            "text": self.drafts.read(draft, "text.txt"),
            "senders": sorted(account.senders),
            "rejects": (place / REJECTS).exists(),
            "approves": account.approve_campaigns,
            "short_links": self.desk.accounts.config.web.short_links,
        }

    def _account(self, draft: Draft) -> Account:
        return self.desk.accounts.config.account(draft.account or self.desk.accounts.names[0])

    async def taken(self, request: Request, visitor: Visitor) -> FormFields:
        fields = await fields_of(request)
        self.desk.visitors.check_form(request, visitor, fields.one("_xsrf"))
        return fields

    async def _list(self, request: Request, visitor: Visitor) -> Response:
        drafts = await self.desk.beside(lambda: [self.jobs.seen(one) for one in self.drafts])
        host = socket.gethostname()
        return self.page(visitor, "Drafts", "drafts", drafts=drafts, moment=when, host=host)

    async def _show(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        return await self.draft_page(visitor, draft)

    async def _remove(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        await self.taken(request, visitor)
        if not self.jobs.runs(draft):
            await self.desk.beside(self.drafts.remove, draft)
        return RedirectResponse(f"{PREFIX}/drafts", 303, shell.HEADERS)


def campaign_path(draft: Draft, name: str, *parts: str, **words: str) -> str:
    """The path of a campaign of the draft's account, or of a page of it."""
    query = urlencode(({"account": draft.account} if draft.account else {}) | words)
    path = "/".join(quote(part, safe="") for part in (name, *parts))
    return f"{PREFIX}/campaigns/{path}" + (f"?{query}" if query else "")


def openings(hours: Iterable[Mapping[str, Any]], now_ms: float) -> list[OpeningLine]:
    """When a checked file's recipients may be sent to, zone by zone."""
    return [
        opening_line(
            one["recipients"],
            one["zones"],
            one["rules"],
            one["opens_ms"],
            one["closes_ms"],
            now_ms,
        )
        for one in hours
    ]


def _written_ms(path: Path) -> float:
    """When a file was written; 0 where there is none."""
    try:
        return path.stat().st_mtime * 1000
    except OSError:
        return 0.0


def to_draft(draft: Draft) -> Response:
    return RedirectResponse(f"{PREFIX}/drafts/{draft.id}", 303, shell.HEADERS)


def may_not() -> Response:
    return told("Refused", "You may not do this: it takes the role send.", 403)
