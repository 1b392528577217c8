"""The configuration: ``sluicegate.toml`` and ``SLUICEGATE_*``, checked and frozen.

Secrets come only from the environment; the file names the variable, never the secret itself.

    SLUICEGATE_CONFIG           the file's path (default: sluicegate.toml, if there is one here)
    SLUICEGATE_REDIS_URL        overrides redis_url
    SLUICEGATE_BROKER_URL       overrides broker_url
    SLUICEGATE_ARCHIVE_URL      overrides the archive's url, and switches it on
    SLUICEGATE_REDIS_PASSWORD   the password, if redis_url has none; SLUICEGATE_BROKER_PASSWORD
    SLUICEGATE_TELNYX_API_KEY   an account's key, unless its api_key_env names another variable
    SLUICEGATE_TELNYX_PUBLIC_KEY, SLUICEGATE_RECEIPTS_SECRET    likewise, to check webhooks with
    SLUICEGATE_NOTIFY_WEBHOOK_URL, SLUICEGATE_SMTP_PASSWORD     likewise, to tell people with

Instead of any of them but the first, ``<NAME>_FILE`` may name a file that holds it. What webhooks
are checked with may have a value before, in ``<NAME>_PREVIOUS``, while it is being changed.
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec.structs import replace

from ..errors import InvalidConfig
from .account import Account, InDoubt, Override, RetrySettings, Seconds, account_faults
from .apps import tenant_faults
from .archive import ArchiveSettings, archive_faults
from .databases import Database, database_faults
from .desk import Desk, DeskUser, Role, desk_faults
from .file import Names, SettingsFile
from .notify import NotifySettings, notify_faults
from .recipients import AppLimits, PerPrefix, PerRecipient, RecipientLimits
from .reconcile import ReconcileSettings
from .redis_url import is_redis, redis_url_fault, with_password
from .senders import Brand, Registration, Sender, SettingFaults
from .web import NAME, NAME_RULE, App, Web, from_environment, web_faults

__all__ = [
    "NAME", "NAME_RULE", "Account", "App", "AppLimits", "ArchiveSettings", "Brand", "Config",
    "Database", "Desk", "DeskUser", "InDoubt", "NotifySettings", "Override", "PerPrefix",
    "PerRecipient", "RecipientLimits", "ReconcileSettings", "Registration", "RetrySettings",
    "Role", "Sender", "Web", "load",
]  # fmt: skip


_PASSWORDS = {
    "redis_url": "SLUICEGATE_REDIS_PASSWORD",
    "broker_url": "SLUICEGATE_BROKER_PASSWORD",
}

_DATABASE = 'one table for each app\'s database: [databases.shop] and below it url_env = "..."'
Databases = Annotated[dict[str, Database], msgspec.Meta(description=_DATABASE)]


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
    can end and every stop still works. ``web`` is what HTTP serves. ``archive`` is where finished
    messages go; without it Redis keeps an app's for their retention, and a campaign's for ever.
    ``reconcile`` is when workers compare these books with the provider's; without it they don't.
    ``notify`` is whom ``sluicegate notify`` tells.
    ``databases`` are apps' own, by name, from which their messages are handed over.
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
    archive: ArchiveSettings | None = None
    reconcile: ReconcileSettings | None = None
    notify: NotifySettings = NotifySettings()
    databases: Databases = {}

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

    def apps_of(self, account: str) -> dict[str, App]:
        """Return the apps of ``[web.apps]`` that send with an account."""
        return {name: app for name, app in self.web.apps.items() if app.account == account}

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
    databases = {
        name: _placed_database(one, settings.parent) for name, one in config.databases.items()
    }
    archive = _placed_archive(config, settings, environ)
    config = replace(config, accounts=accounts, archive=archive, databases=databases)
    overrides = {
        name: url
        for name in ("redis_url", "broker_url")
        if (url := from_environment(f"SLUICEGATE_{name.upper()}", environ))
    }
    config = replace(config, **overrides)
    for (name, *_), reason in _faults(config):
        raise InvalidConfig(f"SLUICEGATE_{name.upper()}", reason)
    return _with_passwords(config, environ)


def _with_passwords(config: Config, environ: Mapping[str, str]) -> Config:
    """The configuration with the passwords that stand apart from their URLs."""
    for name, variable in _PASSWORDS.items():
        if not (password := from_environment(variable, environ)):
            continue
        url = getattr(config, name)
        if not url:
            raise InvalidConfig(variable, f"there is no {name} that it could be for")
        try:
            config = replace(config, **{name: with_password(url, password)})
        except ValueError:
            reason = f"{name} has a password already, or is not a Redis's: say it once"
            raise InvalidConfig(variable, reason) from None
    return config


def _placed_archive(
    config: Config, file: Path, environ: Mapping[str, str]
) -> ArchiveSettings | None:
    """The archive with the URL of the environment, or with the path of its file from here."""
    variable = "SLUICEGATE_ARCHIVE_URL"
    if url := from_environment(variable, environ):
        archive = replace(config.archive or ArchiveSettings(), url=url)
        for _, reason in archive_faults(archive):
            raise InvalidConfig(variable, reason)
        return archive
    if config.archive is None or not config.archive.url.startswith("sqlite:///"):
        return config.archive
    return replace(config.archive, url=_placed_url(config.archive.url, file.parent))


def _placed_database(database: Database, folder: Path) -> Database:
    """The database with the path of its file from the working directory."""
    return replace(database, url=_placed_url(database.url, folder))


def _placed_url(url: str, folder: Path) -> str:
    if not url.startswith("sqlite:///"):
        return url
    return f"sqlite:///{folder / url.removeprefix('sqlite:///')}"


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
    yield from _url_faults(config)
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
    web = config.web
    tables: dict[Names, SettingFaults] = {
        ("web",): web_faults(web, config.accounts),
        ("web", "desk"): desk_faults(web.desk, web.proxies),
        ("archive",): archive_faults(config.archive),
        ("notify",): notify_faults(config.notify),
        ("databases",): database_faults(config.databases),
        ("web", "apps"): tenant_faults(web.apps, config.accounts),
    }
    for table, faults in tables.items():
        yield from (((*table, *names), reason) for names, reason in faults)


def _url_faults(config: Config) -> SettingFaults:
    if fault := redis_url_fault(config.redis_url):
        yield ("redis_url",), fault
    if config.broker_url and not re.match(r"\w[\w+]*://", config.broker_url):
        yield ("broker_url",), "must be a URL of a Celery broker: redis://... or amqp://..."
    elif is_redis(config.broker_url) and (fault := redis_url_fault(config.broker_url)):
        yield ("broker_url",), fault


def _without_secrets(url: str) -> str:
    """Hide what may hold a password: all before the ``@``, and the query."""
    return re.sub(r"\?.*", "?•••", re.sub(r"//.*@", "//•••@", url))
