"""The archive itself: finished messages by id, by recipient and by campaign."""

import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..errors import ArchiveUnavailable
from .engines import engine_of, file_of_archive, place_of, translated_sql
from .rows import ArchivedMessage, ArchiveRow
from .tables import books, identity, messages, removed

VERSION = "0001"
"""The revision of the last migration."""

_NONE: sa.ColumnElement[str] = sa.literal_column("''")
_EMPTY: sa.ColumnElement[str] = sa.literal_column("'{}'")
_MIGRATING = 7_305_401  # any number that nobody else locks in the same PostgreSQL
_PAGE = 1000
_TOGETHER = 50  # rows in one statement: older SQLites take 999 values, and a row has 18
_DAY_MS = 86_400_000
_KEPT = ("delivery", "delivery_at", "delivery_code")  # once told, a delivery stays


class Archive:
    """One archive, of any number of accounts.

    Who ``writes`` may create it. Every call raises ArchiveUnavailable where the archive is not
    there, is locked for longer than 5 s, or can't answer.
    """

    def __init__(self, url: str, *, writes: bool = False, older: bool = False) -> None:
        self.url, self.place = url, place_of(url)
        self._engine = engine_of(url, writes=writes)
        try:
            with translated_sql(url):
                if writes:
                    self._migrate()
                self.id = self._identity(older)
        except ArchiveUnavailable:
            self.close()
            raise

    def close(self) -> None:
        self._engine.dispose()

    def books(self, account: str) -> str:
        """Whose messages it holds under ``account``: an id that Redis has too; ``""`` for none."""
        query = sa.select(books.c.books).where(books.c.account == account)
        with self._reading() as connection:
            return str(connection.scalar(query) or "")

    def begin_books(self, account: str, name: str) -> None:
        """Note whose messages it will hold under ``account``, unless somebody's are there."""
        row = {"account": account, "books": name, "since": _now_ms()}
        with self._writing() as connection:
            connection.execute(self._insert(books).on_conflict_do_nothing(), row)

    def put(self, rows: Sequence[ArchiveRow]) -> None:
        """Store messages, each over what is known of it already, unless that is newer."""
        new = self._insert(messages)
        columns = {c.name: new.excluded[c.name] for c in messages.c if not c.primary_key}
        for name in _KEPT:
            kept = messages.c[name]
            columns[name] = sa.case((messages.c.delivery == _NONE, new.excluded[name]), else_=kept)
        older = sa.or_(
            messages.c.generation < new.excluded.generation,
            sa.and_(
                messages.c.generation == new.excluded.generation,
                sa.or_(messages.c.ended <= new.excluded.ended, messages.c.rest == _EMPTY),
            ),
        )
        upsert = new.on_conflict_do_update(
            index_elements=list(messages.primary_key), set_=columns, where=older
        )
        self._put(upsert, rows)

    def put_unsent(self, rows: Sequence[ArchiveRow]) -> None:
        """Store recipients that had no record, unless more is known of them already."""
        self._put(self._insert(messages).on_conflict_do_nothing(), rows)

    def _put(self, insert: Any, rows: Sequence[ArchiveRow]) -> None:
        """Store rows by the driver's own call: SQLAlchemy's for many takes as long as SQLite."""
        with self._writing() as connection:
            if self._engine.dialect.name == "postgresql":
                _copy(connection, insert, rows)
                return
            compiled = insert.compile(dialect=self._engine.dialect, column_keys=list(rows[0]))
            take, single = itemgetter(*compiled.positiontup), str(compiled)
            one = f"({', '.join('?' * len(compiled.positiontup))})"
            in_order = sorted(rows, key=itemgetter("id"))  # neighbours stand on the same page
            for first in range(0, len(in_order), _TOGETHER):
                some = in_order[first : first + _TOGETHER]
                many = single.replace(one, ", ".join([one] * len(some)), 1)
                connection.exec_driver_sql(many, tuple(chain.from_iterable(map(take, some))))

    def rows(self, account: str, ids: Sequence[str]) -> dict[str, ArchiveRow]:
        """The latest row of each of ``ids`` that is known."""
        query = (
            sa.select(messages)
            .where(messages.c.account == account, messages.c.id.in_(ids))
            .order_by(messages.c.born)
        )
        with self._reading() as connection:
            return {row["id"]: dict(row) for row in connection.execute(query).mappings()}

    def get(self, account: str, id: str) -> ArchivedMessage | None:
        """The message, the latest of that id; None where the archive has none."""
        row = self.rows(account, [id]).get(id)
        return None if row is None else ArchivedMessage.of(row)

    def ended_between(
        self, account: str, since_ms: int, until_ms: int
    ) -> Iterator[ArchivedMessage]:
        """All that ended on the days (UTC) of these moments and between, in no order."""
        days = messages.c.day.between(since_ms // _DAY_MS, until_ms // _DAY_MS)
        return self._selected(sa.select(messages), account, days)

    def of_recipient(self, account: str, number: str) -> Iterator[ArchivedMessage]:
        """All messages to ``number``, the latest first."""
        query = sa.select(messages).order_by(messages.c.ended.desc())
        return self._selected(query, account, messages.c.recipient == number)

    def of_campaign(self, account: str, campaign: str) -> Iterator[ArchivedMessage]:
        """All recipients of a campaign that are archived, in no particular order."""
        return self._selected(sa.select(messages), account, messages.c.campaign == campaign)

    def removed(self, account: str, campaign: str) -> list[tuple[str, str, bool, int]]:
        """State, delivery, whether maybe sent, and count of a campaign's that were removed."""
        query = sa.select(removed).where(
            removed.c.account == account, removed.c.campaign == campaign
        )
        with self._reading() as connection:
            return [
                (row.state, row.delivery, bool(row.maybe_sent), int(row._mapping["count"]))
                for row in connection.execute(query)
            ]

    def count(self, account: str, campaign: str | None = None) -> int:
        """How many messages it holds of an account, or of one of its campaigns."""
        query = sa.select(sa.func.count()).where(messages.c.account == account)
        if campaign is not None:
            query = query.where(messages.c.campaign == campaign)
        with self._reading() as connection:
            return int(connection.scalar(query) or 0)

    def span(self, account: str) -> tuple[int, int]:
        """Wall ms of the ends of an account's oldest and latest messages; 0 for none."""
        ended = messages.c.ended
        query = sa.select(sa.func.min(ended), sa.func.max(ended))
        with self._reading() as connection:
            oldest, latest = connection.execute(query.where(messages.c.account == account)).one()
        return int(oldest or 0), int(latest or 0)

    def size_bytes(self) -> int:
        """How many bytes it takes on the disk."""
        path = file_of_archive(self.url)
        if path is not None:
            beside = [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
            return sum(file.stat().st_size for file in beside if file.exists())
        query = sa.select(sa.func.pg_total_relation_size("messages"))
        with self._reading() as connection:
            return int(connection.scalar(query) or 0)

    def remove_before(
        self, account: str, before_ms: int, held: Sequence[str], held_campaigns: Sequence[str]
    ) -> int:
        """Remove a thousand of the messages that ended on earlier days; return how many they were.

        What is ``held`` stays. A campaign's are counted in ``removed``.
        """
        key = [messages.c.account, messages.c.id, messages.c.born]
        due = (
            sa.select(*key, messages.c.campaign, messages.c.state, messages.c.delivery)
            .add_columns(messages.c.maybe_sent)
            .where(messages.c.account == account, messages.c.day < before_ms // _DAY_MS)
            .where(messages.c.recipient.not_in(held))
            .where(messages.c.campaign.not_in(held_campaigns))
            .limit(_PAGE)
        )
        with self._writing() as connection:
            rows = connection.execute(due).all()
            self._note_removed(
                connection, Counter(row[3:] for row in rows if row.campaign), account
            )
            gone = [{"of": row.account, "key": row.id, "at": row.born} for row in rows]
            if gone:
                connection.execute(_by_key(sa.delete(messages)), gone)
        return len(rows)

    def remove_campaign(self, account: str, campaign: str) -> int:
        """Remove all that is known of a campaign; return how many recipients there were."""
        mine = (messages.c.account == account, messages.c.campaign == campaign)
        with self._writing() as connection:
            gone = connection.execute(sa.delete(messages).where(*mine)).rowcount
            counted = (removed.c.account == account, removed.c.campaign == campaign)
            connection.execute(sa.delete(removed).where(*counted))
        return int(gone)

    def replace(self, old: ArchiveRow, new: ArchiveRow) -> None:
        """Put one row in another's place, whatever its key is now."""
        at = {"of": old["account"], "key": old["id"], "at": old["born"]}
        with self._writing() as connection:
            connection.execute(_by_key(sa.delete(messages)), [at])
            connection.execute(self._insert(messages), [new])

    def rows_naming(self, account: str, number: str, digits: str) -> list[ArchiveRow]:
        """The rows of messages to ``number``, and all that hold its digits; it reads them all."""
        texts = (messages.c.id, messages.c.reason, messages.c.rest, messages.c.code)
        query = sa.select(messages).where(
            messages.c.account == account,
            sa.or_(
                messages.c.recipient == number,
                *(text.contains(digits, autoescape=True) for text in texts),
            ),
        )
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def scrub(self) -> None:
        """Let nothing stay on the disk of what was removed or overwritten.

        SQLite overwrites it at once; what its journal still holds goes now. In PostgreSQL the old
        rows are vacuumed; its own journal keeps them until that is recycled.
        """
        if self._engine.dialect.name == "postgresql":
            with translated_sql(self.url), self._engine.connect() as connection:
                alone = connection.execution_options(isolation_level="AUTOCOMMIT")
                alone.exec_driver_sql("VACUUM messages")
            return
        with translated_sql(self.url), closing(self._engine.raw_connection()) as raw:
            cursor = raw.cursor()
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise ArchiveUnavailable(
                f"{self.place}: somebody is reading it, so its journal still holds what was "
                "erased; repeat this once they are done"
            )

    def _note_removed(
        self, connection: sa.Connection, kinds: Mapping[Sequence[Any], int], account: str
    ) -> None:
        new = self._insert(removed)
        count = {"count": removed.c.count + new.excluded["count"]}
        upsert = new.on_conflict_do_update(index_elements=list(removed.primary_key), set_=count)
        names = ("campaign", "state", "delivery", "maybe_sent", "count", "account")
        added = [dict(zip(names, (*kind, n, account), strict=True)) for kind, n in kinds.items()]
        if added:
            connection.execute(upsert, added)

    def _selected(
        self, query: sa.Select[Any], account: str, *which: sa.ColumnElement[bool]
    ) -> Iterator[ArchivedMessage]:
        chosen = query.where(messages.c.account == account, *which)
        with self._reading() as connection:
            found = connection.execution_options(yield_per=_PAGE).execute(chosen)
            for row in found.mappings():
                yield ArchivedMessage.of(dict(row))

    def _insert(self, table: sa.Table) -> Any:
        """An INSERT that knows ON CONFLICT, which each of the two has in words of its own."""
        dialect = self._engine.dialect.name
        return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with translated_sql(self.url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with translated_sql(self.url), self._engine.begin() as connection:
            yield connection

    def _migrate(self) -> None:
        """Bring the tables to this version, in one transaction: whoever comes second finds it."""
        if self._version() == VERSION:
            return
        from alembic import command
        from alembic.config import Config as AlembicConfig

        with self._engine.begin() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
            alembic = AlembicConfig()
            alembic.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            alembic.attributes["connection"] = connection
            command.upgrade(alembic, "head")
            if connection.scalar(sa.select(identity.c.id)) is None:
                row = {"id": secrets.token_hex(8), "created": _now_ms()}
                connection.execute(sa.insert(identity), row)

    def _identity(self, older: bool) -> str:
        version = self._version()
        if version != VERSION and not (older and "" < version < VERSION):
            reason = f"its tables are of version {version}, and this Sluicegate's are {VERSION}"
            if not version:
                reason = "it is empty: an archiver has yet to begin it"
            raise ArchiveUnavailable(f"{self.place}: {reason}")
        with self._engine.connect() as connection:
            return str(connection.scalar(sa.select(identity.c.id)))

    def _version(self) -> str:
        """The revision that its tables are of; ``""`` where it has none."""
        with self._engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return ""
            version = sa.select(sa.text("version_num")).select_from(sa.text("alembic_version"))
            return str(connection.scalar(version) or "")


def _copy(connection: sa.Connection, insert: Any, rows: Sequence[ArchiveRow]) -> None:
    """Store rows in PostgreSQL: its COPY into a table of this transaction's, and on from there."""
    names = [column.name for column in messages.c]
    each = {(row["id"], row["born"]): row for row in rows}  # one INSERT must not meet a row twice
    incoming = sa.table("incoming", *(sa.column(name) for name in names))
    table = f"CREATE TEMPORARY TABLE {incoming.name} (LIKE {messages.name}) ON COMMIT DROP"
    connection.exec_driver_sql(table)
    cursor: Any = connection.connection.cursor()
    take = itemgetter(*names)
    with cursor.copy(f"COPY {incoming.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in each.values():
            copy.write_row(take(row))
    cursor.close()
    connection.execute(insert.from_select(names, sa.select(incoming)))


def _by_key(statement: Any) -> Any:
    return statement.where(
        messages.c.account == sa.bindparam("of"),
        messages.c.id == sa.bindparam("key"),
        messages.c.born == sa.bindparam("at"),
    )


def _now_ms() -> int:
    return int(time.time() * 1000)
