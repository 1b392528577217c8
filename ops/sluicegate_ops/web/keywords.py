"""STOP and START: kept on the opt-out lists of all whom they concern, before they are answered."""

from collections.abc import Iterable
from typing import Final, Literal

import redis
import redis.asyncio

from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.message import E164
from sluicegate.outbox import translated
from sluicegate.scripts import Argument, Script, Scripts
from sluicegate_worker.provider.webhooks import InboundMessage

KEYWORD = Script("sluicegate_ops.web", "keyword")
REMEMBERED_MS: Final = 7 * 86_400_000
"""How long the last keyword of a number is known, against older ones that come later."""

Heard = Literal["heard", "stale", "ignored"]


class Keywords:
    """The opt-out lists of all accounts, on one asynchronous client."""

    def __init__(self, client: redis.asyncio.Redis, config: Config) -> None:
        self._accounts = config.accounts
        self._scripts = {name: Scripts(client, Keys(name).prefix) for name in config.accounts}

    async def hear(self, inbound: InboundMessage, account: str) -> Heard:
        """Record what came in by the webhooks of ``account``, where it is a keyword.

        When this returns no claim grants a message to that number any more, and no start of one
        is allowed; what has started may still be written within ``START_TO_POST_SECONDS``.
        Raises OutboxUnavailable; it may be repeated.
        """
        if not inbound.keyword or not E164.match(inbound.number):
            return "ignored"
        args: list[Argument] = [
            inbound.number,
            inbound.keyword,
            inbound.occurred_ms,
            REMEMBERED_MS,
        ]
        answers = set[bytes]()
        try:
            for name in self.concerned(inbound.profile, account):
                answers.add(await self._scripts[name].acall(KEYWORD, args))
        except redis.RedisError as error:
            raise translated(error, ()) from error
        return "heard" if b"heard" in answers else "stale"

    def concerned(self, profile: str, account: str) -> Iterable[str]:
        """The accounts that list a messaging profile, or else the one that heard of it."""
        listed = [n for n, one in self._accounts.items() if profile in one.messaging_profiles]
        return listed or [account]
