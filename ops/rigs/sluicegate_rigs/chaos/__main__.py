"""``python -m sluicegate_rigs.chaos``: break a deployment, then say which promises held."""

import argparse
import json
import secrets
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .display import console, display, tell
from .judgement import Promise, judged
from .run import ChaosResult, run
from .setting import CONCURRENCY, LIMIT

OUT = Path("build/chaos.json")


def main() -> int:
    """Exit with 0 if every promise held, else with 1; broken promises are listed with ids."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_rigs.chaos", description=__doc__)
    parser.add_argument(
        "--seconds",
        type=float,
        default=180.0,
        help="how long to break things (default: %(default)g)",
    )
    parser.add_argument(
        "--seed", type=int, help="repeat the victims and disasters of an earlier run"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="kill less often, start processes as forks, and leave out what status is to name",
    )
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    console.print(f"[bold]Chaos[/] for {options.seconds:.0f} s; to repeat it: --seed {seed}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up like Ctrl-C
    try:
        with display(options.seconds) as show:
            outcome = run(options.seconds, seed, show, quick=options.quick)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind.")
        return 130
    promises = judged(outcome.evidence)
    tell(promises)
    result = summary(outcome, promises) | {"seconds": options.seconds, "seed": seed}
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    broken = [promise.name for promise in promises if promise.broken]
    console.print(
        f"{len(promises) - len(broken)} of {len(promises)} promises held; {OUT} has the figures"
    )
    return 1 if broken else 0


def summary(outcome: ChaosResult, promises: Sequence[Promise]) -> dict[str, object]:
    """The figures of a run, as written to the file."""
    evidence, report = outcome.evidence, outcome.evidence.provided.report
    held = {promise.name: not promise.broken for promise in promises}
    states = evidence.before.ledger.states
    return {
        "kills": len(evidence.killed),
        "posts_begun_at_kills": evidence.begun,
        "in_doubt_from_kills": len(evidence.doubted),
        "held_at_the_end": len(evidence.before.indexes["doubts"]),
        "enqueued": len(evidence.sent),
        "accepted": evidence.after.totals.get("accepted", 0),
        "arrived": len(evidence.provided.arrived),
        "lost": len(evidence.lost),
        "duplicated": len(evidence.duplicated),
        "ledger_exact": held["the campaign's ledger is exact"],
        "ledger": {"imported": evidence.before.ledger.imported, **states},
        "highest_rate": report["highest_received_in_window"],
        "limit": LIMIT,
        "responses_429": report["responses_429"],
        "highest_concurrency": report["highest_concurrency"],
        "concurrency": CONCURRENCY,
        "webhooks": evidence.provided.webhooks,
        "totals": evidence.after.totals,
        "standstills": {staged.name: staged.named_seconds for staged in evidence.staged},
        "disasters": Counter(kind for _, kind in evidence.struck),
        "enqueues_repeated": outcome.repeats,
        "resting_seconds": round(outcome.resting_seconds, 1),
        "held": held,
        "broken": {promise.name: promise.broken for promise in promises if promise.broken},
    }


if __name__ == "__main__":
    sys.exit(main())
