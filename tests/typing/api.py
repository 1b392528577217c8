"""The public API as an app uses it: never run, only read by type checkers.

A line that ends in ``# error: <code>`` must be refused, with that code of mypy's; every other line
must pass. ``tests/producer/test_public_api.py`` compares.
"""

# pyright: reportUnnecessaryComparison=true

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, assert_type

from psycopg import AsyncConnection
from sqlalchemy.orm import Session

from sluicegate import (
    AsyncSluice,
    CapReached,
    Config,
    EnqueueResult,
    IdReused,
    InvalidMessage,
    Message,
    MessageStatus,
    Segments,
    Sluice,
    SluicegateError,
    __version__,
    count_segments,
    load_config,
)
from sluicegate.transactional.psycopg import aenqueue as in_psycopg
from sluicegate.transactional.psycopg import aenqueue_many as many_in_psycopg
from sluicegate.transactional.sqlalchemy import enqueue as in_session

sluice = Sluice(load_config("sluicegate.toml"), account="default")
row: dict[str, Any] = {"to": "+15551234567", "text": "hi"}

# One message: whole, as its fields, as a mapping

result = sluice.enqueue(Message(to="+15551234567", sender="+15557654321", text="hi"))
assert_type(result, EnqueueResult)
sluice.enqueue(to="+15551234567", sender="+15557654321", text="hi", priority="bulk")
sluice.enqueue(
    to="+15551234567",
    messaging_profile_id="p",
    media_urls=("https://a.example/1.png",),
    subject="s",
    encoding="gsm7",
    webhook_url=None,
    auto_detect=True,
    send_at=datetime.now(UTC),
    id="m1",
)
sluice.enqueue(row)
sluice.enqueue(**row)

sluice.enqueue()  # error: call-overload
sluice.enqueue(text="hi")  # error: call-overload
sluice.enqueue(to="+15551234567", tto="+15551234567")  # error: call-overload
sluice.enqueue(tto="+15551234567")  # error: call-overload
sluice.enqueue(to="+15551234567", text=5)  # error: call-overload
sluice.enqueue(to="+15551234567", priority="urgent")  # error: call-overload
sluice.enqueue(to="+15551234567", encoding="utf8")  # error: call-overload
sluice.enqueue(to="+15551234567", send_at="tomorrow")  # error: call-overload
sluice.enqueue(row, text="hi")  # error: call-overload
sluice.enqueue("+15551234567")  # error: call-overload
Message(to="+15551234567", text=5)  # error: arg-type
Message(text="hi")  # error: call-arg

# Results and status

assert_type(result.id, str)
assert_type(result.ok, bool)
error: InvalidMessage | IdReused | CapReached | None = result.error
if result.outcome == "suppressed":
    pass
if result.outcome == "lost":  # error: comparison-overlap
    pass
number: int = result.outcome  # error: assignment
moved = result.state  # error: attr-defined

status = sluice.status("m1")
assert_type(status, MessageStatus)
assert_type(status.finished, bool)
assert_type(status.attempts, int)
if status.state == "in_doubt":
    pass
if status.state == "lost":  # error: comparison-overlap
    pass
if status.delivery == "failed":
    pass
if status.delivery == "arrived":  # error: comparison-overlap
    pass
attempts: str = status.attempts  # error: assignment

if sluice.cancel("m1") == "in_flight":
    pass
if sluice.cancel("m1") == "done":  # error: comparison-overlap
    pass

# Many messages

many: Iterator[EnqueueResult] = sluice.enqueue_many([row, Message(to="+15551234567")])
sluice.enqueue_many([5])  # error: list-item
sluice.enqueue_many(row for row in [row])

# The rest of the root

assert_type(__version__, str)
segments: Segments = count_segments("hi", "ucs2")
count_segments("hi", "utf8")  # error: arg-type
config: Config = load_config()
assert_type(InvalidMessage("to", "1", "no number").reason, str)
root: type[Exception] = SluicegateError


async def asynchronously(client: AsyncSluice) -> None:
    assert_type(await client.enqueue(to="+15551234567", text="hi"), EnqueueResult)
    await client.enqueue(to="+15551234567", text=5)  # error: call-overload
    await client.enqueue(tto="+15551234567")  # error: call-overload
    results: AsyncIterator[EnqueueResult] = client.enqueue_many([row])
    async for each in results:
        assert_type(each, EnqueueResult)
    assert_type(await client.status("m1"), MessageStatus)


# In a transaction: SQLAlchemy's and psycopg's have the same calls


async def in_transactions(session: Session, connection: AsyncConnection[Any]) -> None:
    assert_type(in_session(session, to="+15551234567", text="hi", app="shop"), str)
    assert_type(in_session(session, row, account="other"), str)
    in_session(session, tto="+15551234567")  # error: call-overload
    in_session(session, to="+15551234567", text=5)  # error: call-overload
    in_session(connection, row)  # error: call-overload
    assert_type(await in_psycopg(connection, to="+15551234567", text="hi"), str)
    assert_type(await many_in_psycopg(connection, [row]), list[str])
    await in_psycopg(session, row)  # error: call-overload
