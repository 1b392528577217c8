"""The simulator: limiters, idempotency, faults, its record, and its life."""

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any, Literal

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate_ops.simulator import Faults, Settings, Simulator, limits, simulator_in_thread
from sluicegate_ops.simulator.api.replies import latency_seconds
from sluicegate_ops.simulator.faults import ALWAYS, FAULTS, MAGIC_PREFIX, ONCE
from sluicegate_ops.simulator.idempotency import KEPT_SECONDS, IdempotencyKeys
from support.simulated import Client

LIMITERS = ("fixed", "sliding", "bucket")
GAPS = st.lists(st.floats(0, 0.7), min_size=1, max_size=120)


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    settings: Settings = getattr(request, "param", None) or Settings(limit=None)
    with simulator_in_thread(settings) as simulator:
        one = Client(simulator)
        with one.http:
            yield one


def settings(**values: Any) -> pytest.MarkDecorator:
    """A parameter for ``client``: a simulator with these settings."""
    return pytest.mark.parametrize("client", [Settings(**values)], indirect=True)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


# -- limiters, by an injected clock


def build(kind: Any, limit: int, **values: Any) -> limits.Limiter:
    limiter = limits.build(
        Settings(limiter=kind, limit=limit, **values), now=0.0, random=Random(7)
    )
    assert limiter is not None
    return limiter


def taken(limiter: limits.Limiter, gaps: list[float]) -> list[float]:
    now, admitted = 0.0, []
    for gap in gaps:
        now += gap
        if limiter.take(now).admitted:
            admitted.append(now)
    return admitted


@given(GAPS, st.integers(1, 9), st.booleans())
def test_sliding_never_admits_more_than_the_limit_in_any_window(
    gaps: list[float], limit: int, counts: bool
) -> None:
    admitted = taken(build("sliding", limit, count_rejected=counts), gaps)
    for first in admitted:
        assert sum(first <= later < first + 1 for later in admitted) <= limit


@given(GAPS, st.integers(1, 9))
def test_fixed_never_admits_more_than_the_limit_in_one_of_its_windows(
    gaps: list[float], limit: int
) -> None:
    limiter = limits.FixedWindow(limit, 1.0, phase=0.25)
    admitted = [int(now + 0.75) for now in taken(limiter, gaps)]
    assert all(admitted.count(window) <= limit for window in admitted)


@given(GAPS, st.integers(1, 9))
def test_bucket_never_admits_more_than_a_burst_and_the_refill(
    gaps: list[float], limit: int
) -> None:
    admitted = taken(build("bucket", limit), gaps)
    for i, first in enumerate(admitted):
        for j in range(i, len(admitted)):
            assert j - i + 1 <= limit + limit * (admitted[j] - first) + 1e-6


@given(st.sampled_from(LIMITERS), GAPS, st.integers(1, 9))
def test_a_refusal_ends_when_it_says(kind: str, gaps: list[float], limit: int) -> None:
    limiter, now = build(kind, limit), 0.0
    for gap in gaps:
        now += gap
        verdict = limiter.take(now)
        assert 0 <= verdict.remaining < limit
        if not verdict.admitted:
            assert (verdict.remaining, verdict.retry_seconds > 0) == (0, True)
            now += verdict.retry_seconds + 1e-9
            assert limiter.take(now).admitted


@pytest.mark.parametrize("kind", LIMITERS)
def test_refused_requests_use_quota_only_when_told_to(kind: str) -> None:
    # Hammered every 0.3 s at one a second: counting refusals, none gets through again.
    gaps = [1.1] + [0.3] * 20
    assert len(taken(build(kind, 1), gaps)) > 3
    if kind != "fixed":
        assert len(taken(build(kind, 1, count_rejected=True), gaps)) == 1


# -- rate headers


@pytest.mark.parametrize(
    ("kind", "means", "first", "second"),
    [
        ("sliding", "usual", 10.0, 7.0),
        ("sliding", "first", 10.0, 7.0),
        ("sliding", "all", 10.0, 10.0),
        ("bucket", "first", 2.5, 2.0),
        ("bucket", "all", 2.5, 2.5 + 2.0),
        ("bucket", "usual", 2.5, 2.5 + 2.0),
    ],
)
def test_a_reset_tells_of_the_first_of_the_quota_or_of_all(
    kind: Literal["sliding", "bucket"],
    means: Literal["usual", "first", "all"],
    first: float,
    second: float,
) -> None:
    later = 3.0 if kind == "sliding" else 0.5
    told = Settings(
        limiter=kind, limit=4, window_seconds=10, reset="delta", reset_means=means,
        reset_rounded=False,
    )  # fmt: skip
    limiter = build(kind, 4, window_seconds=10)
    assert limits.reset_text(limiter.take(1.0), 0.0, told) == f"{first:.3f}"
    assert limits.reset_text(limiter.take(1.0 + later), 0.0, told) == f"{second:.3f}"


