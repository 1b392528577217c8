"""A shop that is killed again and again between its COMMITs and their hand-over: a script.

    python -m support.handover_kills KIND DATABASE_URL REDIS_URL KILLS SEED

Each child takes orders and hands them over, until it is killed after a random while.
"""

import os
import random
import signal
import sys
import time
import uuid

from sluicegate import Config
from sluicegate.transactional.relay import Relay

from .shops import shop

LONGEST_SECONDS = 0.03


def warm_up(kind: str, url: str, redis_url: str) -> None:
    """Import and prepare here what every child would have to."""
    relay = Relay(url, Config(redis_url=redis_url))
    with shop(kind, url, prepare=False) as opened:
        opened.order(f"order-{uuid.uuid4().hex}")
        relay.run_once()
    relay.close()


def work(kind: str, url: str, redis_url: str, ready: int) -> None:
    """Take orders and hand them over, for ever; say when the first is committed."""
    relay = Relay(url, Config(redis_url=redis_url))
    with shop(kind, url, prepare=False) as opened:
        opened.order(f"order-{uuid.uuid4().hex}")
        os.write(ready, b".")
        while True:
            relay.run_once()
            opened.order(f"order-{uuid.uuid4().hex}")


def kill_one(kind: str, url: str, redis_url: str, seconds: float) -> None:
    """Start a child, and kill it ``seconds`` after its first COMMIT."""
    heard, ready = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        try:
            work(kind, url, redis_url, ready)
        finally:
            os._exit(1)
    os.close(ready)
    begun = os.read(heard, 1)
    os.close(heard)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not begun or os.WTERMSIG(status) != signal.SIGKILL:
        raise SystemExit("a child ended by itself")


def main(kind: str, url: str, redis_url: str, kills: str, seed: str) -> None:
    """Kill so many children, one after the other."""
    warm_up(kind, url, redis_url)
    dice = random.Random(seed)
    for _ in range(int(kills)):
        kill_one(kind, url, redis_url, dice.random() * LONGEST_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
