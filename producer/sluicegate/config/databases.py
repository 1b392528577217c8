"""Settings of apps' databases, from which messages are handed over after their COMMIT."""

import os
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from ..errors import InvalidConfig
from .senders import SettingFaults
from .web import NAME, NAME_RULE, from_environment, is_variable

PollSeconds = Annotated[float, msgspec.Meta(ge=0.05, le=3600)]

_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg", "postgres")
_RULE = "must begin with sqlite:/// or postgresql://"


class Database(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An app's database, in which its messages wait until they are handed over.

    ``url`` is ``postgresql://user@host/database``, or ``sqlite:///`` and a path (from the folder
    of this file, unless it begins with another ``/``). ``url_env`` names a variable that holds it
    instead, since a URL may hold a password. ``in_workers``: whether workers hand over, else only
    ``sluicegate relay`` does. New messages are looked for every ``poll_seconds`` where PostgreSQL
    does not tell of them.
    """

    url: str = ""
    url_env: str = ""
    in_workers: bool = True
    poll_seconds: PollSeconds = 1.0

    def __repr__(self) -> str:
        """Hide a password in the URL, since reprs end up in logs."""
        return f"Database(url={self.url.partition('://')[0]}://•••)"

    def address(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the URL; raises InvalidConfig where its variable is not set, or holds none."""
        if not self.url_env:
            return self.url
        url = from_environment(self.url_env, environ)
        if not url:
            raise InvalidConfig(self.url_env, "set it to the URL of the app's database")
        if reason := _url_fault(url):
            raise InvalidConfig(self.url_env, reason)
        return url


def database_faults(databases: Mapping[str, Database]) -> SettingFaults:
    """Yield what the types can't check of ``[databases]``."""
    for name, database in databases.items():
        if not NAME.fullmatch(name):
            yield (name,), f"a database's {NAME_RULE}"
        if bool(database.url) == bool(database.url_env):
            yield (name,), "needs either url or url_env, the name of a variable that holds it"
        elif database.url_env and not is_variable(database.url_env):
            yield (name, "url_env"), "must be the name of a variable: letters, digits and _"
        elif database.url and (reason := _url_fault(database.url)):
            yield (name, "url"), reason


def _url_fault(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        return _RULE
    if parts.scheme == "sqlite" and not parts.path.lstrip("/"):
        return "must name a file: sqlite:///shop.sqlite3"
    return ""
