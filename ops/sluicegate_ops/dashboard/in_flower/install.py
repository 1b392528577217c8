"""Puts the pages into Flower before it builds its application."""

import flower.urls
from flower.options import default_options

from ..accounts import OpenAccounts
from .handlers import rules
from .loading import PagesLoader

LOOPBACK = "127.0.0.1"


def install(accounts: OpenAccounts | None = None) -> None:
    """Add the pages to Flower, whose ``/`` becomes Overview; a second call changes nothing.

    Flower listens on all addresses where none is named. Here it then listens on this host alone.
    """
    if isinstance(flower.urls.settings.get("template_loader"), PagesLoader):
        return
    flower.urls.settings["template_loader"] = PagesLoader()
    flower.urls.handlers[:0] = rules(accounts or OpenAccounts())  # before Flower's own /
    if not default_options.address and not default_options.unix_socket:
        default_options.address = LOOPBACK
