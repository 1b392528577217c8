"""``enqueue`` in a transaction of Django, and the app that brings the table and its migration.

Three lines for an app, the first in its settings, and ``manage.py migrate``:

    INSTALLED_APPS = [..., "sluicegate.transactional.django"]

    from sluicegate.transactional.django import enqueue

    with transaction.atomic():
        order.save()
        enqueue(to=order.phone, sender="+15557654321", text="On its way")
"""

from collections.abc import Iterable
from typing import Any, Unpack, overload

from ...message import MessageFields
from ..handover import TELL, Given, Handover, handovers_of, one_handover

__all__ = ["aenqueue", "aenqueue_many", "enqueue", "enqueue_many"]


@overload
def enqueue(
    message: Given, /, *, account: str = ..., app: str = ..., using: str | None = ...
) -> str: ...
@overload
def enqueue(
    *, account: str = ..., app: str = ..., using: str | None = ..., **fields: Unpack[MessageFields]
) -> str: ...
def enqueue(
    message: Given | None = None,
    /,
    *,
    account: str = "default",
    app: str = "",
    using: str | None = None,
    **fields: Any,
) -> str:
    """Let one message be sent once the transaction of this thread is committed, never otherwise.

    It is given whole or as its fields. ``using`` is the database, else the routers say; outside of
    ``atomic`` it is committed at once. Returns its id. Raises InvalidMessage, before anything is
    written; what the database raises comes as it is.
    """
    row = one_handover(message, fields, account, app)
    _put([row], using)
    return row.message_id


def enqueue_many(
    messages: Iterable[Given],
    *,
    account: str = "default",
    app: str = "",
    using: str | None = None,
) -> list[str]:
    """``enqueue`` of many; returns their ids. One that is invalid refuses all."""
    rows = handovers_of(messages, account, app)
    _put(rows, using)
    return [row.message_id for row in rows]


async def aenqueue(message: Given | None = None, /, **options: Any) -> str:
    """``enqueue``, awaited; Django has no transactions across awaits, so this commits at once."""
    from asgiref.sync import sync_to_async

    id: str = await sync_to_async(_enqueue)(message, options)
    return id


async def aenqueue_many(messages: Iterable[Given], **options: Any) -> list[str]:
    """``enqueue_many``, awaited; see ``aenqueue``."""
    from asgiref.sync import sync_to_async

    ids: list[str] = await sync_to_async(enqueue_many)(messages, **options)
    return ids


def _enqueue(message: Given | None, options: dict[str, Any]) -> str:
    return enqueue(**options) if message is None else enqueue(message, **options)


def _put(rows: list[Handover], using: str | None) -> None:
    if not rows:
        return
    from django.db import connections, router

    from .models import HandoverRow  # Django's apps must be ready

    database = using or router.db_for_write(HandoverRow)
    HandoverRow.objects.using(database).bulk_create(
        [HandoverRow(**row.columns()) for row in rows], batch_size=500
    )
    connection = connections[database]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(TELL)
