"""Pipelining: a script's call is written at once, and its answer is read after other work.

This only saves time. If the call is lost, an ordinary call follows, with its retries and errors;
if the server ran the lost call after all, its token makes the second one a repeat.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.exceptions import NoScriptError

from .scripts import Argument, Script, Scripts

_LOST = (redis.ConnectionError, redis.TimeoutError, NoScriptError)
"""Errors after which the ordinary call follows. Any other is the script's own, and is raised."""


class PipelinedScript:
    """Pipelined calls of one ``script`` on a synchronous client; ``scripts`` makes ordinary ones.

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
