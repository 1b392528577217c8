"""Handing over in a worker: a thread for each app's database, beside the loop."""

import asyncio
import logging
import threading
from functools import partial

from sluicegate.config import Config, Database
from sluicegate.transactional.handover import TABLE

from .beside import STOPS_A_PASS, Obstacle, beside_the_loop

log = logging.getLogger(__name__)


async def handing_over(config: Config, account: str) -> None:
    """Hand over what apps' databases hold for an account until cancelled, where workers do."""
    databases = {name: one for name, one in config.databases.items() if one.in_workers}
    if not databases:
        return
    acts = (partial(hand_over, config, [account], *one) for one in databases.items())
    await asyncio.gather(*map(beside_the_loop, acts))


def hand_over(
    config: Config,
    accounts: list[str],
    name: str,
    database: Database,
    stop: threading.Event,
) -> None:
    """Hand over one database's rows until ``stop``, whatever it or Redis do meanwhile."""
    from sluicegate.transactional.relay import Relay  # SQLAlchemy, where a database is configured

    obstacle, relay = Obstacle(accounts[0], f"handing over from the database {name}"), None
    while not stop.is_set():
        try:
            if relay is None:
                relay = Relay(database.address(), config, accounts)
            done = relay.run_once()
            obstacle.gone()
        except STOPS_A_PASS as error:
            obstacle.met(error)
            stop.wait(database.poll_seconds)
            continue
        if done.refused:
            log.warning(
                "database %s: %d rows of %s can't be enqueued and were set aside: "
                "sluicegate relay --status",
                name,
                done.refused,
                TABLE,
            )
        relay.wait(database.poll_seconds, stop)
    if relay is not None:
        relay.close()
