"""One attempt to send a message: its bytes, the POST, and the settle that says what came of it."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from sluicegate.config import Account
from sluicegate.declared import check_country
from sluicegate.errors import BadValue, InvalidMessage, OutboxError, WrongRenderer
from sluicegate.message import Message, decode
from sluicegate.stored import Ticket
from sluicegate.trace_context import stored_trace
from sluicegate.tracing import SpanAttribute, TracedSpan, is_traced, traced

from .provider.gateway import Attempt, Gateway, idempotency_key
from .provider.outcome import Accepted, Dead, Doubt, Halt, Outcome, Retry
from .provider.rate_headers import RateHeaders
from .retry import decide, permitted, policy
from .wire import Grant, Settle

THROTTLE_WAIT_MS = 1000.0
"""How long a 429 blocks the bucket if it doesn't say."""

OTHER_WORKER_WAIT_MS = 60_000.0
"""When a message that this worker can't make is tried again, by a newer worker with luck."""

_PROFILE = b'"messaging_profile_id"'
_SHOWN_CODE = re.compile(r"[0-9]{3,5}|[a-z_]{1,40}")
"""Codes that a span may have: a provider may write anything where its code should be."""

log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """What a grant's POST sends; the rest as in ``wire.Start``."""

    request: bytes
    text: str = ""
    version: str = ""
    segments: int = 0


async def not_limited(message: Message) -> str:
    """The hash of a text of which no recipient's limit is to know."""
    return ""


async def app_message(grant: Grant) -> Message:
    """The message that an app enqueued; raises InvalidMessage."""
    return decode(grant.content, grant.id)


class Attempts:
    """One account's attempts; no message, and nothing that the provider does, makes a call raise.

    ``read`` makes a grant's message; ``rendering.GrantRenderer.message`` says what it may raise.
    ``text_hash`` makes what ``Prepared`` has of its text: ``rendering.TextHashes.of``.
    """

    def __init__(
        self,
        gateway: Gateway,
        account: Account,
        name: str,
        deployment: str,
        read: Callable[[Grant], Awaitable[Message]],
        text_hash: Callable[[Message], Awaitable[str]] = not_limited,
    ) -> None:
        self._gateway, self._account, self._read = gateway, account, read
        self._name, self._deployment = name, deployment
        self._policy, self._text_hash = policy(account.retry), text_hash
        self._host = urlsplit(account.base_url).hostname or ""

    async def prepared(self, grant: Grant) -> Prepared | Settle:
        """What to POST; or the settle of a message for which there is nothing."""
        if grant.request:
            return Prepared(grant.request)
        try:
            message = await self._read(grant)
            check_country(self._account, message.to, grant.id)  # the list may be shorter by now
            request, text = self._gateway.request(message), await self._text_hash(message)
            return Prepared(request, text, grant.version, _resized(grant, message))
        except OutboxError as error:
            log.warning("a message goes back, its plan could not be read: %s", error)
            return grant.unused()
        except WrongRenderer as error:
            return _for_another_worker(grant, str(error))
        except (InvalidMessage, BadValue) as error:
            return Settle(
                id=grant.id,
                token=grant.token,
                kind="dead",
                code="invalid_content",
                reason=str(error),
            )
        except Exception as error:  # else the drain ends, and every POST under way is in doubt
            log.exception("a fault of ours while making message %s", grant.id)
            return _for_another_worker(grant, f"a fault in the worker: {type(error).__name__}")

    async def post(self, grant: Grant, request: bytes, gate: Callable[[], bool]) -> Attempt:
        """POST ``request``; ``gate`` is asked just before the first byte, and opens once at most.

        If the task is cancelled after the gate opened, the attempt ends in doubt.
        """
        parent = stored_trace(grant.trace) if grant.trace else None
        if not is_traced():
            return await self._post(grant, request, gate, parent.headers if parent else {})
        about: dict[str, SpanAttribute] = {
            "messaging.operation.type": "process",
            "messaging.message.id": grant.id,
            "sluicegate.attempt": grant.attempts + 1,
            "server.address": self._host,
        }
        with traced("send", self._name, "CONSUMER", parent, about) as span:
            context = parent if span is None else span.context
            attempt = await self._post(grant, request, gate, context.headers if context else {})
            if span is not None:
                _tell(span, attempt)
            return attempt

    async def _post(
        self, grant: Grant, request: bytes, gate: Callable[[], bool], trace: Mapping[str, str]
    ) -> Attempt:
        begun = False

        def noted_gate() -> bool:
            nonlocal begun
            begun = gate()
            return begun

        key = idempotency_key(self._deployment, self._name, grant.id, grant.generation)
        try:
            return await self._gateway.send(request, key, noted_gate, trace)
        except asyncio.CancelledError:
            doubt = Doubt("its worker was stopped before the answer came", "stopped")
            return Attempt(doubt if begun else None)
        except Exception as error:
            log.exception("a fault of ours while sending message %s", grant.id)
            return Attempt(Doubt(f"a fault in the worker: {type(error).__name__}", "fault"))

    def settle(self, grant: Grant, attempt: Attempt) -> Settle:
        """The settle of an attempt, after the account's policies on doubts and on retries."""
        outcome = attempt.outcome
        if isinstance(outcome, Retry):
            outcome = self._retried(grant, attempt, outcome)
        elif isinstance(outcome, Halt):
            alone = self._retried(grant, attempt, Retry(outcome.why, outcome.code, charged=False))
            if isinstance(alone, Retry):
                outcome = msgspec.structs.replace(
                    outcome, delay_seconds=alone.delay_seconds or 0.0, last=alone.last
                )
        settle = settled(grant, attempt, self._account, outcome)
        profile = self._profile(grant) if isinstance(outcome, Accepted | Halt) else ""
        return msgspec.structs.replace(settle, profile=profile) if profile else settle

    def _profile(self, grant: Grant) -> str:
        """The messaging profile that an app's message names beside its sender.

        ``""`` where it names none, and where the configuration lists it: that is evidence enough.
        """
        if _PROFILE not in grant.content:  # of nearly every message
            return ""
        try:
            message = decode(grant.content, grant.id)
        except InvalidMessage:  # a campaign's ticket, with that word among its values
            return ""
        profile = message.messaging_profile_id if message.sender else None
        return "" if profile in (None, *self._account.messaging_profiles) else str(profile)

    def _retried(self, grant: Grant, attempt: Attempt, retry: Retry) -> Outcome:
        """The retry with its delay; or a doubt, or the end of all attempts, by the policies."""
        outcome = permitted(retry, self._account.in_doubt.policy)
        if not isinstance(outcome, Retry):
            return outcome
        age_seconds = (grant.age_ms + attempt.took_ms) / 1000
        return decide(self._policy, outcome, grant.attempts + 1, age_seconds, grant.free)