def test_a_reset_counts_from_now_or_since_1970_exactly_or_in_whole_seconds() -> None:
    verdict = limits.FixedWindow(4, 10.0, phase=0.25).take(1.0)

    def told(**settings: Any) -> str:
        return limits.reset_text(verdict, 1_700_000_000.5, Settings(limiter="fixed", **settings))

    assert told(reset="epoch", reset_rounded=False) == "1700000009.750"
    assert told(reset="epoch") == "1700000010"
    assert told(reset="delta", reset_rounded=False) == "9.250"
    assert told(reset="delta") == "10"
    assert told(reset="absent") == ""


@settings(limit=3, window_seconds=600, reset="absent")
def test_a_provider_may_leave_the_reset_out(client: Client) -> None:
    answer = client.send()
    assert answer.headers["x-ratelimit-remaining"] == "2"
    assert "x-ratelimit-reset" not in answer.headers


@settings(limit=3, window_seconds=600, reset="delta")
def test_rate_headers_count_down_to_a_429(client: Client) -> None:
    answers = [client.send() for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert [a.headers["x-ratelimit-remaining"] for a in answers] == ["2", "1", "0", "0", "0"]
    assert {a.headers["x-ratelimit-limit"] for a in answers} == {"3"}
    assert all(0 < int(a.headers["x-ratelimit-reset"]) <= 600 for a in answers)
    assert code(answers[3]) == (429, "10011")
    assert 1 <= int(answers[3].headers["retry-after"]) <= 600
    assert "retry-after" not in answers[0].headers
    report = client.face("report")
    assert (report["highest_in_window"], report["highest_received_in_window"]) == (3, 5)
    assert report["responses_429"] == 2


@settings(limit=1, window_seconds=600, drop_retry_after=True)
def test_reset_as_unix_time_and_429_without_retry_after(client: Client) -> None:
    first, second = client.send(), client.send()
    assert int(first.headers["x-ratelimit-reset"]) > 1_000_000_000
    assert second.status_code == 429
    assert "retry-after" not in second.headers
    assert first.headers["date"].endswith("GMT")


@settings(limit=1, window_seconds=600)
def test_each_credential_has_its_own_quota_and_a_change_of_limit_keeps_the_count(
    client: Client,
) -> None:
    assert client.send().status_code == 200
    assert client.send().status_code == 429
    other = client.http.get(
        client.simulator.url + "/balance", headers={"Authorization": "Bearer OTHER"}
    )
    assert other.status_code == 200
    client.face("settings", {"limit": 2})
    assert [client.send().status_code for _ in range(2)] == [200, 429]


@settings(limit=5, rate_headers=False)
def test_without_rate_headers(client: Client) -> None:
    assert not [name for name in client.send().headers if name.startswith("x-ratelimit")]


@settings(limit=None, max_concurrency=2, latency_ms=300)
def test_over_the_concurrency_cap_it_is_429(client: Client) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: client.send(f"+1312555000{n}"), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429]
    assert client.face("report")["in_flight"] == 0


# -- authorisation and validation


@settings(limit=10, api_keys=("GOOD",))
def test_keys(client: Client) -> None:
    wrong = client.send()
    assert code(wrong) == (401, "10009")
    assert wrong.headers["x-ratelimit-remaining"] == "10"
    del client.http.headers["Authorization"]
    assert code(client.send()) == (404, "10005")
    client.http.headers["Authorization"] = "Bearer GOOD"
    assert client.send().status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"to": None}, (400, "10004")),
        ({"to": "13125550002"}, (400, "40310")),
        ({"to": ["+13125550002"]}, (400, "40310")),
        ({"from": None}, (400, "10004")),
        ({"from": "not a sender!"}, (400, "40305")),
        ({"from": "+15555550305"}, (400, "40305")),
        ({"text": None}, (400, "40316")),
        ({"text": ""}, (400, "40316")),
        ({"text": 7}, (400, "10026")),
        ({"text": "x" * 1531}, (422, "10015")),
        ({"text": "Привет", "encoding": "gsm7"}, (400, "40009")),
        ({"encoding": "latin"}, (400, "10032")),
        ({"type": "RCS"}, (400, "10032")),
        ({"media_urls": ["https://a.example/1.png"] * 11}, (400, "40317")),
        ({"media_urls": ["ftp://a.example/1.png"]}, (400, "10003")),
        ({"send_at": "2020-01-01T00:00:00Z"}, (400, "10033")),
        ({"path": "/number_pool"}, (400, "10004")),
        ({"path": "/nowhere"}, (404, "10005")),
    ],
)
def test_refusals(client: Client, body: dict[str, Any], expected: tuple[int, str]) -> None:
    answer = client.send(**body)
    assert code(answer) == expected
    error = answer.json()["errors"][0]
    assert set(error) == {"code", "title", "detail", "source", "meta"}
    assert client.face("report")["accepted"] == 0


