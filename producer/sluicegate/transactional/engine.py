"""How the relay reaches an app's database; the database and its settings stay the app's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ..errors import DatabaseUnavailable
from .handover import CHANNEL, TABLE

_BUSY_SECONDS = 5
_POSTGRESQL = "postgresql+psycopg"


def engine_of(url: str) -> sa.Engine:
    """An engine for ``url``; raises DatabaseUnavailable."""
    with translated_database(url):
        parsed = sa.make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(parsed)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername=_POSTGRESQL)
        timeout = {"connect_timeout": _BUSY_SECONDS}
        return sa.create_engine(
            parsed, connect_args=timeout, pool_pre_ping=True, isolation_level="READ COMMITTED"
        )


def _sqlite(url: sa.URL) -> sa.Engine:
    if not Path(url.database or "").is_file():  # SQLite would make an empty one
        raise DatabaseUnavailable(str(url.database), "the file is not there")
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})

    def on_connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # SQLite's driver would begin too late
        connection.execute("PRAGMA synchronous = FULL")

    def on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    sa.event.listen(engine, "connect", on_connect)
    sa.event.listen(engine, "begin", on_begin)
    return engine


class Listening:
    """Hears PostgreSQL tell that a row was written; elsewhere it only waits.

    ``wait`` ends early where something was told. A connection that is lost, or a proxy that passes
    nothing on, costs no more than the time to the next look.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.PoolProxiedConnection | None = None

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; False where it could not, as where nobody tells anything."""
        if self._engine.dialect.name != "postgresql":
            return False
        try:
            for _ in self._listening().notifies(timeout=seconds, stop_after=1):
                pass
        except (DBAPIError, OSError, self._engine.dialect.loaded_dbapi.Error):
            self.close()
            return False
        return True

    def close(self) -> None:
        """Close the connection; another ``wait`` opens a new one."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None

    def _listening(self) -> Any:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            driver: Any = self._connection.driver_connection
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
        return self._connection.driver_connection


@contextmanager
def translated_database(url: str) -> Iterator[None]:
    """Turn what SQLAlchemy and its drivers raise into DatabaseUnavailable."""
    try:
        yield
    except (DBAPIError, OSError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = str(cause).strip().partition("\n")[0]
        if TABLE in said and ("no such table" in said or "does not exist" in said):
            said = f"there is no table {TABLE}: make it as docs/TRANSACTIONS.md says"
        raise DatabaseUnavailable(_place(url), said) from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise DatabaseUnavailable(_place(url), "its URL can't be used") from error
    except ModuleNotFoundError as error:
        way_out = "pip install 'psycopg[binary]'" if error.name == "psycopg" else "install it"
        raise DatabaseUnavailable(
            _place(url), f"{error.name} is not installed: {way_out}"
        ) from error
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(_place(url), type(error).__name__) from error


def _place(url: str) -> str:
    """Where a database is, for people: its URL without a password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "a URL that can't be read"
