"""Carries a plan out, and takes it back: files, and webhooks at the provider."""

from pathlib import Path

import msgspec

from sluicegate.config import Account, load
from sluicegate.errors import InvalidConfig
from sluicegate_worker.provider.owned import AccountBooks, Unread

from ...operating.session import Session
from ..kit.books import books_with
from ..kit.failures import BAD_INPUT, fail
from .journal import (
    FileBefore,
    SetupJournal,
    SetupRun,
    WebhooksBefore,
    fingerprint,
    of_file,
    write_private,
)
from .plan import PlannedFile, SetupPlan, webhook_setting

_MODE = 0o644


def carry_out(session: Session, plan: SetupPlan, account: Account, key: str, file: Path) -> None:
    """Write down what is there, then change it; ends the command where something can't be done."""
    journal = SetupJournal(file)
    journal.add(plan.run())
    again = "what was done until then: sluicegate setup --undo"
    for planned in plan.files:
        _write(planned)
    if any(not planned.secret for planned in plan.files):
        _read_back(file)
    try:
        with books_with(account, key, session) as books:
            for webhooks in plan.webhooks:
                books.set_webhooks(webhooks.profile, webhooks.after)
    except Unread as error:
        fail(f"the webhooks can't be changed: {error}. To take back {again}")


def undo(
    session: Session, run: SetupRun, account: Account, key: str, journal: SetupJournal
) -> list[str]:
    """Restore what a run changed; return what was changed since, and so is left as it is."""
    left_files, left_webhooks, why = [], [], []
    if run.webhooks:
        with books_with(account, key, session) as books:
            for webhooks in run.webhooks:
                if told := _restored(books, webhooks):
                    left_webhooks.append(webhooks)
                    why.append(told)
    for file in run.files:
        if told := _restored_file(file):
            left_files.append(file)
            why.append(told)
    rest = msgspec.structs.replace(run, files=left_files, webhooks=left_webhooks)
    journal.replace_last(rest if why else None)
    return why


def _write(planned: PlannedFile) -> None:
    try:
        write_private(planned.path, planned.after, None if planned.secret else _mode(planned.path))
    except OSError as error:
        fail(f"{planned.path}: cannot be written: {error.strerror}", BAD_INPUT)


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777 if path.exists() else _MODE


def _read_back(file: Path) -> None:
    """What was written must be a configuration; it is taken for a fault of ours if not."""
    try:
        load(file)
    except InvalidConfig as error:
        fail(f"what was written is refused: {error}. To take it back: sluicegate setup --undo")


def _restored(books: AccountBooks, webhooks: WebhooksBefore) -> str:
    """Restore a profile's webhooks; why not, where they are not what was set here."""
    try:
        now = books.profile(webhooks.profile)
        there = {name: webhook_setting(now, name) for name in webhooks.after}
        if there == webhooks.before:
            return ""
        if there != webhooks.after:
            return f"webhooks of profile {webhooks.name} were changed since, and are left"
        books.set_webhooks(webhooks.profile, webhooks.before)
    except Unread as error:
        return f"webhooks of profile {webhooks.name} can't be restored: {error}"
    return ""


def _restored_file(file: FileBefore) -> str:
    path = Path(file.path)
    now = of_file(path)
    if now == file.before:
        return ""
    if now is not None and fingerprint(now) != file.after:
        return f"{path} was changed since, and is left"
    try:
        if file.before is None:
            path.unlink(missing_ok=True)
        else:
            private = path.exists() and not path.stat().st_mode & 0o077
            write_private(path, file.before, None if private else _mode(path))
    except OSError as error:
        return f"{path}: cannot be written: {error.strerror}"
    return ""
