"""How far away Redis is: what a worker's calls on it take, and what is known of that in Redis."""

from collections import deque
from statistics import median

from sluicegate.optouts import MOST_START_TO_POST_SECONDS, START_TO_POST_SECONDS, post_within

FAR_SECONDS = START_TO_POST_SECONDS / 2
"""A worker whose calls usually take longer says so."""

TOO_FAR_SECONDS = MOST_START_TO_POST_SECONDS / 2
"""Beyond this, a POST often can't begin in time, so messages are given back unsent."""

NEAR_SECONDS = FAR_SECONDS / 2
"""What takes less needs no thought."""

_CALLS = 20
_LEAST_CALLS = 5


class Distance:
    """One worker's, by its last calls.

    A POST begins within ``post_within_seconds`` of asking for its start. Whoever closes a gate
    waits as long, so it grows only after the others were told, and shrinks before.
    """

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=_CALLS)
        self._told = 0.0
        self.least_seconds = 0.0
        """The shortest of the last calls: so long a call takes at least."""

    def note(self, seconds: float) -> None:
        """A call was answered."""
        self._took.append(seconds)
        self.least_seconds = min(self._took)

    @property
    def far_seconds(self) -> float:
        """How long calls usually take, where that is far; else 0.0."""
        if len(self._took) < _LEAST_CALLS:
            return 0.0
        usual = median(self._took)
        return usual if usual > FAR_SECONDS else 0.0

    @property
    def post_within_seconds(self) -> float:
        return post_within(self._told)

    def tell(self, seconds: float) -> None:
        """The others are about to be told."""
        self._told = min(self._told, seconds)

    def told(self, seconds: float) -> None:
        """The others know."""
        self._told = seconds
