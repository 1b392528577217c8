"""How many messages a drain may hold: one for each place where a POST fits, now or soon."""

import math
from collections.abc import Sequence

from .wire import BATCH

AHEAD_SECONDS = 0.01
"""A claim also fills the places that become free within this time."""

LEAST_CLAIMED = 2
"""A claim asks for at least this many, however many starts were refused."""

_WEIGHT = 0.1  # of the last answer's time in the average


class Capacity:
    """One drain's places, and what answers and starts teach about how fast they become free.

    ``places`` is how many POSTs may be under way. Callers pass how many are (``posting``), and how
    many messages wait for their start (``waiting``).
    """

    def __init__(self, places: int) -> None:
        self._places, self._most_claimed = places, BATCH
        self._post_seconds = math.inf  # on average; while it is unknown, nothing is claimed ahead

    def free(self, posting: int) -> int:
        """How many more POSTs may begin."""
        return max(0, self._places - posting)

    def room(self, posting: int, waiting: int) -> int:
        """How many more messages may be held; each has a place now or within AHEAD_SECONDS."""
        ahead = int(posting * AHEAD_SECONDS / max(0.001, self._post_seconds))
        return self._places + min(BATCH, ahead) - posting - waiting

    def wanted(self, posting: int, waiting: int) -> int:
        """How many messages to claim."""
        return max(0, min(self._most_claimed, self.room(posting, waiting)))

    def note_answer(self, took_seconds: float) -> None:
        """A POST was answered."""
        average = self._post_seconds
        change = _WEIGHT * (took_seconds - average)
        self._post_seconds = took_seconds if average == math.inf else average + change

    def note_stall(self) -> None:
        """Places did not become free as expected: claim nothing ahead until answers come again."""
        self._post_seconds = math.inf

    def note_starts(self, started: Sequence[bool]) -> None:
        """Claim less if starts come too late, as on a host with more workers than cores."""
        if not all(started):
            self._most_claimed = max(LEAST_CLAIMED, self._most_claimed // 2)
        elif started:
            self._most_claimed = min(BATCH, self._most_claimed + 1)


def shares(*counts: int) -> list[int]:
    """How many of each kind one call carries: BATCH at most, divided in proportion.

    What is left over by rounding goes to the kinds named first.
    """
    total = sum(counts)
    if total <= BATCH:
        return list(counts)
    carried: list[int] = []
    for count in counts:
        share = math.ceil(count * BATCH / total)
        carried.append(min(share, BATCH - sum(carried)))
    return carried
