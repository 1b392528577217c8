"""``python -m sluicegate_rigs.bench.produce``: time one producer, alone in its process.

    produce HOW COUNT [LANES]    prints {"seconds": ..., "cpu_seconds": ...}

The time excludes making up the messages, and includes all that the producer's library does.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from sluicegate import Message, Sluice
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients

from .bodies import SENDER, TEXT, bodies, number, text, write_csv
from .peers.task import REDIS_URL

CAMPAIGN = "bench"
OPTED_OUT = 100
"""How many other numbers have opted out, so that each recipient is looked up in a list."""

Producer = Callable[[int, int], dict[str, float]]


def timed(act: Callable[[], object]) -> dict[str, float]:
    """Call ``act``; return the seconds of wall time and of this process's CPU."""
    began, used = time.perf_counter(), time.process_time()
    act()
    return {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - used}


def campaign(count: int, _lanes: int) -> dict[str, float]:
    """Import a file: read, normalise, render and deduplicate each row; then start the campaign."""
    with Sluice() as sluice, tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "people.csv")
        write_csv(file, count)
        nobody = range(10_000_000, 10_000_000 + OPTED_OUT)
        sluice.optouts.add(number(n) for n in nobody)
        campaigns = Campaigns(sluice.client, sluice.keys)

        def imported() -> None:
            plan = Plan(name=CAMPAIGN, text=TEXT, to_column="phone", sender=SENDER, region="US")
            campaigns.create(plan, count)
            rows = Recipients(plan, CsvFile(file))
            recipients = (row for row in rows if isinstance(row, Recipient))
            added = sum(outcome == "added" for _, outcome in campaigns.add(CAMPAIGN, recipients))
            if added != count:
                raise RuntimeError(f"{added} of {count} recipients were imported")

        took = timed(imported)
        campaigns.act(CAMPAIGN, "start")
        return took


def messages(count: int, lanes: int) -> dict[str, float]:
    """Enqueue an app's messages in bulk, from as many senders as there are lanes."""
    senders = [SENDER] if lanes == 1 else [f"+1555{n:07d}" for n in range(lanes)]
    every = [(number(n), senders[n % lanes], text(n)) for n in range(count)]

    def enqueued() -> None:
        batch = (
            Message(to=to, sender=sender, text=body, priority="bulk") for to, sender, body in every
        )
        for result in sluice.enqueue_many(batch):
            if result.error:
                raise result.error

    with Sluice() as sluice:
        sluice.client.ping()
        return timed(enqueued)


def celery(count: int, _lanes: int) -> dict[str, float]:
    """Call ``delay`` for each message."""
    from .peers.celery_app import send

    every = list(bodies(count))
    send.delay(every.pop())
    return timed(lambda: [send.delay(body) for body in every])


def dramatiq(count: int, _lanes: int) -> dict[str, float]:
    """Call ``send`` for each message."""
    from .peers.dramatiq_app import send

    every = list(bodies(count))
    send.send(every.pop())
    return timed(lambda: [send.send(body) for body in every])


def plain(count: int, _lanes: int) -> dict[str, float]:
    """LPUSH each message."""
    from .peers.plain import QUEUE

    every = list(bodies(count))
    with redis.Redis.from_url(REDIS_URL) as client:
        store: Any = client
        store.ping()
        return timed(lambda: [store.lpush(QUEUE, json.dumps(body)) for body in every])


PRODUCERS: dict[str, Producer] = {
    "campaign": campaign,
    "messages": messages,
    "celery": celery,
    "dramatiq": dramatiq,
    "plain": plain,
}


def main() -> None:
    """Run the producer that the arguments name."""
    how, count, *lanes = sys.argv[1:]
    took = PRODUCERS[how](int(count), int(lanes[0]) if lanes else 1)
    sys.stdout.write(json.dumps(took) + "\n")


if __name__ == "__main__":
    main()
