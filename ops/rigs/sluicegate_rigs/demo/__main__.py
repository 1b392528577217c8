"""``python -m sluicegate_rigs.demo``: run the demo; ``--keep`` keeps everything running."""

import argparse
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..deployment import Deployment
from ..deployment.process import Process
from .display import console
from .play import play, tell
from .setting import ACCOUNT, FILE, NAME, PROVIDER, RECONCILE, SENDER

FLOWER_PORT = 5555
LAST_WORDS = 2_000


def main() -> int:
    """Exit with 0 if every row is accounted for, nobody got two, and the bill is proven."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_rigs.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep everything running until Ctrl-C")
    keep = parser.parse_args().keep
    try:
        with Deployment(
            PROVIDER, account=ACCOUNT, receipts=True, reconcile=RECONCILE
        ) as deployment:
            if keep:
                with _flower(deployment) as (flower, port):
                    holds = tell(play(deployment))
                    _stay(deployment, flower, port)
            else:
                holds = tell(play(deployment))
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind.")
        return 130
    return 0 if holds else 1


@contextmanager
def _flower(deployment: Deployment) -> Iterator[tuple[Process, int]]:
    """Flower and its port, from before the campaign, so that it has seen all of it."""
    port = free_port()
    command = [sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "flower"]
    command += ["--address=127.0.0.1", f"--port={port}", "--logging=error"]
    flower = Process.launched("flower", command, deployment.environ, deployment.directory)
    try:
        yield flower, port
    finally:
        flower.stop()


def _stay(deployment: Deployment, flower: Process, port: int) -> None:
    """Keep everything running until Ctrl-C."""
    deployment.start_worker()
    console.print(_suggestions(deployment, port), soft_wrap=True, highlight=False)
    flower.process.wait()
    console.print(f"Flower ended. {last_words(flower)}\nCtrl-C ends the rest.", markup=False)
    while True:
        time.sleep(3600)


def free_port() -> int:
    """The port that Flower always had, or another one where somebody else has it."""
    for port in (FLOWER_PORT, 0):
        with socket.socket() as sock, suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return int(sock.getsockname()[1])
    raise OSError("no port is free on 127.0.0.1")


def last_words(process: Process) -> str:
    """What a process wrote last, for whoever wonders why it ended."""
    written = process.log.read_text(encoding="utf-8", errors="replace").strip()
    return f"Its last words:\n{written[-LAST_WORDS:]}" if written else "It said nothing."


def _suggestions(deployment: Deployment, flower_port: int) -> str:
    sluicegate = Path(os.path.relpath(Path(sys.executable).parent)) / "sluicegate"
    options = f"--from {SENDER} --region US"
    return f"""
[bold]Everything keeps running until Ctrl-C.[/]
  the campaign  http://127.0.0.1:{flower_port}/campaigns/{NAME}
  the rest      http://127.0.0.1:{flower_port}
  the provider  {deployment.url.removesuffix("/v2")}/_sim/report

In another terminal:
  export SLUICEGATE_CONFIG={deployment.config_file}
  {sluicegate} status
  {sluicegate} campaign report {NAME}
  {sluicegate} campaign start {FILE} --name again {options} --text "Hi {{{{ first_name }}}}!"
  {sluicegate} campaign watch again
  {sluicegate} send --to +15552000001 --from {SENDER} --text "Hello" --wait 10
  {sluicegate} send --to +15555555000 --from {SENDER} --text "Fails again and again"
  {sluicegate} dead list"""


if __name__ == "__main__":
    sys.exit(main())
