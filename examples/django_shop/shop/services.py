"""What the shop does; each change of an order and its text stand or fall together.

Three rules make it right, whatever fails when:

1. Enqueue after COMMIT (``transaction.on_commit``). A transaction rolled back texts nobody, and no
   customer reads of an order that the database does not have.
2. Give the message an id that follows from what it says: ``order-<pk>-shipped``. Then doing it
   again (a double click, a retried request, a cron job) is a no-op: Sluicegate keeps count.
3. Keep in the database what still has to be said (``texted_at`` is null), since the process may
   die, or Redis be away, just after COMMIT. ``text_missed`` makes good for it.
"""

import logging

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from sluicegate import SluicegateError

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
        # robust: the order is shipped, even where Redis is away and this fails (Django logs it).
        transaction.on_commit(lambda: text_shipped(number), robust=True)


def text_shipped(number: int) -> None:
    """Hand the text to Sluicegate; repeating it is safe while the id is known (retention)."""
    order = Order.objects.get(pk=number)
    outbox().enqueue(
        id=f"order-{number}-shipped",
        to=order.to,
        sender=settings.SHOP_SENDER,
        text=f"Your order {number} is on its way.",
    )
    Order.objects.filter(pk=number, texted_at=None).update(texted_at=timezone.now())


def text_missed() -> int:
    """Hand over what is shipped and was not texted; return how many now are."""
    texted = 0
    missed = Order.objects.filter(shipped_at__isnull=False, texted_at=None)
    for number in missed.values_list("pk", flat=True):
        try:
            text_shipped(number)
            texted += 1
        except SluicegateError as error:
            logger.warning("order %s: %s", number, error)
    return texted
