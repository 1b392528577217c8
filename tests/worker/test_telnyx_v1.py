"""The gateway to Telnyx API v1: its bytes, its headers, and what it makes of each answer."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from sluicegate.config import Account
from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.stored import Bill
from sluicegate_worker.provider.gateway import Attempt
from sluicegate_worker.provider.outcome import Accepted, Dead, Doubt, Halt, Outcome, Retry
from sluicegate_worker.provider.rate_headers import NO_RATE_HEADERS
from sluicegate_worker.provider.telnyx.v1 import TelnyxV1, outcome_of
from sluicegate_worker.transport import GateClosed, MaybeSent, NotSent, Reply, Transport
from support.messages import SENDER, message

SECRET = "s3cret-of-the-profile"
SENT = {
    "sms_id": "834f3d53-8a3c-4aa0-a733-7f2d682a72df",
    "gw_sms_id": "",
    "status": "queued",
    "delivery_status": "",
    "msg": {"src": SENDER, "dst": "+15550000001", "body": "hello", "is_mms": False},
    "coding": 0,
    "parts": 1,
    "created": 1522097596060,
    "errors": [],
}


class Canned(Transport):
    """A transport that answers as it is told, and keeps what it was given."""

    def __init__(self, end: Reply | Exception) -> None:
        self.end, self.posts = end, list[tuple[str, Mapping[str, str], bytes]]()

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        if not gate():
            raise GateClosed
        self.posts.append((url, headers, body))
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        raise AssertionError("API v1 has nothing free to ask for")

    async def aclose(self) -> None:
        """Nothing is open."""


def gateway(end: Reply | Exception | None = None, **fields: Any) -> tuple[TelnyxV1, Canned]:
    canned = Canned(end or Reply(200, {}, json.dumps(SENT).encode()))
    return TelnyxV1(Account(api="v1", **fields), SECRET, canned), canned


def send(end: Reply | Exception, **fields: Any) -> Attempt:
    one, _ = gateway(end, **fields)
    return asyncio.run(one.send(one.request(message()), "key"))


def outcome(status: int, body: object) -> Outcome:
    return outcome_of(Reply(status, {}, json.dumps(body).encode()))


# -- the bytes


def bytes_of(**fields: Any) -> Any:
    one, _ = gateway()
    return json.loads(one.request(message(**fields)))


def test_the_exact_bytes_of_an_sms() -> None:
    one, _ = gateway()
    plain = Message(to="+15551234567", sender="+15550000000", text="h\u00e9llo", id="m1")
    expected = '{"from":"+15550000000","to":"+15551234567","body":"h\u00e9llo"}'
    assert one.request(plain) == expected.encode()


def test_an_sms_with_webhooks() -> None:
    hooks = {"webhook_url": "https://a.test/1", "webhook_failover_url": "https://b.test/2"}
    assert bytes_of(**hooks) == {
        "from": SENDER,
        "to": "+15550000001",
        "body": "hello",
        "delivery_status_webhook_url": "https://a.test/1",
        "delivery_status_failover_url": "https://b.test/2",
    }


def test_an_mms_says_of_what_kind_each_medium_is_and_has_no_body() -> None:
    urls = ("https://a.test/1.png?x=y.mp4", "https://a.test/2", "https://a.test/c.MP4")
    more = ("https://a.test/a.mp3", "https://a.test/me.vcf")
    assert bytes_of(text=None, subject="Picture", media_urls=urls + more) == {
        "from": SENDER,
        "to": "+15550000001",
        "subject": "Picture",
        "media_urls": [
            {"img": urls[0]},
            {"img": urls[1]},
            {"video": urls[2]},
            {"audio": more[0]},
            {"text": more[1]},
        ],
    }


def test_what_v1_has_no_field_for_is_not_sent() -> None:
    said = {"messaging_profile_id": "p", "use_profile_webhooks": False, "auto_detect": True}
    assert bytes_of(**said, encoding="ucs2", priority="bulk") == bytes_of()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sender": None, "messaging_profile_id": "p"}, "sender"),
        ({"media_urls": ("https://a.test/1.png",)}, "text"),
    ],
)
def test_what_v1_cant_send_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidMessage, match="API v1") as caught:
        bytes_of(**fields)
    assert (caught.value.field, caught.value.id) == (field, "m1")


# -- the exchange


def test_the_secret_goes_in_its_header_and_no_idempotency_key_goes_at_all() -> None:
    one, canned = gateway()
    attempt = asyncio.run(one.send(one.request(message()), "key"))
    bill = Bill(parts=1)
    assert attempt.outcome == Accepted("834f3d53-8a3c-4aa0-a733-7f2d682a72df", bill=bill)
    assert (attempt.heard, attempt.answer, attempt.rate) == (True, "", NO_RATE_HEADERS)
    [(url, headers, _)] = canned.posts
    assert url == "https://sms.telnyx.com/messages"
    assert headers["X-Profile-Secret"] == SECRET
    assert headers["Content-Type"] == "application/json"
    assert {"idempotency-key", "authorization"}.isdisjoint(name.lower() for name in headers)


def test_a_closed_gate_is_no_outcome() -> None:
    one, canned = gateway()
    attempt = asyncio.run(one.send(b"{}", "key", lambda: False))
    assert attempt == Attempt(None)
    assert canned.posts == []


def test_the_transports_two_failures() -> None:
    assert send(NotSent("no connection")).outcome == Retry("no connection", "not_sent")
    assert send(MaybeSent("reset")).outcome == Doubt("reset", "no_answer")


def test_the_secret_is_never_shown() -> None:
    body = json.dumps({"success": False, "message": f"no {SECRET}"}).encode()
    found = [
        send(Reply(401, {}, body)),
        send(Reply(200, {}, body)),
        send(MaybeSent(f"cut after {SECRET}")),
        send(NotSent(f"no host {SECRET}")),
    ]
    assert SECRET not in repr(found)
    assert "(API key)" in repr(found)


def test_a_wait_that_is_asked_for_is_heard_though_v1_has_no_rate_headers() -> None:
    attempt = send(Reply(429, {"retry-after": "7"}, b"{}"))
    assert attempt.rate.wait_ms == 7000
    assert isinstance(attempt.outcome, Retry)
    assert attempt.outcome.throttled


def test_an_accounts_own_outcomes_are_looked_at_first() -> None:
    refused = Reply(400, {}, json.dumps({"success": False, "message": "odd"}).encode())
    assert isinstance(send(refused).outcome, Dead)
    assert isinstance(send(refused, outcomes={"400": "halt"}).outcome, Halt)


# -- what it makes of an answer


@pytest.mark.parametrize(
    "body",
    [None, [], {}, {"sms_id": ""}, {"sms_id": None}, {"sms_id": 7}, {"data": {"id": "p1"}}],
)
def test_a_success_without_an_id_is_in_doubt(body: object) -> None:
    one = outcome(200, body)
    assert isinstance(one, Doubt)
    assert one.code == "unreadable"


@pytest.mark.parametrize("body", [b"", b"{", b'{"sms_id":"p1"', b"<html>", b"\xff", b"[" * 99_999])
def test_a_success_that_cant_be_read_is_in_doubt(body: bytes) -> None:
    assert isinstance(outcome_of(Reply(200, {}, body)), Doubt)


def flat(message: object = "No", **fields: object) -> dict[str, object]:
    return {"success": False, "message": message, **fields}


def array(code: str, title: str = "Title") -> dict[str, object]:
    return {"errors": [{"code": code, "title": title}]}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, flat("Invalid secret"), (Halt, "401", "account")),
        (401, array("40311"), (Halt, "40311", "account")),
        (401, array("40313"), (Halt, "40313", "account")),
        (400, flat("Bad", status=40310), (Dead, "40310", "")),
        (400, flat("Bad", status="40305"), (Halt, "40305", "sender")),
        (400, flat("Bad", status=400), (Dead, "400", "")),
        (400, flat("Bad", status="error"), (Dead, "400", "")),
        (400, flat(None, status=[1]), (Dead, "400", "")),
        (400, array("40304"), (Dead, "40304", "")),
        (403, flat("Blocked due to STOP message", status=40300), (Dead, "40300", "opted out")),
        (403, array("40300", "Blocked due to STOP message"), (Dead, "40300", "opted out")),
        (403, flat("Forbidden", status=40300), (Halt, "40300", "sender")),
        (400, flat(status=40318), (Retry, "40318", "queue full")),
        (429, flat("Slow down"), (Retry, "429", "throttled")),
        (404, flat("Nothing here"), (Halt, "404", "sender")),
        (404, {"message": "no route"}, (Halt, "404", "account")),
        (503, flat("Away"), (Retry, "503", "")),
        (500, flat("Broken"), (Retry, "500", "perhaps")),
        # A gateway's own JSON is not the provider's word.
        (503, {"message": "Service Unavailable"}, (Doubt, "503", "")),
        (502, "Bad Gateway", (Doubt, "502", "")),
        (302, flat("Moved"), (Doubt, "302", "")),
    ],
)
def test_errors_in_either_form(
    status: int, body: object, expected: tuple[type[Outcome], str, str]
) -> None:
    one = outcome(status, body)
    assert (type(one), getattr(one, "code", None), aspect(one)) == expected


def aspect(one: Outcome) -> str:
    match one:
        case Halt():
            return one.level
        case Dead(opted_out=True):
            return "opted out"
        case Retry():
            aspects = {"queue full": one.queue_full, "throttled": one.throttled}
            return next((a for a, is_so in aspects.items() if is_so), "perhaps" * one.perhaps)
        case _:
            return ""


def test_what_is_said_is_the_message() -> None:
    said = outcome(400, flat("Bad number", status=40310))
    assert isinstance(said, Dead)
    assert said.why == "HTTP 400 40310 Bad number"
