"""Settings of the HTTP server: its address, the apps that may enqueue, and their secrets."""

import os
import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec

from ..addresses import IpNetwork, is_loopback
from ..errors import InvalidConfig
from ..message import Priority
from ..urls import MAX_URL, short_base_fault
from .desk import Desk
from .senders import Count, SettingFaults

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
_SENDERS = 'a list of the account\'s senders: ["+15557654321", "Acme"]'
SenderNames = Annotated[tuple[str, ...], msgspec.Meta(description=_SENDERS)]
_COUNTRIES = 'a list of countries\' ISO codes: ["US", "CA"]'
Countries = Annotated[tuple[str, ...], msgspec.Meta(description=_COUNTRIES)]
COUNTRY: Final = re.compile(r"[A-Z]{2}")
COUNTRY_RULE: Final = "each must be an ISO code of two capitals, such as US or GB"
MessageRate = Annotated[float, msgspec.Meta(ge=0.001, le=10_000)]
DailyMoney = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Bytes = Annotated[int, msgspec.Meta(ge=1_024, le=16 * 1_048_576)]
_NETWORKS = 'a list of networks: ["10.1.2.0/24"]'
Networks = Annotated[tuple[str, ...], msgspec.Meta(description=_NETWORKS)]
FEWEST_CONNECTIONS: Final = 8
Connections = Annotated[int, msgspec.Meta(ge=FEWEST_CONNECTIONS, le=100_000)]


