"""Webhooks at the front door: who is believed, what is recorded, and before which answer."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
import redis

from sluicegate import Config
from sluicegate.keys import Keys
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.messages import message
from support.served import (
    FORGER,
    NOW,
    NUMBER,
    PROFILE,
    URLS,
    V1_SECRET,
    Front,
    config,
    event,
    run,
    told,
    v1_signed,
    v2_signed,
    wrote,
)

KEYS, CLINIC = Keys("default"), Keys("clinic")
OWN_KEYS = ("serving", "apps", "identity")
APP = "https://app.example/hook?a=1&b=2"


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    """The account with message ``m1`` accepted as ``p-m1``."""
    bench = Bench(valkey)
    bench.enqueue(message(1))
    bench.send()
    return bench


def delivery(bench: Bench, id: str = "m1") -> str | None:
    return bench.record(id).get("delivery")


# Receipts.


def test_a_receipt_is_recorded_before_it_is_answered(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        answer = await door.hook(URLS.url("m1"), told("delivered", "p-m1"))
        assert (answer.status_code, answer.content) == (200, b"")
        assert delivery(bench) == "delivered"
        assert door.count("receipts_applied") == 1

    run(front, story)


def test_a_receipt_that_comes_again_changes_nothing(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        for _ in range(2):
            assert (await door.hook(URLS.url("m1"), told("delivered", "p-m1"))).is_success
        assert bench.totals()["delivered"] == door.count("receipts_duplicate") == 1

    run(front, story)


def test_a_failure_s_code_is_kept(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        await door.hook(URLS.url("m1"), told("delivery_failed", "p-m1", code="40008"))
        assert (delivery(bench), bench.record("m1")["delivery_code"]) == ("failed", "40008")

    run(front, story)


def test_a_receipt_of_an_unknown_message_is_answered_and_counted(front: Config) -> None:
    async def story(door: Front) -> None:
        assert (await door.hook(URLS.url("gone"), told("delivered", "p"))).status_code == 200
        assert door.count("receipts_unknown") == 1

    run(front, story)


def test_a_v1_record_is_a_receipt(bench: Bench, front: Config) -> None:
    record = {"sms_id": "p-m1", "status": "delivered", "delivery_status": "success", "updated": 1}
    raw = json.dumps(record).encode()

    async def story(door: Front) -> None:
        for _ in range(2):
            answer = await door.hook(URLS.url("m1"), raw, v1_signed(raw, NOW))
            assert answer.status_code == 200
        assert delivery(bench) == "delivered"
        assert door.count("receipts_duplicate") == 1

    run(front, story)


def test_receipts_that_arrive_together_are_recorded_together(
    bench: Bench, front: Config, record_property: Any
) -> None:
    count = 60  # so few that the slowest machine has them in time
    for number in range(2, count + 2):
        bench.enqueue(message(number))
        bench.send()

    async def story(door: Front) -> None:
        hooks = [
            door.hook(URLS.url(f"m{n}"), told("delivered", f"p-m{n}", f"e{n}"))
            for n in range(2, count + 2)
        ]
        before = scripts(bench)
        began = time.perf_counter()
        answers = await asyncio.gather(*hooks)
        took = time.perf_counter() - began
        record_property("receipts per second, in one process", f"{count / took:,.0f}")
        assert {answer.status_code for answer in answers} == {200}
        assert bench.totals()["delivered"] == count
        assert scripts(bench) - before <= count / 3

    run(front, story)


def scripts(bench: Bench) -> int:
    return int(bench.store.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))


# Who is believed.


def signature(raw: bytes) -> str:
    return v2_signed(raw, NOW)["telnyx-signature-ed25519"]


FORGERIES: dict[str, Callable[[bytes], dict[str, str]]] = {
    "unsigned": lambda raw: {},
    "another key": lambda raw: v2_signed(raw, NOW, FORGER),
    "another body": lambda raw: v2_signed(raw + b" ", NOW),
    "too old": lambda raw: v2_signed(raw, NOW - 301),
    "from the future": lambda raw: v2_signed(raw, NOW + 301),
    "another time": lambda raw: v2_signed(raw, NOW) | {"telnyx-timestamp": str(NOW + 1)},
    "no time": lambda raw: {"telnyx-signature-ed25519": signature(raw)},
    "not base64": lambda raw: v2_signed(raw, NOW) | {"telnyx-signature-ed25519": "*" * 88},
    "half a signature": lambda raw: (
        v2_signed(raw, NOW) | {"telnyx-signature-ed25519": signature(raw)[:40]}
    ),
    "another v1 secret": lambda raw: v1_signed(raw, NOW, "another secret"),
    "old v1": lambda raw: v1_signed(raw, NOW - 301),
    "garbled v1": lambda raw: {"x-telnyx-signature": "t=,h="},
}


@pytest.mark.parametrize("headers", FORGERIES.values(), ids=FORGERIES)
@pytest.mark.parametrize("path", [URLS.url("m1"), "/receipts/default"], ids=["message", "profile"])
def test_what_the_provider_did_not_sign_is_refused_and_counted(
    valkey: redis.Redis, front: Config, headers: Callable[[bytes], dict[str, str]], path: str
) -> None:
    raw = json.dumps(told("delivered", "p-m1")).encode()

    async def story(door: Front) -> None:
        answer = await door.hook(path, raw, headers(raw))
        assert answer.status_code == 401
        assert door.count("forged") == 1

    run(front, story)
    own = {Keys(name)(of).encode() for name in front.accounts for of in OWN_KEYS}
    assert {*valkey.keys()} <= own, "nothing else is stored"


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_signature_of_the_last_five_minutes_is_good(
    bench: Bench, front: Config, seconds: int
) -> None:
    raw = json.dumps(told("delivered", "p-m1")).encode()

    async def story(door: Front) -> None:
        answer = await door.hook(URLS.url("m1"), raw, v2_signed(raw, NOW + seconds))
        assert answer.status_code == 200

    run(front, story)


def test_a_url_that_is_not_ours_is_refused(bench: Bench, front: Config) -> None:
    mac = URLS.url("m1").rpartition("/")[2]
    bad = (
        f"/receipts/default/m2/{mac}",
        f"/receipts/clinic/m1/{mac}",
        f"/receipts/default/m1/{mac[:-1]}",
        f"/receipts/default/m1/{mac}?relay=https://evil.example",
        "/receipts/default/m1/%C3%A9",
    )

    async def story(door: Front) -> None:
        for url in bad:
            answer = await door.hook(url, told("delivered", "p-m1"))
            assert answer.status_code == 403, url
        assert door.count("bad_urls") + door.count("bad_urls", "clinic") == len(bad)
        assert delivery(bench) is None

    run(front, story)


def test_webhooks_of_an_account_that_is_not_there_find_nothing(front: Config) -> None:
    async def story(door: Front) -> None:
        assert (await door.hook("/receipts/other", {})).status_code == 404
        assert (await door.http.get("/receipts/default")).status_code == 405

    run(front, story)


@pytest.mark.parametrize("declared", [True, False])
def test_no_more_is_read_than_allowed(redis_url: str, declared: bool) -> None:
    read = []

    async def chunks() -> Any:
        for _ in range(100):
            read.append(1_000)
            yield b"x" * 1_000

    async def story(door: Front) -> None:
        content = b"x" * 100_000 if declared else chunks()
        answer = await door.http.post("/receipts/default", content=content)
        assert answer.status_code == 413
        assert sum(read) <= 3_000

    run(config(redis_url, max_body_bytes=2_048), story)


# What comes in.


def optouts(bench: Bench, keys: Keys = KEYS) -> list[bytes]:
    return list(bench.store.hkeys(keys("optouts")))


@pytest.mark.parametrize(
    "said",
    [
        *[wrote(word) for word in ("STOP", "stop", " Stop\n", "stopall", "STOP ALL", "end")],
        *[wrote(word) for word in ("Unsubscribe", "cancel", "QUIT")],
        wrote("leave me alone", autoresponse_type="STOP"),
        wrote("STOP", sender=NUMBER),
    ],
)
def test_stop_is_on_every_list_it_concerns_before_the_answer(
    bench: Bench, front: Config, said: Any
) -> None:
    async def story(door: Front) -> None:
        assert (await door.hook("/receipts/default", said)).status_code == 200
        assert optouts(bench) == optouts(bench, CLINIC) == [NUMBER.encode()]

    run(front, story)


def test_a_profile_that_nobody_lists_concerns_the_account_of_the_url(
    bench: Bench, front: Config
) -> None:
    async def story(door: Front) -> None:
        await door.hook("/receipts/default", wrote("STOP", messaging_profile_id="another"))
        assert (optouts(bench), optouts(bench, CLINIC)) == ([NUMBER.encode()], [])

    run(front, story)


@pytest.mark.parametrize("word", ["START", "unstop"])
def test_start_takes_the_number_off_again(bench: Bench, front: Config, word: str) -> None:
    async def story(door: Front) -> None:
        await door.hook("/receipts/default", wrote("STOP", NOW - 1))
        await door.hook("/receipts/default", wrote(word))
        assert optouts(bench) == optouts(bench, CLINIC) == []

    run(front, story)


def test_the_last_word_counts_whenever_it_comes(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        for said in (wrote("STOP", NOW - 7), wrote("START", NOW - 8), wrote("STOP", NOW - 9)):
            await door.hook("/receipts/default", said)
        assert optouts(bench) == [NUMBER.encode()]
        for said in (wrote("START", NOW - 5), wrote("STOP", NOW - 6)):
            await door.hook("/receipts/default", said)
        assert optouts(bench) == []

    run(front, story)


@pytest.mark.parametrize(
    "said",
    [
        wrote("Thanks, see you at five"),
        wrote("HELP"),
        wrote("STOP", sender={"phone_number": "12345"}),
    ],
)
def test_any_other_text_changes_no_list(bench: Bench, front: Config, said: Any) -> None:
    async def story(door: Front) -> None:
        assert (await door.hook("/receipts/default", said)).status_code == 200
        assert optouts(bench) == []
        assert door.count("inbound_ignored") == 1

    run(front, story)


def test_a_stop_by_the_legacy_api_counts_too(bench: Bench, front: Config) -> None:
    content = {"sms_id": "1", "direction": "inbound", "from": NUMBER, "body": "stop"}
    raw = json.dumps(content | {"profile_id": PROFILE}).encode()

    async def story(door: Front) -> None:
        assert (await door.hook("/receipts/default", raw, v1_signed(raw, NOW))).is_success
        assert optouts(bench) == optouts(bench, CLINIC) == [NUMBER.encode()]

    run(front, story)


def test_who_wrote_stop_is_sent_nothing_that_waits(bench: Bench, front: Config) -> None:
    bench.enqueue(message(1, id="waits", to=NUMBER))

    async def story(door: Front) -> None:
        await door.hook("/receipts/default", wrote("STOP"))

    run(front, story)
    bench.later(1_000)
    assert bench.claim().grants == []
    assert bench.status("waits").state == "suppressed"


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(event("messaging-profile.spend-limit-reached", {})).encode(),
        *(b"{}", b"[]", b"not json", b"\xff", b"[" * 20_000),
    ],
    ids=["unknown", "empty", "list", "text", "bytes", "deep"],
)
def test_an_event_of_an_unknown_kind_is_kept(bench: Bench, front: Config, body: bytes) -> None:
    async def story(door: Front) -> None:
        assert (await door.hook("/receipts/default", body)).status_code == 200
        assert bench.store.zrange(KEYS("strange_events"), 0, -1) == [body[:4096]]
        assert door.count("unknown_events") == 1

    run(front, story)


def test_only_the_last_unknown_events_are_kept(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        for number in range(105):
            await door.hook("/receipts/default", event("new", {}, f"e{number}"))
        kept = bench.store.zrange(KEYS("strange_events"), 0, -1)
        assert (len(kept), b'"e104"' in b"".join(kept)) == (100, True)

    run(front, story)


# Redis away.


def test_what_could_not_be_recorded_is_not_acknowledged() -> None:
    with EmbeddedServer() as server:
        door_config = config(server.url)
    path = URLS.url("m1", APP)

    async def story(door: Front) -> None:
        for url, body in ((path, told("delivered", "p")), ("/receipts/default", wrote("STOP"))):
            answer = await door.hook(url, body)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert door.count("not_recorded") == 2
        assert (await door.monitoring.get("/readyz")).status_code == 503
        assert (await door.monitoring.get("/healthz")).status_code == 200
        assert "sluicegate_redis_up 0" in (await door.monitoring.get("/metrics")).text

    run(door_config, story)


# The apps' own URLs: see also tests/field/test_safety_relays.py.


def relayed(front: Config, got: list[httpx.Request], story: Any) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return httpx.Response(200)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    run(front, story, relay_client=client)


def test_an_app_s_own_url_gets_the_same_bytes_and_signature(bench: Bench, front: Config) -> None:
    got, raw = list[httpx.Request](), json.dumps(told("delivered", "p-m1"), indent=1).encode()

    async def story(door: Front) -> None:
        assert (await door.hook(URLS.url("m1", APP), raw)).status_code == 200
        await until(lambda: door.count("relays") == 1)
        [request] = got
        assert (str(request.url), request.content) == (APP, raw)
        signed = v2_signed(raw, NOW)
        assert {name: request.headers[name] for name in signed} == signed
        assert "authorization" not in request.headers
        assert request.headers["Sluicegate-Message-Id"] == "m1", "the body has not our id"

    relayed(front, got, story)


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not happened():  # noqa: ASYNC110 - counters have no event
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("url", ["http://app.example/", "ftp://app.example/", "https://", "x"])
def test_only_https_or_loopback_is_relayed_to(bench: Bench, front: Config, url: str) -> None:
    got = list[httpx.Request]()

    async def story(door: Front) -> None:
        assert (await door.hook(URLS.url("m1", url), told("delivered", "p"))).status_code == 200
        await door.hook(URLS.url("m1", "http://127.0.0.1:9/x"), told("delivered", "p"))
        await until(lambda: bool(got))
        assert [str(request.url) for request in got] == ["http://127.0.0.1:9/x"]
        assert door.count("relays_dropped") == 1

    relayed(front, got, story)


def test_no_secret_and_no_number_is_logged(
    bench: Bench, front: Config, caplog: pytest.LogCaptureFixture
) -> None:
    raw = json.dumps(told("delivered", "p-m1")).encode()

    async def story(door: Front) -> None:
        await door.hook(URLS.url("m1"), raw, {})
        await door.hook(URLS.url("m1") + "x", raw)
        await door.hook("/receipts/default", event(NUMBER, {}))
        await door.send(token="a wrong token")

    run(front, story)
    assert len(caplog.records) == 4
    for secret in (NUMBER, V1_SECRET, "wrong", URLS.url("m1").rpartition("/")[2]):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    ("networks", "proxies", "forwarded", "taken"),
    [
        ((), (), "", True),
        (("127.0.0.0/8",), (), "", True),
        (("192.76.120.192/27",), (), "", False),
        (("192.76.120.192/27",), (), "192.76.120.200", False),  # nobody vouches for it
        (("192.76.120.192/27",), ("127.0.0.1",), "192.76.120.200", True),
        (("192.76.120.192/27",), ("127.0.0.1",), "10.0.0.1, 192.76.120.223", True),
        (("192.76.120.192/27",), ("127.0.0.1",), "192.76.120.200, 10.0.0.1", False),
        (("192.76.120.192/27",), ("127.0.0.1",), "192.76.120.224", False),
        (("192.76.120.192/27",), ("127.0.0.1",), "", False),
        (("192.76.120.192/27",), ("127.0.0.1",), "nonsense", False),
    ],
)
def test_webhooks_come_from_the_providers_addresses_where_these_are_named(
    front: Config, networks: tuple[str, ...], proxies: tuple[str, ...], forwarded: str, taken: bool
) -> None:
    web = msgspec.structs.replace(front.web, webhook_networks=networks, proxies=proxies)
    config = msgspec.structs.replace(front, web=web)

    async def story(door: Front) -> None:
        body = json.dumps(told("delivered", "p")).encode()
        headers = dict(v2_signed(body, door.now)) | {"x-forwarded-for": forwarded}
        answer = await door.hook(URLS.url("shop:m1"), body, headers)
        assert answer.status_code == (200 if taken else 403)

    run(config, story)
