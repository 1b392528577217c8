"""What the shop keeps: orders."""

from django.db import models


class Order(models.Model):
    """One order, when it was shipped, and when the text about it was handed to Sluicegate.

    ``untextable`` says why it never can be, such as a number that is none; else it is empty.
    """

    to = models.CharField(max_length=16)
    shipped_at = models.DateTimeField(null=True)
    texted_at = models.DateTimeField(null=True)
    untextable = models.CharField(max_length=200, default="", blank=True)
