"""The simulator's API v1: requests, refusals, records, and status webhooks signed by HMAC."""

import base64
import hashlib
import hmac
from typing import Any

import httpx
import pytest

from sluicegate_ops.simulator import Settings, Webhooks
from sluicegate_ops.simulator.webhooks.signing import v1_headers
from support.receiver import receiving
from support.simulated import Client, simulated

OURS, THEIRS = "+13125550001", "+13125550002"
SECRET = {"X-Profile-Secret": "secret"}
AT_ONCE: dict[str, Any] = {"delay_seconds": 0, "jitter_seconds": 0, "connections": 1}


def send(client: Client, headers: dict[str, str] = SECRET, **body: Any) -> httpx.Response:
    content = {"from": OURS, "to": THEIRS, "body": "Hello!"} | body
    content = {name: value for name, value in content.items() if value is not None}
    return httpx.post(client.simulator.base + "/messages", json=content, headers=headers)


def test_json_and_form_are_taken_alike_and_answered_flat() -> None:
    with simulated(Settings(limit=5)) as client:
        answers = [
            send(client),
            httpx.post(
                client.simulator.base + "/messages",
                data={"from": OURS, "to": THEIRS, "body": "Hello!"},
                headers=SECRET,
            ),
        ]
        for answer in answers:
            assert answer.status_code == 200
            assert "x-ratelimit-limit" not in answer.headers
            flat = answer.json()
            assert (flat["status"], flat["delivery_status"], flat["parts"]) == ("queued", "", 1)
            assert flat["msg"] == {"src": OURS, "dst": THEIRS, "body": "Hello!", "is_mms": False}
            assert flat["sms_id"] == flat["gw_sms_id"]
            assert flat["updated"] == flat["created"] > 1_000_000_000_000
        assert client.face("report")["accepted"] == 2
        assert [one["to"] for one in client.face("arrivals")] == [THEIRS] * 2


def test_a_record_is_kept_by_the_api_that_it_came_by() -> None:
    with simulated(Settings(limit=None)) as client:
        old, new = send(client).json()["sms_id"], client.send().json()["data"]["id"]
        found = httpx.get(f"{client.simulator.base}/messages/{old}", headers=SECRET)
        record = found.json()
        assert (record["sms_id"], record["sms_gw_id"], record["status"]) == (old, old, "queued")
        assert record["body"]["text_hash"] == hashlib.sha256(b"Hello!").hexdigest()
        missing = httpx.get(f"{client.simulator.base}/messages/{new}", headers=SECRET)
        assert missing.status_code == 404
        assert client.http.get(f"{client.simulator.url}/messages/{old}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"headers": {}}, 401, "40313"),
        ({"headers": {"X-Profile-Secret": "other"}}, 401, "40311"),
        ({"body": None}, 400, "40304"),
        ({"media_urls": [{"img": "https://a.example/1.png"}]}, 400, "40304"),
        ({"body": None, "media_urls": ["https://a.example/1.png", 7]}, 400, "10003"),
        ({"body": 7}, 400, "10026"),
        ({"to": "nobody"}, 400, "40310"),
        ({"from": None}, 400, "10004"),
        ({"to": "+15555550300"}, 400, "40300"),
    ],
)
def test_refusals_are_flat(body: dict[str, Any], status: int, code: str) -> None:
    with simulated(Settings(limit=None, profile_secrets=("secret",))) as client:
        answer = send(client, **body)
        error = answer.json()
        assert (answer.status_code, error["status"], error["code"]) == (status, status, code)
        assert error["success"] is False
        client.face("settings", {"v1_errors": "array"})
        assert send(client, **body).json()["errors"][0]["code"] == code
        assert client.face("settings")["profile_secrets"] == 1


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_malformed_bodies(body: bytes) -> None:
    with simulated(Settings(limit=None)) as client:
        answer = httpx.post(client.simulator.base + "/messages", content=body, headers=SECRET)
        assert answer.status_code == 400
        assert client.face("report")["accepted"] == 0


def test_an_mms_has_media_and_no_body() -> None:
    with simulated(Settings(limit=None)) as client:
        media = [{"img": "https://a.example/1.png"}]
        answer = send(client, body=None, subject="Look", media_urls=media)
        assert answer.json()["msg"]["is_mms"] is True


def test_limits_throughput_and_magic_numbers_hold_here_too_and_no_idempotency_key_does() -> None:
    limits = Settings(limit=3, window_seconds=600, default_sender_rate=0.001, queue_seconds=2500)
    with simulated(limits) as client:
        keyed = SECRET | {"Idempotency-Key": "k"}
        ids = {send(client, keyed).json()["sms_id"] for _ in range(2)}
        assert len(ids) == 2
        assert send(client).json()["code"] == "40318"
        throttled = send(client)
        assert (throttled.status_code, "retry-after" in throttled.headers) == (429, False)
        assert client.send("+15555555030").status_code == 503


def test_status_webhooks_are_signed_with_the_profile_s_secret() -> None:
    with receiving() as receiver:
        webhooks = Webhooks(forged=1, delivery_failed=1, **AT_ONCE)
        with simulated(Settings(limit=None, webhooks=webhooks)) as client:
            id = send(client, delivery_status_webhook_url=receiver.url).json()["sms_id"]
            true, false = list[Any](), list[Any]()
            for hook in receiver.hooks(4):
                header = dict(
                    part.split("=", 1) for part in hook.headers["x-telnyx-signature"].split(",")
                )
                signed = header["t"].encode() + b"." + hook.body
                digest = base64.b64encode(hmac.digest(b"secret", signed, "sha256")).decode()
                (true if digest == header["h"] else false).append(hook.json)
            assert [one["status"] for one in true] == ["sent", "failed"]
            assert [one["status"] for one in false] == ["delivered", "delivered"]
            assert {one["sms_gw_id"] for one in true} == {id}
            assert true[1]["errors"][0]["code"] == "40008"
            record = httpx.get(f"{client.simulator.base}/messages/{id}", headers=SECRET).json()
            assert (record["status"], record["delivery_status"]) == ("failed", "failed")


def test_the_signature_is_the_published_example_s() -> None:
    body = (
        b'{\n  "sms_id":"834f3d53-8a3c-4aa0-a733-7f2d682a72df",\n  "direction": "inbound",\n'
        b'  "from": "+13129450002",\n  "to": "+13125550001",\n  "body": "Hello!"\n}'
    )
    assert v1_headers("rq789onm321yxzkjihfEdcAm", body, 1520983646) == (
        b"x-telnyx-signature: t=1520983646,h=WlEXoEsHH2RMgy2x8eyvg10JlMBco0s51fdNpMORF00=\r\n"
    )
