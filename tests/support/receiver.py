"""A receiver of webhooks for tests: a real HTTP server that keeps what it gets."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

WAIT_SECONDS = 20.0


class Hook(NamedTuple):
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        return str(self.json["data"]["event_type"])

    @property
    def payload(self) -> Any:
        return self.json["data"]["payload"]


class Receiver:
    """What came so far, in order; ``answer`` decides the status of the n-th request, from 0."""

    def __init__(self, answer: Callable[[int], int]) -> None:
        self.answer, self.url = answer, ""
        self._hooks: list[Hook] = []
        self._came = threading.Condition()

    def take(self, hook: Hook) -> int:
        with self._came:
            self._hooks.append(hook)
            self._came.notify_all()
            return self.answer(len(self._hooks) - 1)

    def hooks(self, count: int) -> list[Hook]:
        """The first ones, as soon as there are ``count``."""
        with self._came:
            came = self._came.wait_for(lambda: len(self._hooks) >= count, WAIT_SECONDS)
            assert came, f"{len(self._hooks)} of {count} came"
            return self._hooks.copy()


@contextmanager
def receiving(answer: Callable[[int], int] = lambda _: 200) -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.take(Hook(self.path, headers, body))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
