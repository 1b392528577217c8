"""Scripts: each is registered once and called by its name, one call at a time or pipelined.

A script is called with the account's prefix as its only key. Tests replace the part
``sluicegate.time`` (``Script.source(time=...)``), so every other line of Lua is tested as shipped.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol, cast

import redis
from redis.exceptions import NoScriptError

from .joining import source

Argument = str | bytes | int | float

_LOST = (redis.ConnectionError, redis.TimeoutError, NoScriptError)
"""Errors after which the ordinary call follows. Any other is the script's own, and is raised."""


def new_token(tag: str = "") -> str:
    """Make a token of ``tag`` and 12 random characters: it fences a lease or marks a call."""
    return tag + secrets.token_urlsafe(9)


class Registrar(Protocol):
    """What can register a script: a synchronous or asynchronous redis-py client."""

    def register_script(self, script: str) -> Any: ...


class Script:
    """A script, by its full name: ``Script("sluicegate_worker.step")``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def source(self, time: str | None = None) -> str:
        """Return the Lua text; for ``time`` and errors see ``joining.source``."""
        return source(self.name, time)


class Scripts:
    """Calls scripts by EVALSHA, registering each once on one client.

    ``prefix`` is the account's; see ``Keys``. Tests pass ``time``: see ``Script.source``.
    """

    def __init__(self, client: Registrar, prefix: str, time: str | None = None) -> None:
        self._client, self._prefix, self._time = client, prefix, time
        self._registered: dict[Script, Any] = {}

    def call(self, script: Script, args: Sequence[Argument]) -> Any:
        """Run ``script`` and return its answer (an awaitable on an async client)."""
        registered = self._registered.get(script)
        if registered is None:
            registered = self._client.register_script(script.source(self._time))
            self._registered[script] = registered
        return registered(keys=[self._prefix], args=args)

    def acall(self, script: Script, args: Sequence[Argument]) -> Awaitable[Any]:
        """``call`` for an async client, typed as such."""
        return cast("Awaitable[Any]", self.call(script, args))


class PipelinedScript:
    """Calls of one ``script`` that are written at once, and answered after other work.

    This only saves time. If a call is lost, an ordinary one of ``scripts`` follows, with its
    retries and errors; if the server ran the lost call after all, its token makes the second one a
    repeat. ``client`` is a synchronous one.

    ``time`` is for tests: see ``Script.source``.
    """

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        script: Script,
        scripts: Scripts,
        time: str | None = None,
    ) -> None:
        self._client: Any = client
        self._script, self._scripts = script, scripts
        self._begin = ("EVALSHA", client.register_script(script.source(time)).sha, 1, prefix)

    @contextmanager
    def begin(self, args: Sequence[Argument]) -> Iterator[Callable[[], Any]]:
        """Write a call, and yield a function that waits for its answer; call it at most once.

        ``args`` must hold a token, so that the script is safe to repeat. Raises redis-py's errors.
        """
        pool = self._client.connection_pool
        connection, sent, read = pool.get_connection(), False, False

        def answer() -> Any:
            nonlocal read
            read = True  # a connection that fails halfway closes itself
            try:
                reply = connection.read_response() if sent else None
            except _LOST:
                reply = None
            finally:
                pool.release(connection)
            return self._scripts.call(self._script, args) if reply is None else reply

        try:
            with suppress(*_LOST):
                connection.send_command(*self._begin, *args)
                sent = True
            yield answer
        finally:
            if not read:
                connection.disconnect()
                pool.release(connection)
