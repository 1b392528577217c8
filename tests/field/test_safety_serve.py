"""What one hostile client could do to ``sluicegate serve``, in numbered order."""

import asyncio
import contextlib
import json
import logging
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx
import pytest
import redis

from sluicegate import Config
from sluicegate.config import Web
from sluicegate_ops.cli.serve import warnings
from sluicegate_ops.web.counts import Counts
from sluicegate_ops.web.folding import Folded
from sluicegate_ops.web.health import CHECK_SECONDS
from sluicegate_ops.web.messages import STORE_SECONDS
from sluicegate_ops.web.webhooks import RECORD_SECONDS
from sluicegate_rigs.embedded import EmbeddedServer
from support.hostile import (
    HOSTILE,
    KINDS,
    Honest,
    Kind,
    Swarm,
    asked,
    kept_waiting_seconds,
    reset,
    rss_bytes,
)
from support.served import (
    ENVIRON,
    TOKEN,
    URLS,
    Front,
    bearer,
    config,
    run,
    told,
    v2_signed,
    wrote,
)

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="it needs 127.0.0.2, and /proc for what the server uses"
)

MOST_GROWTH_BYTES = 50_000_000
MOST_SECONDS = 15.0
MOST_ANSWER_SECONDS = 2.0
QUICK = """
import sys
from sluicegate import load_config
from sluicegate_ops.web.server import Server, listening
from sluicegate_ops.web.site import Site
from sluicegate_ops.web.wall import Limits

sockets = [listening("127.0.0.1", 0), listening("127.0.0.1", 0)]
urls = [f"http://127.0.0.1:{sock.getsockname()[1]}" for sock in sockets]
say = lambda: print("front", urls[0] + "\\nhealth", urls[1], flush=True)
limits = Limits(exchange_seconds=1.5, idle_seconds=1.0, linger_seconds=0.3)
Server(Site(load_config()), say, limits).run(sockets)
"""
"""The server as it is, but with less patience."""


SERVE = ("-m", "sluicegate_ops.cli", "serve", "--port", "0")
RECEIPT = b"POST /receipts/default HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"


class Target(NamedTuple):
    """A server under attack: its process, its ports, and where its log is."""

    pid: int
    port: int
    monitoring: int
    log: Path

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208 - names suffice

    def webhook(self, source: str = "127.0.0.1") -> int:
        """The provider brings a text; it is checked, recorded and answered."""
        body = json.dumps(wrote("hello", time.time())).encode()
        headers = v2_signed(body, time.time())
        return asked(self.port, "/receipts/default", body, headers, source)

    def health(self) -> int:
        return asked(self.monitoring, "/healthz")


@contextmanager
def started(folder: Path, redis_url: str, *command: str, settings: str = "") -> Iterator[Target]:
    """A server as a process, until the end of the block."""
    raise_the_limit_on_open_files()
    (folder / "sluicegate.toml").write_text(f'redis_url = "{redis_url}"\n{settings}')
    log = folder / "serve.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *command],
            cwd=folder,
            env=os.environ | ENVIRON,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        port, monitoring = (int(process.stdout.readline().rpartition(":")[2]) for _ in range(2))
        target = Target(process.pid, port, monitoring, log)
        assert target.webhook() == target.health() == 200
        yield target
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def raise_the_limit_on_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def attacked(
    target: Target,
    kinds: dict[str, Kind],
    count: int,
    *,
    addresses: tuple[str, ...] = (HOSTILE,),
    honest_from: str = "127.0.0.1",
    monitoring: bool = False,
) -> None:
    """Attack in all these ways at once; what must hold, holds."""
    files, most = target.files, 0
    before = rss_bytes(target.pid)
    honest = Honest(target.pid, [lambda: target.webhook(honest_from), target.health])
    port = target.monitoring if monitoring else target.port
    with honest.asking():
        ends = time.monotonic() + MOST_SECONDS + 45
        waited = kept_waiting_seconds(target.pid)
        swarms = {name: Swarm(kind, count, port, addresses) for name, kind in kinds.items()}
        while any(swarms.values()) and time.monotonic() < ends:
            for swarm in swarms.values():
                swarm.act()
            most = max(most, rss_bytes(target.pid))
        waited = kept_waiting_seconds(target.pid) - waited  # for a core, which others had
    lasted = {name: swarm.longest_seconds for name, swarm in swarms.items()}
    left = {name: len(swarm) for name, swarm in swarms.items() if len(swarm)}
    for swarm in swarms.values():
        swarm.close()
    assert not left, "some were never closed"
    assert max(lasted.values()) - waited < MOST_SECONDS, lasted
    assert (honest.errors, set(honest.statuses)) == ([], {200})
    assert honest.slowest_seconds < MOST_ANSWER_SECONDS
    assert most - before < MOST_GROWTH_BYTES
    ends = time.monotonic() + 5
    while target.files > files + 2 and time.monotonic() < ends:
        time.sleep(0.05)
    assert target.files <= files + 2, "the server keeps connections open"


