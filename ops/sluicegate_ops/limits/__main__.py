"""``python -m sluicegate_ops.limits``: simulate every case, say which figures hold."""

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

from .cases import Outcome, every_case, quick_cases
from .pool import console, simulated

OUT = Path("build/limits.json")


def main() -> int:
    """Exit status 0 where every figure holds."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_ops.limits", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute's worth of cases")
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


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("case", "worst", "median", "429", "calls", "Jain", "asked", "ok")
    for column in itertools.islice(table.columns, 1, 6):
        column.justify = "right"
    for one in outcomes:
        table.add_row(
            one.case,
            f"{one.utilisation:.2%}",
            f"{one.median:.2%}",
            f"{one.share429:.3%}" + (f" ({one.after_event})" if one.after_event else ""),
            f"{one.calls:.2f}",
            f"{one.jain:.2f}",
            one.asked,
            "[green]yes[/]" if one.held else "[red]NO[/]",
        )
    return table


def _entry(outcome: Outcome) -> dict[str, object]:
    return {
        "case": outcome.case,
        "utilisation": round(outcome.utilisation, 5),
        "median": round(outcome.median, 5),
        "share429": round(outcome.share429, 7),
        "calls_per_message": round(outcome.calls, 3),
        "jain": round(outcome.jain, 4),
        "asked": outcome.asked,
        "held": outcome.held,
    }


if __name__ == "__main__":
    sys.exit(main())
