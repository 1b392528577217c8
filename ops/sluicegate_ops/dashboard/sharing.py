"""One look for all who look at the same page: open pages don't multiply what Redis is asked."""

import time
from collections.abc import Callable, Hashable
from threading import Lock
from typing import NamedTuple

from .pages import PageAnswer

LEAST_SECONDS = 1.0
"""So long an answer is shared at least; pages look again every 2 s."""

MOST_SECONDS = 2.0
"""And so long at most, unless the look took longer: a page names what is wrong within 5 s."""

REST = 20
"""An answer is shared for so many times as long as it took: no page keeps Redis busy."""


class _Kept(NamedTuple):
    answer: PageAnswer
    until: float


class SharedLooks:
    """The answers of the last moments, by what was asked; safe across threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._kept: dict[Hashable, _Kept] = {}
        self._asking: dict[Hashable, Lock] = {}

    def __call__(self, asked: Hashable, look: Callable[[], PageAnswer]) -> PageAnswer:
        """What ``look`` answers, or answered a moment ago."""
        with self._lock:
            turn = self._asking.setdefault(asked, Lock())
        with turn:  # whoever asks the same meanwhile takes the answer that is on its way
            began = self._monotonic()
            kept = self._kept.get(asked)
            if kept is not None and began < kept.until:
                return kept.answer
            answer = look()
            ended = self._monotonic()
            with self._lock:
                self._forget(ended)
                self._kept[asked] = _Kept(answer, ended + _share_seconds(ended - began))
            return answer

    def _forget(self, now: float) -> None:
        """Drop what nobody shares any more; addresses are of people's choosing."""
        for asked in [asked for asked, kept in self._kept.items() if kept.until <= now]:
            del self._kept[asked]
        for asked in [asked for asked in self._asking if asked not in self._kept]:
            if not self._asking[asked].locked():
                del self._asking[asked]


def _share_seconds(took_seconds: float) -> float:
    rested = min(REST * took_seconds, MOST_SECONDS)
    return max(LEAST_SECONDS, rested, took_seconds)
