"""The memory that Redis uses, beside the ceiling beyond which no message is taken."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sluicegate.config import Config


class ServerMemory(NamedTuple):
    """Bytes in use, and the ceiling; the ceiling is 0 where Redis has no maxmemory."""

    used: int
    ceiling: float

    @property
    def full(self) -> bool:
        """Whether messages are refused for want of memory."""
        return 0 < self.ceiling < self.used


def parse_memory(info: Mapping[str, Any], config: Config) -> ServerMemory:
    """What Redis's ``INFO memory`` says, for a configuration's ``memory_ceiling``."""
    ceiling = int(info.get("maxmemory", 0)) * config.memory_ceiling
    return ServerMemory(int(info.get("used_memory", 0)), ceiling)
