"""The archive: where finished messages go, out of Redis; SQLite by default, PostgreSQL by its URL.

Nothing here imports SQLAlchemy before an archive is opened.
"""

from .opening import open_archive
from .reading import ArchiveReader, aread_archived
from .rows import ArchivedMessage, ArchiveRow, row_of, unsent_row

__all__ = [
    "ArchiveReader", "ArchiveRow", "ArchivedMessage", "aread_archived", "open_archive", "row_of",
    "unsent_row",
]  # fmt: skip