def _tell(span: TracedSpan, attempt: Attempt) -> None:
    """Say with a span what an attempt meant, in codes."""
    outcome = attempt.outcome
    kind = "not_begun" if outcome is None else type(outcome).__name__.lower()
    code = "" if outcome is None or isinstance(outcome, Accepted) else outcome.code
    code = code if not code or _SHOWN_CODE.fullmatch(code) else "other"
    told = {"sluicegate.outcome": kind, "sluicegate.code": code}
    span.set(told | {"http.response.status_code": attempt.status})
    if outcome is not None and not isinstance(outcome, Accepted):
        span.fail(code or kind)


def _resized(grant: Grant, message: Message) -> int:
    """How many segments a recipient's message has, where its ticket says otherwise; else 0."""
    if not grant.version or grant.content.startswith(b"{"):
        return 0
    parts = message.segments.parts
    return 0 if parts == Ticket.parse(grant.content).segments else parts


def settled(grant: Grant, attempt: Attempt, account: Account, outcome: Outcome | None) -> Settle:
    """What ``outcome`` does to the message; None means that nothing was written."""
    if outcome is None:
        return grant.unused()
    if isinstance(outcome, Accepted):  # nearly always, so without the detour of the others
        return Settle(
            id=grant.id,
            token=grant.token,
            kind="accepted",
            provider_id=outcome.provider_id,
            took_ms=attempt.took_ms,
            heard=attempt.heard,
            failing=attempt.failing,
            replayed=outcome.replayed,
            rate=attempt.rate,
            answer=attempt.answer,
            hold_ms=outcome.wait_seconds * 1000,
            bill=outcome.bill,
            trace=grant.trace,
        )
    settle = partial(
        Settle,
        id=grant.id,
        token=grant.token,
        took_ms=attempt.took_ms,
        heard=attempt.heard,
        failing=attempt.failing,
        rate=attempt.rate,
        answer=attempt.answer,
        code=outcome.code,
        reason=outcome.why,
    )
    match outcome:
        case Retry(throttled=True) | Retry(queue_full=True):
            return settle(
                kind="back",
                throttled=outcome.throttled,
                queue_full=outcome.queue_full,
                rate=_with_wait(attempt.rate) if outcome.throttled else attempt.rate,
                delay_ms=_delay_ms(outcome),
                last=outcome.last,
            )
        case Retry():
            return settle(
                kind="retry",
                delay_ms=_delay_ms(outcome),
                perhaps=outcome.perhaps,
                uncharged=not outcome.charged,
            )
        case Dead():
            return settle(kind="dead", perhaps=outcome.perhaps, opted_out=outcome.opted_out)
        case Doubt():
            doubt = account.in_doubt
            if outcome.hold or doubt.policy == "hold":
                return settle(kind="doubt", delay_ms=-1.0)
            return settle(
                kind="doubt",
                delay_ms=1000 * doubt.transactional_wait_seconds,
                bulk_delay_ms=1000 * doubt.bulk_wait_seconds,
            )
        case Halt():
            return settle(
                kind="back",
                halt=outcome.level,
                halt_ends=_halt_ends(outcome),
                delay_ms=outcome.delay_seconds * 1000,
                last=outcome.last,
            )


def _delay_ms(retry: Retry) -> float:
    return (retry.delay_seconds or 0.0) * 1000


def _with_wait(rate: RateHeaders) -> RateHeaders:
    """``rate`` with the usual wait, unless it has one."""
    if rate.wait_ms >= 0:
        return rate
    return msgspec.structs.replace(rate, wait_ms=THROTTLE_WAIT_MS)


def _halt_ends(halt: Halt) -> str:
    if halt.ends == "midnight_utc":
        return "midnight"
    return "" if halt.seconds is None else f"{halt.seconds * 1000:.0f}"


def _for_another_worker(grant: Grant, why: str) -> Settle:
    """The settle of a message that another worker may be able to make, in a while."""
    return Settle(
        id=grant.id,
        token=grant.token,
        kind="retry",
        delay_ms=OTHER_WORKER_WAIT_MS,
        reason=why,
        uncharged=True,
    )
