"""A simulator and its client for tests: over HTTP, or without sockets on the test's clocks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from sluicegate_ops.simulator import Settings, Simulator, simulator_in_thread
from sluicegate_ops.simulator.http.exchange import HttpReply, Request
from sluicegate_ops.simulator.provider import Provider


class Client:
    """A plain client of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.http = httpx.Client(timeout=5, headers={"Authorization": "Bearer KEY"})

    def send(
        self, to: str = "+13125550002", key: str | None = None, path: str = "", **body: Any
    ) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        content = {"from": "+13125550001", "to": to, "text": "hi"} | body
        content = {name: value for name, value in content.items() if value is not None}
        url = self.simulator.url + "/messages" + path
        return self.http.post(url, json=content, headers=headers)

    def face(self, path: str, body: object = None) -> Any:
        url = f"{self.simulator.base}/_sim/{path}"
        answer = self.http.get(url) if body is None else self.http.post(url, json=body)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def simulated(settings: Settings) -> Iterator[Client]:
    """A simulator with these settings, and a client of it."""
    with simulator_in_thread(settings) as simulator:
        client = Client(simulator)
        with client.http:
            yield client


class Still:
    """A provider without sockets, whose clocks stand still until the test moves ``now``."""

    #: Unix seconds at the start: a midnight (UTC).
    MIDNIGHT = 1_700_006_400

    def __init__(self, **settings: Any) -> None:
        self.now = 0.0
        self.provider = Provider(
            Settings(limit=None, **settings),
            monotonic=lambda: 1000 + self.now,
            wall=lambda: self.MIDNIGHT + self.now,
        )

    def send(self, sender: str = "+13125550001", *, key: str = "", **body: Any) -> HttpReply:
        content = {"from": sender, "to": "+13125550002", "text": "hi"} | body
        request = Request("POST", "/v2/messages", body=json.dumps(content).encode())
        request.authorization = b"Bearer KEY"
        request.keys = [key.encode()] if key else []
        return self.provider.handle(request)

    def wait(self, sender: str = "+13125550001", **body: Any) -> float:
        """The ``wait_seconds`` of one more message, which must be accepted."""
        reply = self.send(sender, **body)
        assert reply.status == 200, reply.body
        return float(json.loads(reply.body)["data"]["wait_seconds"])

    def code(self, sender: str = "+13125550001", **body: Any) -> tuple[int, str]:
        """The status and the error code of one more message, which must be refused."""
        reply = self.send(sender, **body)
        return reply.status, json.loads(reply.body)["errors"][0]["code"]
