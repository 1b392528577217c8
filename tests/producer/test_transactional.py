"""Enqueueing in the app's own transaction, and the relay that hands over after its COMMIT."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.orm import Session

from sluicegate import Config, InvalidConfig, InvalidMessage, Message, Sluice
from sluicegate.config import Account, Sender
from sluicegate.errors import DatabaseUnavailable, OutboxUnavailable
from sluicegate.transactional import TABLE
from sluicegate.transactional import sqlalchemy as with_sqlalchemy
from sluicegate.transactional.handover import handovers_of
from sluicegate.transactional.relay import TOO_OLD, HandedOver, Relay
from sluicegate.transactional.table import handovers
from support.postgresql import database, postgresql
from support.shops import SENDER, SHOPS, Shop, begun, rows_in, set_up_django, shop, text_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server_url() -> Iterator[str]:
    with postgresql() as url:
        yield url


PAIRS = [
    *(("sqlite", kind) for kind in SHOPS if kind != "psycopg"),
    *(("postgresql", kind) for kind in SHOPS),
]


@pytest.fixture(params=PAIRS, ids="-".join)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """A shop of each integration, on each database."""
    place, kind = request.param
    if place == "sqlite":
        with shop(kind, f"sqlite:///{tmp_path / 'shop.sqlite3'}") as made:
            yield made
        return
    with database(request.getfixturevalue("server_url")) as url, shop(kind, url) as made:
        yield made


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Shop]:
    """A shop with SQLAlchemy, on SQLite."""
    with shop("sqlalchemy", f"sqlite:///{tmp_path / 'shop.sqlite3'}") as made:
        yield made


@pytest.fixture
def config(redis_url: str) -> Config:
    return Config(redis_url=redis_url)


@pytest.fixture
def relay(one: Shop, config: Config) -> Iterator[Relay]:
    made = Relay(one.url, config)
    yield made
    made.close()


def waiting(client: redis.Redis) -> list[str]:
    """The ids in the lanes, in order."""
    return [
        bytes(ticket).split(b"|")[0].decode()
        for lane in sorted(client.keys("sluicegate:{default}:lane:*"))
        for ticket in cast("list[Any]", client.lrange(lane, 0, -1))
    ]


def test_what_is_committed_is_handed_over_once(
    opened: Shop, config: Config, valkey: redis.Redis
) -> None:
    relay = Relay(opened.url, config)
    opened.order("order-1")
    opened.order("order-2")
    assert relay.waiting().waiting == 2
    assert relay.run_once() == HandedOver(enqueued=2)
    assert relay.run_once() == HandedOver()
    assert waiting(valkey) == ["order-1", "order-2"]
    assert rows_in(opened.url) == 0
    relay.close()


def test_what_is_rolled_back_is_never_sent(
    opened: Shop, config: Config, valkey: redis.Redis
) -> None:
    relay = Relay(opened.url, config)

    def fail() -> None:
        raise RuntimeError("the card was refused")

    with pytest.raises(RuntimeError, match="card"):
        opened.order("order-1", fail)
    with pytest.raises(InvalidMessage, match="to"):
        opened.order("order-2", to="12")
    assert relay.run_once() == HandedOver()
    assert opened.orders() == set()
    assert waiting(valkey) == []
    relay.close()


def test_what_is_not_committed_yet_is_not_seen(
    opened: Shop, config: Config, valkey: redis.Redis
) -> None:
    relay, seen = Relay(opened.url, config), list[int]()

    def look() -> None:
        if not opened.url.startswith("sqlite"):  # there, writers wait for each other
            seen.append(relay.run_once().rows)
        assert waiting(valkey) == []

    opened.order("order-1", look)
    assert set(seen) <= {0}
    assert relay.run_once().enqueued == 1
    relay.close()


def test_a_row_that_was_enqueued_and_not_deleted_is_one_message(
    one: Shop, relay: Relay, config: Config, valkey: redis.Redis
) -> None:
    one.order("order-1")
    Sluice(config).enqueue(text_of("order-1"))  # a relay that died right after
    assert relay.run_once() == HandedOver(known=1)
    assert waiting(valkey) == ["order-1"]
    assert rows_in(one.url) == 0


def test_a_bad_row_is_set_aside_and_keeps_nobody_waiting(
    one: Shop, redis_url: str, valkey: redis.Redis
) -> None:
    accounts = {"default": Account(senders={SENDER: Sender(kind="long_code")})}
    relay = Relay(one.url, Config(redis_url=redis_url, accounts=accounts))
    one.order("order-1", sender="+15550000009")  # only the configuration knows the senders
    one.order("order-2")
    one.order("order-3", text="Your parcel")
    Sluice(Config(redis_url=redis_url)).enqueue(text_of("order-3"))  # the id, for another text
    with begun(one.url) as connection:
        connection.exec_driver_sql(
            f"UPDATE {TABLE} SET content = '{{' WHERE message_id = 'order-1'"  # noqa: S608 - ours
        )
    one.order("order-4", sender="+15550000009")
    with begun(one.url) as connection:
        [row] = handovers_of([text_of("order-5")], "elsewhere")
        connection.execute(sa.insert(handovers), row.columns())
    assert relay.run_once() == HandedOver(enqueued=1, refused=4)
    assert waiting(valkey) == ["order-3", "order-2"]
    errors = {row.message_id: row.error for row in relay.refused()}
    assert "not configured" in errors["order-5"]
    assert "sender" in errors["order-4"]
    assert "other content" in errors["order-3"] or "reused" in errors["order-3"]
    assert "JSON" in errors["order-1"]
    assert relay.waiting().refused == 4
    assert relay.run_once() == HandedOver()
    relay.close()


def test_a_row_set_aside_is_retried_or_dropped_by_a_person(
    one: Shop, redis_url: str, valkey: redis.Redis
) -> None:
    accounts = {"default": Account(senders={"+15550000009": Sender(kind="long_code")})}
    strict = Relay(one.url, Config(redis_url=redis_url, accounts=accounts))
    one.order("order-1")
    one.order("order-2")
    assert strict.run_once().refused == 2
    second, first = strict.refused()
    assert strict.drop([second.seq, 99]) == 1
    assert strict.retry([first.seq]) == 1
    assert strict.retry([first.seq]) == 0
    relay = Relay(one.url, Config(redis_url=redis_url))
    assert relay.run_once() == HandedOver(enqueued=1)
    assert waiting(valkey) == ["order-1"]
    for each in (strict, relay):
        each.close()


def test_a_row_older_than_ids_are_remembered_is_for_a_person(
    one: Shop, config: Config, valkey: redis.Redis
) -> None:
    late = Relay(one.url, config, wall=lambda: time.time() + config.retention_seconds + 60)
    one.order("order-1")
    assert late.run_once() == HandedOver(refused=1)
    [row] = late.refused()
    assert row.error == TOO_OLD
    late.retry([row.seq])
    assert late.run_once() == HandedOver(enqueued=1)
    late.close()


def test_while_redis_is_away_rows_wait(one: Shop, relay: Relay) -> None:
    away = Relay(one.url, Config(redis_url="redis://127.0.0.1:1/0"))
    one.order("order-1")
    with pytest.raises(OutboxUnavailable):
        away.run_once()
    assert relay.waiting().waiting == 1
    assert relay.run_once() == HandedOver(enqueued=1)
    away.close()


def test_many_rows_go_in_batches(one: Shop, relay: Relay, valkey: redis.Redis) -> None:
    with begun(one.url) as connection, Session(connection) as session, session.begin():
        ids = with_sqlalchemy.enqueue_many(session, (text_of(f"o-{n}") for n in range(600)))
    assert relay.run_once() == HandedOver(enqueued=600)
    assert waiting(valkey) == ids


def test_two_relays_share_the_rows(server_url: str, config: Config, valkey: redis.Redis) -> None:
    with database(server_url) as url, shop("psycopg", url) as made:
        for number in range(40):
            made.order(f"order-{number}")
        relays = [Relay(url, config) for _ in range(4)]
        done: list[HandedOver] = []
        threads = [
            threading.Thread(target=lambda each=each: done.append(each.run_once()))
            for each in relays
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(each.enqueued for each in done) == 40
        assert sum(each.known for each in done) == 0, "two had the same row"
        assert len(waiting(valkey)) == 40
        for each in relays:
            each.close()


def test_postgresql_wakes_the_relay(server_url: str, config: Config) -> None:
    with database(server_url) as url, shop("psycopg", url) as made:
        relay, stop = Relay(url, config), threading.Event()
        relay.wait(0.01, stop)  # it listens from now on
        made.order("order-1")
        begun = time.monotonic()
        relay.wait(30, stop)
        assert time.monotonic() - begun < 5
        assert relay.run_once().enqueued == 1
        relay.close()


def test_the_table_is_the_same_whoever_makes_it(server_url: str, tmp_path: Path) -> None:
    def columns(url: str) -> list[Any]:
        kind = "postgresql+psycopg" if url.startswith("postgresql") else "sqlite"
        engine = sa.create_engine(sa.make_url(url).set(drivername=kind))
        found = sa.inspect(engine)
        parts = [
            (one["name"], str(one["type"]), one["nullable"]) for one in found.get_columns(TABLE)
        ]
        indexes = [(one["name"], one["column_names"]) for one in found.get_indexes(TABLE)]
        engine.dispose()
        return [*parts, *indexes]

    made = {}
    for kind in ("sqlalchemy", "django", "psycopg"):
        with database(server_url) as url, shop(kind, url):
            made[kind] = columns(url)
    assert made["sqlalchemy"] == made["psycopg"] == made["django"]


def test_alembic_finds_the_table_by_the_apps_metadata(tmp_path: Path) -> None:
    engine, metadata = sa.create_engine(f"sqlite:///{tmp_path / 'shop.sqlite3'}"), sa.MetaData()
    with_sqlalchemy.add_table(metadata)
    with engine.begin() as connection:
        context = MigrationContext.configure(connection)
        assert [change[0] for change in compare_metadata(context, metadata)] == [
            "add_table",
            "add_index",
        ]
        with_sqlalchemy.create_table(connection)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_django_has_nothing_to_migrate(tmp_path: Path) -> None:
    with shop("django", f"sqlite:///{tmp_path / 'shop.sqlite3'}"):
        from django.core.management import call_command

        call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_django_enqueues_from_asynchronous_views(tmp_path: Path, config: Config) -> None:
    url = f"sqlite:///{tmp_path / 'shop.sqlite3'}"
    with shop("django", url):
        from sluicegate.transactional.django import aenqueue, aenqueue_many

        async def view() -> None:
            assert await aenqueue(Message(**text_of("order-1"))) == "order-1"
            assert await aenqueue(**text_of("order-2")) == "order-2"
            assert await aenqueue_many([text_of("order-3")]) == ["order-3"]

        asyncio.run(view())
        relay = Relay(url, config)
        assert relay.run_once().enqueued == 3
        relay.close()
    set_up_django("sqlite:///:memory:")


def test_psycopg_enqueues_on_a_cursor_and_awaited(server_url: str, config: Config) -> None:
    import psycopg

    from sluicegate.transactional import psycopg as with_psycopg

    async def shipped(url: str) -> None:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await with_psycopg.acreate_table(connection)
            await with_psycopg.aenqueue(connection, **text_of("order-1"))
            await with_psycopg.aenqueue_many(connection.cursor(), [text_of("order-2")])

    with database(server_url) as url:
        asyncio.run(shipped(url))
        with psycopg.connect(url, cursor_factory=psycopg.RawCursor) as connection:
            cursor = connection.cursor()
            assert with_psycopg.enqueue(cursor, text_of("order-3")) == "order-3"
            assert with_psycopg.enqueue_many(connection, []) == []
        relay = Relay(url, config)
        assert relay.run_once().enqueued == 3
        relay.close()


def test_a_message_without_an_id_gets_one_and_an_app_its_own(
    one: Shop, relay: Relay, config: Config, valkey: redis.Redis
) -> None:
    fields = text_of("") | {"id": ""}
    with begun(one.url) as connection:
        id = with_sqlalchemy.enqueue(connection, fields, app="shop")
    assert len(id) == 22
    assert relay.run_once().enqueued == 1
    assert waiting(valkey) == [f"shop:{id}"]
    with pytest.raises(InvalidConfig, match="app"):
        handovers_of([fields], app="Shop!")


def test_what_a_database_lacks_is_said(config: Config, tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="not there"):
        Relay(f"sqlite:///{tmp_path / 'none.sqlite3'}", config)
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    with begun(url) as connection:
        connection.exec_driver_sql("CREATE TABLE orders (name TEXT)")
    relay = Relay(url, config)
    with pytest.raises(DatabaseUnavailable, match="no table sluicegate_handover"):
        relay.run_once()
    relay.close()
    with pytest.raises(DatabaseUnavailable, match="user:\\*\\*\\*@"):
        Relay("postgresql://user:secret@127.0.0.1:1/none", config).run_once()


def kill_again_and_again(kind: str, url: str, redis_url: str, kills: int) -> None:
    command = [
        sys.executable,
        "-m",
        "support.handover_kills",
        kind,
        url,
        redis_url,
        str(kills),
        "7",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    subprocess.run(command, check=True, env=environment)


def killed_and_whole(kind: str, url: str, redis_url: str, valkey: redis.Redis, kills: int) -> None:
    """After all these kills every order that was committed is one message, and no other is."""
    with shop(kind, url):
        pass
    kill_again_and_again(kind, url, redis_url, kills)
    relay = Relay(url, Config(redis_url=redis_url))
    relay.run_once()
    relay.close()
    with shop(kind, url, prepare=False) as made:
        orders, found = made.orders(), waiting(valkey)
    assert len(orders) > kills
    assert sorted(found) == sorted(orders)
    assert rows_in(url) == 0


def test_a_few_kills_lose_nothing(redis_url: str, valkey: redis.Redis, tmp_path: Path) -> None:
    killed_and_whole(
        "sqlalchemy", f"sqlite:///{tmp_path / 'shop.sqlite3'}", redis_url, valkey, kills=6
    )


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("place", "kind"), PAIRS)
def test_500_kills_lose_nothing_and_send_nothing_twice(
    place: str,
    kind: str,
    request: pytest.FixtureRequest,
    redis_url: str,
    valkey: redis.Redis,
    tmp_path: Path,
) -> None:
    if place == "sqlite":
        killed_and_whole(kind, f"sqlite:///{tmp_path / 'shop.sqlite3'}", redis_url, valkey, 500)
        return
    with database(request.getfixturevalue("server_url")) as url:
        killed_and_whole(kind, url, redis_url, valkey, 500)
