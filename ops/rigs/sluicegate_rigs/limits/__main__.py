"""``python -m sluicegate_rigs.limits``: measure every case, say which figures hold."""

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
    """Exit status 0 where every figure holds."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_rigs.limits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute's worth, all simulated")
    parser.add_argument("--seed", type=int, help="draw the random runs of an earlier time again")
    parser.add_argument(
        "--only", default="", help="only cases with this in their name; not written"
    )
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    console.print(f"[bold]Rate limits[/], the random runs drawn with --seed {seed}")
    made = (quick_cases if options.quick else every_case)(Random(seed))  # noqa: S311 - no secret
    cases = [case for case in made if options.only in case.name]
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
    table = Table("case", "worst", "median", "429", "calls + sweeps", "Jain", "asked", "ok")
    for column in table.columns[1:6]:
        column.justify = "right"
    for one in outcomes:
        table.add_row(one.case, *_figures(one), one.asked, _yes_or_no(one.held))
    return table


def _figures(one: CaseResult) -> tuple[str, ...]:
    if one.claim_us is not None:
        return (f"{one.claim_p90_us:.0f} µs p90", f"{one.claim_us:.0f} µs", "", "", "")
    if one.p50_ms is not None:
        return (f"{one.p99_ms:.1f} ms p99", f"{one.p50_ms:.1f} ms", _share429(one), "", "")
    return (
        _text(one.utilisation, "{:.2%}"),
        _text(one.median, "{:.2%}"),
        _share429(one),
        _text(one.calls, "{:.2f}") + _text(one.sweeps, " + {:.2f}"),
        _text(one.jain, "{:.2f}"),
    )


def _share429(one: CaseResult) -> str:
    after = f" ({one.after_event})" if one.after_event else ""
    return _text(one.share429, "{:.3%}") + after


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
        "asked": outcome.asked,
        "held": outcome.held,
    }


def _rounded(figure: float | None, digits: int) -> float | None:
    return None if figure is None else round(figure, digits)


if __name__ == "__main__":
    sys.exit(main())
