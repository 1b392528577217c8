"""The shop's only ``Sluice``, created on first use."""

from functools import cache

from sluicegate import Sluice


@cache
def outbox() -> Sluice:
    """The process's ``Sluice``, which threads share and forked workers may share too.

    It is created on first use, so importing the shop needs no Redis and no settings. It may exist
    before gunicorn forks: a child that inherits it opens its own connections.
    """
    return Sluice()
