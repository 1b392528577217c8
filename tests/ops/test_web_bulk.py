"""Many messages in one request: each line stands alone, and what is answered is in Redis."""

import asyncio
import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from msgspec.structs import replace

from sluicegate import Config
from sluicegate.config import Account, App, Web
from sluicegate.outbox import CALL
from sluicegate_ops.web import messages
from sluicegate_ops.web.wall import Limits
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.effort import size
from support.served import ENVIRON, NUMBER, SENDER, TOKEN, Front, bearer, config, run, serving

URL = "/v2/messages/bulk"


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return Bench(valkey, app="shop")


def line(key: str | None = None, **fields: Any) -> dict[str, Any]:
    named = {} if key is None else {"idempotency_key": key}
    return named | {"from": SENDER, "to": NUMBER, "text": "hi"} | fields


def lines(*rows: object) -> bytes:
    texts = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return b"\n".join(texts)


def read(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(one) for one in answer.content.splitlines()]


async def send(door: Front, *rows: object, query: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await door.http.post(
        URL + query, content=lines(*rows), headers=bearer(TOKEN, named), timeout=30
    )


def capped(url: str, **caps: Any) -> Config:
    return replace(config(url), web=Web(apps={"shop": App(token_env="TOKEN_SHOP", **caps)}))


def test_each_line_is_a_message_and_is_ours_when_it_is_answered(
    bench: Bench, front: Config
) -> None:
    async def story(door: Front) -> None:
        answer = await send(door, line("a"), line("b", priority="bulk"), line(to="+15550000002"))
        assert (answer.status_code, answer.headers["content-type"]) == (
            200,
            "application/x-ndjson",
        )
        first, second, third = read(answer)
        assert first == {"line": 1, "status": 200, "id": "a"}
        assert second == {"line": 2, "status": 200, "id": "b"}
        assert [bench.status(id).state for id in ("a", "b", third["id"])] == ["waiting"] * 3
        again = read(await send(door, line("a"), line("b", text="other")))
        assert again[0] == {"line": 1, "status": 200, "id": "a", "replayed": True}
        assert (again[1]["status"], again[1]["errors"][0]["code"]) == (422, "10027")
        assert door.count("messages_taken") == 4

    run(front, story)
    assert bench.totals()["enqueued"] == 3


def test_a_bad_line_is_answered_in_its_line_and_the_others_go_on(
    bench: Bench, front: Config
) -> None:
    bench.store.hset(bench.keys("optouts"), "+15550000009", "1")
    bad: list[tuple[object, int, str, str]] = [
        (b"{", 400, "10023", ""),
        (b"[1]", 400, "10015", ""),
        (b"\xff\xfe", 400, "10023", ""),
        (line("x", surprise=1), 400, "10015", "/surprise"),
        (line("x", to=5), 400, "10026", "/to"),
        (line("x", to="12"), 400, "40310", "/to"),
        (line("x", idempotency_key=5), 400, "10026", "/idempotency_key"),
        (line("x", idempotency_key="-x"), 400, "10015", "/idempotency_key"),
        (line("x", priority="soon"), 400, "10032", "/priority"),
        (line("x", expires_at="tomorrow"), 400, "10015", "/expires_at"),
        (line("x", text="\N{BULLET}" * 1000), 422, "10015", "/text"),
        (line("x", to="+15550000009"), 400, "40300", "/to"),
        (b'{"to": "' + b"1" * 300_000 + b'"}', 413, "10015", ""),
        (b'{"text": "cut off', 400, "10023", ""),
    ]

    async def story(door: Front) -> None:
        rows = [row for one, *_ in bad for row in (one, b"", line(f"good-{id(one)}"))]
        answers = read(await send(door, *rows))
        good = [one for one in answers if one["line"] % 3 == 0]
        refused = [one for one in answers if one["line"] % 3 == 1]
        assert [one["status"] for one in good] == [200] * len(bad)
        assert len(good) + len(refused) == len(answers)
        for found, (_, status, code, pointer) in zip(refused, bad, strict=True):
            [error] = found["errors"]
            shown = (found["status"], error["code"], error["source"].get("pointer", ""))
            assert shown == (status, code, pointer)
        assert "5550000009" not in str(refused)

    run(front, story)


def test_more_than_fits_into_one_call_keeps_its_order(bench: Bench, front: Config) -> None:
    count = 2 * CALL + 7

    async def story(door: Front) -> None:
        answers = read(await send(door, *(line(f"m{n}") for n in range(count))))
        assert [one["id"] for one in answers] == [f"m{n}" for n in range(count)]
        assert [one["line"] for one in answers] == list(range(1, count + 1))
        few = read(
            await send(door, *(line(f"m{n}") for n in range(count)), line("x", to="1"),
                       prefer="wait=5, return=minimal")
        )  # fmt: skip
        assert [one.get("line") for one in few] == [count + 1, None]
        assert few[-1] == {"taken": 0, "replayed": count, "refused": 1}

    run(front, story)
    assert bench.totals()["enqueued"] == count


@pytest.mark.parametrize(
    ("caps", "taken", "code"),
    [
        ({"daily_messages": 5}, 5, "40333"),
        ({"most_waiting": 7}, 7, "40318"),
        ({"per_second": 0.1}, 1, "10011"),
    ],
)
def test_caps_hold_to_the_message(redis_url: str, caps: Any, taken: int, code: str) -> None:
    async def story(door: Front) -> None:
        answers = read(await send(door, *(line(f"m{n}") for n in range(9))))
        assert [one["status"] for one in answers] == [200] * taken + [429] * (9 - taken)
        assert {one["errors"][0]["code"] for one in answers[taken:]} == {code}
        assert all(one["retry_after"] >= 1 for one in answers[taken:])
        again = read(await send(door, line("m0"), line("m8")))
        assert [one["status"] for one in again] == [200, 429]

    run(capped(redis_url, **caps), story)


def test_the_pace_is_waited_for_and_held(redis_url: str) -> None:
    async def story(door: Front) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        answers = read(await send(door, line("a"), line("b")))
        assert [one["status"] for one in answers] == [200] * 2
        assert 0.5 < loop.time() - begun < 5

    run(capped(redis_url, per_second=1.9), story)


def test_an_app_s_senders_countries_and_priority_hold(redis_url: str) -> None:
    async def story(door: Front) -> None:
        answers = read(
            await send(door, line("a"), line("b", to="+33612345678"),
                       line("c", priority="transactional"))
        )  # fmt: skip
        shown = [(one["status"], one.get("errors", [{}])[0].get("code")) for one in answers]
        assert shown == [(403, "40309"), (403, "40309"), (403, "10010")]
        pointers = [one["errors"][0]["source"]["pointer"] for one in answers]
        assert pointers == ["/to", "/to", "/priority"]

    run(capped(redis_url, countries=("US",), priority="bulk"), story)


def test_what_has_no_meaning_for_all_lines_is_refused(front: Config) -> None:
    async def story(door: Front) -> None:
        keyed = await send(door, line("a"), idempotency_key="all")
        assert (keyed.status_code, keyed.json()["errors"][0]["code"]) == (400, "10015")
        packed = await send(door, line("a"), content_encoding="gzip")
        assert packed.status_code == 415
        nobody = await door.http.post(URL, content=b"", headers=bearer("no such token"))
        assert nobody.status_code == 401
        assert read(await send(door)) == []
        unclear = await send(door, line("a"), query="?dry_run=yes")
        assert (unclear.status_code, unclear.json()["errors"][0]["code"]) == (400, "10032")

    run(front, story)


def test_a_dry_run_stores_nothing_and_says_what_would_be(bench: Bench, front: Config) -> None:
    priced = replace(
        front,
        accounts=front.accounts
        | {"default": Account(price_per_segment=0.004, price_per_mms=0.02)},
    )

    async def story(door: Front) -> None:
        rows = [line("a", text="x" * 200), line("b", to="1"), line("c")]
        answers = read(await send(door, *rows, query="?dry_run=true"))
        assert [one["status"] for one in answers] == [200, 400, 200]
        cost = {"amount": "0.008", "currency": "USD"}
        assert (answers[0]["parts"], answers[0]["cost"]) == (2, cost)
        assert door.count("messages_taken") == 0

    run(priced, story)
    assert "enqueued" not in bench.totals()


# When something breaks.


def test_without_redis_the_lines_say_so_and_the_rest_is_left(redis_url: str) -> None:
    async def rows() -> AsyncIterator[bytes]:
        for n in range(3 * CALL):
            yield json.dumps(line(f"m{n}")).encode() + b"\n"

    with EmbeddedServer() as own:
        away = config(own.url)

    async def story(door: Front) -> None:
        answer = await door.http.post(URL, content=rows(), headers=bearer(TOKEN), timeout=30)
        answers = read(answer)
        assert {one["status"] for one in answers} == {503}
        assert [one["line"] for one in answers] == list(range(1, len(answers) + 1))
        assert len(answers) == CALL + 1
        assert answers[0]["errors"][0]["meta"] == {"id": "m0"}
        assert "all after it were not taken" in answers[-1]["errors"][0]["detail"]

    run(away, story)


async def taken(door: Front, count: int) -> None:
    """Wait until so many messages are ours."""
    for _ in range(1_000):
        if door.count("messages_taken") >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("they were not taken")


def test_redis_killed_midway_loses_nothing_that_was_answered() -> None:
    count = 4 * CALL
    with EmbeddedServer(append_only="always") as server:

        async def story(door: Front) -> None:
            async def rows() -> AsyncIterator[bytes]:
                for n in range(count):
                    if n == 2 * CALL:
                        await taken(door, CALL)
                        server.kill()
                    yield json.dumps(line(f"m{n}")).encode() + b"\n"

            answer = await door.http.post(URL, content=rows(), headers=bearer(TOKEN), timeout=60)
            told = {one["id"] for one in read(answer) if one["status"] == 200}
            assert CALL <= len(told) < count
            server.restart()
            again = read(await send(door, *(line(f"m{n}") for n in range(count))))
            assert told <= {one["id"] for one in again if "replayed" in one}
            assert {one["status"] for one in again} == {200}

        run(config(server.url), story)
        with redis.Redis.from_url(server.url) as client:
            assert client.llen(f"sluicegate:{{default}}:lane:ts:{SENDER}@shop") == count


@pytest.mark.long
@pytest.mark.timeout(600)
def test_serve_killed_at_any_moment_loses_nothing_that_it_answered(
    redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "sluicegate.toml"
    text = f'redis_url = "{redis_url}"\nweb.apps.shop = {{ token_env = "TOKEN_SHOP" }}\n'
    file.write_text(text, encoding="utf-8")
    count, told = 4_000, set[str]()
    body = lines(*(line(f"m{n}") for n in range(count))) + b"\n"
    command = [sys.executable, "-m", "sluicegate_ops.cli", "serve", "--port", "0"]
    environ = os.environ | ENVIRON | {"SLUICEGATE_CONFIG": str(file)}
    for kill in range(20):
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            url = process.stdout.readline().decode().removeprefix("listening on ").strip()
            with socket.create_connection(port_of(url)) as sock:
                sock.sendall(request_head(f"content-length: {len(body)}") + body)
                got = b""
                while got.count(b'"status":200') < 150 * kill and (more := sock.recv(4_096)):
                    got += more
                process.kill()
                with contextlib.suppress(ConnectionError):
                    while more := sock.recv(65_536):
                        got += more
        told |= set(re.findall(r'"status":200,"id":"(m[0-9]+)"[^\n]*\n', got.decode()))
        with redis.Redis.from_url(redis_url) as client:
            keys = [f"sluicegate:{{default}}:m:shop:{id}" for id in told]
            assert not keys or client.exists(*keys) == len(keys)
    assert len(told) > 1_000


def request_head(more: str) -> bytes:
    return (
        f"POST {URL} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n{more}\r\n\r\n"
    ).encode()


def port_of(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def test_results_come_while_the_request_still_goes_on(redis_url: str) -> None:
    limits = Limits(exchange_seconds=0.6)
    with (
        serving(config(redis_url), limits=limits) as (url, _),
        socket.create_connection(port_of(url)) as sock,
        sock.makefile("rb") as answer,
    ):
        sock.sendall(request_head("transfer-encoding: chunked\r\nexpect: 100-continue"))
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert answer.readline() == b"\r\n"
        while answer.readline() != b"\r\n":
            pass
        for n in range(5):  # in all, longer than one exchange may take without getting on
            row = lines(line(f"m{n}")) + b"\n"
            sock.sendall(f"{len(row):x}\r\n".encode() + row + b"\r\n")
            answer.readline()
            assert json.loads(answer.readline())["id"] == f"m{n}"
            answer.readline()
            threading.Event().wait(0.2)
        sock.sendall(b"0\r\n\r\n")
        assert answer.readline() == b"0\r\n"


def test_a_client_that_goes_away_loses_nothing_that_it_was_told(redis_url: str) -> None:
    rows = lines(*(line(f"m{n}") for n in range(size(3_000, 30_000))))
    with serving(config(redis_url)) as (url, _):
        with socket.create_connection(port_of(url)) as sock:
            sock.sendall(request_head(f"content-length: {len(rows) + 1}") + rows)
            told = b""
            while told.count(b'"status":200') < 500:
                told += sock.recv(65_536)
        whole = [
            one for one in told.split(b"\n") if one.startswith(b'{"line') and one[-1:] == b"}"
        ]
        records = [f"sluicegate:{{default}}:m:shop:{json.loads(one)['id']}" for one in whole]
        with redis.Redis.from_url(redis_url) as client:
            assert client.exists(*records) == len(records)
        answer = httpx.post(f"{url}/v2/messages", headers=bearer(TOKEN), json=line())
        assert answer.status_code == 200


def test_one_that_reads_nothing_is_cut_off_and_holds_little(redis_url: str) -> None:
    row = lines(line("same", to="1")) + b"\n"

    def send_for_ever(sock: socket.socket) -> None:
        while True:
            sock.sendall(row * 1_000)

    limits = Limits(exchange_seconds=0.5)
    with serving(config(redis_url), limits=limits) as (url, _):
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            sock.connect(port_of(url))
            sock.settimeout(20)
            sock.sendall(request_head("content-length: 1000000000"))
            with pytest.raises(ConnectionError):
                send_for_ever(sock)
        assert httpx.get(f"{url}/openapi.json").status_code == 200


def test_no_request_waits_longer_than_storing_may_take() -> None:
    assert Limits().exchange_seconds > messages.STORE_SECONDS
