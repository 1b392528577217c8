"""Halts: a level stopped by a person, or for a cause that every further message would hit too."""

import redis

from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts
from sluicegate.stored import HaltInfo

HALT = Script("sluicegate_worker.halt")


class Halts:
    """The halts of one account, on a synchronous client; ``clock`` is for tests.

    A level is ``account``, ``sender:<number, name or pool:profile>``, ``mms:<the same>`` for the
    sender's MMS alone, ``campaign:<name>``, ``registration:<name>`` or ``brand:<name>``.
    """

    def __init__(self, client: redis.Redis, keys: Keys, *, clock: str | None = None) -> None:
        self._scripts = Scripts(client, keys.prefix, clock)

    def list(self) -> list[HaltInfo]:
        """Every halt in force or waiting to clear itself."""
        stored = self._scripts.call(HALT, ["list"])
        return [
            HaltInfo.parse(level, text)
            for level, text in zip(stored[::2], stored[1::2], strict=True)
        ]

    def set(self, level: str, why: str, seconds: float | None = None, who: str = "") -> None:
        """Stop a level for so long, None for until it is cleared; one in force is replaced.

        What has started by then goes out; see ``optouts.START_TO_POST_SECONDS``.
        """
        ends: Argument = "" if seconds is None else seconds * 1000
        self._scripts.call(HALT, ["set", level, ends, why, who.replace("|", " ")])

    def clear(self, level: str = "account") -> bool:
        """Lift a halt and wake the workers; False where there was none."""
        return bool(self._scripts.call(HALT, ["clear", level]))
