"""How far the provider's clock is ahead of ours, according to its ``date`` headers.

A ``date`` is in whole seconds: at some moment between our sending and the answer, the server's
time was within the second after it. So each call bounds the skew, and all together bound it more.
"""

from collections.abc import Iterable

import msgspec

from sluicegate_worker.provider.rate_headers import parse_http_date

from .calls import Call


class Skew(msgspec.Struct, frozen=True):
    """Bounds of the difference: the provider's clock minus ours."""

    least_seconds: float
    most_seconds: float

    @property
    def seconds(self) -> float:
        """The best estimate."""
        return (self.least_seconds + self.most_seconds) / 2

    @property
    def error_seconds(self) -> float:
        return (self.most_seconds - self.least_seconds) / 2


def skew_of(call: Call) -> Skew | None:
    """The bounds from one answer; None if it has no readable date."""
    date = parse_http_date(call.headers.get("date", ""))
    if date is None:
        return None
    return Skew(date - (call.at + call.took_ms / 1000), date + 1 - call.at)


def common(skews: Iterable[Skew]) -> Skew | None:
    """The bounds from all answers; None if they contradict each other, or if there are none."""
    known = list(skews)
    if not known:
        return None
    least = max(skew.least_seconds for skew in known)
    most = min(skew.most_seconds for skew in known)
    return Skew(least, most) if least <= most else None
