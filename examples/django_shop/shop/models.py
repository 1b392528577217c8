"""What the shop keeps: orders."""

from django.db import models


class Order(models.Model):
    """One order, and when it was shipped.

    ``untextable`` says why nobody can be texted about it, such as a number that is none.
    """

    to = models.CharField(max_length=16)
    shipped_at = models.DateTimeField(null=True)
    untextable = models.CharField(max_length=200, default="", blank=True)
