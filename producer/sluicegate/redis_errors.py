"""What an error of Redis means to its caller: whether it passes, and what may have been done."""

import socket
from collections.abc import Sequence

import redis

from .errors import OutboxError, OutboxFull, OutboxUnavailable


def translated(error: redis.RedisError, ids: Sequence[str], *, wrote: bool = True) -> OutboxError:
    """Translate a redis-py error into ours, for the messages ``ids``.

    A call that ``wrote`` nothing has nothing that may have been done.
    """
    if isinstance(error, redis.OutOfMemoryError) or "OOM" in str(error):  # Redis 6.2 wraps it
        return OutboxFull("Redis is out of memory; nothing of this call was stored", ids)
    if state := passing(str(error)):
        return OutboxUnavailable(f"{state} ({error}); repeating it is safe", ids)
    if isinstance(error, redis.ResponseError):
        return OutboxError(f"Redis refused: {error}", ids)
    reached = not _refused_to_connect(error)
    said = str(error).rstrip(".")  # the system's own words end with one
    reason = f"Redis {'did not answer' if reached else 'cannot be reached'}: {said}"
    if wrote:
        done = "it may have been" if reached else "unless Redis went away meanwhile, nothing was"
        reason += f"; {done} done, and repeating it is safe"
    return OutboxUnavailable(reason, ids)


def _refused_to_connect(error: BaseException | None) -> bool:
    """Whether no connection came about: this try wrote nothing, though an earlier one may have."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError | socket.gaierror | FileNotFoundError):
            return True
        error = error.__cause__ or error.__context__
    return False


_PASSING = {
    "read only replica": "Redis is a read-only replica",
    "UNBLOCKED": "Redis has become a read-only replica",
    "Link with MASTER is down": "Redis is a replica that has lost its primary",
    "loading the dataset": "Redis is loading its data",
    "MISCONF": "Redis refuses writes, since it can't save them",
    "NOREPLICAS": "Redis refuses writes, since it has too few replicas",
    "cluster is down": "the Redis cluster is down",
    "BUSY ": "Redis is busy with another script",
}
"""By words of Redis's answer, why it can't take a call now; redis-py cuts some answers' codes."""


def passing(answer: str) -> str:
    """The passing state of Redis that an error's text tells of, "" where it tells of none."""
    return next((state for words, state in _PASSING.items() if words in answer), "")
