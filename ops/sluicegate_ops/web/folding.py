"""Lines of the log that anybody can cause: one in ten seconds, with how many there were."""

import logging
import time
from collections.abc import Callable
from typing import Final

FOLDED_SECONDS: Final = 10.0
_MOST_KINDS: Final = 100


class Folded(logging.Filter):
    """Lets one record of a kind pass in ``FOLDED_SECONDS``; the next one says how many were held.

    A kind is a logger and the text of its message before anything is put into it.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, kind = self._monotonic(), (record.name, str(record.msg)[:100])
        at, held = self._passed.get(kind, (now - FOLDED_SECONDS, 0))
        if now - at < FOLDED_SECONDS:
            self._passed[kind] = at, held + 1
            return False
        if len(self._passed) >= _MOST_KINDS:  # texts that hold what somebody sent
            self._passed.clear()
        self._passed[kind] = now, 0
        if held:
            record.msg, record.args = f"{record.getMessage()} (and {held} more like it)", ()
        return True
