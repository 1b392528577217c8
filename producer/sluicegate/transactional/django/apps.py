"""The Django app that brings the table of handovers."""

from django.apps import AppConfig


class TransactionalConfig(AppConfig):  # type: ignore[misc] # Django has no types
    """Named for what its migrations are listed under: ``sluicegate``."""

    name = "sluicegate.transactional.django"
    label = "sluicegate"
    verbose_name = "Sluicegate"
    default_auto_field = "django.db.models.BigAutoField"
