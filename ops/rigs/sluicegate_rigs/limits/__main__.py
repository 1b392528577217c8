"""``python -m sluicegate_rigs.limits``: measure every case, and say which targets hold."""

import argparse
import itertools
import json
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from rich.table import Table

from .cases import Case, every_case, quick_cases
from .costs import costs
from .deployed import deployed
from .grid import Cell, grid, sample
from .latency import latency
from .outcome import CaseResult, judged
from .pool import simulated
from .progress import console
from .report import entry, grid_table, told_misses
from .verdict import RowResult, verdicts

OUT = Path("build/limits.json")


def main() -> int:
    """Exit with 0 if every target holds, else with 1."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_rigs.limits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some simulated cases only")
    parser.add_argument("--seed", type=int, help="repeat the random runs of an earlier run")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help="only cases with this in their name; may be repeated, and then all must be in it; "
        "writes no file",
    )
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed

    def chosen(name: str) -> bool:
        return all(part in name for part in options.only)

    console.print(f"[bold]Rate limits[/], random runs drawn with --seed {seed}")
    every = (quick_cases if options.quick else every_case)(Random(seed))  # noqa: S311 - no secret
    cases = [case for case in every if chosen(case.name)]
    cells = [cell for cell in (sample if options.quick else grid)(seed) if chosen(cell.name)]
    began = time.monotonic()
    try:
        outcomes, rows = _simulated(cases, cells)
        if not options.quick:
            outcomes += [*deployed(chosen), *latency(chosen), *costs(chosen)]
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind.")
        return 130
    if outcomes:
        console.print(_table(outcomes))
    if rows:
        console.print(grid_table(rows))
    for line in told_misses(rows, seed):
        console.print(line, highlight=False, soft_wrap=True)
    if not options.only:
        OUT.parent.mkdir(exist_ok=True)
        entries = [*map(_entry, outcomes), *map(entry, rows)]
        OUT.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    held = [*(outcome.held for outcome in outcomes), *(row.held for row in rows)]
    console.print(f"{sum(held)} of {len(held)} cases hold, in {time.monotonic() - began:.0f} s")
    return 0 if all(held) else 1


def _simulated(
    cases: Sequence[Case], cells: Sequence[Cell]
) -> tuple[list[CaseResult], list[RowResult]]:
    """Run them all together, so that both processes are busy until the end."""
    of_cases = [run for case in cases for run in case.runs]
    figures = simulated([*of_cases, *(cell.run for cell in cells)])
    measured = iter(figures)
    results = [
        judged(case.name, case.targets, [*itertools.islice(measured, len(case.runs))])
        for case in cases
    ]
    return results, verdicts(cells, [*measured])


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
