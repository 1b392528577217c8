"""Deletes a campaign that is over: its recipients, its plan, its ledger."""

from collections.abc import Callable

import redis

from sluicegate.audit import Act
from sluicegate.errors import UnknownCampaign, WrongCampaignState
from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts

DELETE = Script("sluicegate_worker.delete")

_PAGE = 250


def delete_campaign(
    client: redis.Redis,
    keys: Keys,
    name: str,
    act: Act,
    before_the_last: Callable[[], object] = lambda: None,
) -> None:
    """Delete it from Redis; ``before_the_last`` step, which forgets its name, the archive's go.

    If it is interrupted, it is simply repeated. Raises UnknownCampaign, and WrongCampaignState
    where it is not over, is held, or some of it is in doubt or under way.
    """
    scripts = Scripts(client, keys.prefix)

    def call(what: str, at: str) -> str:
        args: list[Argument] = [name, what, at, _PAGE, act.said()]
        answer: bytes = scripts.call(DELETE, args)
        text = answer.decode()
        if text == "unknown":
            raise UnknownCampaign(name)
        if not text.isdecimal():
            raise WrongCampaignState(name, text, "be deleted")
        return text

    for what in ("records", "members"):
        at = call(what, "0")
        while at != "0":
            at = call(what, at)
    before_the_last()
    call("rest", "0")
