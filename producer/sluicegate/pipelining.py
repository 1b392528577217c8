"""A script's call that is written at once and answered later: meanwhile its caller works too.

It is a head start and no more. Where it is lost, the ordinary call follows, with its retries and
its errors; if the first was done nevertheless, its token makes the second a repeat.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import redis
from redis.exceptions import NoScriptError

from .scripts import Argument, Script, Scripts

_LOST = (redis.ConnectionError, redis.TimeoutError, NoScriptError)
"""What the ordinary call is for. Any other error is the script's own, and stands."""


class PipelinedScript:
    """Such calls of one ``script`` on a synchronous client; ``scripts`` makes the ordinary ones.

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
        """Write a call; what is given waits for the answer, and is called once or not at all.

        ``args`` hold a token, so that the script is safe to repeat. Raises as redis-py does.
        """
        pool = self._client.connection_pool
        connection, sent, read = pool.get_connection(), False, False

        def answer() -> Any:
            nonlocal read
            read = True  # a connection closes itself where it fails halfway
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
