"""The shop's one ``Sluice``, made when it is first asked for."""

from functools import cache

from sluicegate import Sluice


@cache
def outbox() -> Sluice:
    """The process's ``Sluice``: threads share it, and forked workers may too.

    Made lazily, so that importing the shop needs no Redis and no settings. It need not wait for
    gunicorn's fork: a child that inherits it opens connections of its own.
    """
    return Sluice()
