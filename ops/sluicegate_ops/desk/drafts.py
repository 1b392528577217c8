"""Drafts: what somebody prepares at the desk, in a folder of its own on this host."""

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import msgspec

from sluicegate.private import draft_of, private_text, put

DraftKind = Literal["campaign", "revise", "retry", "unreached"]
JobKind = Literal["check", "test", "start", "ask", "do", "report", "list"]

_ID = re.compile(r"[0-9a-f]{24}")


class DraftJob(msgspec.Struct, kw_only=True):
    """The latest command that was run for a draft; ``code`` is None while it runs.

    ``checked`` is a hash of the settings that it was run with.
    """

    kind: JobKind
    who: str
    began_ms: int
    code: int | None = None
    checked: str = ""


class Draft(msgspec.Struct, kw_only=True):
    """What is prepared: a campaign from a file, another text or try for one, or its report.

    ``name`` is the campaign's; ``file`` is the uploaded one's name here, ``shown`` the one there.
    Without a file its recipients are those of the campaign ``audience``, of one ``outcome``.
    """

    id: str
    kind: DraftKind
    owner: str
    made_ms: int
    account: str = ""
    name: str = ""
    file: str = ""
    audience: str = ""
    outcome: str = ""
    shown: str = ""
    form: str = ""
    columns: list[str] = []
    settings: dict[str, str] = {}
    job: DraftJob | None = None
    sent: bool = False

    @property
    def hash(self) -> str:
        """A hash of all that a check looks at."""
        whom = (self.file, self.audience, self.outcome)
        about = (self.account, self.name, whom, sorted(self.settings.items()))
        return blake2b(msgspec.json.encode(about), digest_size=8).hexdigest()


class UnknownDraft(LookupError):
    """There is no such draft on this host: it may have been removed for its age."""


class DeskDrafts:
    """The drafts in a folder, which only this user may read."""

    def __init__(self, folder: Path, keep_seconds: float) -> None:
        self._folder, self._keep_seconds = folder, keep_seconds

    def make(self, kind: DraftKind, owner: str, account: str, name: str = "") -> Draft:
        """A new draft, with a folder; older ones than are kept are removed."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._remove_old()
        draft = Draft(
            id=secrets.token_hex(12),
            kind=kind,
            owner=owner,
            account=account,
            name=name,
            made_ms=int(time.time() * 1000),
        )
        self.place(draft).mkdir(mode=0o700)
        return draft

    def place(self, draft: Draft) -> Path:
        return self._folder / draft.id

    def get(self, id: str) -> Draft:
        """Raises UnknownDraft."""
        if not _ID.fullmatch(id):
            raise UnknownDraft
        try:
            text = (self._folder / id / "draft.json").read_bytes()
            return msgspec.json.decode(text, type=Draft)
        except (OSError, msgspec.DecodeError) as error:
            raise UnknownDraft from error

    def save(self, draft: Draft) -> None:
        self.write(draft, "draft.json", msgspec.json.encode(draft).decode())

    def write(self, draft: Draft, name: str, text: str) -> None:
        """Write one of its files, whole."""
        path = self.place(draft) / name
        part = draft_of(path)
        with private_text(part) as out:
            out.write(text)
        put(part, path, replace=True)

    def read(self, draft: Draft, name: str, most: int = 1_048_576) -> str:
        """The beginning of one of its files; ``""`` where there is none."""
        try:
            with (self.place(draft) / name).open(encoding="utf-8", errors="replace") as file:
                return file.read(most)
        except OSError:
            return ""

    def document(self, draft: Draft, name: str) -> dict[str, Any]:
        """One of its files as JSON; nothing where there is none, or where it is cut off."""
        try:
            found = msgspec.json.decode(self.read(draft, name, 64 * 1_048_576))
        except msgspec.DecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    def rows_of(self, draft: Draft) -> Path | None:
        """The file that the draft's campaign was from, if one was uploaded and is still here."""
        for one in (draft, *self):
            same = one.kind == "campaign" and (one.account, one.name) == (
                draft.account,
                draft.name,
            )
            if one.file and (one is draft or (same and one.sent)):
                return self.place(one).joinpath(one.file)
        return None

    def remove(self, draft: Draft) -> None:
        shutil.rmtree(self.place(draft), ignore_errors=True)

    def __iter__(self) -> Iterator[Draft]:
        """All of them, the latest first."""
        found = []
        for path in self._folder.glob("*/draft.json"):
            try:
                found.append(self.get(path.parent.name))
            except UnknownDraft:
                continue
        yield from sorted(found, key=lambda draft: -draft.made_ms)

    def _remove_old(self) -> None:
        oldest = (time.time() - self._keep_seconds) * 1000
        for draft in self:
            if draft.made_ms < oldest and not (draft.job and draft.job.code is None):
                self.remove(draft)
