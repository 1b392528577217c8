"""Shops that take orders in a database, and text about each in the same transaction."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from sluicegate.transactional.handover import TABLE

SENDER, NUMBER = "+15557654321", "+14152000001"
SHOPS = ("sqlalchemy", "sqlalchemy_async", "django", "psycopg")

#: Called in the transaction, before its COMMIT.
Then = Callable[[], None]


class Shop(Protocol):
    """One way for an app to enqueue in a transaction; ``url`` is its database."""

    url: str

    def order(self, name: str, then: Then = ..., **fields: Any) -> None:
        """Take an order and enqueue the text about it, in one transaction."""

    def orders(self) -> set[str]:
        """The orders that were taken."""

    def close(self) -> None: ...


def nothing() -> None:
    """What most transactions do before they end."""


def text_of(name: str) -> dict[str, Any]:
    """The message about an order."""
    return {"id": name, "to": NUMBER, "sender": SENDER, "text": f"Order {name} is on its way"}


def _driver(url: str, driver: str) -> sa.URL:
    parsed = sa.make_url(url)
    kind = "sqlite" if parsed.get_backend_name() == "sqlite" else "postgresql"
    return parsed.set(drivername=f"{kind}+{driver}")


class SqlAlchemyShop:
    """With SQLAlchemy's sessions."""

    def __init__(self, url: str, *, prepare: bool) -> None:
        from sluicegate.transactional.sqlalchemy import create_table

        self.url = url
        kind = "pysqlite" if url.startswith("sqlite") else "psycopg"
        self.engine = sa.create_engine(_driver(url, kind))
        if prepare:
            create_table(self.engine)
            with self.engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE orders (name VARCHAR(200) PRIMARY KEY)")

    def order(self, name: str, then: Then = nothing, **fields: Any) -> None:
        from sluicegate.transactional.sqlalchemy import enqueue

        with Session(self.engine) as session, session.begin():
            session.execute(sa.text("INSERT INTO orders VALUES (:name)"), {"name": name})
            enqueue(session, text_of(name) | fields)
            then()

    def orders(self) -> set[str]:
        with self.engine.connect() as connection:
            return set(connection.scalars(sa.text("SELECT name FROM orders")))

    def close(self) -> None:
        self.engine.dispose()


class AsyncSqlAlchemyShop(SqlAlchemyShop):
    """With SQLAlchemy's asynchronous sessions."""

    def order(self, name: str, then: Then = nothing, **fields: Any) -> None:
        asyncio.run(self._order(name, then, fields))

    async def _order(self, name: str, then: Then, fields: dict[str, Any]) -> None:
        from sluicegate.transactional.sqlalchemy import aenqueue

        kind = "aiosqlite" if self.url.startswith("sqlite") else "psycopg"
        engine = create_async_engine(_driver(self.url, kind))
        try:
            async with AsyncSession(engine) as session, session.begin():
                await session.execute(sa.text("INSERT INTO orders VALUES (:n)"), {"n": name})
                await aenqueue(session, text_of(name) | fields)
                then()
        finally:
            await engine.dispose()


class DjangoShop:
    """With Django's ``atomic``."""

    def __init__(self, url: str, *, prepare: bool) -> None:
        self.url = url
        set_up_django(url)
        from django.core.management import call_command
        from django.db import connection

        self._connection = connection
        if prepare:
            call_command("migrate", verbosity=0)
            with connection.cursor() as cursor:
                cursor.execute("CREATE TABLE orders (name VARCHAR(200) PRIMARY KEY)")

    def order(self, name: str, then: Then = nothing, **fields: Any) -> None:
        from django.db import transaction

        from sluicegate.transactional.django import enqueue

        with transaction.atomic():
            with self._connection.cursor() as cursor:
                cursor.execute("INSERT INTO orders VALUES (%s)", [name])
            enqueue(text_of(name) | fields)
            then()

    def orders(self) -> set[str]:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT name FROM orders")
            return {name for (name,) in cursor.fetchall()}

    def close(self) -> None:
        self._connection.close()


def set_up_django(url: str) -> None:
    """Set Django up once in this process, and point it to another database each time."""
    import django
    from django.conf import settings
    from django.db import connections

    parsed = sa.make_url(url)
    if not settings.configured:
        settings.configure(
            INSTALLED_APPS=["sluicegate.transactional.django"],
            DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
            USE_TZ=True,
        )
        django.setup()
    kind = "sqlite3" if parsed.get_backend_name() == "sqlite" else "postgresql"
    place = {"ENGINE": f"django.db.backends.{kind}", "NAME": parsed.database}
    if kind == "postgresql":
        host = parsed.query.get("host") or parsed.host or ""
        place |= {"USER": parsed.username or "", "HOST": str(host)}
    connections["default"].close()
    del connections["default"]
    connections.settings = connections.configure_settings({"default": place})


class PsycopgShop:
    """With psycopg's connections."""

    def __init__(self, url: str, *, prepare: bool) -> None:
        import psycopg

        from sluicegate.transactional.psycopg import create_table

        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        if prepare:
            with self.connection.transaction():
                create_table(self.connection)
                self.connection.execute("CREATE TABLE orders (name VARCHAR(200) PRIMARY KEY)")

    def order(self, name: str, then: Then = nothing, **fields: Any) -> None:
        from sluicegate.transactional.psycopg import enqueue

        with self.connection.transaction():
            self.connection.execute("INSERT INTO orders VALUES (%s)", (name,))
            enqueue(self.connection, text_of(name) | fields)
            then()

    def orders(self) -> set[str]:
        return {name for (name,) in self.connection.execute("SELECT name FROM orders")}

    def close(self) -> None:
        self.connection.close()


_KINDS: dict[str, Callable[..., Shop]] = {
    "sqlalchemy": SqlAlchemyShop,
    "sqlalchemy_async": AsyncSqlAlchemyShop,
    "django": DjangoShop,
    "psycopg": PsycopgShop,
}


@contextmanager
def shop(kind: str, url: str, *, prepare: bool = True) -> Iterator[Shop]:
    """Open a shop, with its tables made unless they are there."""
    opened = _KINDS[kind](url, prepare=prepare)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def begun(url: str) -> Iterator[sa.Connection]:
    """A transaction of its own in a shop's database, of whatever kind."""
    engine = sa.create_engine(_driver(url, "pysqlite" if url.startswith("sqlite") else "psycopg"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def rows_in(url: str) -> int:
    """How many rows the table of handovers has."""
    with begun(url) as connection:
        counted = connection.exec_driver_sql(f"SELECT count(*) FROM {TABLE}").scalar()  # noqa: S608 - our own name
        return int(counted or 0)
