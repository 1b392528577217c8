"""The server as a deployment depends on it: version, role, clock, distance, permissions."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import redis

from sluicegate.keys import Keys

_CALLS = 5


class ServerVitals(msgspec.Struct, frozen=True):
    """What was seen of a server; ``info`` is its INFO, empty where it keeps that to itself.

    ``clock_ahead_seconds`` is how far its clock is ahead of this host's, ``away_ms`` how long a
    call takes, ``refused`` the commands that this user may not use, and ``broken`` why scripts
    don't work, "" if they do.
    """

    info: Mapping[str, Any]
    away_ms: float
    clock_ahead_seconds: float
    refused: tuple[str, ...]
    broken: str


def read_vitals(
    client: redis.Redis, keys: Keys, wall: Callable[[], float] = time.time
) -> ServerVitals:
    """Ask the server; nothing is changed. Raises redis.RedisError where it can't be reached."""
    store: Any = client
    ahead = 0.0
    took: list[float] = []
    for _ in range(_CALLS):
        began = time.monotonic()
        seconds, micros = store.time()
        lasted = time.monotonic() - began
        if not took or lasted < min(took):
            ahead = seconds + micros / 1e6 - (wall() - lasted / 2)
        took.append(lasted)
    try:
        info = store.info()
    except redis.ResponseError:
        info = {}
    return ServerVitals(info, 1000 * min(took), ahead, _refused(store, keys), _broken(store, keys))


def _refused(store: Any, keys: Keys) -> tuple[str, ...]:
    """Commands that are not permitted, tried on a key that does not exist."""
    nothing = keys("doctor")
    tried: Mapping[str, Callable[[], object]] = {
        "HDEL": lambda: store.hdel(nothing, "x"),
        "HGETALL": lambda: store.hgetall(nothing),
        "LRANGE": lambda: store.lrange(nothing, 0, 0),
        "LREM": lambda: store.lrem(nothing, 0, "x"),
        "SCAN": lambda: store.scan(0, match=nothing, count=1),
        "SREM": lambda: store.srem(nothing, "x"),
        "UNLINK": lambda: store.unlink(nothing),
        "ZRANGE": lambda: store.zrange(nothing, 0, 0),
        "ZREM": lambda: store.zrem(nothing, "x"),
    }
    refused = []
    for name, act in tried.items():
        try:
            act()
        except redis.exceptions.NoPermissionError:
            refused.append(name)
        except redis.ResponseError:
            pass  # full, or read-only: other checks tell
    return tuple(refused)


def _broken(store: Any, keys: Keys) -> str:
    """Why a script on two keys with one tag does not run as it does on a plain server."""
    try:
        answer = store.eval(
            "return {KEYS[1], redis.call('EXISTS', KEYS[2])}", 2, keys("doctor"), keys("ready")
        )
    except redis.exceptions.NoPermissionError:
        return "this user may not run scripts (EVALSHA)"
    except redis.ResponseError as error:
        return str(error)
    expected = keys("doctor").encode()
    return "" if answer and answer[0] == expected else "keys are changed on the way"
