"""Sluicegate's producer: what any app imports to send SMS and MMS through the queue."""

from .client import AsyncSluice, Sluice
from .config import Config, load
from .errors import (
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
from .outbox import MessageStatus, Result
from .segments import Segments, count

__all__ = [
    "AsyncSluice",
    "Config",
    "IdReused",
    "InvalidConfig",
    "InvalidMessage",
    "Message",
    "MessageStatus",
    "OutboxError",
    "OutboxFull",
    "OutboxUnavailable",
    "Result",
    "Segments",
    "Sluice",
    "SluicegateError",
    "UnknownMessage",
    "WrongState",
    "count",
    "load",
]
