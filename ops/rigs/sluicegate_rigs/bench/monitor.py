"""The monitor: counts the commands that clients send to the server; a script counts as one.

The server's own counters include the commands inside scripts, so this listens to MONITOR. That
slows the server down, so timed runs go without it.
"""

import socket
import threading
from types import TracebackType
from typing import Self


class Monitor:
    """Counts the commands of all clients since it was created."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._lines = self._in_scripts = 0
        self._socket.sendall(b"MONITOR\r\n")
        self._socket.recv(5)  # +OK comes before the first command
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        return self._lines - self._in_scripts

    @property
    def inside(self) -> int:
        """Commands called by scripts."""
        return self._in_scripts

    def _listen(self) -> None:
        rest = b""
        while data := self._socket.recv(1 << 20):
            data = rest + data
            whole = data.rfind(b"\n") + 1
            self._lines += data.count(b"\n", 0, whole)
            self._in_scripts += data.count(b" lua] ", 0, whole)
            rest = data[whole:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
