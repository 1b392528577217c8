"""What waits for limits on what recipients get, and which prefixes are braked."""

from typing import Any

import msgspec
import redis

from sluicegate.keys import Keys
from sluicegate.stored import line_of

_MOST_PREFIXES = 5
_BRAKED = b"p+"


class Withheld(msgspec.Struct, frozen=True):
    """How many messages wait in line for such a limit, and how many of them for which prefixes.

    Of the braked prefixes the first few are named.
    """

    waiting: int = 0
    prefixes: dict[str, int] = {}


def read_withheld(client: redis.Redis, keys: Keys) -> Withheld:
    """Read it; costs as much as prefixes are named, however many messages wait."""
    store: Any = client
    name = keys("in_line")
    if not (waiting := store.zcard(name)):
        return Withheld()
    prefixes: dict[str, int] = {}
    after = b"[" + _BRAKED
    while len(prefixes) < _MOST_PREFIXES:
        found = store.zrangebylex(name, after, b"(p,", 0, 1)  # a comma comes after the plus
        if not found:
            break
        line = line_of(found[0])
        until = b"[" + line + b"|\xff"
        prefixes[line[1:].decode()] = store.zlexcount(name, b"[" + line + b"|", until)
        after = b"(" + line + b"|\xff"
    return Withheld(waiting, prefixes)
