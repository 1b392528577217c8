"""Hostile clients of an HTTP server, by the thousand, and an honest one that goes on asking.

To compare servers: ``PYTHONPATH=tests python -m support.hostile PORT PID COUNT``.
"""

import contextlib
import http.client
import resource
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

HOSTILE, HONEST = "127.0.0.2", "127.0.0.1"

_HOST = b"host: x\r\n"
_CHUNK = b"400\r\n" + b"x" * 1024 + b"\r\n"
_TLS_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 2
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Kind(NamedTuple):
    """What a client does: it sends ``first``, then ``again`` every ``seconds``, and never reads.

    ``half`` closes its side after ``first``.
    """

    first: bytes
    again: bytes = b""
    seconds: float = 0.0
    half: bool = False


def _post(path: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "host: x", *lines, "", ""]).encode()


def _get(path: str, times: int = 1) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * times


KINDS: Final = {
    "a 401, then one byte": Kind(_post("/v2/messages", "content-length: 100000"), b"x", 0.3),
    "a 404, then chunks": Kind(_post("/nowhere", "transfer-encoding: chunked"), _CHUNK * 16),
    "a 401, then chunks": Kind(_post("/v2/messages", "transfer-encoding: chunked"), _CHUNK * 16),
    "header lines": Kind(b"GET / HTTP/1.1\r\n" + _HOST, b"a: b\r\n" * 1_000),
    "one header line": Kind(b"GET / HTTP/1.1\r\n" + _HOST + b"a: ", b"x" * 8_192),
    "one request line": Kind(b"GET /", b"x" * 8_192),
    "an extension of a chunk": Kind(
        _post("/receipts/default", "transfer-encoding: chunked") + b"1;", b"x" * 8_192
    ),
    "trailers": Kind(
        _post("/receipts/default", "transfer-encoding: chunked") + b"0\r\n", b"a: b\r\n" * 1_000
    ),
    "requests never read": Kind(_get("/x", 100), _get("/x", 100)),
    "a long answer never read": Kind(_get("/openapi.json", 20), _get("/openapi.json", 20)),
    "a slow head": Kind(b"GET / HTTP/1.1\r\n" + _HOST + b"a: ", b"x", 0.3),
    "a slow body": Kind(_post("/receipts/default", "content-length: 100000"), b"x", 0.3),
    "most of a body": Kind(_post("/receipts/default", "content-length: 262144") + b"x" * 262_000),
    "nothing": Kind(b""),
    "half a connection": Kind(b"GET / HT", half=True),
    "one request": Kind(_get("/x")),
    "TLS": Kind(_TLS_HELLO, _TLS_HELLO, 0.3),
    "empty lines": Kind(b"\r\n" * 100, b"\r\n" * 100),
    "continue": Kind(
        _post("/receipts/default", "content-length: 9999", "expect: 100-continue"), b"x", 0.3
    ),
}


class Swarm:
    """So many clients of one kind at a server's port, from ``addresses`` in turns."""

    def __init__(
        self, kind: Kind, count: int, port: int, addresses: Sequence[str] = (HOSTILE,)
    ) -> None:
        self._kind, self._port = kind, port
        self._poll = select.poll()
        self._open: dict[int, tuple[socket.socket, float]] = {}
        self.longest_seconds = 0.0
        """How long the longest connection lasted."""
        self._again_at = time.monotonic() + kind.seconds
        for number in range(count):
            self._connect(addresses[number % len(addresses)])

    def __len__(self) -> int:
        return len(self._open)

    def act(self) -> None:
        """Send what is due, and notice who was closed."""
        now = time.monotonic()
        for number, events in self._poll.poll(1):
            if events & _GONE:
                sock, since = self._open.pop(number)
                self._poll.unregister(number)
                sock.close()
                self.longest_seconds = max(self.longest_seconds, now - since)
        if self._kind.again and now >= self._again_at:
            self._again_at = now + self._kind.seconds
            for sock, _ in self._open.values():
                with contextlib.suppress(OSError):
                    sock.send(self._kind.again)

    def close(self) -> None:
        for sock, _ in self._open.values():
            sock.close()

    def _connect(self, address: str) -> None:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sock.settimeout(10)
        sock.bind((address, 0))
        sock.connect(("127.0.0.1", self._port))
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.send(self._kind.first)
            if self._kind.half:
                sock.shutdown(socket.SHUT_WR)
        self._open[sock.fileno()] = sock, time.monotonic()
        self._poll.register(sock, select.POLLRDHUP)


def reset(port: int, sent: bytes) -> None:
    """Send something and break the connection off."""
    with socket.create_connection(("127.0.0.1", port), source_address=(HOSTILE, 0)) as sock:
        sock.sendall(sent)
        time.sleep(0.001)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def kept_waiting_seconds(pid: int) -> float:
    """How long the main thread of a process has been ready to run, and got no core."""
    return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9


class Honest:
    """Somebody who asks again and again, each time on a new connection, and notes the answers.

    What other processes kept the server ``pid`` and us from running is no part of its time.
    """

    def __init__(self, pid: int, ask: Sequence[Callable[[], int]]) -> None:
        self._pid, self._ask, self._over = pid, ask, threading.Event()
        self.statuses, self.slowest_seconds, self.errors = list[int](), 0.0, list[str]()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._go_on)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _go_on(self) -> None:
        while True:
            for ask in self._ask:
                began = self._now()
                try:
                    self.statuses.append(ask())
                except (OSError, http.client.HTTPException) as error:
                    self.errors.append(repr(error))
                self.slowest_seconds = max(self.slowest_seconds, self._now() - began)
            if self._over.wait(0.1):
                return

    def _now(self) -> float:
        waited = kept_waiting_seconds(self._pid) + kept_waiting_seconds(threading.get_native_id())
        return time.monotonic() - waited


def asked(
    port: int,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
    source: str = HONEST,
) -> int:
    """The status that an honest request from ``source`` is answered with."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=60, source_address=(source, 0)
    )
    with contextlib.closing(connection):
        connection.request("GET" if body is None else "POST", path, body, dict(headers))
        answer = connection.getresponse()
        answer.read()
        return answer.status


def main(port: int, pid: int, count: int) -> None:
    """Print what each kind does to the server at ``port``, which is process ``pid``."""
    for name, kind in KINDS.items():
        before = most = rss_bytes(pid)
        honest = Honest(pid, [lambda: asked(port, "/")])
        with honest.asking():
            ends = time.monotonic() + 16
            swarm = Swarm(kind, count, port)
            while len(swarm) and time.monotonic() < ends and most - before < 1_000_000_000:
                swarm.act()
                most = max(most, rss_bytes(pid))
        sys.stdout.write(
            f"{name:26} +{(most - before) // 1_000_000:5} MB, {len(swarm):5} still open, "
            f"slowest answer {honest.slowest_seconds:4.1f} s, {len(honest.errors)} errors\n"
        )
        swarm.close()


def rss_bytes(pid: int) -> int:
    """The memory of a process that is not swapped out."""
    pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
