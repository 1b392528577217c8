"""The relay: hands over the rows of an app's database to Redis, each at least once.

A row goes only after Redis has its message, so a process that is killed between the two leaves the
row, and the next pass enqueues it again: the same id with the same content, which is one message.
A row that can never be enqueued is set aside with its error, and keeps no other waiting.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Final, NamedTuple

import redis
import sqlalchemy as sa

from ..client import Sluice
from ..config import Config
from ..errors import (
    InvalidConfig,
    InvalidMessage,
    OutboxFull,
    OutboxUnavailable,
    SluicegateError,
)
from ..message import Message
from ..outbox import CALL
from .engine import Listening, engine_of, translated_database
from .handover import Handover
from .table import handovers

TOO_OLD: Final = (
    "it waited longer than ids are remembered (retention_seconds), so an earlier hand-over may be "
    "forgotten: look whether it was sent, then retry or drop it"
)

_LONGEST_ERROR = 1_000

RowRefusal = tuple[Handover, str]
HandoverEnds = tuple[int, list[Handover], list[RowRefusal]]
"""Of one batch: how many were known, the rows that are over, and those refused, with why."""


class HandedOver(NamedTuple):
    """What one pass did: rows whose messages Redis has now, of which it had ``known`` some before,
    and rows that were set aside."""

    enqueued: int = 0
    known: int = 0
    refused: int = 0

    @property
    def rows(self) -> int:
        return self.enqueued + self.known + self.refused


class WaitingRows(NamedTuple):
    """How many rows wait, since when the oldest does (wall ms, 0 for none), how many are aside."""

    waiting: int
    oldest_ms: int
    refused: int


class Relay:
    """Hands over what waits in one database, for ``accounts`` of the configuration.

    Rows of accounts that the configuration doesn't have are set aside by anybody. Any number of
    relays may run beside each other: on PostgreSQL each takes rows that no other has, on SQLite
    two may enqueue the same row, which is one message.

    All methods raise DatabaseUnavailable; ``wall`` and ``client`` are for tests.
    """

    def __init__(
        self,
        url: str,
        config: Config,
        accounts: Iterable[str] | None = None,
        client: redis.Redis | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._url, self._config, self._client, self._wall = url, config, client, wall
        self._accounts = tuple(config.accounts if accounts is None else accounts)
        self._engine = engine_of(url)
        self._listening = Listening(self._engine)
        self._sluices: dict[tuple[str, str], Sluice] = {}

    def run_once(self) -> HandedOver:
        """Hand over all that waits now; raises OutboxUnavailable or OutboxFull, which pass."""
        done = HandedOver()
        while (batch := self._pass()).rows:
            done = HandedOver(*map(sum, zip(done, batch, strict=True)))
        return done

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Wait until a row may have been written, ``stop`` is set, or so long."""
        if not self._listening.wait(seconds):
            stop.wait(seconds)

    def waiting(self) -> WaitingRows:
        """Count what waits, and what was set aside."""
        column, aside = handovers.c, handovers.c.refused_ms.is_not(None)
        count = sa.func.count()
        query = sa.select(
            count.filter(~aside), sa.func.min(column.put_ms).filter(~aside), count.filter(aside)
        )
        with self._begun() as connection:
            waiting, oldest, refused = connection.execute(query).one()
        return WaitingRows(int(waiting), int(oldest or 0), int(refused))

    def refused(self, limit: int | None = 50) -> list[Handover]:
        """The rows that were set aside, the latest first."""
        query = sa.select(handovers).where(handovers.c.refused_ms.is_not(None))
        query = query.order_by(handovers.c.seq.desc()).limit(limit)
        with self._begun() as connection:
            return [_row(row) for row in connection.execute(query).mappings()]

    def retry(self, seqs: Sequence[int]) -> int:
        """Let rows that were set aside be handed over after all; return how many there were."""
        now_ms = int(self._wall() * 1000)
        again = {"refused_ms": None, "error": "", "put_ms": now_ms}
        return self._change(sa.update(handovers).values(again), seqs)

    def drop(self, seqs: Sequence[int]) -> int:
        """Delete rows that were set aside; return how many there were."""
        return self._change(sa.delete(handovers), seqs)

    def close(self) -> None:
        """Close the connections to the database, and to Redis unless it was handed in."""
        self._listening.close()
        self._engine.dispose()
        if self._client is None:
            for sluice in self._sluices.values():
                sluice.close()

    def _change(self, statement: sa.Update | sa.Delete, seqs: Sequence[int]) -> int:
        aside = handovers.c.refused_ms.is_not(None)
        with self._begun() as connection:
            changed = connection.execute(statement.where(aside, handovers.c.seq.in_(seqs)))
        return int(changed.rowcount)

    @contextmanager
    def _begun(self) -> Iterator[sa.Connection]:
        with translated_database(self._url), self._engine.begin() as connection:
            yield connection

    def _pass(self) -> HandedOver:
        """Hand over one batch; PostgreSQL locks its rows meanwhile, SQLite would lock them all."""
        if self._engine.dialect.name == "postgresql":
            with self._begun() as connection:
                return self._end(connection, *self._handed_over(self._due(connection)))
        with self._begun() as connection:
            rows = self._due(connection)
        known, over, refusals = self._handed_over(rows)
        with self._begun() as connection:
            return self._end(connection, known, over, refusals)

    def _due(self, connection: sa.Connection) -> list[Handover]:
        mine = sa.or_(
            handovers.c.account.in_(self._accounts),
            handovers.c.account.not_in(tuple(self._config.accounts)),
        )
        query = sa.select(handovers).where(handovers.c.refused_ms.is_(None), mine)
        query = query.order_by(handovers.c.seq).limit(CALL).with_for_update(skip_locked=True)
        return [_row(row) for row in connection.execute(query).mappings()]

    def _handed_over(self, rows: Sequence[Handover]) -> HandoverEnds:
        """Enqueue rows."""
        known, over, refusals = 0, list[Handover](), list[RowRefusal]()
        ordered = sorted(rows, key=lambda row: (row.account, row.app))
        for (account, app), group in groupby(ordered, lambda row: (row.account, row.app)):
            readable = list(self._readable(group, refusals))
            for row, outcome, error in self._enqueued(account, app, readable):
                if error:
                    refusals.append((row, error))
                else:
                    over.append(row)
                    known += outcome == "known"
        return known, over, refusals

    def _readable(
        self, rows: Iterable[Handover], refusals: list[RowRefusal]
    ) -> Iterator[tuple[Handover, Message]]:
        oldest_ms = self._wall() * 1000 - self._config.retention_ms
        for row in rows:
            try:
                message = row.message()
            except InvalidMessage as error:
                refusals.append((row, str(error)))
                continue
            if row.put_ms < oldest_ms:
                refusals.append((row, TOO_OLD))
            else:
                yield row, message

    def _enqueued(
        self, account: str, app: str, rows: Sequence[tuple[Handover, Message]]
    ) -> Iterator[tuple[Handover, str, str]]:
        """Enqueue rows of one app; yield each with its outcome, or why it can't be enqueued.

        Whatever Redis or we have against the batch is asked of each row alone: one bad row must
        not keep the others.
        """
        try:
            sluice = self._sluice(account, app)
        except InvalidConfig as error:
            yield from ((row, "", str(error)) for row, _ in rows)
            return
        try:
            results = list(sluice.enqueue_many(message for _, message in rows))
        except (OutboxUnavailable, OutboxFull):
            raise
        except (SluicegateError, ValueError, TypeError) as error:
            if len(rows) == 1:
                yield rows[0][0], "", str(error) or type(error).__name__
                return
            for one in rows:
                yield from self._enqueued(account, app, [one])
            return
        for (row, _), result in zip(rows, results, strict=True):
            yield row, result.outcome, str(result.error or "")

    def _sluice(self, account: str, app: str) -> Sluice:
        name = account, app
        if name not in self._sluices:
            sluice = Sluice(self._config, account=account, app=app, client=self._client)
            self._sluices[name] = sluice
        return self._sluices[name]

    def _end(
        self,
        connection: sa.Connection,
        known: int,
        over: Sequence[Handover],
        refusals: Sequence[RowRefusal],
    ) -> HandedOver:
        same = handovers.c.seq == sa.bindparam("of"), handovers.c.refused_ms.is_(None)
        if over:
            connection.execute(
                sa.delete(handovers).where(*same), [{"of": row.seq} for row in over]
            )
        if refusals:
            now_ms = int(self._wall() * 1000)
            aside = sa.update(handovers).where(*same)
            aside = aside.values(refused_ms=now_ms, error=sa.bindparam("why"))
            connection.execute(
                aside, [{"of": row.seq, "why": why[:_LONGEST_ERROR]} for row, why in refusals]
            )
        return HandedOver(len(over) - known, known, len(refusals))


def _row(row: Any) -> Handover:
    return Handover(**row)
