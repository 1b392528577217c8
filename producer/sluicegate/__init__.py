"""Sluicegate's producer: what any app imports to send SMS and MMS through the queue."""

from typing import TYPE_CHECKING

from .client import AsyncSluice, Sluice
from .config import Config
from .config import load as load_config
from .errors import (
    CapReached,
    IdReused,
    InvalidConfig,
    InvalidMessage,
    OutboxError,
    OutboxFull,
    OutboxUnavailable,
    SluicegateError,
    UnknownMessage,
    WrongState,
)
from .message import Message
from .outbox import EnqueueResult, MessageDelivery, MessageState, MessageStatus
from .segments import Segments
from .segments import count as count_segments

__all__ = [
    "AsyncSluice",
    "CapReached",
    "Config",
    "EnqueueResult",
    "IdReused",
    "InvalidConfig",
    "InvalidMessage",
    "Message",
    "MessageDelivery",
    "MessageState",
    "MessageStatus",
    "OutboxError",
    "OutboxFull",
    "OutboxUnavailable",
    "Segments",
    "Sluice",
    "SluicegateError",
    "UnknownMessage",
    "WrongState",
    "__version__",
    "count_segments",
    "load_config",
]

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name: str) -> str:
        """Read ``__version__`` on demand: most apps never ask for it."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version("sluicegate")
