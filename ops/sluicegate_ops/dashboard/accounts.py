"""The accounts that pages read: one session for each, on one connection."""

from collections.abc import Mapping
from threading import Lock

from sluicegate.errors import InvalidConfig

from ..operating.session import Session


class OpenAccounts:
    """Sessions by account, safe across threads; a page only looks, so none of them writes."""

    def __init__(self, config_path: str | None = None) -> None:
        self._first = Session(None, config_path)
        self._first.writes = False
        self._lock = Lock()
        self._sessions: dict[str, Session] = {}

    @property
    def names(self) -> list[str]:
        """The configured accounts; raises InvalidConfig."""
        return list(self._first.config.accounts)

    def session(self, account: str = "") -> Session:
        """The session of an account, of the first where none is named.

        Raises InvalidConfig, WrongDeployment and redis.RedisError.
        """
        with self._lock:
            name = account or self.names[0]
            if name not in self._sessions:
                self._sessions |= self._opened(name)
            return self._sessions[name]

    def _opened(self, name: str) -> Mapping[str, Session]:
        if name not in self.names:
            raise InvalidConfig("account", f"{name} is not configured")
        session = Session(name, self._first.config_path)
        session.writes = False
        session.config = self._first.config
        return {name: session} if session.client else {}  # opened here, and checked
