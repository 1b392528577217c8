"""The examples in PHP and Go, as a reader would run them; each where its language is installed."""

import json
import os
import shutil
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis

from sluicegate.message import decode
from sluicegate_ops.web.event_signing import EventSigner
from support.bench import Bench
from support.served import NUMBER, SENDER, TOKEN, config, served

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXT = 'Say "hi" \\ hällo'
SECRET, OTHER = (f"whsec_{b64encode(bytes([n] * 32)).decode()}" for n in (1, 2))
BODY = b'{"type":"message.delivered","data":{"payload":{"id":"order-1"}}}'
ROWS = [
    {"idempotency_key": f"b{n}", "from": SENDER, "to": to, "text": TEXT}
    for n, to in enumerate([NUMBER, "555", NUMBER])
]

Command = Sequence[str | Path]


class Language:
    """How a language's examples are run: the command for each, before its arguments."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self._folder = name, folder
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed")

    def command(self, example: str) -> Command:
        if self.name == "php":
            return ["php", EXAMPLES / "php" / f"{example}.php"]
        built = self._folder / example
        environ = os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
        command: Command = ["go", "build", "-o", built, f"./{example}"]
        subprocess.run(command, cwd=EXAMPLES / "go", env=environ, check=True)
        return [built]

    def server(self, address: str) -> Command:
        if self.name == "php":
            return ["php", "-S", address, EXAMPLES / "php" / "event.php"]
        return [*self.command("event"), address]


@pytest.fixture(params=["php", pytest.param("go", marks=pytest.mark.long)])
def language(request: pytest.FixtureRequest, tmp_path: Path) -> Language:
    return Language(request.param, tmp_path)


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    with served(config(redis_url)) as url:
        yield url


def run(url: str, command: Command, *args: str | Path) -> tuple[int, str, str]:
    ours = {"SLUICEGATE_URL": url, "SLUICEGATE_TOKEN": TOKEN}
    done = subprocess.run([*command, *args], env=os.environ | ours, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_one_is_sent_once(language: Language, url: str, valkey: redis.Redis) -> None:
    bench, send = Bench(valkey, app="shop"), language.command("send")
    for _ in range(2):
        assert run(url, send, NUMBER, SENDER, TEXT, "o1") == (0, "o1: queued\n", "")
    made = decode(bench.record("o1")["content"].encode(), "o1")
    assert (made.to, made.sender, made.text) == (NUMBER, SENDER, TEXT)
    assert bench.totals()["enqueued"] == 1
    status, _, error = run(url, send, "555", SENDER, "hi")
    assert (status, error.startswith("not sent: 400 40310 ")) == (1, True)


def test_many_are_sent_once(
    language: Language, url: str, valkey: redis.Redis, tmp_path: Path
) -> None:
    file, bench, bulk = tmp_path / "many.ndjson", Bench(valkey), language.command("bulk")
    file.write_text("\n\n".join(map(json.dumps, ROWS)) + "\n", encoding="utf-8")
    for _ in range(2):
        status, out, error = run(url, bulk, file)
        assert (status, out) == (1, "2 taken, 1 refused\n")
        assert error.startswith("b1: 40310 ")
    assert bench.totals()["enqueued"] == 2


@contextmanager
def listening(language: Language) -> Iterator[str]:
    """The example that takes events, at a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environ = os.environ | {"SHOP_EVENTS_SECRET": SECRET}
    with subprocess.Popen(language.server(address), env=environ, stderr=subprocess.DEVNULL) as it:
        try:
            ends = time.monotonic() + 20
            while time.monotonic() < ends and not answers(address):
                time.sleep(0.02)
            yield f"http://{address}/events"
        finally:
            it.terminate()


def answers(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def test_true_events_are_taken_and_no_others(language: Language) -> None:
    now, true = int(time.time()), EventSigner("SECRET", [SECRET])
    exchanged, forger = EventSigner("SECRET", [OTHER, SECRET]), EventSigner("SECRET", [OTHER])
    tries = [
        (true.headers("e1", BODY, now), BODY, 204),
        (exchanged.headers("e1", BODY, now), BODY, 204),
        (forger.headers("e1", BODY, now), BODY, 400),
        (true.headers("e1", BODY, now), BODY + b" ", 400),
        (true.headers("e1", BODY, now) | {"webhook-id": "e2"}, BODY, 400),
        (true.headers("e1", BODY, now - 301), BODY, 400),
        (true.headers("e1", BODY, now) | {"webhook-timestamp": "soon"}, BODY, 400),
        ({}, BODY, 400),
    ]
    with listening(language) as url:
        told = [httpx.post(url, content=body, headers=head).status_code for head, body, _ in tries]
    assert told == [status for _, _, status in tries]
