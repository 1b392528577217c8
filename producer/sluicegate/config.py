"""The configuration: one frozen tree from ``sluicegate.toml`` and ``SLUICEGATE_*``, checked once.

Secrets come only from the environment; the file names the variable, never the key itself.

    SLUICEGATE_CONFIG           the file's path (default: sluicegate.toml here, where it exists)
    SLUICEGATE_REDIS_URL        overrides redis_url
    SLUICEGATE_BROKER_URL       overrides broker_url
    SLUICEGATE_TELNYX_API_KEY   an account's key, unless its api_key_env names another variable
"""

import math
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from .errors import InvalidConfig

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class InDoubt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a message whose POST may or may not have reached the provider.

    ``policy``: ``resend`` under the same idempotency key and bytes, ``hold`` for a person, or
    ``drop``, after waiting ``transactional_wait_seconds`` or ``bulk_wait_seconds`` for evidence.
    """

    policy: Literal["resend", "hold", "drop"] = "resend"
    transactional_wait_seconds: Positive = 30.0
    bulk_wait_seconds: Positive = 600.0


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an attempt that failed is repeated: ``base_seconds * 2^n * (0.5 + random)``, capped.

    ``max_attempts`` counts attempts that failed by the provider or the network; throttling and
    halts never count. ``max_age_seconds`` bounds the time spent in attempts and backoff.
    """

    max_attempts: Count = 8
    base_seconds: Positive = 1.0
    cap_seconds: Positive = 300.0
    max_age_seconds: Positive = 86_400.0


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Telnyx credential, and what it may do.

    ``limit`` requests per ``window_seconds`` are allowed until the provider's headers say
    otherwise. ``concurrency`` bounds POSTs under way on all hosts, ``worker_concurrency`` those of
    one worker process. ``senders``, when given, lists the only senders allowed.
    ``lease_seconds`` is how long a silent worker keeps what it claimed.
    """

    api_key_env: str = "SLUICEGATE_TELNYX_API_KEY"
    base_url: str = "https://api.telnyx.com/v2"
    limit: Count = 50
    window_seconds: Positive = 1.0
    concurrency: Count = 100
    worker_concurrency: Count = 50
    connect_timeout_seconds: Positive = 5.0
    read_timeout_seconds: Positive = 30.0
    lease_seconds: Positive = 15.0
    senders: tuple[str, ...] = ()
    in_doubt: InDoubt = InDoubt()
    retry: Retry = Retry()

    def api_key(self, environ: Mapping[str, str] = os.environ) -> str:
        """The key itself, from the environment; raises InvalidConfig where it is not set."""
        key = environ.get(self.api_key_env, "").strip()
        if not key:
            raise InvalidConfig(self.api_key_env, "set it to the account's Telnyx API key")
        return key


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration.

    ``deployment`` goes into every idempotency key, so that two deployments of one organisation
    never collide. ``retention_seconds`` is how long a finished message's id stays known.
    ``spool_directory`` takes outcomes that Redis was not there to take when a worker stopped.
    """

    redis_url: str = "redis://127.0.0.1:6379/0"
    broker_url: str = ""
    deployment: str = "default"
    accounts: dict[str, Account] = msgspec.field(default_factory=lambda: {"default": Account()})
    retention_seconds: Positive = 7 * 86_400.0
    drain_seconds: Positive = 25.0
    shutdown_grace_seconds: Positive = 45.0
    spool_directory: str = ".sluicegate-spool"
    memory_ceiling: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9

    @property
    def retention_ms(self) -> int:
        return math.ceil(self.retention_seconds * 1000)

    @property
    def broker(self) -> str:
        """Celery's broker: ``broker_url``, or else the data Redis itself."""
        return self.broker_url or self.redis_url

    def account(self, name: str) -> Account:
        """The account called ``name``; raises InvalidConfig where there is none."""
        try:
            return self.accounts[name]
        except KeyError:
            known = ", ".join(sorted(self.accounts))
            raise InvalidConfig(f"account {name}", f"not configured; known: {known}") from None


def load(path: str | Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the file and the environment; raises InvalidConfig naming file, line and remedy.

    ``path`` defaults to ``$SLUICEGATE_CONFIG``, then to ``sluicegate.toml`` where it exists.
    """
    named = path or environ.get("SLUICEGATE_CONFIG")
    file = Path(named or "sluicegate.toml")
    text = _read(file) if named or file.exists() else ""
    config = _parsed(text, str(file))
    overrides = {
        name: environ[variable]
        for name in ("redis_url", "broker_url")
        if environ.get(variable := f"SLUICEGATE_{name.upper()}")
    }
    return _checked(msgspec.structs.replace(config, **overrides), str(file), text)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(str(file), f"cannot be read: {error}") from error


def _parsed(text: str, file: str) -> Config:
    try:
        return msgspec.convert(tomllib.loads(text), Config)
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(file, f"not valid TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise InvalidConfig(*_explained(str(error), text, file)) from error


def _checked(config: Config, file: str, text: str) -> Config:
    for name, account in config.accounts.items():
        if not _NAME.fullmatch(name):
            where = _line(text, f"accounts.{name}", file)
            raise InvalidConfig(where, "an account's name is 1 to 40 of a-z, 0-9, _ and -")
        url = urlsplit(account.base_url)
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
            where = _line(text, "base_url", file)
            reason = f"base_url {account.base_url!r}: https, or http on loopback"
            raise InvalidConfig(where, reason)
    if not config.accounts:
        raise InvalidConfig(file, "at least one account is needed, as [accounts.default]")
    return config


def _explained(error: str, text: str, file: str) -> tuple[str, str]:
    """Where and why, from msgspec's message: it names the path, and TOML the line."""
    reason, _, path = error.partition(" - at `$.")
    path = path.rstrip("`").replace("accounts[...]", "accounts")
    unknown = re.search(r"unknown field `([^`]+)`", reason)
    if unknown is None:
        return _line(text, path.rpartition(".")[2], file), f"{path}: {reason}"
    sections = {"in_doubt": InDoubt, "retry": Retry, "accounts": Account}
    section = sections.get(path.rpartition(".")[2], Config)
    valid = ", ".join(section.__struct_fields__)
    where = _line(text, unknown[1], file)
    return where, f"unknown setting {unknown[1]!r}; valid here: {valid}"


def _line(text: str, word: str, file: str) -> str:
    for number, line in enumerate(text.splitlines(), 1):
        if word in line:
            return f"{file}, line {number}"
    return file