@pytest.mark.parametrize(("body", "expected"), [(b"{", "10023"), (b"[]", "10015")])
def test_malformed_bodies(client: Client, body: bytes, expected: str) -> None:
    answer = client.http.post(client.simulator.url + "/messages", content=body)
    assert code(answer) == (400, expected)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {}),
        ("/long_code", {}),
        ("/short_code", {"from": "12345"}),
        ("/number_pool", {"from": None, "messaging_profile_id": "p"}),
        ("/alphanumeric_sender_id", {"from": "Acme", "messaging_profile_id": "p"}),
    ],
)
def test_an_accepted_message_can_be_retrieved(
    client: Client, path: str, body: dict[str, Any]
) -> None:
    text = "Привет, " * 10
    answer = client.send(path=path, text=text, **body)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert len(data["id"]) == 36
    assert (data["record_type"], data["direction"], data["type"]) == ("message", "outbound", "SMS")
    assert (data["encoding"], data["parts"], data["num_chars"]) == ("UCS-2", 2, 80)
    assert data["to"][0]["phone_number"] == "+13125550002"
    assert data["to"][0]["status"] == "queued"
    assert data["cost"] == {"amount": "0.0080", "currency": "USD"}
    assert (data["wait_seconds"], data["errors"], data["sent_at"]) == (0.0, [], None)
    assert data["valid_until"] > data["received_at"]
    again = client.http.get(f"{client.simulator.url}/messages/{data['id']}")
    assert again.json()["data"] == data
    missing = client.http.get(f"{client.simulator.url}/messages/{data['id'][:-1]}9")
    assert code(missing) == (404, "10005")


# -- idempotency


def test_the_same_key_and_bytes_replay(client: Client) -> None:
    first, second = client.send(key="k-1"), client.send(key="k-1")
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert code(client.send(key="k-1", text="other")) == (422, "10027")
    assert client.send(key="k-1", path="/long_code").status_code == 200
    report = client.face("report")
    assert (report["accepted"], report["replayed"], report["received_twice"]) == (2, 1, 1)


@pytest.mark.parametrize("key", ["", "a" * 256, "a:b", "a b"])
def test_malformed_keys(client: Client, key: str) -> None:
    assert code(client.send(key=key)) == (400, "10015")


def test_two_keys_in_one_request(client: Client) -> None:
    answer = client.http.post(
        client.simulator.url + "/messages",
        content=b'{"from":"+13125550001","to":"+13125550002","text":"hi"}',
        headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")],
    )
    assert code(answer) == (400, "10015")


def test_a_failure_leaves_the_key_free(client: Client) -> None:
    assert client.send("+15555555001", key="k").status_code == 500
    assert client.send("+15555555001", key="k", text="other").status_code == 200


@settings(limit=None, latency_ms=300)
def test_a_key_in_progress_is_409(client: Client) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: client.send(key="k"), range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert client.send(key="k").headers["idempotent-replayed"] == "true"


def test_a_client_that_gives_up_was_accepted_all_the_same(client: Client) -> None:
    client.face("settings", {"latency_ms": 200})
    with pytest.raises(httpx.ReadTimeout):
        client.http.post(
            client.simulator.url + "/messages",
            json={"from": "+13125550001", "to": "+13125550002", "text": "hi"},
            timeout=0.05,
        )
    assert client.face("report")["accepted"] == 1


@settings(limit=None, idempotency=False)
def test_where_keys_are_not_honoured_each_request_is_new(client: Client) -> None:
    ids = {client.send(key="not:valid").json()["data"]["id"] for _ in range(2)}
    assert len(ids) == 2
    assert client.face("report")["received_twice"] == 1


