"""The thinking behind enqueueing: messages become script arguments, replies become results.

Nothing here does I/O, so that the synchronous and the asynchronous client share all of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
import redis

from .config import Config
from .errors import (
    IdReused,
    InvalidMessage,
    OutboxError,
    OutboxFull,
    OutboxUnavailable,
    UnknownMessage,
)
from .keys import FINAL_STATES, Keys, lane_of
from .levels import check_sender
from .message import Message, content_digest, encode, from_dict, validated
from .scripts import Argument, Script, new_token

BATCH = 100
"""Messages per script call: about 1 ms of the server's time."""

ENQUEUE = Script("sluicegate", "enqueue")
CANCEL = Script("sluicegate", "cancel")

Outcome = Literal["enqueued", "known", "suppressed", "reused", "invalid"]
_OUTCOMES = {name.encode(): name for name in get_args(Outcome)}


class Result(msgspec.Struct, frozen=True):
    """What became of one message handed to ``enqueue`` or ``enqueue_many``.

    ``outcome`` is ``enqueued``; ``known`` (same id, same content: nothing done); ``suppressed``
    (the recipient opted out, recorded as such); or, with the reason in ``error``, ``reused``
    (same id, other content) or ``invalid``.
    """

    id: str
    outcome: Outcome
    error: InvalidMessage | IdReused | None = None

    @property
    def ok(self) -> bool:
        """True where the message is, or already was, Sluicegate's to account for."""
        return self.error is None


class MessageStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one message stands.

    ``state`` is one of ``keys.STATES``, or ``granted`` or ``started`` while a worker holds it.
    Times are wall milliseconds. ``provider_id`` is Telnyx's id, once it accepted.
    """

    id: str
    state: str
    to: str = ""
    enqueued_ms: int = 0
    changed_ms: int = 0
    attempts: int = 0
    generation: int = 0
    provider_id: str = ""
    second_provider_id: str = ""
    code: str = ""
    reason: str = ""

    @property
    def finished(self) -> bool:
        """True once nothing more will be done for it without new evidence."""
        return self.state in FINAL_STATES


_STATUS_FIELDS = (
    "state", "to", "enqueued", "at", "attempts", "generation", "provider_id", "provider_id_2",
    "code", "reason",
)  # fmt: skip


class Outbox:
    """One account's way in: arguments for the scripts, and what their replies mean."""

    def __init__(self, config: Config, account: str) -> None:
        self.config, self.keys = config, Keys(account)
        self._account = config.account(account)

    def checked(self, message: Message | Mapping[str, Any]) -> Message:
        """Validate ``message``, giving it an id where it has none; raises InvalidMessage."""
        if not isinstance(message, Message):
            message = from_dict(message)
        message = validated(message)
        check_sender(self._account, message.sender, message.messaging_profile_id, message.id)
        return message

    def enqueue_args(self, messages: Sequence[Message], token: str = "") -> list[Argument]:
        """Arguments of ``ENQUEUE`` for validated ``messages``.

        ``token`` marks the batch, so that a repeat after a lost reply is answered alike.
        """
        args: list[Argument] = [token or new_token(), self.config.retention_ms]
        for message in messages:
            content = encode(message)
            lane = lane_of(
                message.priority, message.type, message.sender, message.messaging_profile_id
            )
            send_at = _wall_ms(message.send_at) if message.send_at else ""
            args += (
                message.id, content_digest(content), lane, ticket(message), message.to, content,
                send_at,
            )  # fmt: skip
        return args

    @staticmethod
    def results(messages: Sequence[Message], reply: Sequence[bytes]) -> list[Result]:
        """One result per message, in order, from the script's answers.

        The script takes an id that stands twice in one batch for a repeat of that batch, and
        says ``enqueued`` to both; here the second is ``known``.
        """
        results = [
            _result(message.id, _OUTCOMES[answer])
            for message, answer in zip(messages, reply, strict=True)
        ]
        if len({result.id for result in results}) < len(results):
            seen: set[str] = set()
            for place, result in enumerate(results):
                if result.id in seen and result.ok:
                    results[place] = Result(result.id, "known")
                seen.add(result.id)
        return results

    def cancel_args(self, id: str) -> list[Argument]:
        """Arguments of ``CANCEL``."""
        return [id, self.config.retention_ms, new_token()]

    @staticmethod
    def cancelled(id: str, reply: bytes) -> str:
        """The answer to a cancel; raises UnknownMessage where the id is not known."""
        if reply == b"unknown":
            raise UnknownMessage(id)
        return reply.decode()

    def ask_status(self, pipeline: Any, id: str) -> None:
        """Queue on ``pipeline`` what ``status`` reads."""
        pipeline.hmget(self.keys.record(id), *_STATUS_FIELDS)
        pipeline.hget(self.keys("leases"), id)
        pipeline.hget(self.keys.campaign(id.partition(".")[0]), "state")

    @staticmethod
    def status(id: str, replies: Sequence[Any]) -> MessageStatus:
        """The status of a message, from the replies; raises UnknownMessage."""
        fields, lease, campaign = replies
        state, to, enqueued, at, attempts, generation, *texts = (
            (value or b"").decode() for value in fields
        )
        if not state:
            raise UnknownMessage(id)
        if lease is not None:
            state = "started" if lease.split(b"|", 4)[3] else "granted"
        elif state == "waiting" and "." in id and campaign == b"cancelled":
            state = "cancelled"  # with its campaign, whose lane went all at once
        return MessageStatus(
            id,
            state,
            to,
            int(enqueued or 0),
            int(at or enqueued or 0),
            int(attempts or 0),
            int(generation or 0),
            *texts,
        )

    def check_memory(self, info: Mapping[str, Any], ids: Sequence[str]) -> None:
        """Raise OutboxFull where Redis has used up what enqueueing may use of its memory.

        The rest stays for settling: a full server must always be able to end what it began.
        """
        ceiling = int(info.get("maxmemory", 0)) * self.config.memory_ceiling
        used = int(info.get("used_memory", 0))
        if ceiling and used > ceiling:
            raise OutboxFull(f"Redis uses {used:,} bytes; enqueueing stops at {ceiling:,.0f}", ids)


def ticket(message: Message) -> str:
    """A message's ticket."""
    parts = message.segments.parts
    return ticket_of(message.id, parts, message.type, message.expires_at, message.to)


def ticket_of(id: str, parts: int, kind: str, expires_at: datetime | None, to: str) -> str:
    """A ticket: ``id|segments|type|expires_ms|to``, what a claim must know of a message."""
    expires = _wall_ms(expires_at) if expires_at else ""
    return f"{id}|{parts}|{kind}|{expires}|{to}"


def translated(error: redis.RedisError, ids: Sequence[str]) -> OutboxError:
    """The error of ours that says what a redis-py error means for the messages ``ids``."""
    if isinstance(error, redis.OutOfMemoryError) or "OOM" in str(error):  # Redis 6.2 wraps it
        return OutboxFull("Redis is out of memory; nothing of this call was stored", ids)
    if isinstance(error, redis.ResponseError):
        return OutboxError(f"Redis refused: {error}", ids)
    reason = f"Redis did not answer: {error}; whether it was done is unknown, repeating it is safe"
    return OutboxUnavailable(reason, ids)


def refused(error: InvalidMessage) -> Result:
    """The result of a message that is not valid."""
    return Result(error.id, "invalid", error)


def _result(id: str, outcome: str) -> Result:
    if outcome == "reused":
        return Result(id, "reused", IdReused(id))
    return Result(id, outcome)  # type: ignore[arg-type]  # one of Outcome, by _OUTCOMES


def _wall_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
