"""Pipelined calls: they are answered as ordinary calls are, whatever befalls them on the way."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from sluicegate.config import Config
from sluicegate.outbox import ENQUEUE, Outbox
from sluicegate.scripts import Argument, PipelinedScript, Scripts
from support.consistency import check_consistency
from support.messages import message

OUTBOX = Outbox(Config(), "default")
KEYS = OUTBOX.keys


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    """A client that has one connection and no more."""
    pool = redis.BlockingConnectionPool.from_url(redis_url, max_connections=1, timeout=1)
    with redis.Redis(connection_pool=pool) as client:
        yield client
    pool.disconnect()


def pipelined(client: redis.Redis) -> PipelinedScript:
    return PipelinedScript(client, KEYS.prefix, ENQUEUE, Scripts(client, KEYS.prefix))


def args(*numbers: int) -> list[Argument]:
    return OUTBOX.enqueue_args([message(number) for number in numbers])


def waiting(client: redis.Redis) -> int:
    return check_consistency(client, KEYS)["waiting"]


def test_the_server_works_before_it_is_asked_for_the_answer(
    client: Any, valkey: redis.Redis
) -> None:
    script = pipelined(client)
    client.script_load(ENQUEUE.source())
    with script.begin(args(1, 2)) as answer:
        while not valkey.exists(KEYS.record("m1")):
            pass
        assert answer() == b"ee"
    assert waiting(client) == 2


def test_a_script_that_the_server_does_not_know_is_loaded(client: Any) -> None:
    client.script_flush()
    with pipelined(client).begin(args(1)) as answer:
        assert answer() == b"e"
    assert waiting(client) == 1


def test_a_connection_lost_halfway_is_answered_as_the_first_time(
    client: Any, valkey: redis.Redis
) -> None:
    client.script_load(ENQUEUE.source())
    with pipelined(client).begin(args(1)) as answer:
        while not valkey.exists(KEYS.record("m1")):
            pass
        valkey.client_kill_filter(_type="normal", skipme=True)
        assert answer() == b"e"
    assert waiting(client) == 1


def test_a_connection_lost_before_it_is_written_to(client: Any, valkey: redis.Redis) -> None:
    script = pipelined(client)
    client.ping()
    valkey.client_kill_filter(_type="normal", skipme=True)
    with script.begin(args(1)) as answer:
        assert answer() == b"e"
    assert waiting(client) == 1


def test_where_it_cannot_be_written_nothing_is_read(redis_url: str) -> None:
    """redis-py's parsers in Python fail in their own way on a connection that was closed."""

    class Broken(redis.Connection):
        fails = True

        def send_command(self, *command: Any, **options: Any) -> None:
            if command[0] == "EVALSHA" and Broken.fails:
                Broken.fails = False
                self.disconnect()  # type: ignore[no-untyped-call] # redis-py's
                raise redis.ConnectionError("the write failed")
            super().send_command(*command, **options)  # type: ignore[no-untyped-call] # redis-py's

        def read_response(self, *args: Any, **options: Any) -> Any:
            assert self._sock is not None, "it was closed"
            return super().read_response(*args, **options)

    pool = redis.ConnectionPool.from_url(redis_url, connection_class=Broken)
    with redis.Redis(connection_pool=pool) as client:
        with pipelined(client).begin(args(1)) as answer:
            assert answer() == b"e"
        assert waiting(client) == 1
    pool.disconnect()


def test_an_answer_that_nobody_asks_for_is_not_taken_for_another(client: Any) -> None:
    client.script_load(ENQUEUE.source())
    with pytest.raises(OSError, match="meanwhile"), pipelined(client).begin(args(1)):
        raise OSError("meanwhile")
    assert client.echo("mine") == b"mine"


def test_an_error_of_the_script_is_the_ordinary_call_s(client: Any) -> None:
    client.set(KEYS("clock"), "no hash")
    with (
        pytest.raises(redis.ResponseError, match="WRONGTYPE"),
        pipelined(client).begin(args(1)) as answer,
    ):
        answer()
    assert client.echo("mine") == b"mine"
