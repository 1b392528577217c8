"""One message's record, read whole: where the message stands, what it says, how it was tried."""

import math
import time
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import redis
import redis.asyncio

from sluicegate.archive import ArchivedMessage, ArchiveReader, aread_archived
from sluicegate.config import Config
from sluicegate.errors import InvalidMessage, Malformed, UnknownMessage
from sluicegate.keys import Keys
from sluicegate.message import Message, decode
from sluicegate.outbox import STATUS_FIELDS, MessageState, MessageStatus, Outbox
from sluicegate.redis_errors import translated
from sluicegate.stored import NO_BILL, Bill, History, MessageId, Record, sender_name
from sluicegate.trace_context import stored_trace

from .members import member


class MessageRecord(msgspec.Struct, frozen=True):
    """What is known of one message; times are wall milliseconds, numbers and texts are whole.

    ``app`` is the name of who enqueued it, "" of who has none. ``message`` is None once the
    message is finished, and for a campaign's recipient, whose text is in its plan; ``unreadable``
    says why what is stored of it can't be read. ``maybe`` of its attempts may have been acted on.
    ``due_ms`` is when it is tried first or again, ``decided_ms`` when policy decides on a doubt,
    ``held`` where only a person does. ``delivery`` is what a receipt said of an accepted message,
    "unknown" without one; ``sent_ms`` is when it was handed to the carrier, until there is a
    delivery. ``bill`` is what the provider said of its carrier, parts and cost, and
    ``other_bills`` for each further time that it has it. ``trace_id`` is the trace that it was
    enqueued in, 32 hexadecimal digits, "" for none.
    """

    status: MessageStatus
    campaign: str = ""
    app: str = ""
    message: Message | None = None
    unreadable: str = ""
    maybe: int = 0
    answer: str = ""
    due_ms: int | None = None
    decided_ms: int | None = None
    held: bool = False
    key_used_ms: int | None = None
    key_age_seconds: int | None = None
    delivery: str = ""
    delivery_ms: int | None = None
    delivery_code: str = ""
    sent_ms: int | None = None
    bill: Bill = NO_BILL
    other_bills: Sequence[Bill] = ()
    history: History = History()
    trace_id: str = ""

    @property
    def sender(self) -> str:
        """The sender's name in lanes; "" where ``message`` is None."""
        if self.message is None:
            return ""
        return sender_name(self.message.sender, self.message.messaging_profile_id)


def read_record(client: redis.Redis, config: Config, account: str, id: str) -> MessageRecord:
    """The record of message ``id``; raises UnknownMessage.

    Whoever has no record here may be in the archive: raises ArchiveUnavailable where that can't
    be asked. A campaign's recipient that was never started is only its ticket.
    """
    reader = _Reader(config, account)
    pipeline = client.pipeline(transaction=True)
    reader.ask(pipeline, id)
    try:
        return reader.record(id, pipeline.execute())
    except UnknownMessage:
        if archived := ArchiveReader(client, config, account).get(id):
            return reader.archived(id, archived)
        recipient = member(client, reader.outbox.keys, id)
        if recipient is None:
            raise
    state = cast("MessageState", recipient.state)
    status = MessageStatus(id, state, recipient.to, code=recipient.code)
    return MessageRecord(status, campaign=recipient.campaign)


async def aread_record(
    client: redis.asyncio.Redis, config: Config, account: str, id: str, app: str = ""
) -> MessageRecord:
    """The record of message ``id`` on an asynchronous client; of an ``app``, that of its own.

    Raises UnknownMessage, also for a recipient that was never started; OutboxUnavailable;
    ArchiveUnavailable where it may be in an archive that can't be asked.
    """
    reader = _Reader(config, account, app)
    pipeline: Any = client.pipeline(transaction=True)
    reader.ask(pipeline, id)
    try:
        replies = await pipeline.execute()
        try:
            return reader.record(id, replies)
        except UnknownMessage:
            stored_id = reader.outbox.id_of(id)
            if archived := await aread_archived(client, config, account, stored_id):
                return reader.archived(id, archived)
            raise
    except redis.RedisError as error:
        raise translated(error, [id]) from error


async def aread_older(
    client: redis.asyncio.Redis, config: Config, account: str, id: str
) -> MessageRecord:
    """The record of a message that was enqueued before ids lived under apps' names.

    Raises UnknownMessage, also for one enqueued since; OutboxUnavailable.
    """
    record = await aread_record(client, config, account, id)
    store: Any = client
    try:
        since = await store.hget(Keys(account)("apps"), "since")
    except redis.RedisError as error:
        raise translated(error, [id]) from error
    if since is not None and record.status.enqueued_ms >= int(since):
        raise UnknownMessage(id)
    return record


class _Reader:
    """What a record is read from, and how: the same for both kinds of client."""

    def __init__(self, config: Config, account: str, app: str = "") -> None:
        self.outbox = Outbox(config, account, app)

    def ask(self, pipeline: Any, id: str) -> None:
        keys, stored_id = self.outbox.keys, self.outbox.id_of(id)
        self.outbox.ask_status(pipeline, id)
        pipeline.hgetall(keys.record(stored_id))
        pipeline.zscore(keys("due"), stored_id)
        pipeline.zscore(keys("doubts"), stored_id)
        pipeline.time()

    def archived(self, id: str, message: ArchivedMessage) -> MessageRecord:
        """The record of a message that is in the archive."""
        status: list[Any] = [message.values(STATUS_FIELDS), None, None]
        seconds = int(time.time())
        return self.record(id, [*status, message.fields, None, None, (seconds, 0)])

    def record(self, id: str, replies: Sequence[Any]) -> MessageRecord:
        *about, fields, due, decided, (seconds, _) = replies
        status = Outbox.status(id, about)
        stored = Record.parse(fields)
        used_ms = stored.key_at or None
        message, unreadable = _content(stored.content, id)
        held = decided is not None and math.isinf(decided)
        return MessageRecord(
            status=status,
            campaign=_name_of(id).campaign,
            app=self.outbox.app or _name_of(id).app,
            message=message,
            unreadable=unreadable,
            maybe=stored.maybe,
            answer=stored.answer,
            due_ms=None if due is None else int(due),
            decided_ms=None if decided is None or held else int(decided),
            held=held,
            key_used_ms=used_ms,
            key_age_seconds=None if used_ms is None else max(0, int(seconds) - used_ms // 1000),
            delivery=delivery_of(status.state, stored.delivery),
            delivery_ms=stored.delivery_at or None,
            delivery_code=stored.delivery_code,
            sent_ms=stored.sent_at or None,
            bill=stored.bill,
            other_bills=[other.bill for other in stored.other_bills.values()],
            history=stored.history,
            trace_id=trace.trace_id if (trace := stored_trace(stored.trace)) else "",
        )


def _content(stored: bytes, id: str) -> tuple[Message | None, str]:
    """The message; or, where it can't be read, None and why."""
    try:
        return (decode(stored, id) if stored else None), ""
    except InvalidMessage as error:
        return None, f"{error.value}: {error.reason}"


def delivery_of(state: str, delivery: str) -> str:
    """What a receipt said; "unknown" of an accepted message without one."""
    return delivery or ("unknown" if state == "accepted" else "")


def _name_of(id: str) -> MessageId:
    try:
        return MessageId.parse(id)
    except Malformed:
        return MessageId("", id)
