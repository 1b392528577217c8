"""Our own engine without Celery: each drain runs in a thread."""

import gc
import os
import signal
import threading

from sluicegate.campaigns.template import Template
from sluicegate.config import load
from sluicegate_worker.engine import Engine


def main() -> None:
    """Run until SIGTERM."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())

    def drain(account: str) -> None:
        threading.Thread(target=engine.drain, args=(account,), daemon=True).start()

    engine = Engine(load(), f"bare{os.getpid()}@bench", drain)
    # The Celery worker does the same before it starts.
    Template("Hi {{ name }}").render({"name": "you"})
    gc.collect()
    gc.freeze()
    engine.start()
    over.wait()
    engine.close()


if __name__ == "__main__":
    main()
