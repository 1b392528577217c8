"""STOP and START: recorded on the opt-out list of every account concerned before the answer."""

from collections.abc import Iterable
from typing import Final, Literal

import redis
import redis.asyncio

from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.outbox import translated
from sluicegate.rules import E164
from sluicegate.scripts import Argument, Script, Scripts
from sluicegate_worker.provider.webhooks import InboundMessage

KEYWORD = Script("sluicegate_ops.web.keyword")
REMEMBERED_MS: Final = 7 * 86_400_000
"""How long a number's last keyword is kept, so that an older one that arrives later is ignored."""

Heard = Literal["heard", "stale", "ignored"]


class Keywords:
    """The opt-out lists of all accounts, on one asynchronous client."""

    def __init__(self, client: redis.asyncio.Redis, config: Config) -> None:
        self._accounts = config.accounts
        self._scripts = {name: Scripts(client, Keys(name).prefix) for name in config.accounts}

    async def hear(self, inbound: InboundMessage, account: str) -> Heard:
        """Record a message that came to ``account``'s webhooks, if it is a keyword.

        Once this returns, no message to that number is granted or started any more; one that has
        started may still be posted within ``MOST_START_TO_POST_SECONDS``.
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
        """The accounts that list a messaging profile; ``account`` where none does."""
        listed = [
            name
            for name, settings in self._accounts.items()
            if profile in settings.messaging_profiles
        ]
        return listed or [account]
