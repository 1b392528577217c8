"""Opens the archive that the configuration names; it alone decides when SQLAlchemy is imported."""

from typing import TYPE_CHECKING

from ..config import Config
from ..errors import ArchiveUnavailable, InvalidConfig

if TYPE_CHECKING:
    from .store import Archive


def open_archive(config: Config, *, writes: bool = False) -> "Archive":
    """Return the archive; who ``writes`` creates it, or brings its tables to this version.

    Raises InvalidConfig where none is configured, and ArchiveUnavailable where it is not there, is
    of another version, or can't be opened.
    """
    if config.archive is None:
        raise InvalidConfig("archive", "none is configured: add a section [archive]")
    try:
        from .store import Archive
    except ModuleNotFoundError as error:
        way_out = "pip install 'sluicegate[archive]'"
        raise ArchiveUnavailable(f"{error.name} is not installed: {way_out}") from error
    return Archive(config.archive.url, writes=writes)
