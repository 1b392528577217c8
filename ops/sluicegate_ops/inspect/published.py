"""The limits in force, compared with those of the configuration that is read here."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import redis

from sluicegate.config import Account, App
from sluicegate.keys import Keys
from sluicegate.levels import digest, published

_SETTINGS = {
    "window_ms": "window_seconds",
    "ceiling": "max_requests_per_second",
    "sms": "sms_per_second",
    "mms": "mms_per_second",
    "zone": "the zone of the brands' day",
}
_SHOWN = ("limit", "ceiling", "concurrency")


class LimitsState(msgspec.Struct, frozen=True):
    """The limits in force: their version, None before any are published.

    ``here`` is the version of the configuration read here; ``differ`` names the settings in which
    the two differ.
    """

    version: int | None
    here: int
    differ: Sequence[str]


def limits_in_force(client: redis.Redis, keys: Keys) -> dict[str, str]:
    """The limits that all workers obey, as ``levels.published``; empty before any is published.

    They have two fields more: ``version`` and ``digest``.
    """
    store: Any = client
    stored = store.hgetall(keys("limits")).items()
    return {field.decode(): value.decode() for field, value in stored}


def published_levels(client: redis.Redis, keys: Keys) -> list[str]:
    """Names of the levels and settings in the limits in force, such as ``sender:+15557654321``."""
    store: Any = client
    return [field.decode() for field in store.hkeys(keys("limits"))]


def compared_limits(
    in_force: Mapping[str, str], account: Account, apps: Mapping[str, App]
) -> LimitsState:
    """The limits in force, compared with those that the configuration read here would publish."""
    here = published(account, apps)
    if not in_force:
        return LimitsState(None, account.limits_version, [])
    same = in_force.get("digest") == digest(here)
    fields = [] if same else sorted(here.keys() | in_force.keys() - {"version", "digest"})
    differ = [_difference(name, in_force, here) for name in fields]
    return LimitsState(
        int(in_force.get("version", 0)), account.limits_version, list(filter(None, differ))
    )


def _difference(field: str, in_force: Mapping[str, str], here: Mapping[str, str]) -> str:
    one, other = in_force.get(field, ""), here.get(field, "")
    if one == other:
        return ""
    one, other = one or "none", other or "none"
    name = _SETTINGS.get(field, field.replace(":", " ", 1))
    return f"{name} ({one} in force, {other} here)" if field in _SHOWN else name
