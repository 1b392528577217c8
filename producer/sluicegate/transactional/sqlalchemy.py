"""``enqueue`` in a transaction of SQLAlchemy, synchronous or asynchronous.

Three lines for an app, of which the second stands beside its models; Alembic then makes the table:

    from sluicegate.transactional.sqlalchemy import add_table, enqueue
    add_table(Base.metadata)

    with Session.begin() as session:
        session.add(order)
        enqueue(session, to=order.phone, sender="+15557654321", text="On its way")
"""

from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session, scoped_session

from .enqueueing import TransactionEnqueues
from .handover import TELL, Handover
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


_of_sqlalchemy = TransactionEnqueues[SqlTransaction, "AsyncSqlTransaction"](_put, _aput)
enqueue, enqueue_many = _of_sqlalchemy.enqueue, _of_sqlalchemy.enqueue_many
aenqueue, aenqueue_many = _of_sqlalchemy.aenqueue, _of_sqlalchemy.aenqueue_many
