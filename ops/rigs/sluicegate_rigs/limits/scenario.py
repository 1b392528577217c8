"""One simulated run: what it is told, and the figures that it comes to."""

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

    ``others`` is the share of the limit that somebody else asks for, ``headers`` the share of
    answers that bear rate headers, ``skew`` how far the provider's clock is off. ``event`` strikes
    after ``warm_up``; then the figures are taken ``settling`` windows later.
    """

    provider: ProviderKind = "sliding"
    limit: int = 600
    window: float = 60.0
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
    """What came of one run.

    ``utilisation`` is of all that the provider allowed and the others left, after warm-up or after
    the event. ``sent`` and ``refused`` count the whole run, its cold start included. ``calls`` on
    Redis are the drains' per message; ``sweeps``, one a second of each worker whatever is sent,
    are apart. None is what it doesn't measure.
    """

    utilisation: float
    sent: int
    refused: int
    refused_in_first_window: int
    refused_after_event: int = 0
    calls: float | None = None
    sweeps: float | None = None
    jain: float | None = None


def jain(ours: Sequence[tuple[float, int]], begins: float, ends: float, workers: int) -> float:
    """How evenly workers share five seconds, on average: 1 is evenly, 1/workers is one only."""
    parts: dict[int, Counter[int]] = {}
    whole = int((ends - begins) / FAIR_SECONDS)
    for at, worker in ours:
        part = int((at - begins) / FAIR_SECONDS)
        if part < whole:
            parts.setdefault(part, Counter())[worker] += 1
    indices = [
        sum(part.values()) ** 2 / (workers * sum(n * n for n in part.values()))
        for part in parts.values()
    ]
    return sum(indices) / max(1, len(indices))
