"""``python -m sluicegate_rigs.demo``: run the demo; ``--keep`` keeps everything running."""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from ..deployment import Deployment
from .display import console
from .play import play, tell
from .setting import ACCOUNT, FILE, NAME, PROVIDER, SENDER

FLOWER_PORT = 5555


def main() -> int:
    """Exit with 0 if every row is accounted for and no recipient got a message twice."""
    parser = argparse.ArgumentParser(prog="python -m sluicegate_rigs.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep everything running until Ctrl-C")
    keep = parser.parse_args().keep
    try:
        with Deployment(PROVIDER, account=ACCOUNT) as deployment:
            holds = tell(play(deployment))
            if keep:
                _stay(deployment)
    except KeyboardInterrupt:
        console.print("\nStopped; nothing is left behind.")
        return 130
    return 0 if holds else 1


def _stay(deployment: Deployment) -> None:
    """Keep everything running, with Flower, until Ctrl-C."""
    deployment.start_worker()
    command = [sys.executable, "-m", "celery", "-A", "sluicegate_worker.app", "flower"]
    flower = subprocess.Popen(  # noqa: S603 - our own command
        [*command, "--address=127.0.0.1", f"--port={FLOWER_PORT}", "--logging=error"],
        env=deployment.environ,
        cwd=deployment.directory,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        console.print(_suggestions(deployment), soft_wrap=True, highlight=False)
        flower.wait()
        console.print(f"Flower ended: is port {FLOWER_PORT} taken? Ctrl-C ends the rest.")
        while True:
            time.sleep(3600)
    finally:
        flower.terminate()
        flower.wait()


def _suggestions(deployment: Deployment) -> str:
    sluicegate = Path(os.path.relpath(Path(sys.executable).parent)) / "sluicegate"
    options = f"--from {SENDER} --region US"
    return f"""
[bold]Everything keeps running until Ctrl-C.[/]
  Flower        http://127.0.0.1:{FLOWER_PORT}
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
