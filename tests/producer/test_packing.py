"""Commands that hiredis packs, for connections that send a thousand arguments at a time."""

from typing import Any

import pytest
import redis
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.connections import connect, connect_async


def connection(client: Any) -> Any:
    """A connection as its own are, not connected yet, and not among the most that it may have."""
    pool = client.connection_pool
    return pool.connection_class(**pool.connection_kwargs)


ARGUMENTS = st.lists(
    st.text()
    | st.binary()
    | st.binary().map(bytearray)
    | st.integers()
    | st.floats()
    | st.just("x" * 10_000),
    max_size=9,
)


URL = "redis://h:1/0"
PACKING = pytest.mark.parametrize("client", [connect_async(URL, pack_in_c=True), connect(URL)])


@PACKING
@given(args=ARGUMENTS, command=st.sampled_from(["EVALSHA", "SCRIPT LOAD", "GET", b"GET"]))
def test_commands_are_packed_as_redis_py_packs_them(
    client: Any, args: list[str | bytes | bytearray | float], command: str | bytes
) -> None:
    written = b"".join(connection(client).pack_command(command, *args))
    assert written == b"".join(connection(redis.asyncio.Redis()).pack_command(command, *args))


@PACKING
def test_what_is_no_argument_is_refused_as_by_redis_py(client: Any) -> None:
    with pytest.raises(redis.DataError):
        connection(client).pack_command("SET", "key", None)


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://h:1/0", "unix:///tmp/socket"])
def test_what_packs_in_c_connects_as_before(url: str) -> None:
    plain = connection(connect_async(url))
    packing = connection(connect_async(url, pack_in_c=True))
    assert isinstance(packing, type(plain))
    assert packing.repr_pieces() == plain.repr_pieces()