def test_keys_are_kept_for_a_day() -> None:
    keys = IdempotencyKeys()
    keys.store(("/p", "a"), 0, now=0.0)
    assert keys.find(("/p", "a"), KEPT_SECONDS - 1) == 0
    assert keys.find(("/p", "a"), KEPT_SECONDS) is None


# -- faults

PLAIN = {
    "accepted_500": 500,
    "disabled": 403,
    "error_429": 429,
    "error_500": 500,
    "error_503": 503,
    "forbidden": 403,
    "html_502": 502,
    "no_funds": 402,
    "slow": 200,
    "spend_cap": 429,
    "unauthorized": 401,
}
LOST = {"hang", "hang_before", "close_before", "close_after", "truncated"}


def status_of(kind: str) -> int:
    return PLAIN.get(kind, 400)


@pytest.mark.parametrize(("digits", "kind"), [*ALWAYS.items(), *ONCE.items()])
@settings(limit=None, hang_seconds=0.02)
def test_magic_numbers(client: Client, digits: str, kind: str) -> None:
    to, accepts = MAGIC_PREFIX + digits, FAULTS[kind].accepts
    if kind in LOST:
        with pytest.raises(httpx.RemoteProtocolError):
            client.send(to, key="k")
    else:
        assert client.send(to, key="k").status_code == status_of(kind)
    assert client.face("recipients") == ({to: 1} if accepts else {})
    assert client.face("report")["faults"] == {kind: 1}
    # An accepted message is replayed under its key, and a fault dealt once is over.
    if accepts or digits in ONCE:
        answer = client.send(to, key="k")
        assert answer.status_code == 200
        assert ("idempotent-replayed" in answer.headers) == accepts
        assert client.face("recipients") == {to: 1}
    elif kind not in LOST:
        assert client.send(to, key="k").status_code == status_of(kind)


def test_opt_out_names_the_block(client: Client) -> None:
    answer = client.send("+15555550300")
    assert code(answer) == (400, "40300")
    assert "STOP" in answer.json()["errors"][0]["title"]
    client.face("settings", {"block_status": 403})
    assert code(client.send("+15555550300")) == (403, "40300")


def test_a_spend_cap_gives_no_time(client: Client) -> None:
    answer = client.send("+15555550333")
    assert code(answer) == (429, "40333")
    assert "retry-after" not in answer.headers


@settings(limit=None, faults=Faults(error_500=0.3, error_503=0.2, accepted_500=0.2), seed=3)
def test_dice_are_fair_and_the_record_adds_up(client: Client) -> None:
    statuses = [client.send(f"+1312555{n:04d}", key=f"k{n}").status_code for n in range(300)]
    report = client.face("report")
    assert report["received"] == 300 == sum(report["responses"].values())
    assert report["responses"] == {str(s): statuses.count(s) for s in set(statuses)}
    faults = report["faults"]
    assert report["accepted"] == 300 - faults["error_500"] - faults["error_503"]
    assert 60 <= faults["error_500"] <= 120
    assert 35 <= faults["accepted_500"] <= 90
    client.face("settings", {"faults": {}})
    answers = [client.send(f"+1312555{n:04d}", key=f"k{n}") for n in range(300)]
    assert {answer.status_code for answer in answers} == {200}
    report = client.face("report")
    assert (report["accepted"], report["recipients"], report["received_twice"]) == (300, 300, 0)


def test_latency_is_never_negative_and_about_its_mean() -> None:
    random, slow = Random(1), Settings(latency_ms=50, latency_jitter_ms=20)
    drawn = [latency_seconds(slow, random) for _ in range(5000)]
    assert min(drawn) >= 0
    assert 0.048 < sum(drawn) / len(drawn) < 0.054
    assert max(drawn) > 0.2


# -- the simulator's own face


def test_requests_and_reset(client: Client) -> None:
    client.send("+13125550001", key="a")
    client.send("+13125550002")
    client.send("+15555555000")
    seen = client.face("requests")
    assert [one[1:] for one in seen] == [
        ["+13125550001", "a", 200, True],
        ["+13125550002", "", 200, True],
        ["+15555555000", "", 500, False],
    ]
    assert [one[0] for one in seen] == sorted(one[0] for one in seen)
    assert client.face("requests?after=2") == seen[2:]
    assert client.face("inflight") == 0
    assert client.simulator.recipients() == client.face("recipients")
    client.face("reset", {})
    assert client.face("report")["received"] == 0
    assert client.face("requests") == []


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"limmit": 3}, "limmit"),
        ({"port": 80}, "port"),
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"faults": {"error_501": 0.1}}, "error_501"),
        ({"faults": {"error_500": 1.5}}, "error_500"),
        ([], "object"),
    ],
)
def test_bad_settings_are_refused_by_name(client: Client, changes: object, names: str) -> None:
    answer = client.http.post(client.simulator.base + "/_sim/settings", json=changes)
    assert answer.status_code == 400
    assert names in answer.json()["error"]


