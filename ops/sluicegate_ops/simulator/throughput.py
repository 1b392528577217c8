"""Message throughput: the queues that a message passes after its acceptance, each at a rate."""

from typing import NamedTuple

from .settings import Settings


class RateQueue:
    """A first-in-first-out queue that is emptied at a rate, in segments per second."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        #: When all that was put in has left, in seconds of the caller's clock.
        self._empty_at = 0.0

    def wait_seconds(self, now: float, burst_seconds: float) -> float:
        """How long a message that comes now waits for those before it.

        ``burst_seconds`` of the rate pass at once after a pause, but never less than 1 segment.
        """
        spare = max(0.0, burst_seconds - 1 / self.rate)
        return max(0.0, self._empty_at - spare - now)

    def change(self, rate: float, now: float) -> None:
        """Go on at another rate, with the same segments waiting."""
        waiting = max(0.0, self._empty_at - now)
        self._empty_at, self.rate = now + waiting * self.rate / rate, rate

    def put(self, segments: int, now: float) -> None:
        """Let a message in."""
        self._empty_at = max(self._empty_at, now) + segments / self.rate


class QueueItem(NamedTuple):
    """What a message is to its queues."""

    sender: str
    mms: bool
    segments: int


class Queues:
    """One credential's queues: one for each sender, one for SMS and one for MMS."""

    def __init__(self) -> None:
        self._queues: dict[str, RateQueue] = {}

    def take(self, item: QueueItem, now: float, settings: Settings) -> float | None:
        """Put a message into each of its queues; returns the longest wait, in seconds.

        None, and it is in none of them, when one of them is full.
        """
        queues = self._of(item, now, settings)
        longest = 0.0
        for queue in queues:
            wait = queue.wait_seconds(now, settings.burst_seconds)
            room = settings.queue_seconds - wait
            # Less a hair, so that a queue is not full by the last bit of a sum.
            if wait > 0 and item.segments / queue.rate > room + 1e-6:
                return None
            longest = max(longest, wait)
        for queue in queues:
            queue.put(item.segments, now)
        return longest

    def _of(self, item: QueueItem, now: float, settings: Settings) -> list[RateQueue]:
        account = settings.account_mms_rate if item.mms else settings.account_sms_rate
        sender = settings.sender_rates.get(item.sender, settings.default_sender_rate)
        named = (("MMS" if item.mms else "SMS", account), (f"of {item.sender}", sender))
        return [self._queue(name, rate, now) for name, rate in named if rate is not None]

    def _queue(self, name: str, rate: float, now: float) -> RateQueue:
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = RateQueue(rate)
        if queue.rate != rate:
            queue.change(rate, now)
        return queue
