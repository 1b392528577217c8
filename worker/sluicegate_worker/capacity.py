"""How many messages a drain takes on: a place for each POST, and what will fit in soon."""

import math
from collections.abc import Sequence

from .wire import BATCH

AHEAD_SECONDS = 0.01
"""What is claimed beyond the places there are: as many as will be free in so long."""

LEAST_CLAIMED = 2
"""So many are asked for in a claim however many starts were refused."""

_NEWS = 0.1  # how much one answer's time counts


class Places:
    """One drain's places, ``most`` of them, as what it hears of answers and starts has it."""

    def __init__(self, most: int) -> None:
        self._most, self._most_claimed = most, BATCH
        self._usual_seconds = math.inf  # what a POST takes; unknown, and nothing is claimed ahead

    def free(self, posting: int) -> int:
        """How many more POSTs may be under way."""
        return max(0, self._most - posting)

    def room(self, posting: int, held: int) -> int:
        """How many more messages may be held: each will have a place soon, if not now."""
        ahead = int(posting * AHEAD_SECONDS / max(0.001, self._usual_seconds))
        return self._most + min(BATCH, ahead) - posting - held

    def wanted(self, posting: int, held: int) -> int:
        """How many a claim asks for."""
        return max(0, min(self._most_claimed, self.room(posting, held)))

    def answered(self, took_seconds: float) -> None:
        """A POST came to its answer."""
        usual = self._usual_seconds
        change = _NEWS * (took_seconds - usual)
        self._usual_seconds = took_seconds if usual == math.inf else usual + change

    def stuck(self) -> None:
        """Places did not become free as they used to: nothing is claimed ahead until they do."""
        self._usual_seconds = math.inf

    def started(self, started: Sequence[bool]) -> None:
        """Claim less where starts come too late, as on a host with more workers than cores."""
        if not all(started):
            self._most_claimed = max(LEAST_CLAIMED, self._most_claimed // 2)
        elif started:
            self._most_claimed = min(BATCH, self._most_claimed + 1)


def shares(*counts: int) -> list[int]:
    """How many of each kind a call carries, where all would be more than BATCH: the same part."""
    part = min(1.0, BATCH / max(1, sum(counts)))
    return [math.ceil(count * part) for count in counts]
