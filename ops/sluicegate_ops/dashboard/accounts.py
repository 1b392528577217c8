"""The accounts that pages read and act on: one session for each, on one connection."""

from functools import cached_property
from threading import Lock

from sluicegate.config import Config
from sluicegate.errors import InvalidConfig

from ..operating.session import Session
from .users import KnownUsers


class OpenAccounts:
    """Sessions by account, safe across threads: those that only look, and those that act."""

    def __init__(self, config_path: str | None = None, config: Config | None = None) -> None:
        self._first = Session(None, config_path)
        if config is not None:  # read already
            self._first.config = config
        self._first.writes = False
        self._lock = Lock()
        self._sessions: dict[tuple[str, bool], Session] = {}

    @property
    def names(self) -> list[str]:
        """The configured accounts; raises InvalidConfig."""
        return list(self._first.config.accounts)

    @property
    def config(self) -> Config:
        """The configuration that they were opened with; raises InvalidConfig."""
        return self._first.config

    @cached_property
    def users(self) -> KnownUsers:
        """The people whom the configuration names; raises InvalidConfig."""
        return KnownUsers(self.config, self._first.config_path)

    def session(self, account: str = "", *, writes: bool = False) -> Session:
        """The session of an account, of the first where none is named.

        Raises InvalidConfig, WrongDeployment and redis.RedisError.
        """
        with self._lock:
            name = account or self.names[0]
            if (name, writes) not in self._sessions:
                self._sessions[name, writes] = self._opened(name, writes)
            return self._sessions[name, writes]

    def close(self) -> None:
        """Close every connection; the next look opens another."""
        with self._lock:
            while self._sessions:
                _, session = self._sessions.popitem()
                session.close()

    def _opened(self, name: str, writes: bool) -> Session:
        if name not in self.names:
            raise InvalidConfig("account", f"{name} is not configured")
        session = Session(name, self._first.config_path)
        session.writes, session.config = writes, self._first.config
        session.client  # noqa: B018 - opened here, and checked
        return session
