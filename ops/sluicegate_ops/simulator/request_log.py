"""What the simulator received, accepted and answered: the truth that a test compares with."""

from collections import Counter, deque

#: A status, or ``closed`` or ``hang`` for a request that got no answer.
Status = int | str

#: Arrival (monotonic seconds), recipient, idempotency key, status, accepted by this request.
LoggedPost = tuple[float, str, str, Status, bool]


class WindowPeak:
    """The highest number of moments that ever lay within one sliding window."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self.highest = 0

    def add(self, now: float, window_seconds: float) -> None:
        """Count one more at ``now``, in seconds of the same clock as before."""
        times, oldest = self._times, now - window_seconds
        while times and times[0] <= oldest:
            times.popleft()
        times.append(now)
        self.highest = max(self.highest, len(times))


class RequestLog:
    """Every POST that reached the simulator, and the sums over them.

    Only the simulator's loop writes. Each sum is kept as it grows, so that another thread can
    read the report at any moment.
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
        """Write down one POST and what became of it."""
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
