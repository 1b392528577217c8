"""A new campaign at the desk: a file uploaded, a text checked against it, tested, started."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from sluicegate.campaigns.opening import open_rows
from sluicegate.errors import BadFile, SluicegateError
from sluicegate.segments import count as count_segments

from ..operating.words import clean, hidden, lasting
from . import shell
from .audience import COLUMNS, OUTCOMES, Audience
from .draft_pages import DRAFT, MOST_TEXT, MOST_VALUE, REJECTS, DraftPages, Draw, may_not, to_draft
from .drafts import Draft
from .forms import asked_for
from .routes import told
from .shell import PREFIX
from .uploading import BadUpload, UploadedFile
from .visitors import Visitor

FILE_OPTIONS: Final[Mapping[str, str]] = {
    "sender": "from",
    "profile": "profile",
    "to_column": "to-column",
    "region": "region",
    "key": "key",
    "sheet": "sheet",
    "where": "where",
    "hours": "hours",
    "preset": "preset",
    "zone": "zone",
    "at_local": "at-local",
    "holidays": "holidays",
    "on_close": "on-close",
    "except_campaign": "except-campaign",
    "not_reached_for": "not-reached-for",
    "expires_at": "expires-at",
    "rate": "rate",
}
"""Fields of the form, and the options of every command that reads the file."""

FLAGS: Final[Mapping[str, str]] = {
    "short_links": "short-links",
    "plain_punctuation": "plain-punctuation",
}
"""Those that are on or off."""

START_OPTIONS: Final[Mapping[str, str]] = {
    "at": "at",
    "max_cost": "max-cost",
    "max_messages": "max-messages",
    "canary": "canary",
    "pause_if": "pause-if",
}
"""Those of ``campaign start`` alone."""


class BlastRoutes:
    """The routes of a new campaign, for people who may send."""

    def __init__(self, pages: DraftPages) -> None:
        self._pages = pages

    def routes(self) -> list[Route]:
        to_all, one = self._pages.of_sender, self._pages.of_draft
        posts: Mapping[str, Draw] = {
            "check": self._check,
            "test": self._test,
            "start": self._start,
        }
        return [
            Route(f"{PREFIX}/new", to_all(self._new)),
            Route(f"{PREFIX}/new", to_all(self._upload), methods=["POST"]),
            Route(f"{PREFIX}/audience", to_all(self._choose), methods=["POST"]),
            Route(f"{PREFIX}/count", to_all(self._count), methods=["POST"]),
            Route(f"{DRAFT}/rejects", one(self._rejects, "campaign")),
            *(
                Route(f"{DRAFT}/{name}", one(post, "campaign"), methods=["POST"])
                for name, post in posts.items()
            ),
        ]

    async def _new(self, request: Request, visitor: Visitor) -> Response:
        asked = asked_for(request)
        given = {name: asked.one(name)[:MOST_VALUE] for name in ("account", "campaign", "outcome")}
        return self._new_page(visitor, given=given)

    def _new_page(
        self,
        visitor: Visitor,
        trouble: str = "",
        status: int = 200,
        given: Mapping[str, str] | None = None,
    ) -> Response:
        most = self._pages.desk.visitors.desk.upload_bytes
        accounts = self._pages.desk.accounts.names
        fields = {"trouble": trouble, "most": most, "accounts": accounts, "given": given or {}}
        fields["kept"] = lasting(self._pages.desk.visitors.desk.keep_files_seconds)
        outcomes = {name: said for name, (said, _) in OUTCOMES.items()}
        return self._pages.page(
            visitor, "New campaign", "new", status, outcomes=outcomes, **fields
        )

    async def _choose(self, request: Request, visitor: Visitor) -> Response:
        """Begin a campaign to an earlier one's recipients."""
        fields = await self._pages.taken(request, visitor)
        account = _known(fields.one("account"), self._pages.desk.accounts.names)
        name, outcome = fields.one("campaign"), fields.one("outcome")
        if outcome not in OUTCOMES:
            return self._new_page(visitor, "Choose who of its recipients.", 422)

        def begun() -> Draft:
            audience = self._pages.desk.accounts.session(account).campaigns.get(name).name
            draft = self._pages.drafts.make("campaign", visitor.person.name, account)
            draft.audience, draft.outcome = audience, outcome
            draft.shown = draft.form = Audience(audience, outcome).said
            draft.columns = list(COLUMNS)
            draft.settings = {"to_column": "phone"}
            self._pages.drafts.save(draft)
            return draft

        try:
            return to_draft(await self._pages.desk.beside(begun))
        except SluicegateError as error:
            return self._new_page(visitor, clean(hidden(str(error))), 404)

    async def _upload(self, request: Request, visitor: Visitor) -> Response:
        self._pages.desk.visitors.check_origin(request)
        beside, name = self._pages.desk.beside, visitor.person.name
        draft = await beside(self._pages.drafts.make, "campaign", name, "")
        place = self._pages.drafts.place(draft)
        draft.file = "rows"

        def begin(fields: Mapping[str, str]) -> None:
            self._pages.desk.visitors.check_form(request, visitor, fields.get("_xsrf", ""))

        try:
            most = self._pages.desk.visitors.desk.upload_bytes
            kind = request.headers.get("content-type", "")
            upload = UploadedFile(kind, place / draft.file, most, begin)
            await upload.take(request.stream(), beside)
            draft.account = _known(
                upload.fields.get("account", ""), self._pages.desk.accounts.names
            )
            draft.shown = clean(Path(upload.name.replace("\\", "/")).name)[:120] or "file"
            draft.form, draft.columns = await beside(_opened, place / draft.file)
            await beside(self._pages.drafts.save, draft)
        except (BadUpload, BadFile, ModuleNotFoundError) as error:
            await beside(self._pages.drafts.remove, draft)
            said = str(error).replace(str(place / draft.file), "the file")
            return self._new_page(visitor, said, 422)
        except OSError as error:
            await beside(self._pages.drafts.remove, draft)
            return self._new_page(visitor, f"it can't be stored here: {error.strerror}", 507)
        except BaseException:
            await beside(self._pages.drafts.remove, draft)
            raise
        return to_draft(draft)

    async def _check(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        fields = await self._pages.taken(request, visitor)
        if self._pages.jobs.runs(draft) or draft.sent:
            return to_draft(draft)
        draft.name = fields.one("name")[:60]
        names = (*FILE_OPTIONS, *FLAGS, *START_OPTIONS)
        draft.settings = {name: text[:MOST_VALUE] for name, text in fields.named(*names).items()}
        text = fields.one("text").replace("\r\n", "\n")[:MOST_TEXT]
        draft.settings["text"] = text
        await self._pages.desk.beside(self._pages.drafts.write, draft, "text.txt", text)
        if not (draft.name and text):
            await self._pages.desk.beside(self._pages.drafts.save, draft)
            return await self._pages.draft_page(
                visitor, draft, "Give the campaign a name and a text.", 422
            )
        args = ["campaign", "preflight", *self._file_args(draft), f"--name={draft.name}", "--json"]
        args += [f"--at={at}"] if (at := draft.settings.get("at")) else []
        self._pages.jobs.begin(draft, "check", visitor.person.name, args)
        return to_draft(draft)

    def _file_args(self, draft: Draft) -> list[str]:
        """The options of a command that reads the file; a value never becomes an option itself."""
        place = self._pages.drafts.place(draft)
        given = [*_options(draft, FILE_OPTIONS), *_flags(draft)]
        files = [f"--text-file={place / 'text.txt'}", f"--rejects={place / REJECTS}"]
        if draft.audience:
            whom = Audience(draft.audience, draft.outcome).options
        else:
            whom = [str(place / draft.file)]
        return [*whom, *files, "--overwrite", *given]

    async def _test(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        fields = await self._pages.taken(request, visitor)
        to = fields.one("to")[:40]
        if not to:
            return await self._pages.draft_page(visitor, draft, "Say to which number.", 422)
        args = ["campaign", "test", *self._file_args(draft), f"--to={to}", "--sample=1"]
        if await self._ready(draft):
            self._pages.jobs.begin(draft, "test", visitor.person.name, args)
        return to_draft(draft)

    async def _start(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        fields = await self._pages.taken(request, visitor)
        if fields.one("hash") != draft.hash or not await self._ready(draft):
            said = "Nothing was sent. Check it first: it has changed since you saw it."
            return await self._pages.draft_page(visitor, draft, said, 409)
        args = ["campaign", "start", *self._file_args(draft), *_options(draft, START_OPTIONS)]
        args += [f"--name={draft.name}", f"--who={visitor.person.name}", "--yes", "--json"]
        args += [f"--why={why}"] if (why := fields.one("why")[:MOST_VALUE]) else []
        self._pages.jobs.begin(draft, "start", visitor.person.name, args)
        return to_draft(draft)

    async def _ready(self, draft: Draft) -> bool:
        """Whether it was checked as it is, has somebody to send to, and nothing runs."""
        job = draft.job
        if job is None or job.code is None or self._pages.jobs.runs(draft) or draft.sent:
            return False
        document = await self._pages.desk.beside(self._pages.drafts.document, draft, "check.out")
        return job.checked == draft.hash and bool(document.get("sendable"))

    async def _rejects(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """The rejected rows, for who uploaded them and for whoever may see numbers."""
        if visitor.person.name != draft.owner and not visitor.person.may("numbers"):
            return may_not()
        path = self._pages.drafts.place(draft) / REJECTS
        if not path.exists():
            return told("Not found", "No row was rejected.", 404)
        name = f"{Path(draft.shown).stem}.rejected.csv"
        return FileResponse(path, 200, shell.HEADERS, "text/csv", filename=name)

    async def _count(self, request: Request, visitor: Visitor) -> Response:
        fields = await self._pages.taken(request, visitor)
        text = fields.one("text")[:MOST_TEXT]
        return JSONResponse({"said": counted_text(text)}, 200, shell.HEADERS)


def counted_text(text: str) -> str:
    """How a text is billed as it stands; what its variables bring comes on top."""
    if not text:
        return ""
    found = count_segments(text)
    parts = "1 segment" if found.parts == 1 else f"{found.parts} segments"
    return f"{len(text):,} characters, {parts}, {found.encoding}, as it stands here"


def _opened(path: Path) -> tuple[str, list[str]]:
    """What a file was taken for, and its columns; raises BadFile."""
    rows = open_rows(path)
    return rows.form, list(rows.columns)


def _options(draft: Draft, options: Mapping[str, str]) -> list[str]:
    settings = draft.settings
    return [f"--{options[name]}={settings[name]}" for name in options if settings.get(name)]


def _flags(draft: Draft) -> list[str]:
    return [f"--{FLAGS[name]}" for name in FLAGS if draft.settings.get(name)]


def _known(account: str, names: list[str]) -> str:
    return account if account in names else ""
