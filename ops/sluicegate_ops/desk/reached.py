"""Whom a campaign did not reach, and why: read beside receipts, by code, to download."""

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from sluicegate.campaigns.stored_campaign import Campaign

from . import shell
from .causes import LISTS
from .draft_pages import DRAFT, DraftPages, to_draft
from .drafts import Draft
from .routes import told
from .shell import PREFIX
from .visitors import Visitor


class ReachedRoutes:
    """The routes that tell whom a campaign did not reach, for people who may send."""

    def __init__(self, pages: DraftPages) -> None:
        self._pages = pages

    def routes(self) -> list[Route]:
        begin = f"{PREFIX}/campaigns/{{name}}/unreached"
        return [
            Route(begin, self._pages.of_sender(self._begin)),
            Route(
                f"{DRAFT}/list", self._pages.of_draft(self._list, "unreached"), methods=["POST"]
            ),
            Route(f"{DRAFT}/list", self._pages.of_draft(self._download, "unreached")),
        ]

    async def _begin(self, request: Request, visitor: Visitor) -> Response:
        """Have the report read; its page shows how far it is."""

        def fill(draft: Draft, campaign: Campaign) -> None:
            draft.shown = f"whom {campaign.name} did not reach"

        draft = await self._pages.begun("unreached", request, visitor, fill)
        if isinstance(draft, Response):
            return draft
        args = ["campaign", "report", "--json", "--", draft.name]
        self._pages.jobs.begin(draft, "report", visitor.person.name, args)
        return to_draft(draft)

    async def _list(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """Have the list made; the audit keeps who took whole numbers out."""
        await self._pages.taken(request, visitor)
        full = visitor.person.may("numbers")
        file = self._pages.drafts.place(draft) / LISTS[full]
        args = ["campaign", "export", "--unreached", f"--out={file}", "--overwrite"]
        args += ["--full"] * full
        args += [f"--who={visitor.person.name}", "--", draft.name]
        self._pages.jobs.begin(draft, "list", visitor.person.name, args)
        return to_draft(draft)

    async def _download(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        path = self._pages.drafts.place(draft) / LISTS[visitor.person.may("numbers")]
        exists = await self._pages.desk.beside(path.exists)
        if not exists:
            return told("Not found", "The list has not been made: make it first.", 404)
        name = f"{draft.name}.unreached.csv"
        return FileResponse(path, 200, shell.HEADERS, "text/csv", filename=name)
