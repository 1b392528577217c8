"""A fake Redis whose clock stands still, and which parses each script once.

The scripts give some keys a lifetime (what a claim answered, for the length of a lease) by the
server's clock, while tests move a clock of their own. On a busy machine a fake that is slow enough
forgets such a key in the middle of a test.

fakeredis parses a script anew and collects Lua's garbage at each call: that was most of its time.
"""

import threading
import time
from collections import defaultdict
from typing import Any, ClassVar

import fakeredis
import redis
from fakeredis._core._database import Database  # the fake has no public seam for its clock

from .effort import THOROUGH

CALLS_PER_COLLECTION = 100
_COUNT = "function() local n = 0; for _ in pairs(_G) do n = n + 1 end; return n end"


class _StillDatabase(Database):
    """A database for which every command comes at the moment of its creation."""

    def __init__(self, lock: threading.Lock) -> None:
        self._created = time.time()
        super().__init__(lock)

    @property
    def time(self) -> float:
        return self._created

    @time.setter
    def time(self, now: float) -> None:
        """Ignore the clock, which the fake reads before each command."""


class _Globals:
    """The names of Lua's globals, for which fakeredis asks at each command: read if one is new."""

    def __init__(self, runtime: Any) -> None:
        self._read = runtime.globals
        self._count = runtime.eval(_COUNT)
        self._names: tuple[int, set[bytes]] = (0, set())

    def keys(self) -> set[bytes]:
        count = self._count()
        if count != self._names[0]:
            self._names = count, set(self._read().keys())
        return self._names[1]


class _Lua:
    """A runtime of Lua that keeps what it has parsed, and seldom collects garbage."""

    def __init__(self, runtime: Any) -> None:
        self.eval, self.table_from = runtime.eval, runtime.table_from
        self._globals = _Globals(runtime)
        self._compile, self._collect = runtime.compile, runtime.eval("collectgarbage")
        self._parsed: dict[bytes, Any] = {}
        self._calls = 0

    def globals(self) -> _Globals:
        return self._globals

    def execute(self, script: bytes | str) -> Any:
        if isinstance(script, str):  # fakeredis's own "collectgarbage()" behind each script
            return self._tidy()
        if script not in self._parsed:
            self._parsed[script] = self._compile(script)
        return self._parsed[script]()

    def _tidy(self) -> None:
        self._calls += 1
        if self._calls % CALLS_PER_COLLECTION == 0:
            self._collect()


class StillServer(fakeredis.FakeServer):
    """An empty fake server; share it among the clients of one test.

    All share one runtime of Lua, in which our scripts leave no globals.
    """

    _lua: ClassVar[dict[str, Any]] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.dbs = defaultdict(lambda: _StillDatabase(self.lock))

    def __getattr__(self, name: str) -> Any:
        """What fakeredis has kept about its runtime on the first server that ran a script."""
        if name in StillServer._lua:
            return StillServer._lua[name]
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_lua_"):
            StillServer._lua[name] = _Lua(value) if name == "_lua_runtime" else value
        else:
            super().__setattr__(name, value)


def examples(store: redis.Redis, number: int) -> int:
    """How many examples to try of a property: on the fake, many times slower, a fifth of them.

    It is the same property, and `make test-all` tries them all on both.
    """
    return number if THOROUGH or not isinstance(store, fakeredis.FakeRedis) else -(-number // 5)
