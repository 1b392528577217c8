"""``python -m sluicegate_ops.bench``: measure, print the tables, write record and charts."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from . import figures, growth
from .bed import Bed
from .ceiling import ceiling
from .chart import draw
from .comparison import DRAIN_SECONDS, Case, compared
from .contenders import CONTENDERS, SLUICEGATE, Contender, missing
from .record import Bench, document
from .runs import Run, commands, commands_at
from .stub import DOORS, Door
from .tables import show

OUT = Path("build")
REPEATS = 3
PER_SECOND = 50  # what a usual account allows
_WIDTH = 120  # columns, where nobody says
console = Console(width=None if sys.stdout.isatty() else _WIDTH)


def main() -> int:
    """Exit status 0 once all was measured; there is no judging here."""
    options = _options()
    if not Path("/proc/stat").exists():
        console.print("the bench reads /proc, which only Linux has: run it in a container or a VM")
        return 1
    began = time.monotonic()
    try:
        with Bed(append_only=options.aof) as bed:
            bench = _measured(bed, options)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind.")
        return 130
    show(bench, console)
    written = [] if options.only else _written(bench)
    took = f"{time.monotonic() - began:.0f} s"
    console.print(", ".join([took, *map(str, written)]), highlight=False)
    return 0


def _written(bench: Bench) -> list[Path]:
    OUT.mkdir(exist_ok=True)
    record = OUT / "bench.json"
    record.write_text(json.dumps(document(bench), indent=2) + "\n", encoding="utf-8")
    return [record, *draw(bench, OUT)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sluicegate_ops.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes: ours and Celery alone")
    parser.add_argument(
        "--only", default="", help="only these contenders, with commas; not written"
    )
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each case (default: 3)")
    parser.add_argument("--scale", type=float, help="of each measure; 1 is the whole (default)")
    parser.add_argument("--aof", action="store_true", help="an append-only file, every second")
    parser.add_argument("--no-figures", action="store_true", help="only drains")
    parser.add_argument("--growth", action="store_true", help="how costs grow, even if --quick")
    parser.add_argument("--huge", action="store_true", help="a backlog of ten million as well")
    options = parser.parse_args()
    known = {contender.name for contender in CONTENDERS}
    options.only = [name for name in options.only.split(",") if name]
    if unknown := sorted(set(options.only) - known):
        parser.error(f"--only: no contender {', '.join(unknown)}; there are {', '.join(known)}")
    if options.scale is None:
        options.scale = 0.25 if options.quick else 1.0
    return options


def _measured(bed: Bed, options: argparse.Namespace) -> Bench:
    contenders, left_out = _present(options)
    doors: Sequence[Door] = (Door(), Door(50)) if options.quick else DOORS[:4]
    seconds = DRAIN_SECONDS * options.scale
    console.print(
        f"[bold]Bench[/]: {len(contenders)} contenders, {len(doors)} doors, "
        f"{options.repeats} repeats; the server on core {bed.server_core}, "
        f"workers on core {bed.worker_core}"
    )
    top = ceiling(bed, max(1000, int(100_000 * options.scale)))
    cases = compared(bed, contenders, doors, options.repeats, seconds, _tell)
    _count_commands(bed, cases, seconds)
    found = {} if options.no_figures else _figures(bed, options.scale)
    grown = options.growth or not (options.quick or options.only)
    points = list(growth.measured(bed, options.repeats, huge=options.huge)) if grown else []
    return Bench(
        quick=options.quick,
        append_only=options.aof,
        cases=cases,
        figures=found,
        ceiling=top,
        growth=points,
        left_out=left_out,
    )


def _present(options: argparse.Namespace) -> tuple[list[Contender], dict[str, str]]:
    """Those asked for that can run here, and why others cannot."""
    asked = [
        one
        for one in CONTENDERS
        if (one.name in options.only if options.only else one.quick or not options.quick)
    ]
    reasons = {one.label: missing(one) for one in asked}
    left_out = {label: why for label, why in reasons.items() if why}
    return [one for one in asked if one.label not in left_out], left_out


def _count_commands(bed: Bed, cases: Sequence[Case], seconds: float) -> None:
    """One more run of each contender without latency, which is not timed: listening slows it."""
    for case in cases:
        if case.door == Door():
            count = max(200, int(seconds * case.contender.at_0_ms))
            case.commands = commands(bed, case.contender, count)


def _figures(bed: Bed, scale: float) -> dict[str, object]:
    console.print("figures: enqueueing, memory, idling, scripts", highlight=False)
    found = figures.every(bed, scale)
    seconds = max(2.0, 20.0 * scale)
    found["commands_per_message_at_50"] = commands_at(bed, SLUICEGATE, PER_SECOND, seconds)
    return found


def _tell(name: str, repeat: int, run: Run) -> None:
    console.print(
        f"{repeat + 1}. {name}: {run.per_second:,.0f}/s, {run.worker_cpu:.3f} s CPU per 1,000"
        + (f", others used {run.foreign:.0%} of the cores" if run.foreign > 0.05 else ""),
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main())
