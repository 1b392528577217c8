"""Replies: an opt-out, an opt-in or a doubt is on every list it concerns before the answer.

What counts as which is decided in ``sluicegate.revocation``; what the provider says that it acted
on counts as well.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal, cast

import redis
import redis.asyncio

from sluicegate.campaigns.members import aknown_hash_key, keyed_hashing
from sluicegate.campaigns.plan import key_hash
from sluicegate.config import Account, Config
from sluicegate.keys import Keys
from sluicegate.redis_errors import translated
from sluicegate.revocation import Hearing, ReplyVerdict
from sluicegate.rules import E164
from sluicegate.scripts import Argument, Script, Scripts, new_token
from sluicegate.stored import OptOutAct, short_hash
from sluicegate_worker.provider.webhooks import InboundMessage

HEAR = Script("sluicegate.hear")
REMEMBERED_MS: Final = 7 * 86_400_000
"""How long a reply's id is known, and how long a START keeps an older STOP from counting."""

_TEXT_KEPT: Final = 1_600
"""Characters of a reply that its number's history keeps: as many as a message of ten parts has."""

Heard = Literal["heard", "review", "stale", "duplicate", "ignored"]
_WEIGHT: Final = ("ignored", "duplicate", "stale", "review", "heard")


class Keywords:
    """The opt-out lists of all accounts, on one asynchronous client."""

    def __init__(self, client: redis.asyncio.Redis, config: Config) -> None:
        self._accounts = config.accounts
        self._scripts = {name: Scripts(client, Keys(name).prefix) for name in config.accounts}
        self._client, self._hashes = client, dict[str, Callable[[int], int]]()
        self._hearings = {name: _hearing(row) for name, row in config.accounts.items()}

    async def hear(self, inbound: InboundMessage, account: str, now_ms: int) -> Heard:
        """Record a message that came to ``account``'s webhooks, if it asks for something.

        Once this returns, no message to that number is granted or started any more, whether it
        opted out or a person has to read it; one that has started may still be posted within
        ``MOST_START_TO_POST_SECONDS``. ``now_ms`` is our clock, which the webhook's signature was
        checked against. Raises OutboxUnavailable; it may be repeated.
        """
        if not E164.match(inbound.number):
            return "ignored"
        answers: set[Heard] = {"ignored"}
        for name in self.concerned(inbound.profile, account):
            verdict = self.verdict(inbound, name)
            if verdict:
                answers.add(await self._record(name, inbound, verdict, now_ms))
        return max(answers, key=_WEIGHT.index)

    def verdict(self, inbound: InboundMessage, account: str) -> ReplyVerdict:
        """What a message asks an account for, by its text and by the provider's word.

        Of two that differ the one that stops more counts.
        """
        said = self._hearings[account].verdict(inbound.text, inbound.number)
        return "stop" if inbound.keyword == "stop" else said or inbound.keyword

    def concerned(self, profile: str, account: str) -> Iterable[str]:
        """The accounts that list a messaging profile; ``account`` where none does."""
        listed = [
            name
            for name, settings in self._accounts.items()
            if profile in settings.messaging_profiles
        ]
        return listed or [account]

    async def _record(
        self, account: str, inbound: InboundMessage, verdict: ReplyVerdict, now_ms: int
    ) -> Heard:
        written_ms, believed = _written(inbound.occurred_ms, verdict, now_ms)
        act = OptOutAct(
            source="recipient",
            profile=inbound.profile,
            written_ms=inbound.occurred_ms,
            text=inbound.text[:_TEXT_KEPT],
        )
        args: list[Argument] = [inbound.number, verdict, written_ms, inbound.profile, act.said()]
        args += [inbound.event_id, REMEMBERED_MS, int(believed), new_token()]
        try:
            args.append(await self._member(account, inbound.number) if verdict == "stop" else "")
            answer = await self._scripts[account].acall(HEAR, args)
        except redis.RedisError as error:
            raise translated(error, ()) from error
        return cast("Heard", answer.decode())

    async def _member(self, account: str, number: str) -> str:
        """The hash by which campaigns know a number, unless a column is their key; "" for none."""
        if account not in self._hashes:
            key = await aknown_hash_key(self._client, Keys(account))
            if key is None:
                return ""
            self._hashes[account] = keyed_hashing(key)
        return short_hash(self._hashes[account](key_hash(number)))


def _hearing(account: Account) -> Hearing:
    return Hearing(account.optout_languages, account.optout_words)


def _written(occurred_ms: int, verdict: ReplyVerdict, now_ms: int) -> tuple[int, bool]:
    """When a reply was written, and whether that can be right.

    None was written after now, and a STOP of a time long gone is one of now: whatever a clock
    says, it must not be taken for older than a START.
    """
    if occurred_ms > now_ms:
        return now_ms, False
    if verdict == "stop" and occurred_ms < now_ms - REMEMBERED_MS:
        return now_ms, False
    return occurred_ms, True
