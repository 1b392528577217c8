"""``python -m sluicegate_rigs.bench``: measure, print the tables, write the record and charts."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import msgspec

from . import figures, growth
from .archiving import MESSAGES, QUICK_MESSAGES, archived
from .ceiling import ceiling
from .chart import draw
from .comparison import DRAIN_SECONDS, BenchCase, compared, count_commands
from .contenders import CONTENDERS, Contender, missing
from .environment import Environment
from .progress import console, part
from .publish import markdown, publish
from .record import Bench, document, read, stamped
from .screen import show
from .stub import ENDPOINTS, Endpoint
from .targets import entries

OUT = Path("build")
RECORD = OUT / "bench.json"
REPEATS = 3
QUICK_SCALE = 0.25
EXAMPLES = """
Example:
  python -m sluicegate_rigs.bench --quick                    Sluicegate and Celery only, 2 minutes
  python -m sluicegate_rigs.bench --only bare,aiohttp --repeats 5 --no-figures
  python -m sluicegate_rigs.bench --publish                  put the last run into docs/
"""


def main() -> int:
    """Exit with 0 after measuring, even if a target was missed; 1 on failure, 2 on bad usage."""
    options = _options()
    try:
        if options.show or options.markdown or options.publish:
            return _earlier_run(options)
    except (OSError, ValueError) as error:
        console.print(str(error), highlight=False)
        return 1
    if not Path("/proc/stat").exists():
        console.print("the bench reads /proc, which only Linux has; run it in a container or a VM")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    began = time.monotonic()
    try:
        archive = archived(options.archive) if options.archive else None
        with Environment(append_only=options.aof) as environment:
            bench = stamped(_measured(environment, options))
        bench = msgspec.structs.replace(bench, archive=archive)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind, and nothing was written.")
        return 130
    except RuntimeError as error:
        console.print(f"the bench failed: {error}", highlight=False, markup=False)
        return 1
    show(bench, console)
    written = [] if options.only else _written(bench)
    took = f"{time.monotonic() - began:.0f} s"
    console.print(", ".join([took, *map(str, written)]), highlight=False)
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Interrupt the run; ignore further signals, so that nothing interrupts the clean-up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _earlier_run(options: argparse.Namespace) -> int:
    """Show an earlier run, or put it into the documents."""
    bench = read(options.show or options.markdown or RECORD)
    if options.show:
        show(bench, console)
    elif options.markdown:
        sys.stdout.write("\n\n".join(markdown(bench).values()) + "\n")
    elif bench.quick:
        raise ValueError(f"{RECORD} comes from a quick run; run make bench first")
    else:
        console.print(*publish(bench), sep="\n", highlight=False)
    return 0


def _written(bench: Bench) -> list[Path]:
    OUT.mkdir(exist_ok=True)
    written = document(bench) | {"targets": entries(bench)}
    RECORD.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return [RECORD, *draw(bench, OUT)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sluicegate_rigs.bench",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = [contender.name for contender in CONTENDERS]
    add = parser.add_argument
    add("--quick", action="store_true", help="only Sluicegate and Celery, in two minutes")
    add(
        "--only",
        default="",
        help=f"run only these, separated by commas, and write nothing: {', '.join(known)}",
    )
    add(
        "--repeats",
        type=int,
        default=REPEATS,
        help=f"how often to run each case (default: {REPEATS})",
    )
    add(
        "--scale",
        type=float,
        help=f"size of each measurement; 1 is full size (--quick: {QUICK_SCALE})",
    )
    add(
        "--aof",
        action="store_true",
        help="have the server write an append-only file, synced every second",
    )
    add(
        "--archive",
        type=int,
        metavar="N",
        help="how many finished messages to archive; 0 for none "
        f"(default: a million; --quick: {QUICK_MESSAGES:,}; --only: none)",
    )
    add("--no-figures", action="store_true", help="measure only the drains")
    add("--no-growth", action="store_true", help="don't measure how costs grow")
    add(
        "--growth", action="store_true", help="measure how costs grow, even with --quick or --only"
    )
    add("--show", type=Path, metavar="RECORD", help="measure nothing; print an earlier run")
    add(
        "--markdown",
        type=Path,
        metavar="RECORD",
        help="measure nothing; print an earlier run as Markdown",
    )
    add(
        "--publish",
        action="store_true",
        help=f"measure nothing; put {RECORD} and its charts into docs/",
    )
    options = parser.parse_args()
    options.only = [name for name in options.only.split(",") if name]
    if unknown := sorted(set(options.only) - set(known)):
        parser.error(
            f"--only: unknown contender {', '.join(unknown)}; choose from {', '.join(known)}"
        )
    if options.repeats < 1 or (options.scale is not None and not 0 < options.scale <= 10):
        parser.error("--repeats must be at least 1, --scale more than 0 and at most 10")
    if options.archive is None:
        most = int(MESSAGES * min(1.0, options.scale or 1.0))
        options.archive = 0 if options.only else QUICK_MESSAGES if options.quick else most
    if options.scale is None:
        options.scale = QUICK_SCALE if options.quick else 1.0
    return options


def _measured(environment: Environment, options: argparse.Namespace) -> Bench:
    contenders, left_out = _present(options)
    endpoints: Sequence[Endpoint] = (Endpoint(), Endpoint(50)) if options.quick else ENDPOINTS
    seconds = DRAIN_SECONDS * options.scale
    console.print(
        f"[bold]Bench[/]: {len(contenders)} contenders, {len(endpoints)} endpoints, "
        f"{options.repeats} repeats; server on core {environment.server_core}, "
        f"workers on core {environment.worker_core}"
    )
    requests = max(1000, int(100_000 * options.scale))
    top = [
        ceiling(environment, endpoint, requests)
        for endpoint in endpoints
        if not endpoint.latency_ms
    ]
    cases = _cases(environment, contenders, endpoints, options.repeats, seconds, left_out)
    measured_figures = None
    if not options.no_figures and not options.only:
        measured_figures = figures.measure_all(
            environment, options.scale, options.repeats, seconds
        )
    grown = options.growth or not (options.quick or options.only or options.no_growth)
    sizes = growth.plan(options.scale) if grown else []
    return Bench(
        quick=options.quick,
        scale=options.scale,
        append_only=options.aof,
        machine=environment.machine,
        cases=cases,
        figures=measured_figures,
        stub=top,
        growth=growth.measured(environment, options.repeats, sizes, left_out) if grown else (),
        left_out=left_out,
    )


def _present(options: argparse.Namespace) -> tuple[list[Contender], dict[str, str]]:
    """The selected contenders that can run here, and why the others cannot."""
    if options.only:
        selected = [contender for contender in CONTENDERS if contender.name in options.only]
    else:
        selected = [contender for contender in CONTENDERS if contender.quick or not options.quick]
    reasons = {contender.label: missing(contender) for contender in selected}
    left_out = {label: why for label, why in reasons.items() if why}
    return [contender for contender in selected if contender.label not in left_out], left_out


def _cases(
    environment: Environment,
    contenders: Sequence[Contender],
    endpoints: Sequence[Endpoint],
    repeats: int,
    seconds: float,
    failed: dict[str, str],
) -> list[BenchCase]:
    """Time the drains, then count their commands."""
    total = len(contenders) * len(endpoints)
    with part("drains", total * repeats) as now:
        cases = compared(environment, contenders, endpoints, repeats, seconds, now, failed)
    with part("commands", len(cases)) as now:
        count_commands(environment, cases, seconds, now)
    return cases


if __name__ == "__main__":
    sys.exit(main())
