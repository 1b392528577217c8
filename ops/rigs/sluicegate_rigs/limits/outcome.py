"""What a case is asked, and what it came to: one row of the table."""

from collections.abc import Sequence
from statistics import median

import msgspec

from .scenario import RunFigures


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on a case: utilisation of its worst run, everything else of all its runs together.

    Shares are of 1. ``refused`` bounds 429s after the event, run by run; ``cost`` a claim's time
    as a multiple of another's. None asks for nothing.
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
    """What a case came to; None is what it doesn't measure.

    ``utilisation`` is the worst of its runs, ``after_event`` the most 429s of one after the event.
    ``calls`` are a message's steps; ``sweeps``, its share of the workers' sweeps, are apart.
    ``p50_ms`` and ``p99_ms`` are from the call of enqueue to the arrival at the provider,
    ``claim_us`` and ``claim_p90_us`` a claim's time on the server in microseconds.
    """

    case: str
    asked: str
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


def judged(case: str, asked: Targets, figures: Sequence[RunFigures]) -> CaseResult:
    """Put the figures of a case's runs together and judge them."""
    used = [run.utilisation for run in figures]
    share = sum(run.refused for run in figures) / max(1, sum(run.sent for run in figures))
    after = max(run.refused_after_event for run in figures)
    calls = max((run.calls for run in figures if run.calls is not None), default=None)
    sweeps = max((run.sweeps for run in figures if run.sweeps is not None), default=None)
    jain = min((run.jain for run in figures if run.jain is not None), default=None)
    held = (
        _at_least(min(used), asked.utilisation),
        _at_least(median(used), asked.median),
        _at_most(share, asked.share429),
        _at_most(after, asked.refused),
        _at_most(None if calls is None else round(calls, 2), asked.calls),
        _at_least(jain, asked.jain),
        not (asked.first_window and any(run.refused_in_first_window for run in figures)),
    )
    return CaseResult(
        case=case,
        asked=str(asked),
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
