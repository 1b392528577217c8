"""How far the provider's clock is ahead of ours, as its ``date`` headers tell.

A ``date`` names whole seconds: the server's time was within the second after it, at some moment
between our sending and hearing. Each call so bounds the skew, and all of them bound it closer.
"""

from collections.abc import Iterable

import msgspec

from sluicegate_worker.provider.rate_headers import parse_http_date

from .calls import Call


class Skew(msgspec.Struct, frozen=True):
    """The provider's clock less ours lies between the two."""

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
    """What one answer tells; None where it has no date that can be read."""
    date = parse_http_date(call.headers.get("date", ""))
    if date is None:
        return None
    return Skew(date - (call.at + call.took_ms / 1000), date + 1 - call.at)


def common(skews: Iterable[Skew]) -> Skew | None:
    """What all of them tell together; None where they contradict each other, or there are none."""
    known = list(skews)
    if not known:
        return None
    least = max(one.least_seconds for one in known)
    most = min(one.most_seconds for one in known)
    return Skew(least, most) if least <= most else None
