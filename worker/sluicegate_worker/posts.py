"""What a drain does with one grant: make the bytes to POST, POST them, and say how it ended."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sluicegate.campaigns.template import BadValue
from sluicegate.config import Account
from sluicegate.errors import InvalidMessage, OutboxError
from sluicegate.message import Message, decode

from .claims import Grant, Settle
from .provider.gateway import Attempt, Gateway, idempotency_key
from .provider.outcome import Doubt, Outcome, Retry
from .rendering import WrongRenderer
from .retry import decide, permitted, policy
from .settling import settled

WRONG_RENDERER_WAIT_MS = 60_000.0
"""When another worker, maybe of the right version, is to look at a message again."""

log = logging.getLogger(__name__)


async def app_message(grant: Grant) -> Message:
    """The message that an app enqueued; raises InvalidMessage."""
    return decode(grant.content, grant.id)


class Posts:
    """One account's POSTs; none of its calls raises for what a message or the provider is like.

    ``read`` makes the message of a grant: see ``contents.Contents.message`` for what it may raise.
    """

    def __init__(
        self,
        gateway: Gateway,
        account: Account,
        name: str,
        deployment: str,
        read: Callable[[Grant], Awaitable[Message]],
    ) -> None:
        self._gateway, self._account, self._read = gateway, account, read
        self._name, self._deployment = name, deployment
        self._policy = policy(account.retry)

    async def request(self, grant: Grant) -> bytes | Settle:
        """The bytes to POST; or, where there can be none, how the grant ends."""
        try:
            return self._gateway.request(await self._read(grant))
        except OutboxError as error:
            log.warning("a message goes back, its plan could not be read: %s", error)
            return grant.unused()
        except WrongRenderer as error:
            return _later(grant, str(error))
        except (InvalidMessage, BadValue) as error:
            code = "invalid_content"
            return Settle(
                id=grant.id, token=grant.token, kind="dead", code=code, reason=str(error)
            )
        except Exception as error:  # else the drain ends, and every POST under way is in doubt
            log.exception("a fault of ours while making message %s", grant.id)
            return _later(grant, f"a fault in the worker: {type(error).__name__}")

    async def attempt(self, grant: Grant, request: bytes, gate: Callable[[], bool]) -> Attempt:
        """One POST; ``gate`` is asked just before its first byte, and answers True once at most.

        A task that is cancelled meanwhile ends as usual: in doubt, if the gate was open.
        """
        begun = False

        def gated() -> bool:
            nonlocal begun
            begun = gate()
            return begun

        key = idempotency_key(self._deployment, self._name, grant.id, grant.generation)
        try:
            return await self._gateway.send(request, key, gated)
        except asyncio.CancelledError:
            doubt = Doubt("its worker was stopped before the answer came", "stopped")
            return Attempt(doubt if begun else None)
        except Exception as error:
            log.exception("a fault of ours while sending message %s", grant.id)
            return Attempt(Doubt(f"a fault in the worker: {type(error).__name__}", "fault"))

    def settle(self, grant: Grant, attempt: Attempt) -> Settle:
        """How the attempt ends its grant, after the policies on doubts and on retries."""
        return settled(grant, attempt, self._account, self._decided(grant, attempt))

    def _decided(self, grant: Grant, attempt: Attempt) -> Outcome | None:
        outcome = attempt.outcome
        if not isinstance(outcome, Retry):
            return outcome
        outcome = permitted(outcome, self._account.in_doubt.policy)
        if isinstance(outcome, Retry):
            age_seconds = (grant.age_ms + attempt.took_ms) / 1000
            return decide(self._policy, outcome, grant.attempts + 1, age_seconds)
        return outcome


def _later(grant: Grant, why: str) -> Settle:
    """Another worker is to look at it, in a while."""
    wait_ms = WRONG_RENDERER_WAIT_MS
    return Settle(
        id=grant.id, token=grant.token, kind="retry", delay_ms=wait_ms, reason=why, flags="u"
    )
