"""What is wrong with the Redis that holds the messages."""

import re
from typing import Any
from urllib.parse import urlsplit

from sluicegate.addresses import is_loopback
from sluicegate.config import Config
from sluicegate.safety import redis_hazards
from sluicegate_worker.distance import FAR_SECONDS, TOO_FAR_SECONDS

from ...inspect import ServerVitals
from ...operating.words import lasting
from .diagnosis import Diagnoses, Diagnosis, of_hazard

CLOCK_SECONDS = 2.0
LAG_SECONDS = 10
_DAY = 86_400
_MESSAGE_BYTES = 1_050
"""What an app's message takes at most while its id is known: see docs/SIZING.md."""

_LEAST_REDIS, _LEAST_VALKEY = (6, 2), (8, 0)


def server_findings(vitals: ServerVitals, config: Config) -> Diagnoses:
    """Everything that can be seen from here."""
    info = vitals.info
    yield from map(of_hazard, redis_hazards(info))
    yield from _version(info)
    yield from _saving(info)
    yield from _memory(info, config)
    yield from _role(info)
    yield from _way(vitals)
    yield from _user(vitals, config)


def _version(info: Any) -> Diagnoses:
    valkey = str(info.get("valkey_version", ""))
    version, least = (valkey, _LEAST_VALKEY) if valkey else (
        str(info.get("redis_version", "")), _LEAST_REDIS
    )  # fmt: skip
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if numbers and numbers < least:
        name = "Valkey" if valkey else "Redis"
        yield Diagnosis(
            "server_version",
            f"{name} {version} is older than {'.'.join(map(str, least))}",
            "scripts use commands that it does not have",
            "update it",
        )


def _saving(info: Any) -> Diagnoses:
    states = {
        "rdb_last_bgsave_status": "its last snapshot (RDB) failed",
        "aof_last_bgrewrite_status": "its last rewrite of the append-only file failed",
    }
    for name, why in states.items():
        if str(info.get(name, "ok")) != "ok":
            yield Diagnosis(
                "server_saving",
                "Redis can't write to its disk",
                why,
                "look at its log: most often its disk is full, or fork fails for want of memory",
            )


def _memory(info: Any, config: Config) -> Diagnoses:
    if "maxmemory" not in info:
        return
    most, used = int(info["maxmemory"]), int(info.get("used_memory", 0))
    if most == 0:
        yield Diagnosis(
            "server_memory_unbounded",
            "Redis has no maxmemory",
            "when memory runs out its host kills it, instead of intake being refused",
            "set maxmemory, to at most three quarters of the host's (docs/SIZING.md)",
        )
        return
    rate = sum(account.sms_per_second or account.limit for account in config.accounts.values())
    room = config.memory_ceiling * most - used
    kept = min(config.retention_seconds, room / (_MESSAGE_BYTES * rate))
    if kept < min(_DAY, config.retention_seconds):
        yield Diagnosis(
            "server_memory",
            f"at the full rate of {rate:g} a second Redis is full after {lasting(kept)}",
            f"maxmemory is {most:,} bytes, {used:,} of them used, and ids stay known for "
            f"{lasting(config.retention_seconds)}",
            "raise maxmemory, shorten retention_seconds, or configure an archive",
        )


def _role(info: Any) -> Diagnoses:
    if info.get("role") in ("slave", "replica"):
        up = "" if info.get("master_link_status", "up") == "up" else ", and its link to it is down"
        yield Diagnosis(
            "server_replica",
            "redis_url names a replica",
            f"it refuses every write{up}",
            "name the primary in redis_url",
        )
    if int(info.get("cluster_enabled", 0)):
        yield Diagnosis(
            "server_cluster",
            "redis_url names a node of a cluster",
            "the client follows no redirections, so keys of other nodes can't be reached",
            "use a server of its own, or the address of a managed one that is not sharded",
        )
    for name, replica in info.items():
        if not re.fullmatch(r"slave\d+", name) or not isinstance(replica, dict):
            continue
        lag = int(replica.get("lag", 0))
        if lag > LAG_SECONDS or replica.get("state", "online") != "online":
            yield Diagnosis(
                "replica_lag",
                f"replica {replica.get('ip')}:{replica.get('port')} is {lag} s behind",
                f"it is {replica.get('state')}; a failover would lose what it does not have, and "
                "messages would be sent twice",
                "look at its load and its network",
            )


def _way(vitals: ServerVitals) -> Diagnoses:
    if vitals.away_ms > 1000 * FAR_SECONDS:
        most = f"{1000 * TOO_FAR_SECONDS:.0f} ms"
        yield Diagnosis(
            "server_far",
            f"a call on Redis takes {vitals.away_ms:.0f} ms from this host",
            f"a worker here sends more slowly, and gives most back unsent beyond {most}",
            "run workers nearer to Redis: in the same data centre",
        )
    if abs(vitals.clock_ahead_seconds) > CLOCK_SECONDS:
        ahead = vitals.clock_ahead_seconds
        yield Diagnosis(
            "clock",
            f"this host's clock is {abs(ahead):.1f} s {'behind' if ahead > 0 else 'ahead of'} "
            "Redis's",
            "webhooks' signatures are checked by this host's clock, and schedules kept by Redis's",
            "set both by NTP",
        )
    if vitals.broken:
        yield Diagnosis(
            "scripts_broken",
            "scripts don't run as they do on a plain server",
            vitals.broken,
            "connect to the server itself, without a proxy in between, with a user that may "
            "use EVALSHA",
        )


def _user(vitals: ServerVitals, config: Config) -> Diagnoses:
    if vitals.refused:
        yield Diagnosis(
            "server_acl",
            f"this Redis user may not use {', '.join(vitals.refused)}",
            "commands and workers with this user fail",
            "give it the rights that SECURITY.md names",
        )
    url = urlsplit(config.redis_url)
    if url.scheme != "unix" and not url.password and not is_loopback(url.hostname or ""):
        yield Diagnosis(
            "server_open",
            "Redis is reached over the network without a password",
            "whoever reaches it reads numbers and texts, and sends",
            "set requirepass or a user in Redis, and SLUICEGATE_REDIS_PASSWORD",
        )
