"""Every check of ``doctor``, by the part of the deployment that it looks at."""

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import redis

from sluicegate.config.redis_url import broker_of, is_redis, tls_options
from sluicegate.errors import OutboxError, WrongDeployment
from sluicegate_worker.provider.optouts import ListRefused
from sluicegate_worker.provider.owned import Unread
from sluicegate_worker.provider.registry import provider_of

from ...inspect import (
    AccountState,
    ServerVitals,
    read_account,
    read_notifying,
    read_vitals,
    server_ms,
)
from ...operating.session import Session
from ...operating.status import findings as status_findings
from ...operating.status import standstills
from ...operating.status.versions import versions
from ...operating.words import counted
from ..kit.books import books_with
from .credentials import owned_findings, secret_findings, url_findings
from .diagnosis import CannotLook, Check, Diagnoses, Diagnosis, of_finding
from .host import (
    broker_findings,
    disk_findings,
    file_findings,
    limit_findings,
    port_findings,
    python_findings,
)
from .notices import notice_findings, notice_settings
from .reaching import reach_findings
from .server import server_findings

_PAGES = 4
"""Of the provider's list of opt-outs: enough to see whether it is known here at all."""


def checks(session: Session, *, offline: bool) -> dict[str, Check]:
    """The checks by their names; those that ask the provider are left out if ``offline``."""
    site = _Site(session)
    local: dict[str, Check] = {
        "this host's Python": python_findings,
        "files": lambda: file_findings(session.config, site.file, os.environ),
        "disk": lambda: disk_findings(session.config, site.file),
        "open files": lambda: limit_findings(session.config),
        "keys": lambda: secret_findings(session.config, session.name),
        "notices": lambda: notice_settings(session.config),
        "public URL": lambda: url_findings(session.config, session.name),
        "Redis": site.redis,
        "identity": site.identity,
        "workers": site.workers,
        "who is told": site.notices,
        "ports": lambda: port_findings(session.config, served=site.served),
        "broker": site.broker,
    }
    remote: dict[str, Check] = {
        "the way to serve": lambda: reach_findings(session.config, session.name),
        "account at the provider": site.owned,
        "opt-outs": site.optouts,
    }
    return local if offline else local | remote


