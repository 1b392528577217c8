"""The front door as a real server: the official SDK, curl and Node at it, and how it is run."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import redis
from msgspec.structs import replace
from starlette.requests import Request

from sluicegate import load_config
from sluicegate.config import App, Web
from sluicegate.message import decode
from sluicegate_ops.cli.serve import greeting
from sluicegate_ops.simulator import Settings
from sluicegate_ops.simulator.settings import Webhooks
from sluicegate_ops.web.bodies import body_of
from sluicegate_ops.web.problems import HttpProblem
from sluicegate_ops.web.site import Site
from sluicegate_ops.web.wall import Limits
from support.bench import Bench
from support.command_line import invoked
from support.messages import message
from support.served import (
    ENVIRON,
    NUMBER,
    PROFILE,
    SENDER,
    SIGNING_KEY,
    TOKEN,
    URLS,
    V1_SECRET,
    config,
    served,
    serving,
)
from support.simulated import Client, simulated

if TYPE_CHECKING:
    import telnyx

TEXT = r'Say "hi" \ hällo'
EXAMPLES = Path(__file__).parents[2] / "examples" / "http"


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return Bench(valkey, app="shop")


@pytest.fixture
def url(redis_url: str) -> Iterator[str]:
    with served(config(redis_url)) as url:
        yield url


def stored(bench: Bench, id: str) -> tuple[str, str | None, str | None]:
    made = decode(bench.record(id)["content"].encode(), id)
    return made.to, made.sender, made.text


# The official SDK, with nothing changed but its base URL.


@pytest.fixture
def sdk(url: str) -> Iterator[telnyx.Telnyx]:
    """Imported here: each process that collects these tests would take seconds to import it."""
    globals()["telnyx"] = importlib.import_module("telnyx")
    with telnyx.Telnyx(api_key=TOKEN, base_url=f"{url}/v2", max_retries=0) as client:
        yield client


def test_the_sdk_enqueues_and_retrieves(sdk: telnyx.Telnyx, bench: Bench) -> None:
    sent = sdk.messages.send(from_=SENDER, to=NUMBER, text="hi").data
    assert sent is not None
    assert sent.id is not None
    assert sent.to is not None
    assert (sent.to[0].phone_number, sent.to[0].status) == (NUMBER, "queued")
    assert stored(bench, sent.id) == (NUMBER, SENDER, "hi")
    bench.send()
    found = sdk.messages.retrieve(sent.id).data
    assert found is not None
    assert found.model_dump()["to"][0]["status"] == "sending"


def test_the_sdk_s_key_sends_once(sdk: telnyx.Telnyx, bench: Bench) -> None:
    def send(text: str) -> Any:
        return sdk.messages.with_raw_response.send(
            from_=SENDER, to=NUMBER, text=text, idempotency_key="one-key"
        )

    first, second = send("hi"), send("hi")
    assert first.parse().data.id == second.parse().data.id == "one-key"
    assert second.headers["idempotent-replayed"] == "true"
    with pytest.raises(telnyx.UnprocessableEntityError, match="10027"):
        send("other")
    assert bench.totals()["enqueued"] == 1


def test_the_sdk_knows_our_errors(sdk: telnyx.Telnyx, url: str) -> None:
    with pytest.raises(telnyx.BadRequestError, match="40310"):
        sdk.messages.send(from_=SENDER, to="555", text="hi")
    with pytest.raises(telnyx.UnprocessableEntityError, match="10015"):
        sdk.messages.send(from_=SENDER, to=NUMBER, text="x" * 2000)
    with pytest.raises(telnyx.NotFoundError, match="10005"):
        sdk.messages.retrieve("nobody")
    with (
        telnyx.Telnyx(api_key="WRONG", base_url=f"{url}/v2", max_retries=0) as stranger,
        pytest.raises(telnyx.AuthenticationError, match="10009"),
    ):
        stranger.messages.send(from_=SENDER, to=NUMBER, text="hi")


def test_the_sdk_finds_every_kind_of_sender(sdk: telnyx.Telnyx, bench: Bench) -> None:
    calls: list[tuple[Any, dict[str, Any]]] = [
        (sdk.messages.send_long_code, {"from_": SENDER}),
        (sdk.messages.send_short_code, {"from_": "12345"}),
        (sdk.messages.send_number_pool, {"messaging_profile_id": PROFILE}),
        (
            sdk.messages.send_with_alphanumeric_sender,
            {"from_": "Parcels", "messaging_profile_id": PROFILE},
        ),
    ]
    for n, (call, fields) in enumerate(calls):
        sent = call(to=NUMBER, text="hi", idempotency_key=f"k{n}", **fields).data
        assert (sent.id, sent.to[0].status) == (f"k{n}", "queued")
        assert stored(bench, f"k{n}")[2] == "hi"
    with pytest.raises(telnyx.BadRequestError, match="40305"):
        sdk.messages.send_short_code(to=NUMBER, from_=SENDER, text="hi")


def test_the_sdk_looks_a_number_up(redis_url: str, sdk: telnyx.Telnyx) -> None:
    with pytest.raises(telnyx.PermissionDeniedError, match="may not look numbers up"):
        sdk.number_lookup.retrieve(NUMBER)
    shop = App(token_env="TOKEN_SHOP", lookups=True)
    with (
        served(replace(config(redis_url), web=Web(apps={"shop": shop}))) as url,
        telnyx.Telnyx(api_key=TOKEN, base_url=f"{url}/v2", max_retries=0) as client,
    ):
        found = client.number_lookup.retrieve("+12025550123", type="carrier").data
    assert found is not None
    assert (found.phone_number, found.country_code) == ("+12025550123", "US")


def test_the_sdk_schedules_and_cancels(sdk: telnyx.Telnyx, bench: Bench) -> None:
    later = datetime(2090, 1, 31, 9, tzinfo=UTC)
    sent = sdk.messages.schedule(from_=SENDER, to=NUMBER, text="hi", send_at=later).data
    assert sent is not None
    assert sent.id is not None
    assert bench.status(sent.id).state == "scheduled"
    cancelled = sdk.messages.cancel_scheduled(sent.id)
    assert cancelled.id == sent.id
    assert cancelled.to is not None
    assert cancelled.to[0].status == "cancelled"
    sdk.messages.send(from_=SENDER, to=NUMBER, text="hi", idempotency_key="now")
    bench.send()
    with pytest.raises(telnyx.PermissionDeniedError, match="accepted"):
        sdk.messages.cancel_scheduled("now")
    with pytest.raises(telnyx.NotFoundError, match="10005"):
        sdk.messages.cancel_scheduled("never")


# The simulated provider, which lies beside each true receipt.


@pytest.mark.parametrize("api", ["v2", "v1"])
def test_what_the_provider_tells_is_recorded_and_its_forger_is_not_believed(
    redis_url: str, bench: Bench, api: str
) -> None:
    chances: dict[str, Any] = dict.fromkeys(
        ("duplicate", "reorder", "forged", "tampered", "stale"), 1.0
    )
    soon = {"delay_seconds": 0.3, "jitter_seconds": 0.0}  # once it is settled
    hooks = Webhooks(signing_key=SIGNING_KEY, **chances | soon)
    bench.enqueue(message(1))
    with (
        serving(config(redis_url)) as (url, monitoring),
        simulated(Settings(limit=None, webhooks=hooks)) as provider,
    ):
        hook = url + URLS.url("shop:m1")
        provider_id = sent_by(provider, api, hook)
        bench.send(provider_id=provider_id)
        wait_for(lambda: is_idle(provider.face("webhooks")))
        told = provider.face("webhooks")
        metrics = httpx.get(f"{monitoring}/metrics").text
    forged = told["forged"] + told["tampered"] + told["stale"]
    assert f'sluicegate_http_total{{what="forged",account="default"}} {forged}\n' in metrics
    assert (bench.record("m1")["delivery"], bench.totals()["delivered"]) == ("delivered", 1)
    assert (forged, bench.totals()["sent_twice"]) == (6, 0)


def sent_by(provider: Client, api: str, hook: str) -> str:
    """Have the provider accept a message; returns its id there."""
    if api == "v2":
        return str(provider.send(webhook_url=hook).json()["data"]["id"])
    fields = {"from": SENDER, "to": NUMBER, "body": "hi", "delivery_status_webhook_url": hook}
    headers = {"X-Profile-Secret": V1_SECRET}
    answer = provider.http.post(
        f"{provider.simulator.base}/messages", json=fields, headers=headers
    )
    return str(answer.json()["sms_id"])


def is_idle(webhooks: dict[str, int]) -> bool:
    return webhooks["events"] > 0 and not webhooks["waiting"] + webhooks["under_way"]


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.02)


# The examples, as a reader would run them.


def run(url: str, *command: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    ours = {"SLUICEGATE_URL": url, "SLUICEGATE_TOKEN": TOKEN}
    return subprocess.run(command, env=os.environ | ours | environ, capture_output=True, text=True)


def test_curl_sends_and_looks(url: str, bench: Bench) -> None:
    for _ in range(2):
        done = run(url, EXAMPLES / "send.sh", NUMBER, SENDER, TEXT, "order-1")
        assert (done.returncode, done.stderr) == (0, "")
        sent, found = (json.loads(line)["data"] for line in done.stdout.splitlines())
        assert (sent["id"], found["to"][0]["status"]) == ("order-1", "queued")
    assert stored(bench, "order-1") == (NUMBER, SENDER, TEXT)
    assert bench.totals()["enqueued"] == 1


def test_curl_says_why_it_failed(url: str) -> None:
    done = run(url, EXAMPLES / "send.sh", "555", SENDER, "hi", "order-1")
    assert (done.returncode, '"40310"' in done.stdout) == (22, True)


@pytest.mark.skipif(not shutil.which("node"), reason="the example for Node needs node")
def test_node_sends(url: str, bench: Bench) -> None:
    for _ in range(2):
        done = run(url, "node", EXAMPLES / "send.mjs", NUMBER, SENDER, TEXT, "order-1")
        assert (done.returncode, done.stdout, done.stderr) == (0, "order-1: queued\n", "")
    assert stored(bench, "order-1") == (NUMBER, SENDER, TEXT)
    done = run(url, "node", EXAMPLES / "send.mjs", "555", SENDER, "hi")
    assert (done.returncode, "400 40310" in done.stderr) == (1, True)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Three messages as JSON lines, of which one can't be sent."""
    rows = [
        {"idempotency_key": f"b{n}", "from": SENDER, "to": to, "text": TEXT}
        for n, to in enumerate([NUMBER, "555", NUMBER])
    ]
    file = tmp_path / "many.ndjson"
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return file


