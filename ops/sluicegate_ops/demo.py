"""The demo: a thousand messages through real parts, a worker killed on the way, an honest sum.

python -m sluicegate_ops.demo           run it, write build/demo.json, leave nothing behind
python -m sluicegate_ops.demo --keep    the same, then stay up to be played with
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from sluicegate import Message, Sluice

from .simulator import Faults, Settings
from .stage import Stage

MESSAGES = 1000
LIMIT_PER_SECOND = 50
SENDER = "+15550000000"
PROVIDER = Settings(
    limit=LIMIT_PER_SECOND,
    window_seconds=1.0,
    limiter="sliding",
    latency_ms=80,
    latency_jitter_ms=10,
    faults=Faults(error_500=0.01, error_503=0.005, close_after=0.005),
)
# What is in doubt is sent again after 2 s, under the same key: the simulator honours keys.
ACCOUNT: dict[str, Any] = {
    "limit": LIMIT_PER_SECOND,
    "lease_seconds": 3.0,
    "in_doubt": {
        "policy": "resend",
        "transactional_wait_seconds": 2.0,
        "bulk_wait_seconds": 2.0,
    },
}
OUT = Path("build/demo.json")
TOO_LONG_SECONDS = 180.0
POLL_SECONDS = 0.2

console = Console()


def main() -> int:
    """Run the demo; exit status 0 where its equation holds and nobody was sent to twice."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_ops.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, until Ctrl-C")
    keep = parser.parse_args().keep
    try:
        with Stage(PROVIDER, account=ACCOUNT) as stage:
            result = _play(stage)
            OUT.parent.mkdir(exist_ok=True)
            OUT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            holds = _tell(result)
            if keep:
                _stay(stage)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind.")
        return 130
    return 0 if holds else 1


def _play(stage: Stage) -> dict[str, Any]:
    console.print(
        f"[bold]Sluicegate demo[/]: {MESSAGES:,} messages, a simulated Telnyx that allows "
        f"{LIMIT_PER_SECOND} requests/s,\nanswers in 80 ms, fails 1 in 70 and loses 1 answer in "
        "200; Valkey; two Celery workers."
    )
    stage.start_worker()
    stage.start_worker()
    stage.wait_for_workers()
    began = time.monotonic()
    with stage.sluice() as sluice:
        _enqueue(sluice)
        watched = _watch(stage, sluice)
        seconds = time.monotonic() - began
        return _result(stage, sluice, watched, seconds)


def _enqueue(sluice: Sluice) -> None:
    began = time.monotonic()
    messages = (
        Message(
            id=f"demo-{number}",
            to=f"+1555{2_000_000 + number}",
            sender=SENDER,
            text=f"Hello number {number}, this is a demo.",
            priority="bulk",
        )
        for number in range(MESSAGES)
    )
    stored = sum(result.ok for result in sluice.enqueue_many(messages))
    console.print(f"Enqueued {stored:,} messages in {time.monotonic() - began:.2f} s.")


class _State:
    """Where all messages stand at one moment, and what the provider received until then."""

    def __init__(self, stage: Stage, sluice: Sluice) -> None:
        client, keys = cast("Any", sluice.client), sluice.keys
        pipeline = client.pipeline()
        pipeline.hgetall(keys("totals"))
        for zset in ("due", "granted", "started", "doubts", "dead"):
            pipeline.zcard(keys(zset))
        pipeline.llen(keys.lane(f"b:{SENDER}"))
        totals, *counts = pipeline.execute()
        self.totals = {name.decode(): int(value) for name, value in totals.items()}
        self.due, self.granted, self.started, self.doubts, self.dead, self.waiting = counts
        self.accepted = self.totals.get("accepted", 0)
        self.report = stage.provider("report")
        self.at = time.monotonic()

    @property
    def over(self) -> bool:
        return self.accepted + self.dead >= MESSAGES


def _watch(stage: Stage, sluice: Sluice) -> int:
    """Show progress until all is settled, killing a worker half way.

    Returns how many requests the provider had received when no message was waiting any more.
    """
    received_while_waiting = 0
    ends = time.monotonic() + TOO_LONG_SECONDS
    with _display() as show:
        while True:
            state = _State(stage, sluice)
            show(state)
            if state.waiting:
                received_while_waiting = state.report["received"]
            if state.accepted >= MESSAGES // 2 and all(w.alive for w in stage.workers):
                _kill_one(stage, state)
            if state.over or state.at > ends:
                return received_while_waiting
            time.sleep(POLL_SECONDS)


def _kill_one(stage: Stage, state: _State) -> None:
    victim = stage.workers[0]
    victim.kill()
    console.print(
        f"[bold red]kill -9[/] of {victim.name} with {state.started} POSTs under way on both; "
        f"{stage.workers[1].name} goes on alone."
    )


