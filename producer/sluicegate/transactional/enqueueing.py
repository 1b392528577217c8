"""``enqueue`` and its kin for libraries that hand over their transactions, typed once for all."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar, Unpack, overload

from ..message import MessageFields
from .handover import Given, Handover, handovers_of, one_handover

T = TypeVar("T")
A = TypeVar("A")


class TransactionEnqueues(Generic[T, A]):
    """The calls of one library: ``T`` is its transaction, ``A`` that whose calls are awaited.

    ``put`` and ``aput`` write rows in it.
    """

    def __init__(
        self,
        put: Callable[[T, list[Handover]], None],
        aput: Callable[[A, list[Handover]], Awaitable[None]],
    ) -> None:
        self._put, self._aput = put, aput

    @overload
    def enqueue(
        self, transaction: T, message: Given, /, *, account: str = ..., app: str = ...
    ) -> str: ...
    @overload
    def enqueue(
        self,
        transaction: T,
        /,
        *,
        account: str = ...,
        app: str = ...,
        **fields: Unpack[MessageFields],
    ) -> str: ...
    def enqueue(
        self,
        transaction: T,
        message: Given | None = None,
        /,
        *,
        account: str = "default",
        app: str = "",
        **fields: Any,
    ) -> str:
        """Let one message be sent once ``transaction`` is committed, and never otherwise.

        It is given whole or as its fields. Returns its id. Raises InvalidMessage, before anything
        is written; what the database raises comes as it is.
        """
        row = one_handover(message, fields, account, app)
        self._put(transaction, [row])
        return row.message_id

    def enqueue_many(
        self, transaction: T, messages: Iterable[Given], *, account: str = "default", app: str = ""
    ) -> list[str]:
        """``enqueue`` of many at once; returns their ids. One that is invalid refuses all."""
        rows = handovers_of(messages, account, app)
        self._put(transaction, rows)
        return [row.message_id for row in rows]

    @overload
    async def aenqueue(
        self, transaction: A, message: Given, /, *, account: str = ..., app: str = ...
    ) -> str: ...
    @overload
    async def aenqueue(
        self,
        transaction: A,
        /,
        *,
        account: str = ...,
        app: str = ...,
        **fields: Unpack[MessageFields],
    ) -> str: ...
    async def aenqueue(
        self,
        transaction: A,
        message: Given | None = None,
        /,
        *,
        account: str = "default",
        app: str = "",
        **fields: Any,
    ) -> str:
        """``enqueue``, awaited."""
        row = one_handover(message, fields, account, app)
        await self._aput(transaction, [row])
        return row.message_id

    async def aenqueue_many(
        self, transaction: A, messages: Iterable[Given], *, account: str = "default", app: str = ""
    ) -> list[str]:
        """``enqueue_many``, awaited."""
        rows = handovers_of(messages, account, app)
        await self._aput(transaction, rows)
        return [row.message_id for row in rows]