def test_curl_sends_many(url: str, bench: Bench, many: Path) -> None:
    for taken in (2, 0):
        done = run(url, EXAMPLES / "bulk.sh", many)
        assert (done.returncode, done.stderr) == (0, "")
        refused, counts = map(json.loads, done.stdout.splitlines())
        assert (refused["id"], refused["errors"][0]["code"]) == ("b1", "40310")
        assert counts == {"taken": taken, "replayed": 2 - taken, "refused": 1}
    assert stored(bench, "b2") == (NUMBER, SENDER, TEXT)
    assert bench.totals()["enqueued"] == 2


@pytest.mark.skipif(not shutil.which("node"), reason="the example for Node needs node")
def test_node_sends_many(url: str, bench: Bench, many: Path) -> None:
    done = run(url, "node", EXAMPLES / "bulk.mjs", many)
    assert (done.returncode, done.stdout) == (1, "2 taken, 1 refused\n")
    assert done.stderr.startswith("b1: 40310 ")
    assert bench.totals()["enqueued"] == 2


def test_curl_runs_a_campaign(redis_url: str, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("phone,first_name\n+12125550123,Ann\n+12125550124,Bob\n", encoding="utf-8")
    shop = App(token_env="TOKEN_SHOP", campaigns=True)
    campaign = ("july", file, "phone", SENDER, 'Hi {{ first_name }}, "see you"')
    with served(config(redis_url, apps={"shop": shop})) as url:
        for added in (2, 0):
            done = run(url, EXAMPLES / "campaign.sh", *campaign)
            assert (done.returncode, done.stderr) == (0, "")
            told, started = (json.loads(line)["data"] for line in done.stdout.splitlines())
            assert told["imported"]["added"] == added
            assert started["state"] == "running"


# The server itself.


def test_it_does_not_say_what_it_is(url: str) -> None:
    for path in ("/openapi.json", "/nowhere"):
        assert "server" not in httpx.get(url + path).headers


def raw(url: str, sent: bytes) -> bytes:
    """What the server answers to bytes until it closes the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as sock:
        sock.sendall(sent)
        return b"".join(iter(lambda: sock.recv(4096), b""))


def test_a_connection_that_sends_no_whole_head_is_closed(redis_url: str) -> None:
    with serving(config(redis_url), limits=Limits(exchange_seconds=0.05)) as (url, _):
        assert raw(url, b"") == b""
        assert raw(url, b"GET /x HT").startswith(b"HTTP/1.1 408 ")


def test_what_is_too_large_is_not_read_on(url: str) -> None:
    head = b"POST /receipts/default HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n"
    assert raw(url, head).startswith(b"HTTP/1.1 413")


def reading(*parts: bytes, then: Callable[[], Awaitable[Any]]) -> HttpProblem:
    """Why a body is refused that begins with ``parts``, after which the client does ``then``."""
    left = list(parts)

    async def receive() -> Any:
        if left:
            return {"type": "http.request", "body": left.pop(0), "more_body": True}
        return await then()

    async def read() -> None:
        await body_of(Request({"type": "http", "headers": []}, receive), 100, seconds=0.02)

    with pytest.raises(HttpProblem) as caught:
        asyncio.run(read())
    return caught.value


def test_a_body_that_never_ends_is_not_waited_for() -> None:
    async def stall() -> Any:
        await asyncio.Event().wait()

    async def go_away() -> Any:
        return {"type": "http.disconnect"}

    assert reading(b"half", then=stall).status == 408
    assert reading(b"half", then=go_away).status == 400
    assert reading(b"x" * 60, b"x" * 60, then=stall).status == 413


@pytest.fixture
def home(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    return tmp_path / "sluicegate.toml"


def started(*python: str) -> subprocess.Popen[str]:
    """`sluicegate serve` in a process of its own, on a free port."""
    return subprocess.Popen(
        [sys.executable, *python, "serve", "--port", "0"],
        env=os.environ | ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_serve_runs_until_it_is_told_to_stop(home: Path, bench: Bench) -> None:
    home.write_text(
        "web.public_url = 'https://sms.example'\nweb.apps.shop = { token_env = 'TOKEN_SHOP' }\n"
    )
    process = started("-W", "error", "-m", "sluicegate_ops.cli")
    assert process.stdout is not None
    try:
        url = process.stdout.readline().removeprefix("listening on ").strip()
        said = [process.stdout.readline() for _ in range(3)]
        done = run(url, EXAMPLES / "send.sh", NUMBER, SENDER, "hi", "order-1")
        assert done.returncode == 0
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert said[0].startswith("health and metrics are at http://127.0.0.1:")
    assert "https://sms.example/receipts/ACCOUNT" in said[1]
    assert said[2] == "apps that may send: shop\n"
    assert bench.status("order-1").state == "waiting"


_COUNTED = """
import atexit, gc, sys
from sluicegate_ops.cli import main
atexit.register(lambda: print(gc.get_freeze_count(), len(gc.get_objects()), file=sys.stderr))
main()
"""


def test_the_collector_spares_what_serve_has_loaded(home: Path) -> None:
    home.write_text("web.apps.shop = { token_env = 'TOKEN_SHOP' }\n")
    process = started("-c", _COUNTED)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().removeprefix("listening on ").strip()
        assert run(url, EXAMPLES / "send.sh", NUMBER, SENDER, "hi", "order-1").returncode == 0
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    spared, looked_through = map(int, err.split())
    assert spared > 10 * looked_through


def test_serve_says_which_variable_is_missing_and_what_to_set(home: Path) -> None:
    home.write_text(
        "[accounts.default]\n[accounts.old]\napi = 'v1'\nv1_webhook_secret_env = 'OLD_SECRET'\n"
    )
    settings = load_config(home)
    environ = {"SLUICEGATE_TELNYX_PUBLIC_KEY": "", "OLD_SECRET": ""}
    receipts = "messages ask for no receipts: to get them, set web.public_url"
    apps = "apps that may send: none; to let one, add [web.apps.NAME]"
    unset = "to check them, set OLD_SECRET, SLUICEGATE_TELNYX_PUBLIC_KEY"
    assert greeting(Site(settings, environ), "http://h:1", "http://h:2").splitlines() == [
        "listening on http://h:1",
        "health and metrics are at http://h:2",
        f"webhooks are not taken for default, old: {unset}",
        receipts,
        apps,
    ]
    some = environ | {"OLD_SECRET": "s" * 16}
    assert greeting(Site(settings, some), "http://h:1", "http://h:2").splitlines() == [
        "listening on http://h:1",
        "health and metrics are at http://h:2",
        "webhooks are taken for old; a messaging profile's URL is http://h:1/receipts/ACCOUNT",
        "webhooks are not taken for default: to check them, set SLUICEGATE_TELNYX_PUBLIC_KEY",
        receipts,
        apps,
        "what comes in for old goes to no app: set inbound_url",
    ]


@pytest.mark.parametrize(
    ("text", "environ", "reason"),
    [
        ("apps.a = { token_env = 'T' }", {}, "T: set it to a token for this app: at least 16"),
        ("apps.a = { token_env = 'T' }", {"T": "short"}, "T: set it to a token"),
        (
            "apps.a = { token_env = 'T' }\napps.b = { token_env = 'U' }",
            {"T": "t" * 16, "U": "t" * 16},
            "U: the app a has the same token",
        ),
        ("public_url = 'https://a.example'", {}, "SLUICEGATE_RECEIPTS_SECRET: set it to a secret"),
        (
            "public_url = 'https://a.example'",
            {"SLUICEGATE_RECEIPTS_SECRET": "s" * 16},
            "SLUICEGATE_TELNYX_PUBLIC_KEY: set it to the public key",
        ),
        ("", {"SLUICEGATE_TELNYX_PUBLIC_KEY": "x"}, "SLUICEGATE_TELNYX_PUBLIC_KEY: must be the"),
        ("", {"SLUICEGATE_TELNYX_PUBLIC_KEY": "aaaa"}, "32 bytes in base64"),
        ("apps.a = { token_env = 'T', account = 'b' }", {}, "no such account; known: default"),
    ],
)
def test_serve_says_in_a_line_what_is_missing(
    home: Path, text: str, environ: dict[str, str], reason: str
) -> None:
    home.write_text(f"[web]\n{text}\n")
    result = invoked(["serve", "--port", "0"], env=environ)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    for value in environ.values():
        assert len(value) < 16 or value not in result.stderr


def test_serve_says_that_a_port_is_taken(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = invoked(["serve", "--port", port, "--metrics-port", "0"])
    assert (result.exit_code, "--port 0 takes a free port" in result.stderr) == (1, True)
    assert result.stderr.startswith(f"sluicegate: 127.0.0.1:{port}: ")
