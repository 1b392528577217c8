"""The memory that Redis uses, beside the ceilings at which intake and sending stop."""

from collections.abc import Mapping
from typing import Any, cast

import redis
import redis.asyncio

from sluicegate.config import Config
from sluicegate.memory import ServerMemory, server_memory


def read_memory(client: redis.Redis, config: Config) -> ServerMemory:
    """What the server uses now, for a configuration's ceilings."""
    return server_memory(_info(client.info("memory")), config)


async def aread_memory(client: redis.asyncio.Redis, config: Config) -> ServerMemory:
    """``read_memory`` on an asynchronous client."""
    return server_memory(_info(await cast("Any", client.info("memory"))), config)


def _info(answer: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", answer)