class App(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An app that may enqueue over HTTP, and how far it may go.

    ``token_env`` is the variable of its token; while tokens are exchanged, the one before it is as
    good, from ``<token_env>_PREVIOUS``. ``account`` is the name of the account that sends.

    ``senders`` are those of the account's that it may use (a pool's is its profile's id), and
    ``countries`` where it may send to (ISO codes); empty for all. ``priority`` is what it has if
    it doesn't say, and the highest that it may ask for.

    Its caps, None for none: ``per_second`` new messages in any second (0.1 is one in ten),
    ``daily_messages`` and ``daily_money`` a day that begins at midnight UTC, and ``most_waiting``
    messages that have not ended. ``daily_money`` is in the account's currency, by its prices.

    ``lookups``: whether it may ask what is known of a number that it may send to; ``campaigns``:
    whether it may make and run campaigns of its own.

    ``older_ids``: whether it also finds what version 0.1 stored, under ids that have no app's
    name; None for whether it is the account's only app.

    Its events: those of its ``own`` messages, or ``all`` of its account, with those of campaigns,
    replies and opt-outs; ``""`` for none. It reads them itself, or they are passed on to
    ``events_url``, signed with the secret in the variable ``events_secret_env``;
    ``events_private`` says that this is on the same host or in a private network, where it may
    also be plain http.
    """

    token_env: str
    account: str = "default"
    senders: SenderNames = ()
    countries: Countries = ()
    priority: Priority = "transactional"
    per_second: MessageRate | None = None
    daily_messages: Count | None = None
    daily_money: DailyMoney | None = None
    most_waiting: Count | None = None
    lookups: bool = False
    campaigns: bool = False
    older_ids: bool | None = None
    events: Literal["", "own", "all"] = ""
    events_url: str = ""
    events_private: bool = False
    events_secret_env: str = ""

    def events_secrets(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Return what signs its events, and the one before while that is exchanged.

        Raises InvalidConfig if there is none.
        """
        found = both_from_environment(self.events_secret_env, environ)
        if not found:
            reason = "set it to whsec_ and 24 to 64 bytes in base64: sluicegate events secret"
            raise InvalidConfig(self.events_secret_env, reason)
        return found

    def tokens(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Return its one or two tokens from the environment.

        Raises InvalidConfig if one of them can't be used, or if the first is missing.
        """
        current = secret(self.token_env, "a token for this app", environ)
        if not from_environment(previous(self.token_env), environ):
            return (current,)
        return current, secret(previous(self.token_env), "this app's token before it", environ)


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``sluicegate serve`` serves.

    ``public_url`` is the base URL at which the provider reaches it; without one, no message asks
    for receipts. ``receipts_secret_env`` is the variable of the secret that signs the URLs for
    receipts. ``max_body_bytes`` limits the body of a request. ``apps`` are by name.

    Webhooks are passed on to the URLs that apps give with their messages, where these lead to the
    internet, or into one of ``relay_networks``. Up to ``relay_bytes`` of them wait in Redis for
    each account while their apps are away, of which one app's take at most as many as they leave
    free; and as many of what came in for ``inbound_url``.

    Health and metrics are served at ``metrics_host`` and ``metrics_port``. There are at most
    ``connections`` in all, and ``connections_per_address`` of one address, unless it is one of
    ``proxies``: addresses or networks of the proxies in front, which also speak HTTPS for us.
    Webhooks are taken from ``webhook_networks`` alone, if there are any; behind one of ``proxies``
    the last address of its ``X-Forwarded-For`` counts. ``desk`` is where people look and act.
    ``short_links`` is the domain of campaigns' short links, such as acme.to; "" for none.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 8081
    public_url: str = ""
    receipts_secret_env: str = "SLUICEGATE_RECEIPTS_SECRET"  # noqa: S105 - a variable's name
    max_body_bytes: Bytes = 262_144
    relay_networks: Networks = ()
    relay_bytes: Annotated[int, msgspec.Meta(ge=1_048_576)] = 134_217_728
    connections: Connections = 1_000
    connections_per_address: Connections = 100
    proxies: Networks = ()
    webhook_networks: Networks = ()
    apps: dict[str, App] = {}
    desk: Desk | None = None
    short_links: str = ""

    def receipts_secret(self, environ: Mapping[str, str] = os.environ) -> str:
        """Return the secret from the environment; raises InvalidConfig if it can't be used."""
        return secret(self.receipts_secret_env, "a secret for receipts' URLs", environ)

    def receipts_secrets(self, environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
        """Return the secret, and the one before it while URLs signed with that are still about."""
        current, before = self.receipts_secret(environ), previous(self.receipts_secret_env)
        if not from_environment(before, environ):
            return (current,)
        return current, secret(before, "the secret that was used before", environ)

    @property
    def private_networks(self) -> Sequence[IpNetwork]:
        """``relay_networks``, read; raises ValueError, which ``web_faults`` prevents."""
        return [ip_network(network) for network in self.relay_networks]


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


def previous(variable: str) -> str:
    """The name of the variable that holds a secret's last value, while it is being changed."""
    return f"{variable}_PREVIOUS"


def both_from_environment(variable: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a secret of others and, if it is set, the one before it; nothing if there is none.

    Raises InvalidConfig if only the one before is set, and as ``from_environment``.
    """
    current, before = (from_environment(name, environ) for name in (variable, previous(variable)))
    if before and not current:
        raise InvalidConfig(previous(variable), f"set {variable} too: this is the one before it")
    return tuple(filter(None, (current, before)))


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


def is_web_url(url: str, *, plain_http: bool = False) -> bool:
    """Whether ``url`` is https, or http on a loopback host, and has no user name.

    With ``plain_http`` it may be http on any host.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises ValueError where it is not one
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None:
        return False
    may_be_plain = plain_http or is_loopback(parts.hostname)
    return parts.scheme == "https" or (parts.scheme == "http" and may_be_plain)


def web_faults(web: Web, accounts: Mapping[str, object]) -> SettingFaults:
    """Yield what the types can't check of ``web``; ``accounts`` are the known ones, by name."""
    for name, host in {"host": web.host, "metrics_host": web.metrics_host}.items():
        if not host:
            yield (name,), "must be an address to listen on, such as 127.0.0.1"
    if not all(map(_is_network, web.proxies)):
        yield ("proxies",), "each must be an address or a network, such as 10.0.0.7 or 10.0.0.0/24"
    if web.public_url and not _is_base(web.public_url):
        yield (
            ("public_url",),
            "must be an https URL (or http on a loopback host) of at most 200 characters, without "
            "? and #, and without / at its end",
        )
    if not is_variable(web.receipts_secret_env):
        yield ("receipts_secret_env",), _NOT_A_VARIABLE
    for name in ("relay_networks", "webhook_networks"):
        if not all(map(_is_network, getattr(web, name))):
            reason = "each must be a network: its first address, / and how many bits are the same"
            yield (name,), f"{reason}, such as 10.1.2.0/24 or fd00:1::/64"
    if web.short_links and (fault := short_base_fault(web.short_links)):
        yield ("short_links",), fault
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
        taken |= dict.fromkeys((app.token_env, previous(app.token_env)), name)
        yield from (((name, *names), reason) for names, reason in _event_faults(app))
        if app.account not in accounts:
            yield (name, "account"), f"no such account; known: {', '.join(sorted(accounts))}"


def _event_faults(app: App) -> SettingFaults:
    url = app.events_url
    if not app.events and (url or app.events_secret_env):
        yield ("events",), 'say which: "own", those of its messages, or "all" of its account'
    if not url:
        return
    reached = is_web_url(url) or (app.events_private and is_web_url(url, plain_http=True))
    if len(url) > MAX_URL or not reached:
        reason = "must be an https URL, or http with events_private = true"
        yield ("events_url",), f"{reason}; of at most {MAX_URL:,} characters, without a user name"
    elif is_loopback(urlsplit(url).hostname or "") and not app.events_private:
        yield ("events_url",), "is on this host: if that is meant, set events_private = true"
    if not is_variable(app.events_secret_env):
        yield ("events_secret_env",), f"events are signed: {_NOT_A_VARIABLE}"


def variable_faults(names: Mapping[str, str]) -> SettingFaults:
    """Yield a fault for each setting in ``names`` whose value can't be a variable's name."""
    for setting, value in names.items():
        if not is_variable(value):
            yield (setting,), _NOT_A_VARIABLE


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _is_base(url: str) -> bool:
    plain = not re.search(r"[?#\s\x00-\x1f\x7f-\uffff]|/\Z", url)
    return plain and len(url) <= 200 and is_web_url(url)
