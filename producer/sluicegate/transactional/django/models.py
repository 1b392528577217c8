"""The table of handovers, for Django."""

from django.db import models

from ..handover import TABLE


class HandoverRow(models.Model):  # type: ignore[misc] # Django has no types
    """One message that waits until it is handed over, or that never can be: see ``Handover``."""

    seq = models.BigAutoField(primary_key=True)
    message_id = models.CharField(max_length=200)
    account = models.CharField(max_length=64)
    app = models.CharField(max_length=64, blank=True)
    content = models.TextField()
    put_ms = models.BigIntegerField()
    refused_ms = models.BigIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        """The table's name, and what is due first."""

        db_table = TABLE
        indexes = (models.Index(fields=["refused_ms", "seq"], name=f"{TABLE}_due"),)

    def __str__(self) -> str:
        return str(self.message_id)