@contextmanager
def _display() -> Iterator[Any]:
    """A live bar on a terminal, a line every two seconds elsewhere."""
    past: list[tuple[float, int]] = []

    def rate(state: _State) -> float:
        past.append((state.at, state.report["received"]))
        while past[-1][0] - past[0][0] > 2.0:
            past.pop(0)
        took = past[-1][0] - past[0][0]
        return (past[-1][1] - past[0][1]) / took if took else 0.0

    def words(state: _State) -> str:
        return (
            f"{rate(state):4.1f} of {LIMIT_PER_SECOND}/s · waiting {state.waiting} · under way "
            f"{state.started} · retrying {state.due} · in doubt {state.doubts} · dead {state.dead}"
        )

    if not console.is_terminal:
        shown_at = [0.0]

        def plain(state: _State) -> None:
            text = words(state)
            if state.at - shown_at[0] >= 2.0 or state.over:
                shown_at[0] = state.at
                console.print(f"{state.accepted:5}/{MESSAGES} accepted · {text}", soft_wrap=True)

        yield plain
        return
    columns = (
        TextColumn("accepted"),
        BarColumn(30),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=MESSAGES, words="")
        yield lambda state: progress.update(task, completed=state.accepted, words=words(state))


def _result(
    stage: Stage, sluice: Sluice, received_while_waiting: int, seconds: float
) -> dict[str, Any]:
    state = _State(stage, sluice)
    report = state.report
    return {
        "enqueued": state.totals["enqueued"],
        "accepted": state.accepted,
        "dead": state.dead,
        "in_doubt": state.doubts,
        "resent_under_same_key": state.totals.get("resent", 0),
        "accepted_by_provider": report["accepted"],
        "received_twice": report["received_twice"],
        "responses_429": report["responses_429"],
        "limit_per_second": LIMIT_PER_SECOND,
        "rate_per_second": _rate(stage, received_while_waiting),
        "highest_in_window": report["highest_in_window"],
        "doubts_met": state.totals.get("in_doubt", 0),
        "replayed_by_provider": report["replayed"],
        "faults": report["faults"],
        "kills": sum(not worker.alive for worker in stage.workers),
        "seconds": round(seconds, 1),
    }


def _rate(stage: Stage, received: int) -> float:
    """Requests per second at the provider while messages were waiting, by its own clock."""
    arrivals = sorted(request[0] for request in stage.provider("requests"))[:received]
    took: float = arrivals[-1] - arrivals[0]
    return round((len(arrivals) - 1) / took, 2)


def _tell(result: dict[str, Any]) -> bool:
    """Print the sum; True where it adds up and no recipient got anything twice."""
    adds_up = result["enqueued"] == result["accepted"] + result["dead"] + result["in_doubt"]
    sign = "=" if adds_up else "≠"
    table = Table(title="What became of every message", title_justify="left", show_header=False)
    table.add_row(
        f"{result['enqueued']:,} enqueued",
        f"{sign} {result['accepted']:,} accepted + {result['dead']} dead "
        f"+ {result['in_doubt']} in doubt",
    )
    table.add_row(
        "the provider",
        f"accepted {result['accepted_by_provider']:,}; {result['received_twice']} recipients got "
        "anything twice",
    )
    share = result["rate_per_second"] / result["limit_per_second"]
    table.add_row(
        "rate",
        f"{result['rate_per_second']:.1f} of {result['limit_per_second']} requests/s allowed "
        f"({share:.0%}), {result['responses_429']} answers 429",
    )
    table.add_row(
        "in doubt",
        f"{result['doubts_met']} attempts left it open whether they had arrived",
    )
    table.add_row(
        "resends",
        f"{result['resent_under_same_key']} POSTs repeated an attempt that may have been acted "
        "on,\nand relied on its idempotency key: the provider\nhad the message already in "
        f"{result['replayed_by_provider']} cases, and sent it once",
    )
    table.add_row("workers killed", f"{result['kills']} (kill -9), {result['seconds']} s in all")
    console.print(table)
    console.print(f"The same as JSON: {OUT}")
    return bool(
        adds_up
        and result["in_doubt"] == 0
        and result["received_twice"] == 0
        and result["accepted"] == result["accepted_by_provider"]
    )


def _stay(stage: Stage) -> None:
    """Keep everything up, with Flower, until Ctrl-C."""
    stage.start_worker()
    port = "5555"
    flower = subprocess.Popen(  # noqa: S603 - our own command
        [
            *(sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "flower"),
            *("--address=127.0.0.1", f"--port={port}", "--logging=error"),
        ],
        env=stage.environ,
        cwd=stage.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    bin_directory = os.path.relpath(Path(sys.executable).parent)
    console.print(
        f"\n[bold]Everything is up until Ctrl-C.[/]\n"
        f"  Flower       http://127.0.0.1:{port}\n"
        f"  the provider {stage.url.removesuffix('/v2')}/_sim/report\n\n"
        "In another terminal:\n"
        f"  export SLUICEGATE_CONFIG={stage.config_file}\n"
        f"  {bin_directory}/sluicegate status\n"
        f"  {bin_directory}/sluicegate send --to +15552000001 --from {SENDER} --text 'Hello'\n"
        f"  {bin_directory}/sluicegate send --to +15555555000 --from {SENDER} --text 'Fails'\n"
        f"  {bin_directory}/sluicegate send --to +15555550310 --from {SENDER} --text 'Dies'\n"
        f"  {bin_directory}/sluicegate dead list",
        soft_wrap=True,
    )
    try:
        flower.wait()
        console.print("Flower ended by itself; Ctrl-C ends the rest.")
        while True:
            time.sleep(3600)
    finally:
        flower.terminate()
        flower.wait()


if __name__ == "__main__":
    sys.exit(main())
