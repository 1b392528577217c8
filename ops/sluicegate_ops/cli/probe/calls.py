"""The calls: one free GET at a time, and what each answer says about the rate."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import msgspec

from sluicegate_worker.provider.rate_headers import (
    MAX_WAIT_SECONDS,
    RateHeaders,
    parse_rate_headers,
)

SHOWN = ("x-ratelimit", "ratelimit", "retry-after")
"""The beginnings of the names of the headers that are kept, besides ``date``."""

_UNTOLD_WAIT_SECONDS = 1.0


class Call(msgspec.Struct, frozen=True):
    """One call: ``at`` is when it was sent, in Unix seconds of our clock.

    ``since_ms`` is how long that was after the first call. ``status`` is 0 if no answer came, and
    ``problem`` then names the kind of failure. ``headers`` has lower-case names.
    """

    at: float
    since_ms: float
    took_ms: float
    status: int
    headers: dict[str, str] = {}
    problem: str = ""

    @property
    def rate(self) -> RateHeaders:
        """What its rate headers say."""
        return parse_rate_headers(self.headers)

    @property
    def wait_seconds(self) -> float:
        """How long to wait after a 429: as long as it asks, or until its window ends."""
        if self.status != 429:
            return 0.0
        rate = self.rate
        asked_ms = rate.wait_ms if rate.wait_ms >= 0 else rate.reset_ms
        return min(asked_ms / 1000, MAX_WAIT_SECONDS) if asked_ms >= 0 else _UNTOLD_WAIT_SECONDS


@dataclass(frozen=True)
class Clock:
    """The clocks and the sleep of a probe, in seconds; tests bring their own."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


def calls(
    client: httpx.Client, request: httpx.Request, count: int, interval_seconds: float, clock: Clock
) -> Iterator[Call]:
    """Make ``count`` calls, each after the last was answered, and never sooner than it asked.

    ``interval_seconds`` is the least time from the start of one to the start of the next.
    ``request`` must be a GET.
    """
    first = clock.monotonic()
    for number in range(1, count + 1):
        began = clock.monotonic()
        call = _call(client, request, clock, first)
        yield call
        if number < count:
            rest = interval_seconds - (clock.monotonic() - began)
            clock.sleep(max(rest, call.wait_seconds, 0.0))


def _call(client: httpx.Client, request: httpx.Request, clock: Clock, first: float) -> Call:
    sent_at, began = clock.wall(), clock.monotonic()
    since_ms = 1000 * (began - first)
    try:
        answer = client.send(request)
    except httpx.HTTPError as error:
        # Only its kind: its text may repeat the request's headers, and so the API key.
        took_ms = 1000 * (clock.monotonic() - began)
        return Call(sent_at, since_ms, took_ms, 0, problem=type(error).__name__)
    took_ms = 1000 * (clock.monotonic() - began)
    return Call(sent_at, since_ms, took_ms, answer.status_code, _rate_headers(answer, request))


def _rate_headers(answer: httpx.Response, request: httpx.Request) -> dict[str, str]:
    """The headers to show, without the API key if the server repeats it in one of them."""
    key = request.headers.get("authorization", "").removeprefix("Bearer ") or "\0"
    return {
        name: value.replace(key, "(API key)")
        for name, value in sorted(answer.headers.items())
        if name == "date" or name.startswith(SHOWN)
    }
