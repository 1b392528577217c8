"""The Redis server itself: whether it takes writes, and the memory that it has left."""

from typing import Any

import msgspec
import redis
from redis.exceptions import NoPermissionError

from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.memory import ServerMemory
from sluicegate.outbox import passing

from .memory import read_memory

NO_MEMORY_SAID = ServerMemory(0, 0.0, 0.0, 0, "")


class ServerState(msgspec.Struct, frozen=True):
    """The server; ``refuses`` says why it takes no writes, and is "" where it takes them.

    A full server still takes writes that free memory: see ``memory``.
    """

    refuses: str
    memory: ServerMemory


def read_server(client: redis.Redis, config: Config, keys: Keys) -> ServerState:
    """Ask it; a hosted Redis may say nothing of its memory."""
    try:
        memory = read_memory(client, config)
    except redis.ResponseError:
        memory = NO_MEMORY_SAID
    return ServerState(refused_writes(client, keys), memory)


def refused_writes(client: redis.Redis, keys: Keys) -> str:
    """Why the server refuses a write that changes nothing, "" where it takes it."""
    store: Any = client
    try:
        store.zrem(keys("granted"), "")
    except NoPermissionError:
        return ""  # this user may only read; the workers' may write
    except redis.ResponseError as error:
        return passing(str(error)) or f"Redis refuses writes: {error}"
    return ""
