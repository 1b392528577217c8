"""The memory that Redis uses, beside the ceiling beyond which no message is taken."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import redis
import redis.asyncio

from sluicegate.config import Config


class ServerMemory(NamedTuple):
    """Bytes in use, and the ceiling; the ceiling is 0 where Redis has no maxmemory."""

    used: int
    ceiling: float

    @property
    def full(self) -> bool:
        """Whether messages are refused for want of memory."""
        return 0 < self.ceiling < self.used


def read_memory(client: redis.Redis, config: Config) -> ServerMemory:
    """What the server uses now, for a configuration's ``memory_ceiling``."""
    return _memory(cast("Any", client.info("memory")), config)


async def aread_memory(client: redis.asyncio.Redis, config: Config) -> ServerMemory:
    """``read_memory`` on an asynchronous client."""
    return _memory(await cast("Any", client.info("memory")), config)


def _memory(info: Mapping[str, Any], config: Config) -> ServerMemory:
    ceiling = int(info.get("maxmemory", 0)) * config.memory_ceiling
    return ServerMemory(int(info.get("used_memory", 0)), ceiling)
