"""One simulated run: its parameters, and the figures that it measures."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import msgspec

from sluicegate_ops.simulator.settings import ResetMeaning
from sluicegate_worker.sweep import INTERVAL_SECONDS

ProviderKind = Literal["fixed", "sliding", "bucket"]
Incident = Literal["none", "halved", "doubled", "flushed", "killed", "forward", "back", "away"]
Reset = Literal["epoch", "delta", "absent"]

AWAY_SECONDS = 120.0
FAIR_SECONDS = 5.0
BEYOND_SLOTS_SECONDS = 0.05
"""How much longer than two slots a transactional message may wait: earlier grants go first."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """``limit`` requests per ``window`` seconds, and ``workers`` that want more; times in seconds.

    ``configured`` is what the account's configuration says instead of these two; None if it is
    right. ``ceiling`` is the account's ``max_requests_per_second``.
    ``reset``, ``rounded`` and ``reset_means`` say what ``x-ratelimit-reset`` is, as the
    simulator's settings of about the same names do.
    ``transactional`` is the share of the limit that is enqueued as transactional amid the rest.
    ``sweepers`` is how many workers sweep, once in ``sweep_seconds``; 0 for all.
    ``others`` is the share of the limit that others request, ``headers`` the share of answers with
    rate headers, and ``skew`` how far the provider's clock is off. ``event`` strikes after
    ``warm_up``; the measurement then starts ``settling`` windows later.
    """

    provider: ProviderKind = "sliding"
    limit: int = 600
    window: float = 60.0
    configured: tuple[int, float] | None = None
    ceiling: float = 0.0
    reset: Reset = "epoch"
    rounded: bool = True
    reset_means: ResetMeaning = "usual"
    workers: int = 8
    rtt: float = 0.1
    skew: float = 30.0
    others: float = 0.0
    headers: float = 1.0
    priority: Literal["bulk", "transactional"] = "bulk"
    transactional: float = 0.0
    sweepers: int = 0
    sweep_seconds: float = INTERVAL_SECONDS
    event: Incident = "none"
    warm_up: float = 120.0
    settling: float = 2.5
    windows: int = 3
    seed: int = 1

    @property
    def rate(self) -> float:
        return self.limit / self.window

    @property
    def slot(self) -> float:
        """Seconds between two messages where the limit is used evenly."""
        return self.window / self.limit

    @property
    def patience(self) -> float:
        """Seconds that a transactional message may wait amid bulk."""
        return 2 * self.slot + BEYOND_SLOTS_SECONDS


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run; None if it doesn't measure that.

    ``utilisation`` is the share used of what the provider allowed and the others left, after the
    warm-up or the event. ``sent`` and ``refused`` count the whole run, including its cold start.
    ``densest_second`` is the most of ours that arrived within a second then.
    ``calls`` are the drains' calls on Redis per message; ``sweeps``, of which each worker makes
    one per second whatever it sends, are counted separately.

    ``answers`` and ``refused_later`` count from the warm-up's end on. ``first_silence`` is the
    longest time, in seconds, from one of ours in the first window to the next.
    ``waits_ms`` are the transactional messages' waits from when they were due to their POST, of
    those due after the warm-up; ``first_wait_ms`` is the longest before.
    """

    utilisation: float
    densest_second: int = 0
    sent: int
    refused: int
    refused_in_first_window: int
    refused_after_event: int = 0
    answers: int = 0
    refused_later: int = 0
    first_silence: float = 0.0
    waits_ms: tuple[float, ...] = ()
    first_wait_ms: float = 0.0
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
