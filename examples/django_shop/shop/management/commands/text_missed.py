"""``manage.py text_missed``: enqueue the texts that a crash or a Redis outage left unsent."""

from typing import Any

from django.core.management.base import BaseCommand

from shop import services


class Command(BaseCommand):
    help = "Text the customers of shipped orders who were not texted yet; run it from cron."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{services.text_missed()} texted")
