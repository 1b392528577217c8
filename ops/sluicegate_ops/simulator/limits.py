"""Three request limiters that providers use: fixed window, sliding log, token bucket."""

from collections import deque
from math import ceil, floor
from random import Random
from typing import NamedTuple, Protocol

from .settings import Settings


class LimitVerdict(NamedTuple):
    """A limiter's verdict on one request, and the values of the rate headers."""

    admitted: bool
    remaining: int
    #: Until the first of the quota in use is back: the window ends (fixed), the oldest request
    #: leaves (sliding), there is one token more (bucket).
    first_seconds: float
    #: Until all of it is back: the window ends, the newest request leaves, the bucket is full.
    all_seconds: float
    #: Until a request can be admitted again; 0 if one can be now.
    retry_seconds: float


class Limiter(Protocol):
    """One credential's quota. Times are seconds of a clock that never runs backwards."""

    #: Requests per window; may be changed at any time.
    limit: int

    def take(self, now: float) -> LimitVerdict:
        """Request one; uses quota if it is admitted."""
        ...

    def peek(self, now: float) -> LimitVerdict:
        """The state now; uses no quota."""
        ...


class FixedWindow:
    """Counts in consecutive windows from ``phase``: up to twice the limit around an edge."""

    def __init__(
        self,
        limit: int,
        window_seconds: float,
        *,
        count_rejected: bool = False,
        phase: float = 0.0,
    ) -> None:
        self.limit, self._window, self._count_rejected = limit, window_seconds, count_rejected
        self._phase, self._index, self._used = phase, -1, 0

    def take(self, now: float) -> LimitVerdict:
        self._roll(now)
        admitted = self._used < self.limit
        if admitted or self._count_rejected:
            self._used += 1
        return self._verdict(now, admitted)

    def peek(self, now: float) -> LimitVerdict:
        self._roll(now)
        return self._verdict(now, self._used < self.limit)

    def _roll(self, now: float) -> None:
        index = floor((now - self._phase) / self._window)
        if index > self._index:
            self._index, self._used = index, 0

    def _verdict(self, now: float, admitted: bool) -> LimitVerdict:
        left = max(0.0, self._phase + (self._index + 1) * self._window - now)
        remaining = max(0, self.limit - self._used)
        return LimitVerdict(admitted, remaining, left, left, 0.0 if remaining else left)


class SlidingLog:
    """Remembers each request: never more than the limit within any window."""

    def __init__(self, limit: int, window_seconds: float, *, count_rejected: bool = False) -> None:
        self.limit, self._window, self._count_rejected = limit, window_seconds, count_rejected
        self._times: deque[float] = deque()

    def take(self, now: float) -> LimitVerdict:
        self._forget(now)
        admitted = len(self._times) < self.limit
        if admitted or self._count_rejected:
            self._times.append(now)
        return self._verdict(now, admitted)

    def peek(self, now: float) -> LimitVerdict:
        self._forget(now)
        return self._verdict(now, len(self._times) < self.limit)

    def _forget(self, now: float) -> None:
        times, oldest = self._times, now - self._window
        while times and times[0] <= oldest:
            times.popleft()

    def _verdict(self, now: float, admitted: bool) -> LimitVerdict:
        times = self._times
        over = len(times) - self.limit
        first, last = (times[0], times[-1]) if times else (now, now)
        first, last = max(0.0, first + self._window - now), max(0.0, last + self._window - now)
        if over < 0:
            return LimitVerdict(admitted, -over, first, last, 0.0)
        return LimitVerdict(admitted, 0, first, last, max(0.0, times[over] + self._window - now))


class Bucket:
    """Holds up to the limit and refills evenly: a burst of the limit, then limit / window."""

    def __init__(
        self, limit: int, window_seconds: float, *, count_rejected: bool = False, now: float = 0.0
    ) -> None:
        self.limit, self._window, self._count_rejected = limit, window_seconds, count_rejected
        self._tokens, self._last = float(limit), now

    def tokens(self, now: float) -> float:
        """How many it holds."""
        self._refill(now)
        return self._tokens

    def take(self, now: float) -> LimitVerdict:
        self._refill(now)
        admitted = self._tokens >= 1
        if admitted or self._count_rejected:
            self._tokens = max(0.0, self._tokens - 1)
        return self._verdict(admitted)

    def peek(self, now: float) -> LimitVerdict:
        self._refill(now)
        return self._verdict(self._tokens >= 1)

    def _refill(self, now: float) -> None:
        passed = max(0.0, now - self._last)
        self._tokens = min(self.limit, self._tokens + passed * self.limit / self._window)
        self._last = now

    def _verdict(self, admitted: bool) -> LimitVerdict:
        per_token = self._window / self.limit
        missing = max(0.0, 1 - self._tokens)
        full = (self.limit - self._tokens) * per_token
        one = min(full, (1 - self._tokens % 1) * per_token)
        return LimitVerdict(admitted, int(self._tokens), one, full, missing * per_token)


def build(settings: Settings, *, now: float, random: Random) -> Limiter | None:
    """The limiter that the settings describe; None for no limit.

    ``now`` is the clock's reading in seconds. A fixed window begins at a random time, since a real
    provider's clients don't know it either.
    """
    if settings.limit is None:
        return None
    limit, window, counts = settings.limit, settings.window_seconds, settings.count_rejected
    if settings.limiter == "fixed":
        phase = now - random.random() * window
        return FixedWindow(limit, window, count_rejected=counts, phase=phase)
    if settings.limiter == "bucket":
        return Bucket(limit, window, count_rejected=counts, now=now)
    return SlidingLog(limit, window, count_rejected=counts)


def reset_text(verdict: LimitVerdict, wall: float, settings: Settings) -> str:
    """``x-ratelimit-reset`` of an answer at ``wall``, the provider's Unix time; "" if absent."""
    if settings.reset == "absent":
        return ""
    tells_all = settings.reset_means == "all" or (
        settings.reset_means == "usual" and settings.limiter == "bucket"
    )
    value = verdict.all_seconds if tells_all else verdict.first_seconds
    if settings.reset == "epoch":
        value += wall
    # Less an epsilon, so that a rounding error does not push a whole number up.
    return str(ceil(value - 1e-6)) if settings.reset_rounded else f"{value:.3f}"
