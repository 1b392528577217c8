"""The provider's API with our queue behind it: what is taken, what is refused, and how."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis
from msgspec.structs import replace

from sluicegate import Config
from sluicegate.config import Sender
from sluicegate.message import decode
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.messages import message
from support.served import (
    NUMBER,
    OTHER_TOKEN,
    SENDER,
    TOKEN,
    URLS,
    Front,
    bearer,
    config,
    opened,
    run,
    told,
)

KEY = {"Idempotency-Key": "order-1"}


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return Bench(valkey, app="shop")


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    assert set(error) == {"code", "title", "detail", "source", "meta"}
    return answer.status_code, error["code"], error["source"].get("pointer", "")


# Taking messages.


def test_a_message_is_ours_when_it_is_answered(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        answer = await door.send(text="Hällo €")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        data = answer.json()["data"]
        assert bench.status(data["id"]).state == "waiting"
        assert data["to"][0]["phone_number"] == NUMBER
        assert data["to"][0]["status"] == "queued"
        assert (data["from"]["phone_number"], data["text"]) == (SENDER, "Hällo €")
        assert (data["parts"], data["encoding"], data["type"]) == (1, "GSM-7", "SMS")
        assert (data["record_type"], data["direction"]) == ("message", "outbound")
        assert "idempotent-replayed" not in answer.headers
        assert (await door.send()).json()["data"]["id"] != data["id"]

    run(front, story)


def test_every_field_becomes_the_message_s(bench: Bench, front: Config) -> None:
    given: dict[str, Any] = {
        "media_urls": ["https://a.example/1.png"],
        "subject": "S",
        "messaging_profile_id": "p",
        "webhook_url": "https://app.example/hook",
        "webhook_failover_url": "https://app.example/other",
        "use_profile_webhooks": False,
        "auto_detect": True,
        "encoding": "ucs2",
        "type": "MMS",
        "send_at": "2090-01-31T10:00:00+01:00",
    }
    headers = KEY | {"Sluicegate-Priority": "bulk"}
    headers |= {"Sluicegate-Expires-At": "2090-01-31T12:00:00Z"}

    async def story(door: Front) -> None:
        answer = await door.send(headers=headers, **given)
        data = answer.json()["data"]
        assert (data["id"], data["to"][0]["status"]) == ("order-1", "scheduled")
        assert data["valid_until"] == "2090-01-31T12:00:00.000+00:00"
        assert data["media"][0]["url"] == "https://a.example/1.png"

    run(front, story)
    made = decode(bench.record("order-1")["content"].encode(), "order-1")
    for name in given.keys() - {"type", "send_at", "media_urls"}:
        assert getattr(made, name) == given[name]
    assert (made.media_urls, made.priority) == (("https://a.example/1.png",), "bulk")
    assert made.send_at == datetime(2090, 1, 31, 9, tzinfo=UTC)
    assert made.expires_at == datetime(2090, 1, 31, 12, tzinfo=UTC)
    assert bench.status("order-1").state == "scheduled"


def test_null_is_a_field_that_is_not_there(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        answer = await door.send(headers=KEY, subject=None, encoding=None, send_at=None, type=None)
        assert answer.status_code == 200

    run(front, story)
    stored = json.loads(bench.record("order-1")["content"])
    assert stored == {"to": NUMBER, "sender": SENDER, "text": "hi"}


def test_what_was_to_go_earlier_goes_now(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        answer = await door.send(headers=KEY, send_at="2020-01-31T09:00:00Z")
        assert answer.json()["data"]["to"][0]["status"] == "queued"

    run(front, story)
    assert bench.status("order-1").state == "waiting"


# Idempotency keys.


def test_a_key_is_the_message_s_id_and_repeating_it_sends_nothing(
    bench: Bench, front: Config
) -> None:
    async def story(door: Front) -> None:
        first = await door.send(headers=KEY)
        bench.send()
        door.now += 60
        again = await door.send(headers=KEY)
        assert first.json()["data"]["id"] == "order-1"
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
        assert again.json()["data"]["id"] == "order-1"
        assert bench.totals()["enqueued"] == 1

    run(front, story)


def test_a_key_with_another_message_is_refused(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        await door.send(headers=KEY)
        others: list[dict[str, Any]] = [
            {"text": "other"},
            {"headers": {"Sluicegate-Priority": "bulk"}},
        ]
        for other in others:
            answer = await door.send(headers=KEY | other.pop("headers", {}), **other)
            assert refused(answer) == (422, "10027", "/header/Idempotency-Key")
        assert bench.totals()["enqueued"] == 1

    run(front, story)


@pytest.mark.parametrize("key", ["a:b", "k" * 201, "k" * 255])
def test_a_key_that_can_be_no_id_makes_one(bench: Bench, front: Config, key: str) -> None:
    async def story(door: Front) -> None:
        answers = [await door.send(headers={"Idempotency-Key": key}) for _ in range(2)]
        [id, again] = [answer.json()["data"]["id"] for answer in answers]
        assert (id, answers[1].headers["idempotent-replayed"]) == (again, "true")
        assert (len(id), bench.status(id).state) == (31, "waiting")

    run(front, story)


@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "ä", '"quoted"', "a/b"])
def test_a_malformed_key_is_refused(bench: Bench, front: Config, key: str) -> None:
    async def story(door: Front) -> None:
        headers = bearer(TOKEN) | {"Idempotency-Key": key}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        body = {"from": SENDER, "to": NUMBER, "text": "hi"}
        answer = await door.http.post("/v2/messages", json=body, headers=encoded)
        assert refused(answer) == (400, "10015", "/header/Idempotency-Key")
        twice = [*encoded[:1], *[(b"Idempotency-Key", b"k")] * 2]
        answer = await door.http.post("/v2/messages", json=body, headers=twice)
        assert refused(answer) == (400, "10015", "/header/Idempotency-Key")

    run(front, story)
    assert bench.store.hgetall(bench.keys("totals")) == {}


def test_the_same_key_at_once_is_one_message(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        answers = await asyncio.gather(*(door.send(headers=KEY) for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert sum("idempotent-replayed" in answer.headers for answer in answers) == 19

    run(front, story)
    assert bench.totals()["enqueued"] == 1


# Refusals.

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()
REFUSALS: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({"to": None}, (400, "10004", "/to")),
    ({"to": "555"}, (400, "40310", "/to")),
    ({"to": [NUMBER]}, (400, "40310", "/to")),
    ({"to": 15551234567}, (400, "10026", "/to")),
    ({"from": "Too long a name"}, (400, "40305", "/from")),
    ({"from": None}, (400, "10004", "/from")),
    ({"from": "Acme"}, (400, "10004", "/messaging_profile_id")),
    ({"text": None}, (400, "40316", "/text")),
    ({"text": " "}, (400, "40316", "/text")),
    ({"text": 5}, (400, "10026", "/text")),
    ({"text": "x" * 1531}, (422, "10015", "/text")),
    ({"text": "Ж", "encoding": "gsm7"}, (400, "40009", "/text")),
    ({"encoding": "utf8"}, (400, "10032", "/encoding")),
    ({"subject": "S"}, (400, "40304", "/subject")),
    ({"media_urls": "https://a.example/1.png"}, (400, "10026", "/media_urls")),
    ({"media_urls": [1]}, (400, "10026", "/media_urls")),
    ({"media_urls": ["ftp://a"]}, (400, "40317", "/media_urls")),
    ({"type": "MMS"}, (400, "10032", "/type")),
    ({"type": 1}, (400, "10032", "/type")),
    ({"type": "SMS", "media_urls": ["https://a.example/1.png"]}, (400, "10032", "/type")),
    ({"webhook_url": "http://a.example"}, (400, "10003", "/webhook_url")),
    ({"webhook_failover_url": "x"}, (400, "10003", "/webhook_failover_url")),
    ({"use_profile_webhooks": "yes"}, (400, "10026", "/use_profile_webhooks")),
    ({"send_at": "tomorrow"}, (400, "10015", "/send_at")),
    ({"send_at": "2090-01-31T09:00:00"}, (400, "10015", "/send_at")),
    ({"send_at": 5}, (400, "10015", "/send_at")),
    ({"tags": ["a"]}, (400, "10015", "/tags")),
    ({"expires_at": LATER}, (400, "10015", "/expires_at")),
    ({"headers": {"Sluicegate-Priority": "high"}}, (400, "10032", "/header/Sluicegate-Priority")),
    (
        {"headers": {"Sluicegate-Expires-At": "soon"}},
        (400, "10015", "/header/Sluicegate-Expires-At"),
    ),
    (
        {
            "headers": {"Sluicegate-Expires-At": "2089-01-01T00:00:00Z"},
            "send_at": "2090-01-31T09Z",
        },
        (400, "10015", "/header/Sluicegate-Expires-At"),
    ),
]


@pytest.mark.parametrize(
    ("body", "expected"),
    REFUSALS,
    ids=[f"{code[1]}-{code[2] or n}" for n, (_, code) in enumerate(REFUSALS)],
)
def test_what_can_t_be_sent_is_refused_in_the_provider_s_words(
    bench: Bench, front: Config, body: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    async def story(door: Front) -> None:
        answer = await door.send(**body)
        assert refused(answer) == expected
        assert NUMBER not in answer.text
        assert SENDER not in answer.text

    run(front, story)
    assert bench.store.hgetall(bench.keys("totals")) == {}


@pytest.mark.parametrize(
    ("content", "code"), [(b"{", "10023"), (b"\xff", "10023"), (b"[]", "10015"), (b"5", "10015")]
)
def test_a_body_that_is_no_object_is_refused(front: Config, content: bytes, code: str) -> None:
    async def story(door: Front) -> None:
        answer = await door.http.post("/v2/messages", content=content, headers=bearer(TOKEN))
        assert refused(answer) == (400, code, "")

    run(front, story)


def test_an_undeclared_sender_is_refused(front: Config) -> None:
    async def story(door: Front) -> None:
        assert refused(await door.send()) == (403, "40305", "/from")
        declared: dict[str, Any] = {"from": "12345"}
        assert (await door.send(**declared)).status_code == 200

    account = replace(front.account("default"), senders={"12345": Sender(kind="short_code")})
    run(replace(front, accounts=front.accounts | {"default": account}), story)


def test_who_opted_out_is_not_sent_to(bench: Bench, front: Config) -> None:
    bench.store.hset(bench.keys("optouts"), NUMBER, "1 test")

    async def story(door: Front) -> None:
        for _ in range(2):
            assert refused(await door.send(headers=KEY)) == (400, "40300", "/to")

    run(front, story)
    assert bench.status("order-1").state == "suppressed"


# Tokens.


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer ä"],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_without_an_app_s_token_nothing_is_read(
    front: Config, authorization: str | None, method: str
) -> None:
    async def never() -> Any:
        raise AssertionError("the body was read")
        yield b""

    async def story(door: Front) -> None:
        shown = [] if authorization is None else [(b"Authorization", authorization.encode())]
        url = "/v2/messages" if method == "POST" else "/v2/messages/m1"
        content = never() if method == "POST" else None
        answer = await door.http.request(method, url, headers=shown, content=content)
        assert refused(answer) == (401, "10009", "")
        assert door.count("unauthorized", "") == 1

    run(front, story)


def test_an_app_sends_and_sees_through_its_own_account_only(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        await door.send(headers=KEY)
        await door.send(token=OTHER_TOKEN, headers=KEY, text="other")
        for token, text in ((TOKEN, "hi"), (OTHER_TOKEN, "other")):
            answer = await door.http.get("/v2/messages/order-1", headers=bearer(token))
            assert answer.json()["data"]["text"] == text
        id = (await door.send()).json()["data"]["id"]
        answer = await door.http.get(f"/v2/messages/{id}", headers=bearer(OTHER_TOKEN))
        assert refused(answer) == (404, "10005", "")

    run(front, story)
    assert bench.totals()["enqueued"] == 2


# Looking a message up.


async def look(door: Front, id: str = "m1") -> tuple[dict[str, Any], str]:
    answer = await door.http.get(f"/v2/messages/{id}", headers=bearer(TOKEN))
    assert answer.status_code == 200
    return answer.json()["data"], answer.headers["sluicegate-state"]


def test_a_message_is_shown_as_it_stands(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        async def status() -> tuple[str, str]:
            data, state = await look(door)
            return data["to"][0]["status"], state

        bench.enqueue(message(1))
        assert await status() == ("queued", "waiting")
        [grant] = bench.claim_all(1)
        assert await status() == ("queued", "granted")
        bench.later(max(grant.slot_ms, 0))
        bench.start(grant)
        assert await status() == ("sending", "started")
        bench.settle(grant, "accepted", provider_id="p-m1", heard=True)
        assert await status() == ("sending", "accepted")
        await door.hook(URLS.url("shop:m1"), told("sent", "p-m1", "event-0"))
        assert await status() == ("sent", "accepted")
        await door.hook(URLS.url("shop:m1"), told("delivered", "p-m1"))
        data, _ = await look(door)
        assert data["to"][0]["status"] == "delivered"
        assert data["completed_at"] == "2023-11-14T22:13:20.000+00:00"
        assert (data["to"][0]["phone_number"], "text" in data) == (message(1).to, False)

    run(front, story)


@pytest.mark.parametrize(
    ("settled", "status", "code"),
    [
        ({"kind": "dead", "code": "40310", "reason": "No"}, "sending_failed", "40310"),
        ({"kind": "doubt", "delay_ms": -1, "code": "no_answer"}, "sending", None),
        ({"kind": "retry", "delay_ms": 1000, "code": "10007"}, "queued", None),
    ],
)
def test_what_failed_says_why(
    bench: Bench, front: Config, settled: dict[str, Any], status: str, code: str | None
) -> None:
    bench.enqueue(message(1))
    bench.send(heard=True, **settled)

    async def story(door: Front) -> None:
        data, _ = await look(door)
        assert data["to"][0]["status"] == status
        assert [error["code"] for error in data["errors"]] == ([code] if code else [])

    run(front, story)


@pytest.mark.parametrize(
    ("told_status", "status"),
    [("delivery_failed", "delivery_failed"), ("delivery_unconfirmed", "delivery_unconfirmed")],
)
def test_what_did_not_arrive_says_so(
    bench: Bench, front: Config, told_status: str, status: str
) -> None:
    bench.enqueue(message(1))
    bench.send()

    async def story(door: Front) -> None:
        await door.hook(URLS.url("shop:m1"), told(told_status, "p-m1", code="40008"))
        data, _ = await look(door)
        assert (data["to"][0]["status"], data["errors"][0]["code"]) == (status, "40008")

    run(front, story)


def test_the_provider_s_id_is_told_in_a_header(bench: Bench, front: Config) -> None:
    bench.enqueue(message(1))
    bench.send()

    async def story(door: Front) -> None:
        answer = await door.http.get("/v2/messages/m1", headers=bearer(TOKEN))
        assert answer.headers["sluicegate-provider-id"] == "p-shop:m1"
        bench.enqueue(message(2))
        bench.cancel("m2")
        assert (await look(door, "m2"))[0]["to"][0]["status"] == "cancelled"
        assert refused(await door.http.get("/v2/messages/%2e%2e%2f", headers=bearer(TOKEN)))

    run(front, story)


@pytest.mark.parametrize("path", ["/", "/v2", "/v2/messages/", "/v2/messages/a/b", "/v2/balance"])
def test_any_other_url_finds_nothing(front: Config, path: str) -> None:
    async def story(door: Front) -> None:
        answer = await door.http.get(path, headers=bearer(TOKEN))
        assert refused(answer) == (404, "10005", "")
        answer = await door.http.put("/v2/messages/m1", headers=bearer(TOKEN))
        assert refused(answer) == (405, "10030", "")

    run(front, story)


# Redis full, and away.


def test_a_full_redis_takes_no_messages_and_says_when_to_come_again(redis_url: str) -> None:
    with EmbeddedServer(maxmemory_bytes=3_000_000) as server:

        async def story(door: Front) -> None:
            answer = await door.send()
            assert refused(answer) == (503, "10037", "")
            assert answer.headers["retry-after"] == "10"
            assert "x-should-retry" not in answer.headers
            checks = (await door.monitoring.get("/readyz")).json()
            assert checks == {"redis": "ok", "writable": "ok", "memory": checks["memory"]}
            assert checks["memory"].startswith("full")

        full = replace(config(server.url), memory_ceiling=0.01)
        run(full, story)


def test_a_redis_that_is_away_leaves_it_unknown(redis_url: str) -> None:
    with EmbeddedServer() as server:
        away = config(server.url)

    async def story() -> None:
        async with opened(away) as door:
            keyed, plain = await asyncio.gather(door.send(headers=KEY), door.send())
            assert refused(keyed)[:2] == refused(plain)[:2] == (503, "10037")
            assert keyed.headers["retry-after"] == "1"
            assert keyed.json()["errors"][0]["meta"] == {"id": "order-1"}
            assert "x-should-retry" not in keyed.headers
            assert plain.headers["x-should-retry"] == "false"

    asyncio.run(story())


def test_readiness_and_metrics_tell_how_it_goes(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        await door.send()
        ready = await door.monitoring.get("/readyz")
        assert (ready.status_code, ready.json()["redis"]) == (200, "ok")
        assert (await door.monitoring.get("/healthz")).json() == {"status": "ok"}
        text = (await door.monitoring.get("/metrics")).text
        assert 'sluicegate_events_total{account="default",event="enqueued"} 1.0' in text
        assert 'sluicegate_http_total{what="messages_taken",account="default"} 1' in text
        assert "sluicegate_redis_up 1" in text
        assert NUMBER not in text

    run(front, story)
