"""What every command works with: the chosen account, and what can be asked of it."""

import time
from collections.abc import Callable, Iterator
from functools import cached_property
from urllib.parse import urlsplit

import redis

from sluicegate.archive import ArchiveReader
from sluicegate.audit import Audit
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.client import Sluice
from sluicegate.config import Account, Config, load
from sluicegate.connections import connect
from sluicegate.errors import InvalidConfig, OutboxUnavailable
from sluicegate.identity import Identities
from sluicegate.keys import Keys
from sluicegate.optouts import wait_for_posts
from sluicegate_worker.operator.deadletters import DeadLetters
from sluicegate_worker.operator.doubts import Doubts
from sluicegate_worker.operator.halts import Halts
from sluicegate_worker.operator.repair import Repair

from ..inspect import Waits


class Session:
    """One account, for one run of the command line; nothing is opened before it is used.

    Every attribute raises InvalidConfig if the configuration is invalid.
    """

    def __init__(self, account: str | None, config_path: str | None) -> None:
        self.name, self._named, self._config_path = account or "default", account, config_path
        self.writes = True
        """Whether the command that runs may change something."""
        self.of_any_deployment = False
        """Whether the command that runs may look at another deployment's account."""
        self.at_stake: tuple[str, ...] = ()
        """The ids of the messages that the command is about, for an error."""
        self.sleep: Callable[[float], None] = time.sleep

    def choose(self, account: str | None, config_path: str | None) -> None:
        """Take what stands behind a command; raises InvalidConfig if another stands before it."""
        if account and self._named not in (None, account):
            raise InvalidConfig("--account", f"{self._named} or {account}? Name one account")
        if config_path and self._config_path not in (None, config_path):
            raise InvalidConfig("--config", f"{self._config_path} or {config_path}? Name one file")
        self.name = self._named = account or self.name
        self._config_path = config_path or self._config_path

    @cached_property
    def config(self) -> Config:
        return load(self._config_path)

    @property
    def config_path(self) -> str | None:
        """The configuration that an option names."""
        return self._config_path

    @property
    def account(self) -> Account:
        return self.config.account(self.name)

    @property
    def redis_at(self) -> str:
        """The address of Redis, without the password that its URL may hold."""
        url = urlsplit(self.config.redis_url)
        return f"{url.hostname or ''}{f':{url.port}' if url.port else ''}{url.path}"

    @cached_property
    def client(self) -> redis.Redis:
        """A connection; raises WrongDeployment where the account is another deployment's."""
        url = self.config.redis_url  # an error of the configuration is not the URL's
        try:
            client = connect(url)
        except ValueError as error:
            raise InvalidConfig("redis_url", str(error)) from error
        self._check(client)
        return client

    def _check(self, client: redis.Redis) -> None:
        if self.of_any_deployment or self.name not in self.config.accounts:
            return
        try:
            Identities(client, self.config, self.name).check(with_key=self.writes)
        except OutboxUnavailable as error:
            raise OutboxUnavailable(error.reason, self.at_stake) from error

    @property
    def identities(self) -> Identities:
        return Identities(self.client, self.config, self.name)

    @cached_property
    def sluice(self) -> Sluice:
        return Sluice(self.config, account=self.name, client=self.client)

    @property
    def keys(self) -> Keys:
        return self.sluice.keys

    @cached_property
    def dead(self) -> DeadLetters:
        return DeadLetters(self.client, self.keys, self.config.retention_ms)

    @cached_property
    def doubts(self) -> Doubts:
        return Doubts(self.client, self.keys, self.config.retention_ms)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.client, self.keys)

    @cached_property
    def archive(self) -> ArchiveReader:
        """Reads what has left Redis; it opens the archive only where the account has one."""
        return ArchiveReader(self.client, self.config, self.name)

    @cached_property
    def campaigns(self) -> Campaigns:
        return Campaigns(self.client, self.keys, config=self.config)

    @cached_property
    def halts(self) -> Halts:
        return Halts(self.client, self.keys)

    @cached_property
    def repair(self) -> Repair:
        return Repair(self.client, self.keys, self.account.lease_seconds * 1000)

    @property
    def waits(self) -> Waits:
        """What holds the account back at this moment."""
        return Waits(self.client, self.keys)

    def every_account(self) -> Iterator["Session"]:
        """A session for each configured account, on the same connection."""
        for name in self.config.accounts:
            other = Session(name, self._config_path)
            other.config, other.client, other.sleep = self.config, self.client, self.sleep
            other.writes, other.of_any_deployment = self.writes, self.of_any_deployment
            if name != self.name:
                other._check(self.client)
            yield other

    def wait_for_starts(self) -> None:
        """Wait until no POST can follow that was started before a gate was closed."""
        wait_for_posts(self.client, self.keys, self.sleep)

    def close(self) -> None:
        """Close the connection, if one was opened."""
        if "client" in self.__dict__:
            self.client.close()
