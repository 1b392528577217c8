"""The Redis server itself: whether it takes writes, and the memory that it has left."""

import os
from typing import Any

import msgspec
import redis
from redis.exceptions import NoPermissionError

from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.memory import ServerMemory
from sluicegate.redis_errors import passing
from sluicegate.safety import Hazard, hazards

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


def read_hazards(client: redis.Redis, config: Config, account: str) -> list[Hazard]:
    """With which settings messages get lost or go astray, as far as they can be seen from here."""
    try:
        info: Any = client.info()
    except redis.ResponseError:  # a hosted Redis may keep it to itself
        info = {}
    return hazards(config, account, info, os.environ)


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
