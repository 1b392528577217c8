"""A campaign's files beside its recipients: each one's key and own columns, for an export."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import msgspec

from sluicegate.campaigns.layout import NOTES
from sluicegate.campaigns.members import Members
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipients, RowReading
from sluicegate.campaigns.row_source import RowSource
from sluicegate.stored import short_hash

_BATCH = 1_000
_decoded = msgspec.json.Decoder(list[str]).decode


class OwnColumns:
    """The rows of a campaign's files by recipient, kept in a temporary database on disk.

    ``names`` are the columns of all files, without the notes of rejected rows, and ``numbers`` are
    the places of those that hold the recipients' numbers. Of several rows of
    one recipient the first is kept, as in a campaign. ``unused`` is how many recipients of the
    files have not been asked for.

    ``members`` are the campaign's. Raises BadFile if a file lacks a column of the plan.
    """

    def __init__(
        self,
        plan: Plan,
        files: Sequence[tuple[RowSource, RowReading]],
        members: Members,
        rows: sqlite3.Connection,
    ) -> None:
        self.names, self.numbers = list[str](), set[int]()
        self._rows, self._asked, self._hash_of = rows, 0, members.hash_of
        self._rows.execute("CREATE TABLE own (id TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")
        for file, reading in files:
            self._read(plan, file, reading)
        [(self._count,)] = self._rows.execute("SELECT COUNT(*) FROM own")

    @property
    def unused(self) -> int:
        return int(self._count) - self._asked

    def of(self, short: str) -> list[str]:
        """The own columns of the recipient with this short hash; empty if no file has it."""
        found = self._rows.execute("SELECT row FROM own WHERE id = ?", (short,)).fetchone()
        if found is None:
            return [""] * len(self.names)
        self._asked += 1
        row = _decoded(found[0])
        return row + [""] * (len(self.names) - len(row))

    def _read(self, plan: Plan, file: RowSource, reading: RowReading) -> None:
        noted = len(NOTES) if tuple(file.columns[: len(NOTES)]) == NOTES else 0
        places = self._places(file.columns[noted:])
        self.numbers.add(places[reading.place(file, plan.to_column) - noted])

        def kept() -> Iterator[tuple[str, bytes]]:
            for row, recipient in Recipients(plan, file, reading=reading).with_rows():
                values = [""] * len(self.names)
                for place, value in zip(places, row.values[noted:], strict=False):
                    values[place] = value
                yield short_hash(self._hash_of(recipient.hash)), msgspec.json.encode(values)

        rows = kept()
        while batch := list(islice(rows, _BATCH)):
            self._rows.executemany("INSERT OR IGNORE INTO own VALUES (?, ?)", batch)

    def _places(self, columns: Sequence[str]) -> list[int]:
        """Where each column of a file stands among all; the same name is the same column."""
        places = list[int]()
        for column in columns:
            free = [
                at for at, name in enumerate(self.names) if name == column and at not in places
            ]
            if not free:
                self.names.append(column)
            places.append(free[0] if free else len(self.names) - 1)
        return places


@contextmanager
def own_columns(
    plan: Plan, files: Sequence[tuple[RowSource, RowReading]], members: Members
) -> Iterator[OwnColumns]:
    """Read a campaign's files into a temporary database, which is gone afterwards."""
    rows = sqlite3.connect("")  # on disk, deleted when it is closed
    try:
        yield OwnColumns(plan, files, members, rows)
    finally:
        rows.close()
