"""The archive in PostgreSQL: what it must do in SQLite it does there as well."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
import sqlalchemy as sa

from sluicegate import Config
from sluicegate.archive import ArchiveRow, open_archive, row_of, unsent_row
from sluicegate.archive.store import VERSION, Archive
from sluicegate.config import ArchiveSettings
from sluicegate.errors import ArchiveUnavailable
from sluicegate.stored import MessageId
from sluicegate_worker.archiver import Archived, Archiver
from support.bench import Bench, warm_bench
from support.clock import CLOCK
from support.messages import message
from support.postgresql import database, postgresql
from support.receipts import tell

DAY_MS = 86_400_000
NUMBER = "+14152000001"


@pytest.fixture(scope="module")
def books() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture
def url(books: str) -> Iterator[str]:
    with database(books) as url:
        yield url


@pytest.fixture
def archive(url: str) -> Iterator[Archive]:
    made = open_archive(url, writes=True)
    yield made
    made.close()


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return warm_bench(valkey)


def archiver(bench: Bench, url: str, **fields: Any) -> Archiver:
    settings = ArchiveSettings(url=url, **fields)
    config = msgspec.structs.replace(bench.config, archive=settings)
    return Archiver(bench.store, config, "default", clock=CLOCK)


def row(id: str, *, to: str = NUMBER, ended_ms: int = 5 * DAY_MS, **fields: str) -> ArchiveRow:
    stored = {
        "state": "accepted",
        "to": to,
        "enqueued": "7",
        "provider_id": f"p-{id}",
        "token": "t",
    } | fields
    return row_of("default", id, "accepted", ended_ms,
                  {name.encode(): value.encode() for name, value in stored.items()})  # fmt: skip


def test_messages_go_there_and_are_read_again(bench: Bench, url: str) -> None:
    work = archiver(bench, url, keep_days=30.0)
    bench.enqueue(message(1), message(2))
    bench.send()
    before = bench.record("m1")
    assert work.run() == Archived(stay=2)
    bench.later(DAY_MS)
    assert work.run() == Archived(messages=2)
    assert bench.record("m1") == {}
    kept = work.open().get("default", "m1")
    assert kept is not None
    assert {name: str(value) for name, value in kept.record.format().items()} == before
    assert tell(bench, "m1", "delivered") == "archived"
    assert work.fold() == 1
    kept = work.open().get("default", "m1")
    assert kept is not None
    assert kept.record.delivery == "delivered"
    bench.later(31 * DAY_MS)
    assert work.run().removed == 2
    assert work.open().count("default") == 0
    work.close()


def test_a_row_is_written_over_its_older_self_alone(archive: Archive) -> None:
    archive.put([row("m1"), row("m2")])
    archive.put([row("m1", delivery="delivered", delivery_at="9")])
    archive.put([row("m1", ended_ms=4 * DAY_MS, reason="older")])
    archive.put([row("m2"), row("m2")])  # a scan of Redis may meet a key twice
    kept = archive.rows("default", ["m1", "m2"])
    assert kept["m1"]["delivery"] == "delivered"
    assert kept["m1"]["reason"] == ""
    assert archive.count("default") == 2
    unsent = unsent_row("default", MessageId.parse("july.AAAAAAAAAAA"), NUMBER, "cancelled", 1)
    archive.put_unsent([unsent])
    archive.put_unsent([unsent])
    assert archive.count("default", "july") == 1
    assert [one.id for one in archive.of_campaign("default", "july")] == ["july.AAAAAAAAAAA"]


def test_what_no_column_takes_holds_up_no_other(archive: Archive) -> None:
    damaged = row("m1", to="+1" + "0" * 40, attempts="9" * 30, reason="a\0b", delivery="x" * 20)
    archive.put([damaged, row("m2")])
    kept = archive.get("default", "m1")
    assert kept is not None
    assert kept.fields[b"to"] == b"+1" + b"0" * 40
    assert kept.fields[b"attempts"] == b"9" * 30


def test_a_number_is_found_and_taken_out_everywhere(archive: Archive, url: str) -> None:
    digits = NUMBER[1:]
    other = "+14152000002"
    named = [row(f"welcome-{digits}", to=other), row("m3", to=other, answer=f"to {NUMBER}")]
    archive.put([row("m1"), *named, row("m4", to=other)])
    found = archive.rows_naming("default", NUMBER, digits)
    assert {one["id"] for one in found} == {"m1", f"welcome-{digits}", "m3"}
    assert [one.id for one in archive.of_recipient("default", NUMBER)] == ["m1"]
    for number, one in enumerate(found):
        archive.replace(one, one | {"id": f"erased-{number}", "recipient": "", "rest": "{}"})
    archive.scrub()
    assert not archive.rows_naming("default", NUMBER, digits)
    assert archive.count("default") == 4
    assert archive.size_bytes() > 0


def test_two_that_begin_it_at_once_make_one(url: str) -> None:
    made: list[str] = []

    def begin() -> None:
        archive = open_archive(url, writes=True)
        made.append(archive.id)
        archive.close()

    both = [threading.Thread(target=begin) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(made) == 2
    assert len(set(made)) == 1
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [
            (VERSION,)
        ]
    engine.dispose()


def test_a_database_that_is_away_is_said_to_be(bench: Bench, url: str, tmp_path: Path) -> None:
    with pytest.raises(ArchiveUnavailable, match="empty"):
        open_archive(url)
    away = f"postgresql://me:a-secret@/books?host={tmp_path}"
    with pytest.raises(ArchiveUnavailable) as raised:
        open_archive(away, writes=True)
    assert "a-secret" not in str(raised.value)
    assert Config(archive=ArchiveSettings(url=away)).archive is not None


def test_a_connection_that_breaks_is_made_again(archive: Archive, url: str) -> None:
    archive.put([row("m1")])
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()
    assert archive.count("default") == 1
