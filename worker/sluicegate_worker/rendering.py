"""What a grant is to send: a message as it is stored, or a recipient rendered from its plan."""

import base64
from hashlib import blake2b

import msgspec
import redis
import redis.asyncio

from sluicegate.campaigns.campaign import aread_plan
from sluicegate.campaigns.members import ahash_key
from sluicegate.campaigns.plan import Plan, rendered
from sluicegate.campaigns.template import RENDERERS
from sluicegate.config import Account
from sluicegate.errors import WrongRenderer
from sluicegate.keys import Keys
from sluicegate.message import Message, decode
from sluicegate.redis_errors import translated
from sluicegate.stored import MessageId

from .wire import Grant

_HASH_CHARACTERS = 7


class GrantRenderer:
    """Makes the messages of one account's grants; a version of a plan never changes, so it is read
    once.

    A recipient whose dead letter was edited has a stored message, which takes precedence.
    """

    def __init__(self, client: redis.asyncio.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._plans: dict[tuple[str, str], Plan] = {}

    async def message(self, grant: Grant) -> Message:
        """The message to send.

        Raises InvalidMessage or BadValue where it can never be made, WrongRenderer where only
        another version of the worker can make it, OutboxUnavailable where its plan could not be
        read.
        """
        campaign = MessageId.parse(grant.id).campaign
        if not campaign or grant.content.startswith(b"{"):
            return decode(grant.content, grant.id)
        plan = self._plans.get((campaign, grant.version))
        plan = plan or await self._read(campaign, grant.version)
        return rendered(plan, grant.id, grant.content)

    async def _read(self, campaign: str, version: str) -> Plan:
        try:
            plan = await aread_plan(self._client, self._keys, campaign, version)
        except redis.RedisError as error:
            raise translated(error, ()) from error
        if plan.renderer not in RENDERERS:
            raise WrongRenderer(campaign, plan.renderer)
        self._plans[campaign, version] = plan
        return plan


class TextHashes:
    """Tells the texts of one account's messages apart, where it limits how often one is sent.

    The hash is keyed, since there are few texts that anybody would send.
    """

    def __init__(self, client: redis.asyncio.Redis, keys: Keys, account: Account) -> None:
        self._client, self._keys = client, keys
        rules = account.per_recipient.rules.values()
        self._limited = any(limits.same_text_seconds for limits in rules)
        self._key = b""

    async def of(self, message: Message) -> str:
        """The hash of all that a message says; "" where that is not limited.

        Raises OutboxUnavailable where the key could not be read.
        """
        if not self._limited:
            return ""
        if not self._key:
            try:
                self._key = await ahash_key(self._client, self._keys)
            except redis.RedisError as error:
                raise translated(error, ()) from error
        said = msgspec.json.encode((message.text, message.subject, message.media_urls))
        hash = blake2b(said, key=self._key, digest_size=6).digest()
        return base64.urlsafe_b64encode(hash).decode()[:_HASH_CHARACTERS]
