"""The memory of the Redis server, and the two ceilings below its ``maxmemory``.

    0 ──────────────── memory_ceiling ──────── sending_ceiling ──────── maxmemory
      everything works   nothing is enqueued     nothing is claimed
                         or imported             what is under way ends, and stops still work

Sending makes memory grow: a finished message's record takes more than its ticket did.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from .config import Config

_BESIDE_A_TICKETS_END_BYTES = 35  # a short id, a list's entry, and 8 bytes among the members
_RECORD_BYTES = 600
_RECEIPTS_BYTES = 450


class ServerMemory(NamedTuple):
    """Bytes in use, and the ceilings in bytes; they are 0 where Redis has no ``maxmemory``.

    ``policy`` is its ``maxmemory-policy``; any but ``noeviction`` drops messages when it is full.
    """

    used: int
    ceiling: float
    sending_ceiling: float
    most: int
    policy: str

    @property
    def full(self) -> bool:
        """Whether messages are refused for want of memory."""
        return 0 < self.ceiling < self.used

    @property
    def stops_sending(self) -> bool:
        """Whether messages are not claimed for want of memory."""
        return 0 < self.sending_ceiling < self.used


def server_memory(info: Mapping[str, Any], config: Config) -> ServerMemory:
    """The server's memory by its ``INFO memory``; empty where it has no such command."""
    most = int(info.get("maxmemory", 0))
    # As the server counts it: buffers of replicas and of the append-only file are not messages.
    used = int(info.get("used_memory", 0)) - int(info.get("mem_not_counted_for_evict", 0))
    return ServerMemory(
        used,
        most * config.memory_ceiling,
        most * config.sending_ceiling,
        most,
        str(info.get("maxmemory_policy", "")),
    )


def waiting_bytes(ticket_end: bytes) -> int:
    """What a campaign's recipient takes while it waits, about."""
    return len(ticket_end) + _BESIDE_A_TICKETS_END_BYTES


def finished_bytes(receipts: bool) -> int:
    """What a message takes once it was sent and as long as its record is kept, about."""
    return _RECORD_BYTES + _RECEIPTS_BYTES * receipts


def intake_refusal(memory: ServerMemory, act: str = "enqueueing") -> str | None:
    """Say why nothing is taken now, for an error; None where it is. ``act`` is what stops."""
    if not memory.full:
        return None
    return f"Redis uses {memory.used:,} bytes; {act} stops at {memory.ceiling:,.0f}"
