"""Every message of ours that may have reached the provider, in a file that ends with the run."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ..provider.reports import ProviderRecord

_TABLES: Final = """
CREATE TABLE ours (
    id TEXT PRIMARY KEY, provider_id TEXT, provider_id_2 TEXT, recipient TEXT, began INTEGER,
    ended INTEGER, state TEXT, lacks INTEGER, seen INTEGER
) WITHOUT ROWID;
CREATE TABLE theirs (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE strangers (id TEXT PRIMARY KEY, recipient TEXT, created INTEGER, record BLOB)
WITHOUT ROWID;
CREATE INDEX strangers_recipient ON strangers (recipient);
"""
_INDEXES: Final = """
CREATE INDEX ours_first ON ours (provider_id) WHERE provider_id <> '';
CREATE INDEX ours_second ON ours (provider_id_2) WHERE provider_id_2 <> '';
CREATE INDEX ours_recipient ON ours (recipient) WHERE state <> 'accepted';
CREATE INDEX ours_ended ON ours (ended) WHERE state = 'accepted';
"""
_CHOSEN: Final = (
    "SELECT id, provider_id, provider_id_2, recipient, began, ended, state, lacks FROM ours WHERE "
)
_STRANGERS: Final = "SELECT record FROM strangers WHERE "
_SOME: Final = 500  # SQLite takes so many values in one statement, and more


class OwnMessage(NamedTuple):
    """A message that may have reached the provider from ``began_ms`` to ``ended_ms``.

    ``ended_ms`` is when it was accepted, or came into doubt. ``lacks``: it is accepted, and its
    final delivery or its cost is not known.
    """

    id: str
    provider_id: str
    provider_id_2: str
    recipient: str
    began_ms: int
    ended_ms: int
    state: str
    lacks: bool


class OwnMessages:
    """The messages, on the disk however many there are; whoever is done closes it.

    ``seen`` are those of which the provider has a record.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # its own file, without a name
        self._db.executescript(f"PRAGMA synchronous = OFF; BEGIN; {_TABLES}")

    def close(self) -> None:
        self._db.close()

    def add(self, messages: Iterable[OwnMessage]) -> None:
        """Add messages; what is there stays, since Redis is read before the archive."""
        self._db.executemany(
            "INSERT OR IGNORE INTO ours VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)", messages
        )

    def ready(self) -> None:
        """Index them, once all are there."""
        self._db.executescript(_INDEXES)

    def new_records(self, ids: Sequence[str]) -> set[str]:
        """Those of the provider's ids that come for the first time in this run."""
        known = {row[0] for row in self._in("SELECT id FROM theirs WHERE id", ids)}
        new = {id for id in ids if id not in known}
        self._db.executemany("INSERT INTO theirs VALUES (?)", ((id,) for id in new))
        return new

    def by_provider_id(self, ids: Sequence[str]) -> dict[str, str]:
        """Our ids of messages, by the provider's."""
        found = dict(self._in("SELECT provider_id_2, id FROM ours WHERE provider_id_2", ids))
        return found | dict(self._in("SELECT provider_id, id FROM ours WHERE provider_id", ids))

    def see(self, ids: Iterable[str]) -> None:
        """The provider has records of these."""
        self._db.executemany("UPDATE ours SET seen = 1 WHERE id = ?", ((id,) for id in ids))

    def unseen(self, since_ms: int, before_ms: int, margin_ms: int) -> list[OwnMessage]:
        """Accepted ones without a record, begun since and ended before, each by the margin."""
        return self._messages(
            "state = 'accepted' AND seen = 0 AND ended < ? AND began >= ? ORDER BY ended",
            before_ms - margin_ms,
            since_ms + margin_ms,
        )

    def judged(self, before_ms: int, margin_ms: int) -> None:
        """Take accepted ones that ended before for seen: they were looked at before."""
        self._db.execute(
            "UPDATE ours SET seen = 1 WHERE state = 'accepted' AND seen = 0 AND ended < ?",
            (before_ms - margin_ms,),
        )

    def keep_strangers(self, records: Iterable[ProviderRecord]) -> None:
        """Keep records of nobody's message: one of them may be that of a message in doubt."""
        rows = ((r.id, r.to, r.created_ms, msgspec.msgpack.encode(r)) for r in records)
        self._db.executemany("INSERT OR REPLACE INTO strangers VALUES (?, ?, ?, ?)", rows)

    def strangers(self, recipient: str) -> list[ProviderRecord]:
        """Those to one number."""
        return self._strangers("recipient = ?", recipient)

    def young_strangers(self, since_ms: int) -> list[ProviderRecord]:
        """Those that were created since then."""
        return self._strangers("created >= ?", since_ms)

    def is_no_stranger(self, id: str) -> None:
        self._db.execute("DELETE FROM strangers WHERE id = ?", (id,))

    def _strangers(self, where: str, value: object) -> list[ProviderRecord]:
        rows = self._db.execute(_STRANGERS + where, (value,))
        return [msgspec.msgpack.decode(row[0], type=ProviderRecord) for row in rows]

    def doubts(self) -> list[OwnMessage]:
        """Those in doubt, the oldest first."""
        return self._messages("state = 'in_doubt' ORDER BY began")

    def open_to(self, recipient: str) -> list[OwnMessage]:
        """Those to one number that may have been sent and are not known to be."""
        return self._messages("recipient = ? AND state <> 'accepted'", recipient)

    def lacking(self, since_ms: int, until_ms: int) -> list[OwnMessage]:
        """Accepted ones of that time whose delivery or cost is not known, the oldest first."""
        return self._messages(
            "lacks AND provider_id <> '' AND ended BETWEEN ? AND ? ORDER BY ended",
            since_ms,
            until_ms,
        )

    def oldest_doubt_ms(self) -> int | None:
        """When the oldest of those in doubt began; None for none."""
        found = self._db.execute("SELECT min(began) FROM ours WHERE state = 'in_doubt'").fetchone()
        return None if found[0] is None else int(found[0])

    def _messages(self, where: str, *values: Any) -> list[OwnMessage]:
        rows = self._db.execute(_CHOSEN + where, values)
        return [OwnMessage._make(row) for row in rows]

    def _in(self, query: str, ids: Sequence[str]) -> Iterator[Any]:
        for first in range(0, len(ids), _SOME):
            some = ids[first : first + _SOME]
            marks = ", ".join("?" * len(some))
            yield from self._db.execute(f"{query} IN ({marks})", some)
