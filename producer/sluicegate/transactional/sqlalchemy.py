"""``enqueue`` in a transaction of SQLAlchemy, synchronous or asynchronous.

Three lines for an app, of which the second stands beside its models; Alembic then makes the table:

    from sluicegate.transactional.sqlalchemy import add_table, enqueue
    add_table(Base.metadata)

    with Session.begin() as session:
        session.add(order)
        enqueue(session, to=order.phone, sender="+15557654321", text="On its way")
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack, cast, overload

import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session

from ..message import MessageFields
from .handover import TELL, Given, Handover, handovers_of, one_handover
from .table import add_table, create_table, handovers

if TYPE_CHECKING:  # it needs greenlet, which an app without asyncio does not have
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

    AsyncSqlTransaction = AsyncSession | async_scoped_session[AsyncSession] | AsyncConnection

__all__ = [
    "add_table", "aenqueue", "aenqueue_many", "create_table", "enqueue", "enqueue_many",
]  # fmt: skip

SqlTransaction = Session | scoped_session[Session] | sa.Connection

_insert = sa.insert(handovers)
_tell = sa.text(TELL)


@overload
def enqueue(
    transaction: SqlTransaction, message: Given, /, *, account: str = ..., app: str = ...
) -> str: ...
@overload
def enqueue(
    transaction: SqlTransaction,
    /,
    *,
    account: str = ...,
    app: str = ...,
    **fields: Unpack[MessageFields],
) -> str: ...
def enqueue(
    transaction: SqlTransaction,
    message: Given | None = None,
    /,
    *,
    account: str = "default",
    app: str = "",
    **fields: Any,
) -> str:
    """Let one message be sent once ``transaction`` is committed, and never otherwise.

    It is given whole or as its fields. Returns its id. Raises InvalidMessage, before anything is
    written; what the database raises comes as it is.
    """
    row = one_handover(message, fields, account, app)
    _put(transaction, [row])
    return row.message_id


def enqueue_many(
    transaction: SqlTransaction,
    messages: Iterable[Given],
    *,
    account: str = "default",
    app: str = "",
) -> list[str]:
    """``enqueue`` of many in one statement; returns their ids. One that is invalid refuses all."""
    rows = handovers_of(messages, account, app)
    _put(transaction, rows)
    return [row.message_id for row in rows]


@overload
async def aenqueue(
    transaction: "AsyncSqlTransaction", message: Given, /, *, account: str = ..., app: str = ...
) -> str: ...
@overload
async def aenqueue(
    transaction: "AsyncSqlTransaction",
    /,
    *,
    account: str = ...,
    app: str = ...,
    **fields: Unpack[MessageFields],
) -> str: ...
async def aenqueue(
    transaction: "AsyncSqlTransaction",
    message: Given | None = None,
    /,
    *,
    account: str = "default",
    app: str = "",
    **fields: Any,
) -> str:
    """``enqueue``, awaited."""
    row = one_handover(message, fields, account, app)
    await _aput(transaction, [row])
    return row.message_id


async def aenqueue_many(
    transaction: "AsyncSqlTransaction",
    messages: Iterable[Given],
    *,
    account: str = "default",
    app: str = "",
) -> list[str]:
    """``enqueue_many``, awaited."""
    rows = handovers_of(messages, account, app)
    await _aput(transaction, rows)
    return [row.message_id for row in rows]


def _put(transaction: SqlTransaction, rows: list[Handover]) -> None:
    if not rows:
        return
    transaction.execute(_insert, [row.columns() for row in rows])
    bind = (
        transaction
        if isinstance(transaction, sa.Connection)
        else transaction.get_bind(clause=_insert)
    )
    if bind.dialect.name == "postgresql":
        transaction.execute(_tell, **_on(transaction, bind))


async def _aput(transaction: "AsyncSqlTransaction", rows: list[Handover]) -> None:
    scoped = not hasattr(transaction, "run_sync")
    own = cast("AsyncSession", cast("Any", transaction)() if scoped else transaction)
    await own.run_sync(_put, rows)


def _on(transaction: SqlTransaction, bind: sa.Connection | sa.Engine) -> dict[str, Any]:
    """For a session of several databases: on that of the row."""
    if isinstance(transaction, sa.Connection):
        return {}
    return {"bind_arguments": {"bind": bind}}