# -- the wire


def raw(simulator: Simulator, data: bytes) -> bytes:
    port = int(simulator.base.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def post(body: bytes, *headers: bytes) -> bytes:
    lines = (b"POST /v2/messages HTTP/1.1", b"Authorization: Bearer K", *headers)
    return b"\r\n".join((*lines, b"Content-Length: %d" % len(body), b"", body))


def test_pipelined_answers_keep_their_order(client: Client) -> None:
    client.face("settings", {"latency_ms": 40, "latency_jitter_ms": 40})
    bodies = [
        json.dumps({"from": "+13125550001", "to": f"+1312556000{n}", "text": "x"}).encode()
        for n in range(8)
    ]
    sent = b"".join(post(body) for body in bodies[:-1])
    answer = raw(client.simulator, sent + post(bodies[-1], b"Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 8
    places = [answer.index(b'"+1312556000%d"' % n) for n in range(8)]
    assert places == sorted(places)


def test_chunked_too_big_and_nonsense(client: Client) -> None:
    body = b'{"from":"+13125550001","to":"+13125550002","text":"hi"}'
    head = b"POST /v2/messages HTTP/1.1\r\nAuthorization: Bearer K\r\nConnection: close\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    assert raw(client.simulator, chunked).startswith(b"HTTP/1.1 200 ")
    assert raw(client.simulator, post(b"x" * 1_048_577)).startswith(b"HTTP/1.1 413 ")
    assert raw(client.simulator, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")


# -- its life


def test_the_port_is_free_again_after_stopping() -> None:
    with simulator_in_thread() as simulator:
        port = int(simulator.base.rsplit(":", 1)[1])
        one = Client(simulator)
        with one.http:
            assert one.send().status_code == 200
    with simulator_in_thread(Settings(port=port)) as again:
        assert again.url == f"http://127.0.0.1:{port}/v2"


async def outage() -> None:
    body = {"from": "+13125550001", "to": "+13125550002", "text": "hi"}
    async with (
        Simulator(Settings(limit=None)) as simulator,
        httpx.AsyncClient(headers={"Authorization": "Bearer K"}) as http,
    ):
        url = simulator.url + "/messages"
        assert (await http.post(url, json=body)).status_code == 200
        await simulator.stop()
        with pytest.raises(httpx.TransportError):
            await http.post(url, json=body)
        await simulator.start()
        assert simulator.url + "/messages" == url
        assert (await http.post(url, json=body)).status_code == 200
        assert simulator.report()["accepted"] == 2


def test_an_outage_keeps_what_the_provider_knew() -> None:
    asyncio.run(outage())


def test_its_command_line_says_the_public_key_and_takes_rates_and_webhooks() -> None:
    command = [sys.executable, "-m", "sluicegate_ops.cli", "simulate", "--port", "0"]
    options = ["--sender-rate", "+15557654321=0.5", "--spend-cap", "7", "--webhook-loss", "0.1"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        base = child.stdout.readline().split()[-1].removesuffix("/v2")
        settings = httpx.get(f"{base}/_sim/settings").json()
        public_key = httpx.get(f"{base}/_sim/public_key").json()["public_key"]
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read()
    assert settings["sender_rates"] == {"+15557654321": 0.5}
    assert (settings["spend_cap"], settings["webhooks"]["loss"]) == (7, 0.1)
    assert public_key in rest
    bad = subprocess.run(
        [*command, "--sender-rate", "+15557654321"], capture_output=True, text=True
    )
    assert (bad.returncode, "SENDER=RATE" in bad.stderr) == (2, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    program = (
        "from sluicegate_ops.simulator import Settings, run;"
        "run(Settings(), lambda url: print(url, flush=True))"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        assert httpx.get(url + "/balance", headers={"Authorization": "Bearer K"}).is_success
        child.send_signal(number)
        _, errors = child.communicate(timeout=10)
    assert (child.returncode, errors) == (0, "")
