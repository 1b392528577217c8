"""The campaign desk: a file uploaded, a text checked against it, tested, started, revised."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from sluicegate.campaigns.opening import open_rows
from sluicegate.config import Account
from sluicegate.errors import BadFile, SluicegateError
from sluicegate.segments import count as count_segments

from ..dashboard.acts.acting import FormFields
from ..operating.words import clean, hidden, when
from . import shell
from .audience import COLUMNS, OUTCOMES, Audience
from .drafts import DeskDrafts, Draft, UnknownDraft
from .forms import fields_of
from .jobs import Jobs
from .routes import DeskRoutes, told
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

_MOST_TEXT = 10_000
_MOST_VALUE = 300
_REJECTS = "rejected.csv"

Draw = Callable[[Request, Visitor, Draft], Awaitable[Response]]


class BlastRoutes:
    """The routes of the campaign desk, for people who may send."""

    def __init__(self, desk: DeskRoutes, drafts: DeskDrafts, jobs: Jobs) -> None:
        self._desk, self._drafts, self._jobs = desk, drafts, jobs

    def routes(self) -> list[Route]:
        kept, one = self._desk.kept, self._of_draft
        path = f"{PREFIX}/drafts/{{id}}"
        posts: Mapping[str, Draw] = {
            "check": self._check,
            "test": self._test,
            "start": self._start,
            "ask": self._ask,
            "do": self._do,
            "remove": self._remove,
        }
        return [
            Route(f"{PREFIX}/new", kept(self._new)),
            Route(f"{PREFIX}/new", kept(self._upload), methods=["POST"]),
            Route(f"{PREFIX}/audience", kept(self._choose), methods=["POST"]),
            Route(f"{PREFIX}/drafts", kept(self._list)),
            Route(f"{PREFIX}/count", kept(self._count), methods=["POST"]),
            Route(f"{PREFIX}/campaigns/{{name}}/{{kind}}", kept(self._again)),
            Route(path, kept(one(self._show))),
            Route(f"{path}/rejects", kept(one(self._rejects))),
            *(
                Route(f"{path}/{name}", kept(one(post)), methods=["POST"])
                for name, post in posts.items()
            ),
        ]

    def _of_draft(self, answer: Draw) -> Callable[[Request, Visitor], Awaitable[Response]]:
        async def answering(request: Request, visitor: Visitor) -> Response:
            if not visitor.person.may("send"):
                return _may_not()
            try:
                found = await self._desk.beside(self._drafts.get, request.path_params["id"])
            except UnknownDraft:
                return told("Not found", "There is no such draft on this host any more.", 404)
            return await answer(request, visitor, self._jobs.seen(found))

        return answering

    def _page(
        self, visitor: Visitor, title: str, template: str, status: int = 200, **fields: Any
    ) -> Response:
        body = shell.drawn(template, forms=visitor.forms, person=visitor.person, **fields)
        return shell.page(title, body, status, name=visitor.person.name, forms=visitor.forms)

    async def _new(self, request: Request, visitor: Visitor) -> Response:
        if not visitor.person.may("send"):
            return _may_not()
        return self._new_page(visitor)

    def _new_page(self, visitor: Visitor, trouble: str = "", status: int = 200) -> Response:
        most = self._desk.visitors.desk.upload_bytes
        accounts = self._desk.accounts.names
        fields = {"trouble": trouble, "most": most, "accounts": accounts}
        outcomes = {name: said for name, (said, _) in OUTCOMES.items()}
        return self._page(visitor, "New campaign", "new", status, outcomes=outcomes, **fields)

    async def _choose(self, request: Request, visitor: Visitor) -> Response:
        """Begin a campaign to an earlier one's recipients."""
        if not visitor.person.may("send"):
            return _may_not()
        fields = await self._taken(request, visitor)
        account = _known(fields.one("account"), self._desk.accounts.names)
        name, outcome = fields.one("campaign"), fields.one("outcome")
        if outcome not in OUTCOMES:
            return self._new_page(visitor, "Choose who of its recipients.", 422)

        def begun() -> Draft:
            audience = self._desk.accounts.session(account).campaigns.get(name).name
            draft = self._drafts.make("campaign", visitor.person.name, account)
            draft.audience, draft.outcome = audience, outcome
            draft.shown = draft.form = Audience(audience, outcome).said
            draft.columns = list(COLUMNS)
            draft.settings = {"to_column": "phone"}
            self._drafts.save(draft)
            return draft

        try:
            return _to(await self._desk.beside(begun))
        except SluicegateError as error:
            return self._new_page(visitor, clean(hidden(str(error))), 404)

    async def _upload(self, request: Request, visitor: Visitor) -> Response:
        if not visitor.person.may("send"):
            return _may_not()
        self._desk.visitors.check_origin(request)
        beside, name = self._desk.beside, visitor.person.name
        draft = await beside(self._drafts.make, "campaign", name, "")
        place = self._drafts.place(draft)
        draft.file = "rows"

        def begin(fields: Mapping[str, str]) -> None:
            self._desk.visitors.check_form(request, visitor, fields.get("_xsrf", ""))

        try:
            most = self._desk.visitors.desk.upload_bytes
            kind = request.headers.get("content-type", "")
            upload = UploadedFile(kind, place / draft.file, most, begin)
            await upload.take(request.stream(), beside)
            draft.account = _known(upload.fields.get("account", ""), self._desk.accounts.names)
            draft.shown = clean(Path(upload.name.replace("\\", "/")).name)[:120] or "file"
            draft.form, draft.columns = await beside(_opened, place / draft.file)
            await beside(self._drafts.save, draft)
        except (BadUpload, BadFile, ModuleNotFoundError) as error:
            await beside(self._drafts.remove, draft)
            said = str(error).replace(str(place / draft.file), "the file")
            return self._new_page(visitor, said, 422)
        except OSError as error:
            await beside(self._drafts.remove, draft)
            return self._new_page(visitor, f"it can't be stored here: {error.strerror}", 507)
        except BaseException:
            await beside(self._drafts.remove, draft)
            raise
        return _to(draft)

    async def _list(self, request: Request, visitor: Visitor) -> Response:
        if not visitor.person.may("send"):
            return _may_not()
        drafts = await self._desk.beside(lambda: [self._jobs.seen(one) for one in self._drafts])
        return self._page(visitor, "Drafts", "drafts", drafts=drafts, moment=when)

    async def _show(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        return await self._draft_page(visitor, draft)

    async def _draft_page(
        self, visitor: Visitor, draft: Draft, trouble: str = "", status: int = 200
    ) -> Response:
        job = draft.job
        about = await self._desk.beside(self._about, draft)
        template = "draft" if draft.kind == "campaign" else "again"
        return self._page(
            visitor,
            draft.name or draft.shown or draft.kind,
            template,
            status,
            draft=draft,
            trouble=trouble,
            running=bool(job and job.code is None),
            current=bool(job and job.checked == draft.hash),
            watch=self._watch(draft),
            **about,
        )

    def _watch(self, draft: Draft) -> str:
        """Where its campaign is watched."""
        query = f"?account={draft.account}" if draft.account else ""
        return f"{PREFIX}/campaigns/{quote(draft.name, safe='')}{query}"

    def _about(self, draft: Draft) -> dict[str, Any]:
        """What the draft's files say, and what its form offers."""
        job = draft.job
        said = self._drafts.read(draft, f"{job.kind}.err") if job else ""
        told = job is not None and job.kind in ("ask", "do")
        out = self._drafts.read(draft, f"{job.kind}.out") if job and told else ""
        lines = [clean(hidden(line)) for line in said.splitlines() if line.strip()]
        account = self._account(draft)
        return {
            "document": self._drafts.document(draft, "check.out"),
            "lines": lines[-8:],
            "output": hidden(out)[-20_000:],
            "text": self._drafts.read(draft, "text.txt"),
            "senders": sorted(account.senders),
            "rejects": (self._drafts.place(draft) / _REJECTS).exists(),
            "approves": account.approve_campaigns,
            "short_links": self._desk.accounts.config.web.short_links,
        }

    def _account(self, draft: Draft) -> Account:
        return self._desk.accounts.config.account(draft.account or self._desk.accounts.names[0])

    async def _taken(self, request: Request, visitor: Visitor) -> FormFields:
        fields = await fields_of(request)
        self._desk.visitors.check_form(request, visitor, fields.one("_xsrf"))
        return fields

    async def _check(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        fields = await self._taken(request, visitor)
        if self._jobs.runs(draft) or draft.sent:
            return _to(draft)
        draft.name = fields.one("name")[:60]
        names = (*FILE_OPTIONS, *FLAGS, *START_OPTIONS)
        draft.settings = {name: text[:_MOST_VALUE] for name, text in fields.named(*names).items()}
        text = fields.one("text").replace("\r\n", "\n")[:_MOST_TEXT]
        draft.settings["text"] = text
        await self._desk.beside(self._drafts.write, draft, "text.txt", text)
        if not (draft.name and text):
            await self._desk.beside(self._drafts.save, draft)
            return await self._draft_page(
                visitor, draft, "Give the campaign a name and a text.", 422
            )
        args = ["campaign", "preflight", *self._file_args(draft), f"--name={draft.name}", "--json"]
        self._jobs.begin(draft, "check", visitor.person.name, args)
        return _to(draft)

    def _file_args(self, draft: Draft) -> list[str]:
        """The options of a command that reads the file; a value never becomes an option itself."""
        place = self._drafts.place(draft)
        given = [*_options(draft, FILE_OPTIONS), *_flags(draft)]
        files = [f"--text-file={place / 'text.txt'}", f"--rejects={place / _REJECTS}"]
        if draft.audience:
            whom = Audience(draft.audience, draft.outcome).options
        else:
            whom = [str(place / draft.file)]
        return [*whom, *files, "--overwrite", *given]

    async def _test(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        fields = await self._taken(request, visitor)
        to = fields.one("to")[:40]
        if not to:
            return await self._draft_page(visitor, draft, "Say to which number.", 422)
        args = ["campaign", "test", *self._file_args(draft), f"--to={to}", "--sample=1"]
        if await self._ready(draft):
            self._jobs.begin(draft, "test", visitor.person.name, args)
        return _to(draft)

    async def _start(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        fields = await self._taken(request, visitor)
        if fields.one("hash") != draft.hash or not await self._ready(draft):
            said = "Nothing was sent. Check it first: it has changed since you saw it."
            return await self._draft_page(visitor, draft, said, 409)
        args = ["campaign", "start", *self._file_args(draft), *_options(draft, START_OPTIONS)]
        args += [f"--name={draft.name}", f"--who={visitor.person.name}", "--yes", "--json"]
        args += [f"--why={why}"] if (why := fields.one("why")[:_MOST_VALUE]) else []
        self._jobs.begin(draft, "start", visitor.person.name, args)
        return _to(draft)

    async def _ready(self, draft: Draft) -> bool:
        """Whether it was checked as it is, has somebody to send to, and nothing runs."""
        job = draft.job
        if job is None or job.code is None or self._jobs.runs(draft) or draft.sent:
            return False
        document = await self._desk.beside(self._drafts.document, draft, "check.out")
        return job.checked == draft.hash and bool(document.get("sendable"))

    async def _again(self, request: Request, visitor: Visitor) -> Response:
        """Begin to revise a campaign, or to try again whom it failed for."""
        self._desk.visitors.check_site(request)
        name, kind = request.path_params["name"], request.path_params["kind"]
        if not visitor.person.may("send"):
            return _may_not()
        if kind not in ("revise", "retry"):
            return told("Not found", "There is nothing at this address.", 404)
        account = request.query_params.get("account", "")

        def begun() -> Draft:
            campaign = self._desk.accounts.session(account).campaigns.get(name)
            draft = self._drafts.make(kind, visitor.person.name, account, campaign.name)
            self._drafts.write(draft, "text.txt", campaign.current.text)
            self._drafts.save(draft)
            return draft

        try:
            return _to(await self._desk.beside(begun))
        except SluicegateError as error:
            return told("Not found", clean(hidden(str(error))), 404)

    async def _ask(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """Have the command say what it would do: without a word of agreement it does nothing."""
        fields = await self._taken(request, visitor)
        if draft.kind == "campaign" or self._jobs.runs(draft) or draft.sent:
            return _to(draft)
        if draft.kind == "revise":
            text = fields.one("text").replace("\r\n", "\n")[:_MOST_TEXT]
            draft.settings = {"text": text}
            await self._desk.beside(self._drafts.write, draft, "text.txt", text)
        else:
            draft.settings = fields.named("failed", "as")
        self._jobs.begin(draft, "ask", visitor.person.name, self._again_args(draft))
        return _to(draft)

    async def _do(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """Agree to what the command has said."""
        fields = await self._taken(request, visitor)
        job = draft.job
        asked = job is not None and job.kind == "ask" and job.code is not None
        if draft.kind == "campaign" or not asked or self._jobs.runs(draft) or draft.sent:
            return _to(draft)
        if fields.one("hash") != draft.hash:
            said = "Nothing was done: it has changed since you saw it."
            return await self._draft_page(visitor, draft, said, 409)
        agreed = [f"--who={visitor.person.name}", "--yes"]
        agreed += [f"--why={why}"] if (why := fields.one("why")[:_MOST_VALUE]) else []
        args = self._again_args(draft, agreed)
        self._jobs.begin(draft, "do", visitor.person.name, args)
        return _to(draft)

    def _again_args(self, draft: Draft, more: Sequence[str] = ()) -> list[str]:
        if draft.kind == "revise":
            text = f"--text-file={self._drafts.place(draft) / 'text.txt'}"
            return ["campaign", "revise", text, *more, "--", draft.name]
        failed = f"--failed={draft.settings.get('failed') or 'any'}"
        named = [f"--as={name}"] if (name := draft.settings.get("as")) else []
        return ["campaign", "retry", failed, *named, *more, "--", draft.name]

    async def _remove(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        await self._taken(request, visitor)
        if not self._jobs.runs(draft):
            await self._desk.beside(self._drafts.remove, draft)
        return RedirectResponse(f"{PREFIX}/drafts", 303, shell.HEADERS)

    async def _rejects(self, request: Request, visitor: Visitor, draft: Draft) -> Response:
        """The rejected rows, for who uploaded them and for whoever may see numbers."""
        if visitor.person.name != draft.owner and not visitor.person.may("numbers"):
            return _may_not()
        path = self._drafts.place(draft) / _REJECTS
        if not path.exists():
            return told("Not found", "No row was rejected.", 404)
        name = f"{Path(draft.shown).stem}.rejected.csv"
        return FileResponse(path, 200, shell.HEADERS, "text/csv", filename=name)

    async def _count(self, request: Request, visitor: Visitor) -> Response:
        fields = await self._taken(request, visitor)
        text = fields.one("text")[:_MOST_TEXT]
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


def _to(draft: Draft) -> Response:
    return RedirectResponse(f"{PREFIX}/drafts/{draft.id}", 303, shell.HEADERS)


def _may_not() -> Response:
    return told("Refused", "You may not do this: it takes the role send.", 403)
