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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
import msgspec.inspect

from .errors import InvalidConfig

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3_660 * 86_400)]  # ten years bound a typing slip
Count = Annotated[int, msgspec.Meta(ge=1)]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_VARIABLE = re.compile(r"(?!KEY[0-9A-F]{8})[A-Z_][A-Z0-9_]*")  # and not the key itself
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Names = tuple[str, ...]
"""Where a setting stands: ``("accounts", "default", "limit")``."""

_Kind = TypeVar("_Kind")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_KEY = rf"(?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*"
_HEADER = re.compile(rf"\s*\[\s*({_KEY})\s*\]")
_SETTING = re.compile(rf"\s*({_KEY})\s*=")


class InDoubt(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a message whose POST may or may not have reached the provider.

    ``policy``: ``resend`` under the same idempotency key and bytes, ``hold`` for a person, or
    ``drop``, after waiting ``transactional_wait_seconds`` or ``bulk_wait_seconds`` for evidence.
    """

    policy: Literal["resend", "hold", "drop"] = "resend"
    transactional_wait_seconds: Seconds = 30.0
    bulk_wait_seconds: Seconds = 600.0


class Retry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an attempt that failed is repeated: ``base_seconds * 2^n * (0.5 + random)``, capped.

    ``max_attempts`` counts attempts that failed by the provider or the network; throttling and
    halts never count. ``max_age_seconds`` bounds the time spent in attempts and backoff.
    """

    max_attempts: Count = 8
    base_seconds: Seconds = 1.0
    cap_seconds: Seconds = 300.0
    max_age_seconds: Seconds = 86_400.0


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Telnyx credential, and what it may do.

    ``limit`` requests per ``window_seconds`` are allowed until the provider's headers say
    otherwise. ``concurrency`` bounds POSTs under way on all hosts, ``worker_concurrency`` those of
    one worker process. ``senders``, when given, lists the only senders allowed.
    ``lease_seconds`` is how long a silent worker keeps what it claimed. ``price_per_segment``, in
    ``currency``, is what estimates are made with.
    """

    api_key_env: str = "SLUICEGATE_TELNYX_API_KEY"
    base_url: str = "https://api.telnyx.com/v2"
    limit: Count = 50
    window_seconds: Seconds = 1.0
    concurrency: Count = 100
    worker_concurrency: Count = 50
    connect_timeout_seconds: Seconds = 5.0
    read_timeout_seconds: Seconds = 30.0
    lease_seconds: Seconds = 15.0
    senders: tuple[str, ...] = ()
    price_per_segment: Annotated[float, msgspec.Meta(ge=0)] = 0.004
    currency: str = "USD"
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
    retention_seconds: Seconds = 7 * 86_400.0
    drain_seconds: Seconds = 25.0
    shutdown_grace_seconds: Seconds = 45.0
    spool_directory: str = ".sluicegate-spool"
    memory_ceiling: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9

    def __repr__(self) -> str:
        """Leave out the URLs' user names and passwords: reprs end up in logs."""
        return f"Config({', '.join(f'{name}={value!r}' for name, value in self._shown())})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return self._shown()

    def _shown(self) -> list[tuple[str, object]]:
        named = {name: getattr(self, name) for name in self.__struct_fields__}
        hidden = {name: _without_secrets(named[name]) for name in ("redis_url", "broker_url")}
        return list((named | hidden).items())

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
    found = Path(named or "sluicegate.toml")
    file = _File(str(found), _read(found) if named or found.exists() else "")
    config = file.config()
    for names, reason in _faults(config):
        raise file.refusal(names, reason)
    overrides = {
        name: environ[variable]
        for name in ("redis_url", "broker_url")
        if environ.get(variable := f"SLUICEGATE_{name.upper()}")
    }
    config = msgspec.structs.replace(config, **overrides)
    for (name, *_), reason in _faults(config):
        raise InvalidConfig(f"SLUICEGATE_{name.upper()}", reason)
    return config


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(str(file), f"cannot be read: {error}") from error


class _File:
    """A configuration file's text, and on which line it says what."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self._text = name, text

    def config(self) -> Config:
        """What the text says; raises InvalidConfig."""
        try:
            tree = tomllib.loads(self._text)
        except tomllib.TOMLDecodeError as error:
            reason, _, place = str(error).partition(" (at ")
            line = re.match(r"line \d+", place)
            where = f"{self.name}, {line[0]}" if line else self.name
            raise InvalidConfig(where, f"not valid TOML: {reason}") from None
        accounts = tree.get("accounts")
        for name, table in accounts.items() if isinstance(accounts, dict) else ():
            self._converted(table, Account, ("accounts", name))  # msgspec would not say which one
        return self._converted(tree, Config)

    def refusal(self, names: Names, reason: str) -> InvalidConfig:
        """The error about the setting of that name, with its line."""
        line = self._line(names)
        return InvalidConfig(
            f"{self.name}, line {line}" if line else self.name, f"{'.'.join(names)}: {reason}"
        )

    def _converted(self, tree: object, kind: type[_Kind], at: Names = ()) -> _Kind:
        try:
            return msgspec.convert(tree, kind)
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `$")
            names = tuple(re.findall(r"\.(\w+)", path))
            valid = _type_of(kind, names)
            if unknown := re.search(r"unknown field `([^`]*)`", reason):
                names, text = (*names, unknown[1]), _unknown(unknown[1], valid)
            else:
                text = f"must be {_described(valid)}"
            raise self.refusal((*at, *names), text) from None

    def _line(self, names: Names) -> int:
        """The number of the line that sets ``names``, or as much of it as any line does."""
        table: Names = ()
        best, found = 0, 0
        for number, line in enumerate(self._text.splitlines(), 1):
            if header := _HEADER.match(line):
                table = here = _split(header[1])
            elif key := _SETTING.match(line):
                here = table + _split(key[1])
            else:
                continue
            shared = min(len(here), len(names))
            if shared > best and here[:shared] == names[:shared]:
                best, found = shared, number
        return found


def _split(key: str) -> Names:
    """The parts of a TOML key: ``a."b.c"`` is ``a`` and ``b.c``."""
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(key))


def _type_of(kind: type, names: Names) -> msgspec.inspect.Type:
    found = msgspec.inspect.type_info(kind)
    for name in names:
        assert isinstance(found, msgspec.inspect.StructType)  # noqa: S101 - msgspec named the path
        found = next(field.type for field in found.fields if field.name == name)
    return found


def _unknown(name: str, valid: msgspec.inspect.Type) -> str:
    if re.search("key|secret|token|password", name, re.IGNORECASE):
        return (
            "no such setting, and no secret belongs in this file: put the API key into the "
            "environment as SLUICEGATE_TELNYX_API_KEY, or name another variable in api_key_env"
        )
    assert isinstance(valid, msgspec.inspect.StructType)  # noqa: S101 - only they refuse a name
    return f"no such setting; there are {', '.join(field.name for field in valid.fields)}"


def _described(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.LiteralType(values=values):
            return f"one of {', '.join(map(repr, values))}"
        case msgspec.inspect.IntType(ge=least):
            return f"a whole number, at least {least}"
        case msgspec.inspect.FloatType(le=most):
            return f"a number above 0, at most {most:,}"
        case msgspec.inspect.StrType():
            return "a text in quotes"
        case msgspec.inspect.VarTupleType():
            return "a list of texts in quotes"
        case _:
            return "a table of settings"


def _faults(config: Config) -> Iterator[tuple[Names, str]]:
    """What the types alone do not say; values are not repeated, since they may hold secrets."""
    if not _is_redis_url(config.redis_url):
        yield (
            ("redis_url",),
            "must be redis://host:port/database-number, rediss://... or unix://path",
        )
    if config.broker_url and not re.match(r"\w[\w+]*://", config.broker_url):
        yield ("broker_url",), "must be a URL as Celery takes it: redis://... or amqp://..."
    if not config.accounts:
        yield ("accounts",), "at least one account is needed, as [accounts.default]"
    for name, account in config.accounts.items():
        at = ("accounts", name)
        if not _NAME.fullmatch(name):
            yield at, "an account's name must be 1 to 40 of a-z, 0-9, _ and -, no _ or - first"
        if not _VARIABLE.fullmatch(account.api_key_env):
            reason = "must name an environment variable (A-Z, 0-9, _), and not be the key itself"
            yield (*at, "api_key_env"), reason
        if not _is_base_url(account.base_url):
            yield (*at, "base_url"), "must be an https URL, or http on a loopback host"


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


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - as above
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _without_secrets(url: str) -> str:
    """Hide what may hold a password: before the ``@``, and in the query."""
    return re.sub(r"\?.*", "?•••", re.sub(r"//.*@", "//•••@", url))
