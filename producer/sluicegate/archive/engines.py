"""How SQLAlchemy reaches an archive: SQLite's file, kept private and durable, or PostgreSQL."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ..errors import ArchiveUnavailable

_PRIVATE = 0o600
_BUSY_SECONDS = 5
_CACHE_KIB = 65_536
_JOURNAL_PAGES = 16_384  # 64 MB: the same pages are written into the file less often
_POSTGRESQL = "postgresql+psycopg"


def engine_of(url: str, *, writes: bool) -> sa.Engine:
    """An engine for ``url``; raises ArchiveUnavailable."""
    with translated_sql(url):
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed, writes=writes)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername=_POSTGRESQL)
        timeout = {"connect_timeout": _BUSY_SECONDS}
        return sa.create_engine(parsed, connect_args=timeout, pool_pre_ping=True)


def place_of(url: str) -> str:
    """Where an archive is, for people: its URL without a password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "a URL that can't be read"


def file_of_archive(url: str) -> Path | None:
    """The file of an archive in SQLite; None where it is elsewhere."""
    parsed = sa.make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def _sqlite(url: sa.URL, *, writes: bool) -> sa.Engine:
    path = Path(url.database or "")
    if not writes and not path.is_file():
        raise ArchiveUnavailable(f"{path} is not there")
    if writes and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _PRIVATE))
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # SQLite's driver would begin too late, and not for DDL
        settings = [
            "journal_mode = WAL",  # readers never wait for the archiver
            "synchronous = FULL",  # a record goes from Redis only after this is on the disk
            "secure_delete = ON",  # what is erased is overwritten
            f"cache_size = -{_CACHE_KIB}",
            f"wal_autocheckpoint = {_JOURNAL_PAGES}",
        ]
        for setting in settings if writes else ["query_only = ON"]:
            connection.execute(f"PRAGMA {setting}")

    def on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", on_begin)
    return engine


@contextmanager
def translated_sql(url: str) -> Iterator[None]:
    """Turn what SQLAlchemy and its drivers raise into ArchiveUnavailable."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = str(cause).strip().partition("\n")[0]
        raise ArchiveUnavailable(f"{place_of(url)}: {said}") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise ArchiveUnavailable(f"its URL can't be used: {place_of(url)}") from error
    except ModuleNotFoundError as error:
        way_out = "pip install 'psycopg[binary]'" if error.name == "psycopg" else "install it"
        raise ArchiveUnavailable(f"{error.name} is not installed: {way_out}") from error
    except SQLAlchemyError as error:
        raise ArchiveUnavailable(f"{place_of(url)}: {type(error).__name__}") from error
