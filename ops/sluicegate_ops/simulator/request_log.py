"""What the simulator received, accepted and answered, for tests to compare with."""

from collections import Counter, deque

#: A status; ``closed`` or ``hang`` for a request without an answer.
Status = int | str

#: Arrival (monotonic seconds), recipient, idempotency key, status, whether it was accepted.
LoggedPost = tuple[float, str, str, Status, bool]


class WindowPeak:
    """The highest number of times within one sliding window."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self.highest = 0

    def add(self, now: float, window_seconds: float) -> None:
        """Count one at ``now``, in seconds of a single clock."""
        times, oldest = self._times, now - window_seconds
        while times and times[0] <= oldest:
            times.popleft()
        times.append(now)
        self.highest = max(self.highest, len(times))


class RequestLog:
    """Every POST that reached the simulator, and the sums over them.

    Only the simulator's loop writes. The sums are updated with each POST, so another thread can
    read the report at any time.
    """

    def __init__(self) -> None:
        self.requests: list[LoggedPost] = []
        #: Recipient: the number of messages accepted for it.
        self.recipients: dict[str, int] = {}
        self.replayed = 0
        self.faults: Counter[str] = Counter()
        self._accepted = self._received_twice = self._other = 0
        self._responses: Counter[Status] = Counter()
        self._responses_429 = 0
        self.arrivals = WindowPeak()
        self._first = self._last = 0.0

    def post(self, entry: LoggedPost) -> None:
        """Log one POST and its result."""
        now, recipient, _, status, accepted = entry
        if not self.requests:
            self._first = now
        self._last = now
        self.requests.append(entry)
        self._responses[status] += 1
        self._responses_429 += status == 429
        if accepted:
            self._accept(recipient)

    def other(self, status: int) -> None:
        """Count one request that is not a POST."""
        self._other += 1
        self._responses_429 += status == 429

    def _accept(self, recipient: str) -> None:
        before = self.recipients.get(recipient, 0)
        self.recipients[recipient] = before + 1
        self._accepted += 1
        self._received_twice += before == 1

    def report(self) -> dict[str, object]:
        """The sums; ``responses`` adds up to ``received``."""
        received, busy_seconds = len(self.requests), self._last - self._first
        return {
            "received": received,
            "accepted": self._accepted,
            "replayed": self.replayed,
            "recipients": len(self.recipients),
            "received_twice": self._received_twice,
            "responses": {str(status): n for status, n in self._responses.copy().items()},
            "responses_429": self._responses_429,
            "other_requests": self._other,
            "highest_received_in_window": self.arrivals.highest,
            "faults": dict(self.faults.copy()),
            "busy_seconds": round(busy_seconds, 6),
            "requests_per_second": round((received - 1) / busy_seconds, 3)
            if busy_seconds
            else 0.0,
        }
