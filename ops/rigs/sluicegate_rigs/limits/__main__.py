"""``python -m sluicegate_rigs.limits``: measure every case, and say which targets hold."""

import argparse
import json
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from rich.table import Table

from .cases import every_case, quick_cases
from .costs import costs
from .deployed import deployed
from .latency import latency
from .outcome import CaseResult
from .pool import simulated
from .progress import console

OUT = Path("build/limits.json")


def main() -> int:
    """Exit with 0 if every target holds, else with 1."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_rigs.limits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute of simulated cases only")
    parser.add_argument("--seed", type=int, help="repeat the random runs of an earlier run")
    parser.add_argument(
        "--only", default="", help="only cases with this in their name; writes no file"
    )
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    console.print(f"[bold]Rate limits[/], random runs drawn with --seed {seed}")
    every = (quick_cases if options.quick else every_case)(Random(seed))  # noqa: S311 - no secret
    cases = [case for case in every if options.only in case.name]
    began = time.monotonic()
    try:
        outcomes = simulated(cases)
        if not options.quick:
            outcomes += [*deployed(options.only), *latency(options.only), *costs(options.only)]
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind.")
        return 130
    console.print(_table(outcomes))
    if not options.only:
        OUT.parent.mkdir(exist_ok=True)
        entries = [_entry(outcome) for outcome in outcomes]
        OUT.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    short = [outcome.case for outcome in outcomes if not outcome.held]
    console.print(
        f"{len(outcomes) - len(short)} of {len(outcomes)} cases hold, in "
        f"{time.monotonic() - began:.0f} s"
    )
    return 1 if short else 0


def _table(outcomes: Sequence[CaseResult]) -> Table:
    table = Table("case", "worst", "median", "429", "calls + sweeps", "Jain", "target", "ok")
    for column in table.columns[1:6]:
        column.justify = "right"
    for result in outcomes:
        table.add_row(result.case, *_figures(result), result.target, _yes_or_no(result.held))
    return table


def _figures(result: CaseResult) -> tuple[str, ...]:
    if result.claim_us is not None:
        return (f"{result.claim_p90_us:.0f} µs p90", f"{result.claim_us:.0f} µs", "", "", "")
    if result.p50_ms is not None:
        return (
            f"{result.p99_ms:.1f} ms p99",
            f"{result.p50_ms:.1f} ms",
            _share429(result),
            "",
            "",
        )
    return (
        _text(result.utilisation, "{:.2%}"),
        _text(result.median, "{:.2%}"),
        _share429(result),
        _text(result.calls, "{:.2f}") + _text(result.sweeps, " + {:.2f}"),
        _text(result.jain, "{:.2f}"),
    )


def _share429(result: CaseResult) -> str:
    after = f" ({result.after_event})" if result.after_event else ""
    return _text(result.share429, "{:.3%}") + after


def _text(figure: float | None, form: str) -> str:
    return "" if figure is None else form.format(figure)


def _yes_or_no(held: bool) -> str:
    return "[green]yes[/]" if held else "[red]NO[/]"


def _entry(outcome: CaseResult) -> dict[str, object]:
    return {
        "case": outcome.case,
        "utilisation": _rounded(outcome.utilisation, 5),
        "median": _rounded(outcome.median, 5),
        "share429": _rounded(outcome.share429, 7),
        "calls_per_message": _rounded(outcome.calls, 3),
        "sweeps_per_message": _rounded(outcome.sweeps, 3),
        "jain": _rounded(outcome.jain, 4),
        "p50_ms": _rounded(outcome.p50_ms, 1),
        "p99_ms": _rounded(outcome.p99_ms, 1),
        "claim_us": _rounded(outcome.claim_us, 1),
        "claim_p90_us": _rounded(outcome.claim_p90_us, 1),
        "target": outcome.target,
        "held": outcome.held,
    }


def _rounded(figure: float | None, digits: int) -> float | None:
    return None if figure is None else round(figure, digits)


if __name__ == "__main__":
    sys.exit(main())
