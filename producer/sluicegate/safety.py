"""Settings with which messages get lost or go astray: of the Redis server, and of credentials.

Nothing here stops anybody: a worker warns of them when it starts, and ``status`` lists them.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .addresses import is_loopback
from .config import Account, Config
from .config.apis import APIS
from .config.redis_url import is_redis, tls_options

_REAL_KEY = re.compile(r"KEY\w{20,}")
"""An API key of Telnyx's v2; the simulator takes any word for one."""


class Hazard(NamedTuple):
    """What may happen, why, and what prevents it; ``urgent`` if nothing else stands between."""

    what: str
    why: str
    do: str
    urgent: bool = False

    def __str__(self) -> str:
        return f"{self.what}: {self.why}; {self.do}"


def hazards(
    config: Config, account: str, info: Mapping[str, Any], environ: Mapping[str, str]
) -> list[Hazard]:
    """All that can be seen from here, by the server's ``INFO``; raises InvalidConfig."""
    credential = credential_hazard(account, config.account(account), environ)
    found = (unverified_hazard(config), credential)
    return [*redis_hazards(info), *(hazard for hazard in found if hazard)]


def unverified_hazard(config: Config) -> Hazard | None:
    """Whether TLS with Redis or the broker is spoken with whoever answers."""
    for name, url in (("redis_url", config.redis_url), ("broker_url", config.broker_url)):
        options = tls_options(url) if is_redis(url) else {}
        if options.get("ssl_cert_reqs", "required") != "required":
            return Hazard(
                "whoever stands between may read all messages and send others",
                f"{name} has ssl_cert_reqs={options['ssl_cert_reqs']}, so no server is verified",
                "leave it out, and name the server's CA in ssl_ca_certs",
            )
    return None


def redis_hazards(info: Mapping[str, Any]) -> Iterator[Hazard]:
    """What is unsafe by a server's ``INFO``; nothing is said of what a hosted Redis hides."""
    policy = str(info.get("maxmemory_policy", ""))
    if policy not in ("", "noeviction"):
        yield Hazard(
            "a full Redis would drop messages in silence",
            f"its maxmemory-policy is {policy}",
            "CONFIG SET maxmemory-policy noeviction, and the same in its configuration",
            urgent=int(info.get("maxmemory", 0)) > 0,
        )
    if info.get("aof_enabled") == 0:
        yield Hazard(
            "messages are lost when Redis restarts",
            "it writes no append-only file",
            "CONFIG SET appendonly yes, and in its configuration appendonly yes with "
            "appendfsync always, or everysec to lose at most the last second",
        )
    elif info.get("aof_last_write_status", "ok") != "ok":
        yield Hazard(
            "messages are lost when Redis restarts",
            "it can't write its append-only file",
            "look at its log: most often its disk is full",
        )


def credential_hazard(name: str, account: Account, environ: Mapping[str, str]) -> Hazard | None:
    """Whether an account's key and its ``base_url`` are of two different worlds.

    The key itself is never in the answer. None too where no key is set here.
    """
    key = account.known_api_key(environ)
    api = APIS.get(account.api)
    if not key or api is None or account.api != "v2":
        return None  # a v1 secret has no form of its own
    real_url, real_key = account.base_url == api.base_url, _REAL_KEY.fullmatch(key) is not None
    host = urlsplit(account.base_url).hostname or ""
    if real_url and not real_key:
        return Hazard(
            f"account {name} will be refused by the provider, or halt",
            f"the key in {account.api_key_env} is none of Telnyx's (KEY and a long word), "
            "and base_url is the real API",
            "set the real key, or base_url to the simulator that the key is for",
        )
    if real_key and not real_url and is_loopback(host):
        return Hazard(
            f"account {name} sends to {host} and not to the provider",
            f"the key in {account.api_key_env} looks real, and base_url is this machine",
            "take base_url out of the configuration to send for real, or use another key here",
        )
    return None
