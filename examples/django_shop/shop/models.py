"""What the shop keeps: orders."""

from django.db import models


class Order(models.Model):
    """One order, when it was shipped, and when the text about it was handed to Sluicegate."""

    to = models.CharField(max_length=16)
    shipped_at = models.DateTimeField(null=True)
    texted_at = models.DateTimeField(null=True)
