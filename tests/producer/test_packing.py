"""Commands that hiredis packs, for connections that send a thousand arguments at a time."""

from typing import Any

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.connections import connect_async


def connection(client: Any) -> Any:
    """One of its connections, not connected yet."""
    return client.connection_pool.make_connection()


ARGUMENTS = st.lists(
    st.text() | st.binary() | st.integers() | st.floats() | st.just("x" * 10_000), max_size=9
)


@given(ARGUMENTS, st.sampled_from(["EVALSHA", "SCRIPT LOAD", "GET"]))
def test_commands_are_packed_as_redis_py_packs_them(
    args: list[str | bytes | float], command: str
) -> None:
    own, packing = (
        connection(redis.asyncio.Redis()),
        connection(connect_async("redis://h:1/0", pack_in_c=True)),
    )
    written = b"".join(packing.pack_command(command, *args))
    assert written == b"".join(own.pack_command(command, *args))


@pytest.mark.parametrize("url", ["redis://h:1/0", "rediss://h:1/0", "unix:///tmp/socket"])
def test_what_packs_in_c_connects_as_before(url: str) -> None:
    plain = connection(connect_async(url))
    packing = connection(connect_async(url, pack_in_c=True))
    assert isinstance(packing, type(plain))
    assert packing.repr_pieces() == plain.repr_pieces()
