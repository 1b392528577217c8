"""Settings of the HTTP server: its address, the apps that may enqueue, and their secrets."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from ..errors import InvalidConfig
from .senders import SettingFaults

LEAST_SECRET: Final = 16
"""The least number of characters in a token or a secret of our own."""

VARIABLE: Final = re.compile(r"(?!KEY[0-9A-F]{8})[A-Z_][A-Z0-9_]*")
"""What the name of an environment variable must match; a key in its place does not."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
"""What the name of an account or an app must match."""

NAME_RULE: Final = "name must be 1 to 40 of a-z 0-9 _ -, and begin with a letter or digit"

_NOT_A_VARIABLE = (
    "must be the name of an environment variable (A-Z, 0-9, _), not the secret itself"
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Bytes = Annotated[int, msgspec.Meta(ge=1_024, le=16 * 1_048_576)]


class App(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An app that may enqueue over HTTP.

    ``token_env`` is the variable of its token, ``account`` the name of the account that sends.
    """

    token_env: str
    account: str = "default"

    def token(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the token from the environment; raises InvalidConfig if it can't be used."""
        return secret(self.token_env, "a token for this app", environ)


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``sluicegate serve`` serves.

    ``public_url`` is the base URL at which the provider reaches it; without one, no message asks
    for receipts. ``receipts_secret_env`` is the variable of the secret that signs the URLs for
    receipts. ``max_body_bytes`` limits the body of a request. ``apps`` are by name.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    receipts_secret_env: str = "SLUICEGATE_RECEIPTS_SECRET"  # noqa: S105 - a variable's name
    max_body_bytes: Bytes = 262_144
    apps: dict[str, App] = {}

    def receipts_secret(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the secret from the environment; raises InvalidConfig if it can't be used."""
        return secret(self.receipts_secret_env, "a secret for receipts' URLs", environ)


def from_environment(variable: str, environ: Mapping[str, str]) -> str:
    """Return a secret: a variable's value, or the text of the file that ``<variable>_FILE`` names.

    ``""`` if neither is set. Raises InvalidConfig if both are, or if the file can't be read.
    """
    value, path = environ.get(variable, "").strip(), environ.get(f"{variable}_FILE", "")
    if not path:
        return value
    if value:
        raise InvalidConfig(f"{variable}_FILE", f"set it or {variable}, not both")
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{variable}_FILE", f"{path} can't be read: {error}") from error


def secret(variable: str, what: str, environ: Mapping[str, str]) -> str:
    """Return a secret of our own; raises InvalidConfig if it is missing or too short.

    ``what`` says in the error what the secret is for.
    """
    value = from_environment(variable, environ)
    if len(value) < LEAST_SECRET:
        how = f"at least {LEAST_SECRET} characters, for example from: openssl rand -hex 32"
        raise InvalidConfig(variable, f"set it to {what}: {how}")
    return value


def is_variable(name: str) -> bool:
    """Whether ``name`` can be that of a secret's environment variable."""
    return bool(VARIABLE.fullmatch(name))


def is_web_url(url: str) -> bool:
    """Whether ``url`` is https, or http on a loopback host, and has no user name."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises ValueError where it is not one
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def web_faults(web: Web, accounts: Mapping[str, object]) -> SettingFaults:
    """Yield what the types can't check of ``web``; ``accounts`` are the known ones, by name."""
    if not web.host:
        yield ("host",), "must be an address to listen on, such as 127.0.0.1"
    if web.public_url and not _is_base(web.public_url):
        yield (
            ("public_url",),
            "must be an https URL (or http on a loopback host) of at most 200 characters, without "
            "? and #, and without / at its end",
        )
    if not is_variable(web.receipts_secret_env):
        yield ("receipts_secret_env",), _NOT_A_VARIABLE
    for names, reason in _app_faults(web.apps, accounts):
        yield ("apps", *names), reason


def _app_faults(apps: Mapping[str, App], accounts: Mapping[str, object]) -> SettingFaults:
    taken: dict[str, str] = {}
    for name, app in apps.items():
        if not NAME.fullmatch(name):
            yield (name,), f"an app's {NAME_RULE}"
        if not is_variable(app.token_env):
            yield (name, "token_env"), _NOT_A_VARIABLE
        elif app.token_env in taken:
            yield (
                (name, "token_env"),
                f"belongs to the app {taken[app.token_env]}: each app needs its own",
            )
        taken[app.token_env] = name
        if app.account not in accounts:
            yield (name, "account"), f"no such account; known: {', '.join(sorted(accounts))}"


def variable_faults(names: Mapping[str, str]) -> SettingFaults:
    """Yield a fault for each setting in ``names`` whose value can't be a variable's name."""
    for setting, value in names.items():
        if not is_variable(value):
            yield (setting,), _NOT_A_VARIABLE


def _is_base(url: str) -> bool:
    plain = not re.search(r"[?#\s\x00-\x1f\x7f-\uffff]|/\Z", url)
    return plain and len(url) <= 200 and is_web_url(url)
