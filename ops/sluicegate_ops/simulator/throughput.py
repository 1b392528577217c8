"""Message throughput: the queues that a message passes after acceptance, each with a rate."""

from typing import NamedTuple

from .settings import Settings


class RateQueue:
    """A first-in-first-out queue that empties at a rate, in segments per second."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        #: When the queue will be empty, in seconds of the caller's clock.
        self._empty_at = 0.0

    def wait_seconds(self, now: float, burst_seconds: float) -> float:
        """How long a message that arrives now waits for those before it.

        After a pause, ``burst_seconds`` of the rate pass at once, but never less than 1 segment.
        """
        spare = max(0.0, burst_seconds - 1 / self.rate)
        return max(0.0, self._empty_at - spare - now)

    def change(self, rate: float, now: float) -> None:
        """Change the rate; the same segments keep waiting."""
        waiting = max(0.0, self._empty_at - now)
        self._empty_at, self.rate = now + waiting * self.rate / rate, rate

    def put(self, segments: int, now: float) -> None:
        """Add a message."""
        self._empty_at = max(self._empty_at, now) + segments / self.rate


class QueueItem(NamedTuple):
    """A message as its queues see it."""

    sender: str
    mms: bool
    segments: int


class Queues:
    """One credential's queues: one for each sender, one for SMS and one for MMS."""

    def __init__(self) -> None:
        self._queues: dict[str, RateQueue] = {}

    def take(self, item: QueueItem, now: float, settings: Settings) -> float | None:
        """Put a message into each of its queues; return the longest wait, in seconds.

        Returns None, and puts it into no queue, if any of them is full.
        """
        queues = self._of(item, now, settings)
        longest = 0.0
        for queue in queues:
            wait = queue.wait_seconds(now, settings.burst_seconds)
            room = settings.queue_seconds - wait
            # Add an epsilon, so that a rounding error does not make a queue full.
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