@pytest.fixture(scope="module")
def own_redis() -> Iterator[str]:
    with EmbeddedServer() as ours:
        yield ours.url


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, own_redis: str) -> Iterator[Target]:
    with started(tmp_path_factory.mktemp("impatient"), own_redis, "-c", QUICK) as target:
        yield target
    assert_quiet(target)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory, own_redis: str) -> Iterator[Target]:
    with started(tmp_path_factory.mktemp("patient"), own_redis, *SERVE) as target:
        yield target
    assert_quiet(target)


def assert_quiet(target: Target) -> None:
    """However many came, the log is short, and nothing in it is a fault of ours."""
    log = target.log.read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) < 150


# Each way by itself, to the byte.


def raw(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """What is answered to ``parts`` until the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=MOST_SECONDS) as sock:
        for number, part in enumerate(parts):
            time.sleep(pause if number else 0)
            with contextlib.suppress(OSError):
                sock.sendall(part)
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            while part := sock.recv(65_536):
                answer += part
        return answer


def head_of(answer: bytes) -> tuple[bytes, bytes]:
    """The status, and the ``connection`` header."""
    head = answer.partition(b"\r\n\r\n")[0].lower()
    [connection] = re.findall(rb"\r\nconnection: ([^\r]*)", head) or [b""]
    return head[9:12], connection


@pytest.mark.parametrize("path", ["/v2/messages", "/nowhere", "/receipts/nobody"])
def test_2_1_an_answer_before_the_body_ends_closes_the_connection(
    impatient: Target, path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n".encode()
    began = time.monotonic()
    status, connection = head_of(raw(impatient.port, head, b"x", pause=0.1))
    assert (status in (b"401", b"404"), connection) == (True, b"close")
    assert time.monotonic() - began < 1.0, "closed at once, whatever else may come"


def test_2_1_an_answer_after_a_whole_body_keeps_the_connection(impatient: Target) -> None:
    one = b"POST /v2/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    answers = raw(impatient.port, one, one, pause=0.1)
    assert answers.count(b"HTTP/1.1 401 ") == 2
    assert head_of(answers)[1] == b""


def test_2_1_a_refused_client_may_read_its_answer_while_it_sends(impatient: Target) -> None:
    head = b"POST /v2/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n"
    parts = (b"x" * 10_000 for _ in range(20))
    assert head_of(raw(impatient.port, head, *parts, pause=0.005))[0] == b"401"


def test_2_1_a_body_after_a_refusal_is_not_read_on(impatient: Target) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    sent, ends = 0, time.monotonic() + MOST_SECONDS
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=5) as sock:
        sock.sendall(b"POST /nowhere HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while time.monotonic() < ends:
                sent += sock.send(chunk)
    assert sent < 20_000_000, "what the kernels keep for both, and no more"
    assert time.monotonic() < ends


def test_2_1_one_deadline_holds_for_head_and_body_together(impatient: Target) -> None:
    parts = [b"POST /receipts/default HTTP/1.1\r\n", b"host: x\r\n", b"content-length: 9\r\n\r\n"]
    began = time.monotonic()
    status, _ = head_of(raw(impatient.port, *parts, *([b"x"] * 4), pause=0.3))
    assert status == b"408"
    assert 1.4 < time.monotonic() - began < 3.0


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"a: b\r\n" * 99, b"404"),
        (b"a: b\r\n" * 100, b"431"),
        (b"a: " + b"x" * 16_300 + b"\r\n", b"404"),
        (b"a: " + b"x" * 16_384 + b"\r\n", b"431"),
        (b"transfer-encoding: gzip\r\n", b"400"),
        (b"a b: c\r\n", b"400"),
    ],
)
def test_2_2_a_head_has_a_most(impatient: Target, head: bytes, status: bytes) -> None:
    answer = raw(impatient.port, b"GET /x HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n")
    assert head_of(answer)[0] == status
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errors"]


def test_2_2_a_request_before_the_answer_to_another_is_not_read(impatient: Target) -> None:
    began = time.monotonic()
    answers = raw(impatient.port, b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n" * 50)
    assert (head_of(answers), answers.count(b"HTTP/1.1 ")) == ((b"404", b"close"), 1)
    assert time.monotonic() - began < 1.0


def test_2_2_a_request_after_the_answer_to_another_is_answered(impatient: Target) -> None:
    answers = raw(impatient.port, *[b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n"] * 5, pause=0.05)
    assert answers.count(b"HTTP/1.1 404 ") == 5


def test_2_2_the_pieces_of_a_body_have_a_most(impatient: Target) -> None:
    head = b"POST /receipts/default HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    began = time.monotonic()
    answer = raw(impatient.port, head, b"1;" + b"x" * 3_000_000, pause=0.01)
    assert head_of(answer)[0] in (b"413", b"")
    assert time.monotonic() - began < 1.0


def test_2_2_a_broken_chunk_has_one_answer(impatient: Target) -> None:
    head = b"POST /receipts/default HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    answer = raw(impatient.port, head, b"nonsense\r\n", pause=0.1)
    assert (head_of(answer)[0], answer.count(b"HTTP/1.1 ")) == (b"400", 1)


# All of them, by the hundred, and by the thousand.


def test_2_all_ways_at_once_keep_nobody_out(impatient: Target) -> None:
    attacked(impatient, KINDS, 200 // len(KINDS) + 1)


def test_2_two_hundred_of_one_way_keep_nobody_out(impatient: Target) -> None:
    attacked(impatient, {name: KINDS[name] for name in ("most of a body", "a slow head")}, 100)


def test_2_health_is_answered_while_its_own_listener_is_attacked(impatient: Target) -> None:
    attacked(impatient, KINDS, 200 // len(KINDS) + 1, monitoring=True)


def test_2_a_proxy_that_all_come_through_is_not_kept_out(tmp_path: Path, own_redis: str) -> None:
    few = f'[web]\nproxies = ["{HOSTILE}/32"]\nconnections = 50\n'
    with started(tmp_path, own_redis, "-c", QUICK, settings=few) as target:
        attacked(target, KINDS, 10, honest_from=HOSTILE)
    assert_quiet(target)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_2_two_thousand_connections_of_each_kind_keep_nobody_out(
    patient: Target, kind: str
) -> None:
    attacked(patient, {kind: KINDS[kind]}, 2_000)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["a slow head", "nothing"])
def test_2_two_thousand_connections_from_many_addresses_keep_nobody_out(
    patient: Target, kind: str
) -> None:
    many = tuple(f"127.0.1.{number}" for number in range(1, 251))
    attacked(patient, {kind: KINDS[kind]}, 2_000, addresses=many)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["a slow head", "one header line", "requests never read"])
def test_2_two_thousand_connections_to_health_keep_nobody_out(patient: Target, kind: str) -> None:
    attacked(patient, {kind: KINDS[kind]}, 2_000, monitoring=True)


# What is logged.


def test_2_3_what_anybody_may_send_fills_no_log(tmp_path: Path, own_redis: str) -> None:
    with started(tmp_path, own_redis, "-c", QUICK) as target:
        for number in range(200):
            reset(target.port, (b"", b"GET", b"\x16\x03", RECEIPT + b"x")[number % 4])
            raw(target.port, b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    log = target.log.read_text()
    assert "Traceback" not in log
    assert len(log.splitlines()) <= 3
    assert "not HTTP/1.1" in log


def test_2_3_what_was_held_back_is_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    counts = Counts([], lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for _ in range(25):
            counts.note("not_http")
        counts.summarise()
        now[0] += 10
        counts.summarise()
        counts.summarise()
    said = [record.getMessage() for record in caplog.records]
    assert [int(line.partition(" ")[0]) for line in said] == [1, 24]


def test_2_3_lines_of_one_kind_are_folded(caplog: pytest.LogCaptureFixture) -> None:
    now = [100.0]
    log = logging.getLogger("test_2_3")
    log.addFilter(Folded(lambda: now[0]))
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            log.warning("%s broke", number)
        log.warning("another")
        now[0] += 10
        log.warning("%s broke", 6)
    said = [record.getMessage() for record in caplog.records]
    assert said == ["0 broke", "another", "6 broke (and 4 more like it)"]


# Beside the wall.


@pytest.fixture
def hung(tmp_path: Path) -> Iterator[Config]:
    """A front whose Redis has answered, and then answers nothing any more."""
    with EmbeddedServer() as ours:
        with redis.Redis.from_url(ours.url) as client:
            pid = int(cast("Any", client.info("server"))["process_id"])
        settings = config(ours.url)

        async def used(door: Front) -> None:
            assert (await door.send()).status_code == 200

        run(settings, used)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield settings
        finally:
            os.kill(pid, signal.SIGCONT)


def test_4_6_a_hung_redis_is_answered_for_in_time(hung: Config) -> None:
    async def timed(asked: Awaitable[httpx.Response]) -> tuple[int, float]:
        began = time.monotonic()
        answer = await asked
        return answer.status_code, time.monotonic() - began

    async def story(door: Front) -> None:
        answers = await asyncio.gather(
            timed(door.send()),
            timed(door.http.get("/v2/messages/m1", headers=bearer(TOKEN))),
            timed(door.hook("/receipts/default", wrote("STOP"))),
            timed(door.hook(URLS.url("m1"), told("delivered", "p"))),
            timed(door.monitoring.get("/readyz")),
        )
        assert {status for status, _ in answers} == {503}
        took = [seconds for _, seconds in answers]
        assert max(took[:2]) < STORE_SECONDS + 0.5
        assert max(took[2:4]) < RECORD_SECONDS + 0.3
        assert took[4] < CHECK_SECONDS + 0.5

    run(hung, story)


def test_4_7_answers_about_people_are_kept_by_nobody(front: Config) -> None:
    async def story(door: Front) -> None:
        sent = await door.send(headers={"Idempotency-Key": "one"})
        found = await door.http.get("/v2/messages/one", headers=bearer(TOKEN))
        for answer in (sent, found, await door.send(token="x"), await door.http.get("/nowhere")):
            assert answer.headers["cache-control"] == "no-store"
        assert (sent.status_code, found.status_code) == (200, 200)

    run(front, story)


def test_4_7_a_401_says_how_to_authenticate(front: Config) -> None:
    async def story(door: Front) -> None:
        answer = await door.send(token="wrong")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")

    run(front, story)


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        (Web(host="0.0.0.0"), True),  # noqa: S104 - it only reads it
        (Web(host="::"), True),
        (Web(host="10.0.0.7", public_url="https://sms.example"), True),
        (Web(host="10.0.0.7", proxies=("10.0.0.2",)), False),
        (Web(host="127.0.0.1"), False),
        (Web(host="127.5.5.5"), False),
        (Web(host="::1"), False),
        (Web(host="localhost"), False),
    ],
)
def test_4_7_listening_to_others_without_tls_warns(settings: Web, warned: bool) -> None:
    said = warnings(settings, settings.connections)
    assert [("TLS" in line, "web.proxies" in line) for line in said] == [(True, True)] * warned


def test_2_too_low_a_limit_on_open_files_is_said_at_the_start() -> None:
    [said] = warnings(Web(), 700)
    assert said.startswith("the limit on open files allows 700 connections, not the 1000")
