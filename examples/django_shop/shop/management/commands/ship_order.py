"""``manage.py ship_order``: ship an order and text its customer."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shop import services
from shop.models import Order


class Command(BaseCommand):
    help = "Ship an order and text its customer, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", type=int, help="the order's number")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            services.ship(options["number"])
        except Order.DoesNotExist:
            raise CommandError(f"no order {options['number']}") from None
