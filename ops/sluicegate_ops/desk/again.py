"""Another text for a campaign that is there, and another try for whom it failed."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sluicegate.campaigns.stored_campaign import Campaign

from .draft_pages import DRAFT, MOST_TEXT, MOST_VALUE, DraftPages, to_draft
from .drafts import Draft, DraftKind
from .shell import PREFIX
from .uploading import BadUpload, UploadedFile
from .visitors import Visitor

_KINDS: Final[Sequence[DraftKind]] = ("revise", "retry")


class AgainRoutes:
    """The routes that revise a campaign or retry it, for people who may send."""

    def __init__(self, pages: DraftPages) -> None:
        self._pages = pages

    def routes(self) -> list[Route]:
        of = f"{PREFIX}/campaigns/{{name}}"
        return [
            Route(f"{of}/revise", self._pages.of_sender(partial(self._again, "revise"))),
            Route(f"{of}/retry", self._pages.of_sender(partial(self._again, "retry"))),
            Route(f"{DRAFT}/ask", self._pages.of_draft(self._ask, *_KINDS), methods=["POST"]),
            Route(f"{DRAFT}/file", self._pages.of_draft(self._upload, "retry"), methods=["POST"]),
            Route(f"{DRAFT}/do", self._pages.of_draft(self._do, *_KINDS), methods=["POST"]),
        ]

    async def _again(self, kind: DraftKind, request: Request, visitor: Visitor) -> Response:
        """Begin to revise a campaign, or to try again whom it failed for."""

        def fill(draft: Draft, campaign: Campaign) -> None:
            self._pages.drafts.write(draft, "text.txt", campaign.current.text)
            if kind == "retry":
                draft.settings = {"failed": request.query_params.get("failed", "any")[:MOST_VALUE]}
            self._pages.drafts.save(draft)

        draft = await self._pages.begun(kind, request, visitor, fill)
        return draft if isinstance(draft, Response) else to_draft(draft)

    async def _ask(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """Have the command say what it would do: without a word of agreement it does nothing."""
        fields = await self._pages.taken(request, visitor)
        if self._pages.jobs.runs(draft) or draft.sent:
            return to_draft(draft)
        if draft.kind == "revise":
            text = fields.one("text").replace("\r\n", "\n")[:MOST_TEXT]
            draft.settings = {"text": text}
            await self._pages.desk.beside(self._pages.drafts.write, draft, "text.txt", text)
        else:
            draft.settings = fields.named("failed", "as")
        args = await self._pages.desk.beside(self._again_args, draft)
        self._pages.jobs.begin(draft, "ask", visitor.person.name, args)
        return to_draft(draft)

    async def _do(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """Agree to what the command has said."""
        fields = await self._pages.taken(request, visitor)
        job = draft.job
        asked = job is not None and job.kind == "ask" and job.code is not None
        if not asked or self._pages.jobs.runs(draft) or draft.sent:
            return to_draft(draft)
        if fields.one("hash") != draft.hash:
            said = "Nothing was done: it has changed since you saw it."
            return await self._pages.draft_page(visitor, draft, said, 409)
        agreed = [f"--who={visitor.person.name}", "--yes"]
        agreed += [f"--why={why}"] if (why := fields.one("why")[:MOST_VALUE]) else []
        args = await self._pages.desk.beside(self._again_args, draft, agreed)
        self._pages.jobs.begin(draft, "do", visitor.person.name, args)
        return to_draft(draft)

    def _again_args(self, draft: Draft, more: Sequence[str] = ()) -> list[str]:
        if draft.kind == "revise":
            text = f"--text-file={self._pages.drafts.place(draft) / 'text.txt'}"
            return ["campaign", "revise", text, *more, "--", draft.name]
        failed = f"--failed={draft.settings.get('failed') or 'any'}"
        named = [f"--as={name}"] if (name := draft.settings.get("as")) else []
        rows = [f"--with={path}"] if (path := self._pages.drafts.rows_of(draft)) else []
        how = more or ["--dry-run"]
        return ["campaign", "retry", failed, *named, *rows, *how, "--json", "--", draft.name]

    async def _upload(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """Take the file that a campaign was from, where it is not here any more."""
        desk = self._pages.desk
        desk.visitors.check_origin(request)
        if self._pages.jobs.runs(draft) or draft.sent:
            return to_draft(draft)

        def begin(fields: Mapping[str, str]) -> None:
            desk.visitors.check_form(request, visitor, fields.get("_xsrf", ""))

        kind, most = request.headers.get("content-type", ""), desk.visitors.desk.upload_bytes
        try:
            path = self._pages.drafts.place(draft) / "rows"
            await UploadedFile(kind, path, most, begin).take(request.stream(), desk.beside)
        except BadUpload as error:
            return await self._pages.draft_page(visitor, draft, str(error), 422)
        draft.file = "rows"
        await desk.beside(self._pages.drafts.save, draft)
        return to_draft(draft)
