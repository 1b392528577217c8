"""Settings of what is served over HTTP: where it listens, which apps may write, which secrets."""

import os
import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from ..errors import InvalidConfig
from .senders import SettingFaults

LEAST_SECRET: Final = 16
"""Characters that a token or a secret of our own must have at least."""

VARIABLE: Final = re.compile(r"(?!KEY[0-9A-F]{8})[A-Z_][A-Z0-9_]*")
"""The name of an environment variable, and not a key itself in its place."""

_NOT_A_VARIABLE = "must name an environment variable (A-Z, 0-9, _), and not be the secret itself"
_APP_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Bytes = Annotated[int, msgspec.Meta(ge=1_024, le=16 * 1_048_576)]


class App(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An app that may enqueue over HTTP: its token's variable, and the account it sends by."""

    token_env: str
    account: str = "default"

    def token(self, environ: Mapping[str, str] = os.environ) -> str:
        """The token itself, from the environment; raises InvalidConfig."""
        return secret(self.token_env, "a token for this app", environ)


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``sluicegate serve`` serves.

    ``public_url`` is the base under which the provider reaches it from outside; without one no
    message asks for receipts. ``receipts_secret_env`` names the variable of the secret that marks
    the URLs for receipts as ours. ``max_body_bytes`` bounds what is read of any request.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""
    receipts_secret_env: str = "SLUICEGATE_RECEIPTS_SECRET"  # noqa: S105 - a variable's name
    max_body_bytes: Bytes = 262_144
    apps: dict[str, App] = {}

    def receipts_secret(self, environ: Mapping[str, str] = os.environ) -> str:
        """The secret itself, from the environment; raises InvalidConfig."""
        return secret(self.receipts_secret_env, "a secret for receipts' URLs", environ)


def secret(variable: str, what: str, environ: Mapping[str, str]) -> str:
    """A secret of our own; raises InvalidConfig where there is none, or one easily guessed."""
    found = environ.get(variable, "").strip()
    if len(found) < LEAST_SECRET:
        how = f"at least {LEAST_SECRET} characters, as from: openssl rand -hex 32"
        raise InvalidConfig(variable, f"set it to {what}: {how}")
    return found


def is_variable(name: str) -> bool:
    """Whether ``name`` can name a secret's environment variable."""
    return bool(VARIABLE.fullmatch(name))


def is_web_url(url: str) -> bool:
    """Whether it is an https URL, or http on a loopback host, without a user name."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises ValueError where it is not one
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def web_faults(web: Web, accounts: Mapping[str, object]) -> SettingFaults:
    """What the types alone do not say of ``web``; values are not repeated."""
    if not web.host:
        yield ("host",), "must be an address to listen on, as 127.0.0.1"
    if web.public_url and not _is_base(web.public_url):
        yield (
            ("public_url",),
            "must be an https URL (or http on a loopback host) of at most 200 characters, without "
            "a ?, a # and a / at its end",
        )
    if not is_variable(web.receipts_secret_env):
        yield ("receipts_secret_env",), _NOT_A_VARIABLE
    for names, reason in _app_faults(web.apps, accounts):
        yield ("apps", *names), reason


def _app_faults(apps: Mapping[str, App], accounts: Mapping[str, object]) -> SettingFaults:
    taken: dict[str, str] = {}
    for name, app in apps.items():
        if not _APP_NAME.fullmatch(name):
            yield (name,), "an app's name must be 1 to 40 of a-z, 0-9, _ and -, no _ or - first"
        if not is_variable(app.token_env):
            yield (name, "token_env"), _NOT_A_VARIABLE
        elif app.token_env in taken:
            yield (name, "token_env"), f"is the app {taken[app.token_env]}'s: each needs its own"
        taken[app.token_env] = name
        if app.account not in accounts:
            yield (name, "account"), f"no such account; known: {', '.join(sorted(accounts))}"


def variable_faults(names: Mapping[str, str]) -> SettingFaults:
    """A fault for each setting of ``names`` whose value can't name a variable."""
    for setting, value in names.items():
        if not is_variable(value):
            yield (setting,), _NOT_A_VARIABLE


def _is_base(url: str) -> bool:
    plain = not re.search(r"[?#\s\x00-\x1f\x7f-\uffff]|/\Z", url)
    return plain and len(url) <= 200 and is_web_url(url)
