"""What the shop does: a change to an order and the text about it happen together or not at all.

``enqueue`` writes a row into the shop's own database, in the shop's own transaction. One that is
rolled back texts nobody, and one that is committed can't be forgotten, whatever fails right after
COMMIT: a worker, or ``sluicegate relay``, hands the row over. Redis need not be reachable here.

The message's id is derived of what it says, ``order-<pk>-shipped``: doing it again (a double
click, a retried request) is the same message.
"""

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from sluicegate import InvalidMessage
from sluicegate.transactional.django import enqueue

from .models import Order


def place(to: str) -> Order:
    """Take an order."""
    return Order.objects.create(to=to)


def ship(number: int) -> None:
    """Mark an order as shipped, and text its customer."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(pk=number)
        if order.shipped_at is not None:
            return
        order.shipped_at = timezone.now()
        try:
            enqueue(
                id=f"order-{number}-shipped",
                to=order.to,
                sender=settings.SHOP_SENDER,
                text=f"Your order {number} is on its way.",
            )
        except InvalidMessage as error:  # nothing was written: the order ships all the same
            order.untextable = str(error)[:200]
        order.save(update_fields=["shipped_at", "untextable"])
