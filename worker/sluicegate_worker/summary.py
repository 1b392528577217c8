"""What a drain did, as the result of its Celery task."""

from collections import Counter

import msgspec

from .wire import Settle


class Summary(msgspec.Struct):
    """What a drain did: outcomes by name, its seconds, why it ended, what Redis didn't take."""

    outcomes: Counter[str]
    seconds: float
    ended: str
    unsettled: list[Settle] = msgspec.field(default_factory=list)

    def __str__(self) -> str:
        """One line for people, as Flower shows it."""
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{done or 'nothing to do'} in {self.seconds:.1f} s ({self.ended})"
