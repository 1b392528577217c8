"""One simulated run: its parameters, and the figures that it measures."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

ProviderKind = Literal["fixed", "sliding", "bucket"]
Incident = Literal["none", "halved", "doubled", "flushed", "killed", "forward", "back", "away"]

AWAY_SECONDS = 120.0
FAIR_SECONDS = 5.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """``limit`` requests per ``window`` seconds, and ``workers`` that want more; times in seconds.

    ``ceiling`` is the account's ``max_requests_per_second``.
    ``others`` is the share of the limit that others request, ``headers`` the share of answers with
    rate headers, and ``skew`` how far the provider's clock is off. ``event`` strikes after
    ``warm_up``; the measurement then starts ``settling`` windows later.
    """

    provider: ProviderKind = "sliding"
    limit: int = 600
    window: float = 60.0
    ceiling: float = 0.0
    workers: int = 8
    rtt: float = 0.1
    skew: float = 30.0
    others: float = 0.0
    headers: float = 1.0
    priority: Literal["bulk", "transactional"] = "bulk"
    event: Incident = "none"
    warm_up: float = 120.0
    settling: float = 2.5
    windows: int = 3
    seed: int = 1

    @property
    def rate(self) -> float:
        return self.limit / self.window


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run; None if it doesn't measure that.

    ``utilisation`` is the share used of what the provider allowed and the others left, after the
    warm-up or the event. ``sent`` and ``refused`` count the whole run, including its cold start.
    ``densest_second`` is the most of ours that arrived within a second then.
    ``calls`` are the drains' calls on Redis per message; ``sweeps``, of which each worker makes
    one per second whatever it sends, are counted separately.
    """

    utilisation: float
    densest_second: int = 0
    sent: int
    refused: int
    refused_in_first_window: int
    refused_after_event: int = 0
    calls: float | None = None
    sweeps: float | None = None
    jain: float | None = None


def jain(ours: Sequence[tuple[float, int]], begins: float, ends: float, workers: int) -> float:
    """Jain's index, averaged over 5 s stretches: 1 if all share, 1/workers if one has all."""
    parts: dict[int, Counter[int]] = {}
    whole = int((ends - begins) / FAIR_SECONDS)
    for moment, worker in ours:
        part = int((moment - begins) / FAIR_SECONDS)
        if part < whole:
            parts.setdefault(part, Counter())[worker] += 1
    indices = [
        sum(part.values()) ** 2 / (workers * sum(n * n for n in part.values()))
        for part in parts.values()
    ]
    return sum(indices) / max(1, len(indices))