class _Site:
    """What several checks read, each part once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @cached_property
    def file(self) -> Path | None:
        named = self._session.config_path or os.environ.get("SLUICEGATE_CONFIG")
        path = Path(named or "sluicegate.toml")
        return path if path.exists() else None

    @cached_property
    def _vitals(self) -> ServerVitals:
        return read_vitals(self._session.client, self._session.keys)

    @cached_property
    def _state(self) -> AccountState:
        try:
            return read_account(self._session.client, self._session.config, self._session.name)
        except redis.RedisError as error:
            raise CannotLook(f"Redis at {self._session.redis_at}: {error}") from error

    @property
    def served(self) -> bool:
        """Whether serve was heard of just now; not, where Redis can't say."""
        try:
            heard = self._state.receipts.heard_seconds_ago
        except CannotLook:
            return False
        return heard is not None and heard < status_findings.SERVE_SECONDS

    def redis(self) -> Diagnoses:
        try:
            vitals = self._vitals
        except redis.RedisError as error:
            yield Diagnosis(
                "redis_unreachable",
                f"Redis at {self._session.redis_at} can't be used: {type(error).__name__}",
                str(error),
                "start it, or set SLUICEGATE_REDIS_URL and its password",
            )
            return
        yield from server_findings(vitals, self._session.config)

    def identity(self) -> Diagnoses:
        session = self._session
        try:
            session.identities.check(with_key=bool(session.account.known_api_key()))
        except WrongDeployment as error:
            yield Diagnosis(
                "identity",
                f"account {session.name} in this Redis is another deployment's",
                str(error),
                "use a Redis of its own, or: sluicegate deployment adopt",
            )
        except OutboxError as error:
            raise CannotLook(str(error)) from error

    def workers(self) -> Diagnoses:
        """What ``status`` finds of workers, of serve and of the server's memory."""
        rules: dict[str, Callable[[AccountState], Iterator[object]]] = {
            "server_refuses": standstills.server,
            "server_full": standstills.memory,
            "no_worker": status_findings.no_worker,
            "worker_deaf": standstills.deaf,
            "worker_far": status_findings.distant,
            "serve_silent": status_findings.serving,
            "receipts_missing": status_findings.receipts,
            "limits_differ": status_findings.limits,
            "worker_version": versions,
            "indexes_lost": standstills.mended,
        }
        state = self._state
        for kind, rule in rules.items():
            for finding in rule(state):
                yield of_finding(kind, finding)  # type: ignore[arg-type] # each yields Finding

    def notices(self) -> Diagnoses:
        """Whether those who are to be told are."""
        session = self._session
        try:
            client = session.client
            state, now_ms = read_notifying(client, session.keys), server_ms(client)
        except redis.RedisError as error:
            raise CannotLook(f"Redis at {session.redis_at}: {error}") from error
        yield from notice_findings(session.config, state, now_ms)

    def broker(self) -> Diagnoses:
        config = self._session.config
        yield from broker_findings(config)
        if not config.broker_url:
            return  # the data Redis, which is looked at already
        from kombu.connection import Connection

        of_redis, url = is_redis(config.broker), config.broker
        options = {"socket_timeout": 5, "socket_connect_timeout": 5}
        connection: Any = Connection(  # type: ignore[no-untyped-call] # kombu has no types
            broker_of(url) if of_redis else url,
            ssl=(tls_options(url) or False) if of_redis else False,
            connect_timeout=5,
            transport_options=options if of_redis else {},
        )
        try:
            with connection:
                connection.connect()
        except Exception as error:
            yield Diagnosis(
                "broker_unreachable",
                f"the broker can't be used: {type(error).__name__}",
                "no drain is started, so nothing is sent",
                "start it, or set SLUICEGATE_BROKER_URL and its password",
            )

    def owned(self) -> Diagnoses:
        session = self._session
        account, key = session.account, session.account.known_api_key()
        if account.api != "v2":
            return
        if not key:
            raise CannotLook(f"{account.api_key_env} is not set")
        try:
            with books_with(account, key, session) as books:
                owned = books.owned()
        except Unread as error:
            if error.status == 401:
                yield Diagnosis(
                    "key_refused",
                    f"the provider refuses the API key in {account.api_key_env}",
                    str(error),
                    "make a new one in the portal, and: sluicegate deployment adopt",
                )
                return
            raise CannotLook(str(error)) from error
        yield from owned_findings(session.config, session.name, owned)
        if owned.unread:
            told = "; ".join(f"{part}: {why}" for part, why in owned.unread.items())
            raise CannotLook(told)

    def optouts(self) -> Diagnoses:
        session = self._session
        account, key = session.account, session.account.known_api_key()
        read = provider_of(account).optouts
        if read is None or not key:
            return
        import httpx

        missing = 0
        try:
            with httpx.Client(timeout=10, follow_redirects=False, trust_env=False) as client:
                for page in islice(read(account, key, client, session.sleep), _PAGES):
                    profiles = account.messaging_profiles
                    numbers = [
                        entry.number
                        for entry in page.optouts
                        if not profiles or not entry.profile or entry.profile in profiles
                    ]
                    missing += session.sluice.optouts.among(numbers).count(False)
        except ListRefused as error:
            raise CannotLook(str(error)) from error
        if missing:
            yield Diagnosis(
                "optouts_not_synced",
                f"{counted(missing, 'number')} that the provider lists as opted out "
                f"{'is' if missing == 1 else 'are'} not known here",
                "messages to them are refused one by one (40300)",
                "sluicegate optout sync",
            )
