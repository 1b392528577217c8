"""Taking messages that the provider accepted twice off their list, once they are dealt with."""

from collections.abc import Sequence

import redis

from sluicegate.audit import Act
from sluicegate.keys import Keys
from sluicegate.scripts import Script, Scripts, new_token

CLEAR = Script("sluicegate_worker.twice")


def clear_twice(client: redis.Redis, keys: Keys, ids: Sequence[str], act: Act) -> list[str]:
    """Take at most ``deadletters.BATCH`` messages off the list; ``act`` goes into the audit.

    The answer for each is ``cleared`` or ``not sent twice``.
    """
    answers = Scripts(client, keys.prefix).call(CLEAR, [new_token(), act.said(), *ids])
    return [answer.decode() for answer in answers]
