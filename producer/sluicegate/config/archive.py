"""Settings of the archive, where finished messages go out of Redis."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from .senders import SettingFaults

Days = Annotated[float, msgspec.Meta(gt=0, le=36_600)]
CoreShare = Annotated[float, msgspec.Meta(gt=0, le=1)]

_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg", "postgres")


class ArchiveSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where finished messages go, when, and for how long.

    ``url`` is ``sqlite:///`` and a path (from the folder of this file, unless it begins with
    another ``/``), or ``postgresql://user@host/database``. A message goes ``after_days`` have
    passed since its end, and stays for ``keep_days`` since then; None for ever.
    ``in_workers``: whether workers archive, in at most ``share`` of a core; else only
    ``sluicegate archive run`` does.
    """

    url: str = "sqlite:///sluicegate-archive.sqlite3"
    after_days: Days = 1.0
    keep_days: Days | None = None
    in_workers: bool = True
    share: CoreShare = 0.25

    def __repr__(self) -> str:
        """Hide a password in the URL, since reprs end up in logs."""
        return f"ArchiveSettings(url={self.url.partition('://')[0]}://•••)"

    @property
    def after_ms(self) -> int:
        return int(self.after_days * 86_400_000)

    @property
    def keep_ms(self) -> int | None:
        return None if self.keep_days is None else int(self.keep_days * 86_400_000)


def archive_faults(archive: ArchiveSettings | None) -> SettingFaults:
    """Yield what the types can't check of ``[archive]``."""
    if archive is None:
        return
    parts = urlsplit(archive.url)
    if parts.scheme not in _SCHEMES:
        yield ("url",), "must begin with sqlite:/// or postgresql://"
    elif parts.scheme == "sqlite" and not parts.path.lstrip("/"):
        yield ("url",), "must name a file: sqlite:///sluicegate-archive.sqlite3"
    if archive.keep_days is not None and archive.keep_days < archive.after_days:
        yield ("keep_days",), "must not be below after_days: they count from a message's end too"
