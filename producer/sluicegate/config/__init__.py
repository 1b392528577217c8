"""The configuration: ``sluicegate.toml`` and ``SLUICEGATE_*``, checked and frozen.

Secrets come only from the environment; the file names the variable, never the secret itself.

    SLUICEGATE_CONFIG           the file's path (default: sluicegate.toml, if there is one here)
    SLUICEGATE_REDIS_URL        overrides redis_url
    SLUICEGATE_BROKER_URL       overrides broker_url
    SLUICEGATE_TELNYX_API_KEY   an account's key, unless its api_key_env names another variable
    SLUICEGATE_TELNYX_PUBLIC_KEY, SLUICEGATE_RECEIPTS_SECRET    likewise, to check webhooks with
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from ..errors import InvalidConfig
from .account import Account, InDoubt, Override, RetrySettings, Seconds, account_faults
from .apps import tenant_faults
from .file import SettingsFile
from .senders import Brand, Registration, Sender, SettingFaults
from .web import NAME, NAME_RULE, App, Web, from_environment, web_faults

__all__ = [
    "NAME", "NAME_RULE", "Account", "App", "Brand", "Config", "InDoubt", "Override",
    "Registration", "RetrySettings", "Sender", "Web", "load",
]  # fmt: skip


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration.

    ``redis_url`` is the data Redis; ``broker_url`` is Celery's broker, ``""`` for the same Redis.
    ``deployment`` is part of every idempotency key, so that two deployments of one organisation
    never collide. ``accounts`` are by name. ``retention_seconds`` is how long a finished message's
    id stays known. A drain task works for ``drain_seconds`` before the next one takes over; a
    worker told to stop waits ``shutdown_grace_seconds`` for its POSTs under way, and writes to
    ``spool_directory`` the outcomes that Redis could not take. ``memory_ceiling`` is the share of
    Redis's ``maxmemory`` beyond which nothing more is enqueued or imported, and
    ``sending_ceiling`` the share beyond which nothing more is claimed, so that what is under way
    can end and every stop still works. ``web`` is what HTTP serves.
    """

    redis_url: str = "redis://127.0.0.1:6379/0"
    broker_url: str = ""
    deployment: str = "default"
    accounts: dict[str, Account] = msgspec.field(default_factory=lambda: {"default": Account()})
    retention_seconds: Seconds = 7 * 86_400.0
    drain_seconds: Seconds = 25.0
    shutdown_grace_seconds: Seconds = 45.0
    spool_directory: str = ".sluicegate-spool"
    memory_ceiling: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9
    sending_ceiling: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.95
    web: Web = Web()

    def __repr__(self) -> str:
        """Hide user names and passwords in URLs, since reprs end up in logs."""
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self._shown())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return self._shown()

    def _shown(self) -> list[tuple[str, object]]:
        named = {name: getattr(self, name) for name in self.__struct_fields__}
        hidden = {name: _without_secrets(named[name]) for name in ("redis_url", "broker_url")}
        return list((named | hidden).items())

    @property
    def retention_ms(self) -> int:
        """``retention_seconds`` in milliseconds, rounded up."""
        return math.ceil(self.retention_seconds * 1000)

    @property
    def broker(self) -> str:
        """Celery's broker: ``broker_url``, or else the data Redis itself."""
        return self.broker_url or self.redis_url

    def account(self, name: str) -> Account:
        """Return the account called ``name``; raises InvalidConfig if there is none."""
        try:
            return self.accounts[name]
        except KeyError:
            known = ", ".join(sorted(self.accounts))
            raise InvalidConfig(f"account {name}", f"not configured; known: {known}") from None


def load(path: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the file and the environment.

    ``path`` defaults to ``$SLUICEGATE_CONFIG``, then to ``sluicegate.toml`` if that exists.

    Raises InvalidConfig, which names the file, the line and the remedy.
    """
    named = path or environ.get("SLUICEGATE_CONFIG")
    settings = Path(named or "sluicegate.toml")
    file = SettingsFile(str(settings), _read(settings) if named or settings.exists() else "")
    config = file.read(Config)
    for names, reason in _faults(config):
        raise file.refusal(names, reason)
    accounts = {
        name: _placed(account, settings.parent) for name, account in config.accounts.items()
    }
    config = replace(config, accounts=accounts)
    overrides = {
        name: url
        for name in ("redis_url", "broker_url")
        if (url := from_environment(f"SLUICEGATE_{name.upper()}", environ))
    }
    config = replace(config, **overrides)
    for (name, *_), reason in _faults(config):
        raise InvalidConfig(f"SLUICEGATE_{name.upper()}", reason)
    return config


def _placed(account: Account, folder: Path) -> Account:
    """The account with the path of its price list from the working directory."""
    place = str(folder / account.price_list) if account.price_list else ""
    return replace(account, price_list=place)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(str(file), f"cannot be read: {error}") from error


def _faults(config: Config) -> SettingFaults:
    """Yield what the types can't check; values are never repeated: they may be secrets."""
    if not _is_redis_url(config.redis_url):
        yield (
            ("redis_url",),
            "must be redis://host:port/database-number, rediss://... or unix://path",
        )
    if config.broker_url and not re.match(r"\w[\w+]*://", config.broker_url):
        yield ("broker_url",), "must be a URL of a Celery broker: redis://... or amqp://..."
    if config.sending_ceiling < config.memory_ceiling:
        yield (
            ("sending_ceiling",),
            "must not be below memory_ceiling",
        )
    if not config.accounts:
        yield ("accounts",), "at least one account is needed, such as [accounts.default]"
    for name, account in config.accounts.items():
        path = ("accounts", name)
        if not NAME.fullmatch(name):
            yield path, f"an account's {NAME_RULE}"
        for names, reason in account_faults(account):
            yield (*path, *names), reason
    for names, reason in web_faults(config.web, config.accounts):
        yield ("web", *names), reason
    for names, reason in tenant_faults(config.web.apps, config.accounts):
        yield ("web", "apps", *names), reason


def _is_redis_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises ValueError where it is not one
    except ValueError:
        return False
    if parts.scheme == "unix":
        return bool(parts.path)
    # redis-py would take a database that is not a number for number 0.
    return parts.scheme in ("redis", "rediss") and bool(re.fullmatch(r"/?[0-9]*", parts.path))


def _without_secrets(url: str) -> str:
    """Hide what may hold a password: all before the ``@``, and the query."""
    return re.sub(r"\?.*", "?•••", re.sub(r"//.*@", "//•••@", url))
