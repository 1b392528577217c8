"""What the shop does: a change to an order and the text about it happen together or not at all.

Three rules ensure this, whatever fails at whatever moment:

1. Enqueue after COMMIT (``transaction.on_commit``). A transaction that is rolled back texts
   nobody, and no customer reads about an order that the database does not have.
2. Derive the message's id from what it says: ``order-<pk>-shipped``. Then doing it again (a
   double click, a retried request, a cron job) has no effect: Sluicegate remembers the id.
3. Record in the database what still has to be sent (``texted_at`` is null), because the process
   may die, or Redis may be unreachable, right after COMMIT. ``text_missed`` catches up on those,
   but not on what can never be sent: that is recorded too (``untextable``), for a person to see.
"""

import logging

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from sluicegate import IdReused, InvalidMessage, SluicegateError

from .models import Order
from .outbox import outbox

logger = logging.getLogger(__name__)


def place(to: str) -> Order:
    """Take an order."""
    return Order.objects.create(to=to)


def ship(number: int) -> None:
    """Mark an order as shipped, and text its customer once that is committed."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=number)
        if order.shipped_at is None:
            order.shipped_at = timezone.now()
            order.save(update_fields=["shipped_at"])
        # robust: the order is shipped even if Redis is unreachable and this fails. Django logs it.
        transaction.on_commit(lambda: text_shipped(number), robust=True)


def text_shipped(number: int) -> None:
    """Hand the text to Sluicegate; repeating it is safe while the id is remembered (retention)."""
    order = Order.objects.get(pk=number)
    try:
        outbox().enqueue(
            id=f"order-{number}-shipped",
            to=order.to,
            sender=settings.SHOP_SENDER,
            text=f"Your order {number} is on its way.",
        )
    except (InvalidMessage, IdReused) as error:  # again it would be refused for the same reason
        Order.objects.filter(pk=number).update(untextable=str(error)[:200])
        raise
    Order.objects.filter(pk=number, texted_at=None).update(texted_at=timezone.now())


def text_missed() -> int:
    """Text the customers of shipped orders who were not texted yet; return how many now are."""
    texted = 0
    missed = Order.objects.filter(shipped_at__isnull=False, texted_at=None, untextable="")
    for number in missed.values_list("pk", flat=True):
        try:
            text_shipped(number)
            texted += 1
        except SluicegateError as error:
            logger.warning("order %s: %s", number, error)
    return texted
