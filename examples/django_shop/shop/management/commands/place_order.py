"""``manage.py place_order``: take an order and print its number."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from shop import services


class Command(BaseCommand):
    help = "Take an order and print its number."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("to", help="the customer's number, like +15551234567")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(str(services.place(options["to"]).pk))
