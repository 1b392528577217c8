"""``python -m sluicegate_rigs.bench``: measure, print the tables, write record and charts."""

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from . import figures, growth
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
  python -m sluicegate_rigs.bench --quick                    ours and Celery alone, two minutes
  python -m sluicegate_rigs.bench --only bare,aiohttp --repeats 5 --no-figures
  python -m sluicegate_rigs.bench --publish                  the last run into docs/
"""


def main() -> int:
    """Exit status 0 once all was measured, whatever holds of it; 1 failed, 2 bad use."""
    options = _options()
    try:
        if options.show or options.markdown or options.publish:
            return _said(options)
    except (OSError, ValueError) as error:
        console.print(str(error), highlight=False)
        return 1
    if not Path("/proc/stat").exists():
        console.print("the bench reads /proc, which only Linux has: run it in a container or a VM")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    began = time.monotonic()
    try:
        with Environment(append_only=options.aof) as environment:
            bench = stamped(_measured(environment, options))
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
    """Stop what runs, once: cleaning up is not to be interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _said(options: argparse.Namespace) -> int:
    """What was measured before: shown, or put into the documents."""
    bench = read(options.show or options.markdown or RECORD)
    if options.show:
        show(bench, console)
    elif options.markdown:
        sys.stdout.write("\n\n".join(markdown(bench).values()) + "\n")
    elif bench.quick:
        raise ValueError(f"{RECORD} is of a quick run; run make bench first")
    else:
        console.print(*publish(bench), sep="\n", highlight=False)
    return 0


def _written(bench: Bench) -> list[Path]:
    OUT.mkdir(exist_ok=True)
    written = document(bench) | {"asked": entries(bench)}
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
    add("--quick", action="store_true", help="two minutes: ours and Celery alone")
    add("--only", default="", help=f"only these, with commas; not written. Of {', '.join(known)}")
    add("--repeats", type=int, default=REPEATS, help=f"of each case (default: {REPEATS})")
    add("--scale", type=float, help=f"of each measure; 1 is the whole, and --quick {QUICK_SCALE}")
    add("--aof", action="store_true", help="an append-only file, every second")
    add("--no-figures", action="store_true", help="only drains")
    add("--no-growth", action="store_true", help="not how costs grow")
    add("--growth", action="store_true", help="how costs grow, even if --quick or --only")
    add(
        "--show", type=Path, metavar="RECORD", help="measure nothing: the tables of an earlier run"
    )
    add("--markdown", type=Path, metavar="RECORD", help="the same as Markdown")
    add(
        "--publish",
        action="store_true",
        help=f"measure nothing: put {RECORD} and its charts into docs/",
    )
    options = parser.parse_args()
    options.only = [name for name in options.only.split(",") if name]
    if unknown := sorted(set(options.only) - set(known)):
        parser.error(f"--only: no contender {', '.join(unknown)}; there are {', '.join(known)}")
    if options.repeats < 1 or (options.scale is not None and not 0 < options.scale <= 10):
        parser.error("--repeats is at least 1, --scale more than 0 and at most 10")
    if options.scale is None:
        options.scale = QUICK_SCALE if options.quick else 1.0
    return options


def _measured(environment: Environment, options: argparse.Namespace) -> Bench:
    contenders, left_out = _present(options)
    endpoints: Sequence[Endpoint] = (Endpoint(), Endpoint(50)) if options.quick else ENDPOINTS
    seconds = DRAIN_SECONDS * options.scale
    console.print(
        f"[bold]Bench[/]: {len(contenders)} contenders, {len(endpoints)} endpoints, "
        f"{options.repeats} repeats; the server on core {environment.server_core}, "
        f"workers on core {environment.worker_core}"
    )
    requests = max(1000, int(100_000 * options.scale))
    top = [
        ceiling(environment, endpoint, requests)
        for endpoint in endpoints
        if not endpoint.latency_ms
    ]
    cases = _cases(environment, contenders, endpoints, options.repeats, seconds, left_out)
    found = None
    if not options.no_figures and not options.only:
        found = figures.every(environment, options.scale, options.repeats, seconds)
    grown = options.growth or not (options.quick or options.only or options.no_growth)
    sizes = growth.plan(options.scale) if grown else []
    return Bench(
        quick=options.quick,
        scale=options.scale,
        append_only=options.aof,
        machine=environment.machine,
        cases=cases,
        figures=found,
        stub=top,
        growth=growth.measured(environment, options.repeats, sizes, left_out) if grown else (),
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


def _cases(
    environment: Environment,
    contenders: Sequence[Contender],
    endpoints: Sequence[Endpoint],
    repeats: int,
    seconds: float,
    failed: dict[str, str],
) -> list[BenchCase]:
    """The drains, then what commands they take."""
    total = len(contenders) * len(endpoints)
    with part("drains", total * repeats) as now:
        cases = compared(environment, contenders, endpoints, repeats, seconds, now, failed)
    with part("commands", len(cases)) as now:
        count_commands(environment, cases, seconds, now)
    return cases


if __name__ == "__main__":
    sys.exit(main())
