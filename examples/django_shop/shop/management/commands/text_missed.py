"""``manage.py text_missed``: hand over the texts that a crash, or a Redis away, left unsaid."""

from typing import Any

from django.core.management.base import BaseCommand

from shop import services


class Command(BaseCommand):
    help = "Text about orders that were shipped and not yet texted; run it from cron."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{services.text_missed()} texted")
