"""A case's targets and its result: one row of the table."""

from collections.abc import Sequence
from statistics import median

import msgspec

from .scenario import RunFigures


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on a case: on the utilisation of its worst run, and on its runs taken together.

    Shares are between 0 and 1. ``refused`` bounds each run's 429s after the event; ``cost`` bounds
    a claim's time as a multiple of the first queue's. None is no bound.
    """

    utilisation: float | None = None
    median: float | None = None
    share429: float | None = None
    refused: int | None = None
    calls: float | None = None
    jain: float | None = None
    cost: float | None = None
    p99_ms: float | None = None
    first_window: bool = False

    def __str__(self) -> str:
        parts = (
            (self.utilisation, "used >= {:.1%}"),
            (self.median, "median >= {:.1%}"),
            (self.share429, "429 <= {:.2%}"),
            (self.refused, "429s after it <= {}"),
            (self.calls, "calls <= {}"),
            (self.jain, "Jain >= {}"),
            (self.cost, "<= {} times the first"),
            (self.p99_ms, "p99 <= {:.0f} ms"),
            (0 if self.first_window else None, "429s in first window <= {}"),
        )
        return ", ".join(text.format(bound) for bound, text in parts if bound is not None) or "-"


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """A case's figures; None if it doesn't measure that.

    ``utilisation`` is that of the worst run, ``after_event`` the most 429s of a run after the
    event. ``calls`` counts steps per message, ``sweeps`` the workers' sweeps per message.
    ``p50_ms`` and ``p99_ms`` are measured from the call of enqueue to the arrival at the provider;
    ``claim_us`` and ``claim_p90_us`` are a claim's microseconds on the server.
    """

    case: str
    target: str
    held: bool
    utilisation: float | None = None
    median: float | None = None
    share429: float | None = None
    after_event: int = 0
    calls: float | None = None
    sweeps: float | None = None
    jain: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    claim_us: float | None = None
    claim_p90_us: float | None = None


def judged(case: str, targets: Targets, figures: Sequence[RunFigures]) -> CaseResult:
    """Combine the figures of a case's runs, and compare them with the targets."""
    used = [run.utilisation for run in figures]
    share = sum(run.refused for run in figures) / max(1, sum(run.sent for run in figures))
    after = max(run.refused_after_event for run in figures)
    calls = max((run.calls for run in figures if run.calls is not None), default=None)
    sweeps = max((run.sweeps for run in figures if run.sweeps is not None), default=None)
    jain = min((run.jain for run in figures if run.jain is not None), default=None)
    held = (
        _at_least(min(used), targets.utilisation),
        _at_least(median(used), targets.median),
        _at_most(share, targets.share429),
        _at_most(after, targets.refused),
        _at_most(None if calls is None else round(calls, 2), targets.calls),
        _at_least(jain, targets.jain),
        not (targets.first_window and any(run.refused_in_first_window for run in figures)),
    )
    return CaseResult(
        case=case,
        target=str(targets),
        held=all(held),
        utilisation=min(used),
        median=median(used),
        share429=share,
        after_event=after,
        calls=calls,
        sweeps=sweeps,
        jain=jain,
    )


def _at_least(value: float | None, bound: float | None) -> bool:
    return bound is None or (value is not None and value >= bound)


def _at_most(value: float | None, bound: float | None) -> bool:
    return bound is None or (value is not None and value <= bound)
