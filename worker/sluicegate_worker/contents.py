"""What a grant is to send: an app's message, or a recipient rendered from its campaign's plan."""

from typing import Any

import msgspec
import redis.asyncio

from sluicegate.errors import InvalidMessage
from sluicegate.keys import Keys
from sluicegate.message import Message, decode
from sluicegate.plan import Plan, rendered
from sluicegate.template import RENDERER

from .claims import Grant


class Contents:
    """The messages of one account's grants; plans are read once, since they never change."""

    def __init__(self, client: redis.asyncio.Redis, keys: Keys) -> None:
        self._client: Any = client
        self._keys = keys
        self._plans: dict[str, Plan] = {}

    async def message(self, grant: Grant) -> Message:
        """The message to send; raises InvalidMessage or BadValue where it can't be made."""
        campaign, dot, _ = grant.id.partition(".")
        if not dot:
            return decode(grant.content, grant.id)
        plan = self._plans.get(campaign) or await self._read(campaign)
        return rendered(plan, grant.id, grant.content)

    async def _read(self, campaign: str) -> Plan:
        stored = await self._client.hget(self._keys.campaign(campaign), "plan")
        if stored is None:
            raise InvalidMessage("campaign", campaign, "its plan is gone")
        plan = msgspec.json.decode(stored, type=Plan)
        if plan.renderer != RENDERER:
            why = f"this worker renders {RENDERER}; run the version that the campaign began with"
            raise InvalidMessage("renderer", plan.renderer, why)
        self._plans[campaign] = plan
        return plan
