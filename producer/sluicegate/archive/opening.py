"""Opens the archive that the configuration names; it alone decides when SQLAlchemy is imported."""

from typing import TYPE_CHECKING

from ..errors import ArchiveUnavailable

if TYPE_CHECKING:
    from .store import Archive


def open_archive(url: str, *, writes: bool = False, older: bool = False) -> "Archive":
    """Return the archive at ``url``; who ``writes`` creates it, or brings it to this version.

    ``older``: it may be of an older version, of which only ``id`` may be asked.

    Raises ArchiveUnavailable where it is not there, is of another version, or can't be opened.
    """
    try:
        from .store import Archive
    except ModuleNotFoundError as error:
        raise ArchiveUnavailable(
            f"{error.name} is not installed: install Sluicegate with its extra archive"
        ) from error
    return Archive(url, writes=writes, older=older)
