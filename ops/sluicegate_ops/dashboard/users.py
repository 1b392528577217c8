"""The people whom the configuration names, read again whenever its file changes."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from sluicegate.config import Config, DeskUser, load
from sluicegate.errors import InvalidConfig

log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int] | None


class KnownUsers:
    """The users of ``[web.desk]``, safe across threads; ``config`` is what was read at first.

    Nothing else of the configuration is taken over while a process runs. A file that can't be read
    leaves the users as they were.
    """

    def __init__(self, config: Config, config_path: str | None) -> None:
        named = config_path or os.environ.get("SLUICEGATE_CONFIG")
        self._path, self._lock = Path(named or "sluicegate.toml"), Lock()
        self._users, self._stamp = _users_of(config), self._stamp_now()

    def __call__(self) -> Mapping[str, DeskUser]:
        """Those that the file names now."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return self._users
        with self._lock:
            self._stamp = stamp  # whatever comes of it, it is not read again until it changes
            try:
                self._users = _users_of(load(self._path))
            except InvalidConfig as error:
                log.warning("people stay as they were: %s", error)
            return self._users

    def _stamp_now(self) -> _Stamp:
        """What differs once the file is another."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


def _users_of(config: Config) -> Mapping[str, DeskUser]:
    return config.web.desk.users if config.web.desk else {}
