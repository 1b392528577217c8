"""The archive for commands that remove something from it, and what is held meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sluicegate.archive import open_archive
from sluicegate_worker.archiver import Archiver

from ...operating.session import Session
from .failures import fail

if TYPE_CHECKING:
    from sluicegate.archive.store import Archive


@contextmanager
def archive_to_change(session: Session) -> Iterator["Archive | None"]:
    """The account's archive, and no archiver at work; None where the account has none.

    Raises ArchiveUnavailable where it can't be asked: nothing must be left in it unseen.
    """
    settings = session.config.archive
    if session.archive.archive is None or settings is None:
        yield None
        return
    archiver = Archiver(session.client, session.config, session.name)
    if not archiver.take():
        fail("a worker is archiving this account just now; repeat this in a minute")
    archive = open_archive(settings.url, writes=True)
    try:
        yield archive
    finally:
        archiver.leave()
        archiver.close()
        archive.close()
