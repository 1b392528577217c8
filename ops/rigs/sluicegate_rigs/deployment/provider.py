"""The deployment's provider: a simulator in its own process, so that it slows nothing else."""

import contextlib
import gc
import json
import multiprocessing
import os
import urllib.request
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from sluicegate_ops.simulator import Settings, run

from .fork import IMPORTED

READY_SECONDS = 30.0
STOP_SECONDS = 20.0


@contextlib.contextmanager
def simulating(settings: Settings, *, forked: bool = False) -> Iterator[str]:
    """Run a simulator, ``forked`` as in ``Fork`` or anew; yield the base URL of its API v2."""
    starting: Any = multiprocessing.get_context("forkserver" if forked else "spawn")
    starting.set_forkserver_preload(IMPORTED)
    ours, theirs = starting.Pipe()
    process = starting.Process(target=_simulate, args=(settings, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(READY_SECONDS):
            raise TimeoutError("the simulator did not start")
        yield ours.recv()
    finally:
        ours.close()
        process.terminate()
        process.join(STOP_SECONDS)
        process.close()


def admin(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The simulator's answer at ``/_sim/<path>``: to a POST if there is a body, else to a GET."""
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url.removesuffix('/v2')}/_sim/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server
        return json.loads(answer.read() or b"null")


def _simulate(settings: Settings, ready: Connection) -> None:
    os.setsid()  # the terminal's Ctrl-C is for the deployment to handle
    # A garbage collection over all imported modules would delay requests and then let them in at
    # once, as if the workers had sent them like that.
    gc.freeze()
    run(settings, on_ready=ready.send)
