"""What the provider's public pages name, each with where it is honoured: no row without a place.

The pages contradict each other in places; a row whose meaning differs says which one counts.
"""

import importlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from sluicegate.config import Account, Web
from sluicegate.config.senders import PER_SECOND
from sluicegate.errors import InvalidMessage
from sluicegate.message import Message
from sluicegate.rules import MAX_MEDIA, validated
from sluicegate.segments import MAX_PARTS, count
from sluicegate.webhook_urls import WebhookUrls
from sluicegate_ops.cli.kit.media import MOST_BYTES, SAFE_BYTES, MediaSize, media_fault
from sluicegate_worker.provider.codes import advice_for
from sluicegate_worker.provider.exchange import webhooks_of
from sluicegate_worker.provider.outcome import Accepted, Halt, Outcome
from sluicegate_worker.provider.rate_headers import parse_rate_headers, parse_retry_after_ms
from sluicegate_worker.provider.telnyx import v1, v2
from sluicegate_worker.provider.telnyx.events import DELIVERY_OF, parse_v1_event, parse_v2_event
from sluicegate_worker.transport import Reply

TO, FROM = "+13125550002", "+13125550001"
MEDIA = ("https://example.com/a.png",)
RECEIPTS = WebhookUrls("https://sms.example.com", "a secret for the test's URLs", "default")


def v2_body(**fields: Any) -> dict[str, Any]:
    message = validated(Message(**{"to": TO, "sender": FROM, "text": "Hello", **fields}))
    body: dict[str, Any] = json.loads(v2.TelnyxV2(Account(), "KEY").request(message))
    return body


def v1_body(**fields: Any) -> dict[str, Any]:
    message = validated(Message(**{"to": TO, "sender": FROM, **fields}))
    gateway = v1.TelnyxV1(Account(api="v1"), "secret")
    body: dict[str, Any] = json.loads(gateway.request(message))
    return body


def answered(status: int, code: str = "", title: str = "Refused") -> Outcome:
    error = {"code": code, "title": title, "detail": title}
    body = json.dumps({"errors": [error]} if code else {}).encode()
    return v2.outcome_of(Reply(status, {}, body))


V2_FIELDS: Mapping[str, dict[str, Any]] = {
    "from": {"sender": FROM},
    "messaging_profile_id": {"messaging_profile_id": "abc85f64"},
    "to": {"to": TO},
    "text": {"text": "Hello"},
    "subject": {"subject": "From us", "media_urls": MEDIA},
    "media_urls": {"media_urls": MEDIA},
    "webhook_url": {"webhook_url": "https://example.com/w"},
    "webhook_failover_url": {"webhook_failover_url": "https://example.org/w"},
    "use_profile_webhooks": {"use_profile_webhooks": True},
    "type": {"media_urls": MEDIA},
    "auto_detect": {"auto_detect": True},
}


@pytest.mark.parametrize("field", V2_FIELDS)
def test_every_field_of_a_request_to_v2_is_sent(field: str) -> None:
    assert field in v2_body(**V2_FIELDS[field])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"text": "Hello!"}, {"from": FROM, "to": TO, "body": "Hello!"}),
        (
            {"text": "x", "webhook_url": "https://a.example/w"},
            {"delivery_status_webhook_url": "https://a.example/w"},
        ),
        (
            {"text": "x", "webhook_failover_url": "https://a.example/w"},
            {"delivery_status_failover_url": "https://a.example/w"},
        ),
        ({"subject": "Picture"}, {"subject": "Picture"}),
        ({"media_urls": MEDIA}, {"media_urls": [{"img": MEDIA[0]}]}),
        *(
            ({"media_urls": MEDIA, "media_kinds": (kind,)}, {"media_urls": [{kind: MEDIA[0]}]})
            for kind in ("img", "audio", "video", "text")
        ),
    ],
)
def test_every_field_of_a_request_to_v1_is_sent(
    given: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = v1_body(**given)
    assert {name: body[name] for name in expected} == expected
    assert "body" in body or "text" not in given


def test_a_subject_alone_is_an_mms_of_v1_only() -> None:
    alone = validated(Message(to=TO, sender=FROM, subject="Picture"))
    assert (alone.type, alone.segments.parts) == ("MMS", 1)
    with pytest.raises(InvalidMessage, match="API v1"):
        v2.TelnyxV2(Account(), "KEY").request(alone)
    for text in ("both", ""):
        with pytest.raises(InvalidMessage):
            validated(Message(to=TO, sender=FROM, subject="Picture", text=text))


@pytest.mark.parametrize("kinds", [("img", "img"), ("picture",), "img"])
def test_media_kinds_must_fit(kinds: Any) -> None:
    with pytest.raises(InvalidMessage, match="media_kinds"):
        validated(Message(to=TO, sender=FROM, media_urls=MEDIA, media_kinds=kinds))


@pytest.mark.parametrize("to", ["+15551234567", "+447911123456", "+4915123456789", "+61412345678",
                                "+5511987654321", "+919876543210", "12345", "555123"])  # fmt: skip
def test_recipients_that_are_taken(to: str) -> None:
    assert v2_body(to=to)["to"] == to


@pytest.mark.parametrize(
    "to", ["15551234567", "+1 (555) 123-4567", "+1-555-123-4567", "", "+0123456789", "12", "1234x"]
)
def test_recipients_that_are_refused(to: str) -> None:
    with pytest.raises(InvalidMessage, match="to"):
        v2_body(to=to)


def test_senders_are_numbers_short_codes_and_names() -> None:
    assert {"long_code", "toll_free", "short_code", "alphanumeric", "10dlc", "pool"} == set(
        PER_SECOND
    )
    for sender in (FROM, "55512", "Acme Inc 12"):
        assert v2_body(sender=sender, messaging_profile_id="p")["from"] == sender
    for sender in ("Acme Inc 1234", "Ünique", "123456789"):
        with pytest.raises(InvalidMessage):
            v2_body(sender=sender, messaging_profile_id="p")
    for alone in ("Acme Inc 12", None):  # neither goes without the profile that it is sent by
        with pytest.raises(InvalidMessage, match="messaging_profile_id"):
            v2_body(sender=alone)
    assert "from" not in v2_body(sender=None, messaging_profile_id="p")


@pytest.mark.parametrize("receipts", [None, RECEIPTS])
def test_a_failover_url_stays_with_receipts_on(receipts: WebhookUrls | None) -> None:
    message = Message(to=TO, id="m1", webhook_url="https://a.example/w",
                      webhook_failover_url="https://b.example/w")  # fmt: skip
    url, failover = webhooks_of(message, receipts)
    assert failover == "https://b.example/w"
    assert url is not None
    assert url.startswith("https://sms.example.com/receipts/") is (receipts is not None)


# -- limits


def test_limits_of_texts_and_media() -> None:
    assert (MAX_PARTS, MAX_MEDIA) == (10, 10)
    assert (count("x" * 160).parts, count("x" * 161).parts) == (1, 2)
    assert (count("x" * 1530).parts, count("я" * 70).parts, count("я" * 71).parts) == (10, 1, 2)
    assert count("я" * 670).parts == 10
    for character in "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞ^{}\\[~]|€!\"#¤%&'()*+,-./:;<=>?¡§¿ \n\r":
        assert count(character).encoding == "GSM-7", character
    with pytest.raises(InvalidMessage):
        v2_body(text="x" * 1531)
    with pytest.raises(InvalidMessage):
        v2_body(media_urls=MEDIA * 11)
    with pytest.raises(InvalidMessage):
        v2_body(media_urls=("ftp://example.com/a.png",))


@pytest.mark.parametrize(
    ("sizes", "refused"),
    [([900_000], False), ([600_000, 399_999], False), ([600_000, 400_000], True), ([None], False)],
)
def test_the_size_of_media_in_all(sizes: list[int | None], refused: bool) -> None:
    listed = [MediaSize("https://example.com/a", size) for size in sizes]
    assert bool(media_fault(listed)) is refused
    assert SAFE_BYTES < MOST_BYTES == 1_000_000
    assert media_fault([MediaSize("https://example.com/a", None, "HTTP 404")])


def test_rate_headers_are_read() -> None:
    rate = parse_rate_headers(
        {"x-ratelimit-limit": "600", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}
    )
    assert (rate.limit, rate.remaining, rate.reset_ms) == (600, 0, 30_000)
    assert parse_retry_after_ms({"retry-after": "7"}) == 7_000
    retry = Account().retry
    assert (retry.base_seconds, retry.cap_seconds, retry.max_attempts) == (1.0, 300.0, 8)
    assert Account(limit=600, window_seconds=60.0, concurrency=100).concurrency == 100


# -- answers


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "", "Dead"),
        (400, "40001", "Dead"),
        (400, "40002", "Dead"),  # the catalogue's spam, not the pages' missing field
        (400, "40003", "Halt sender"),  # spam for good: the next would be too
        (401, "10009", "Halt account"),
        (402, "", "Halt account"),
        (403, "40300", "Halt sender"),  # a block without a word of STOP
        (403, "40301", "Dead"),
        (403, "40302", "Dead"),
        (404, "10005", "Halt account"),  # a wrong key without its header looks so
        (422, "", "Dead"),
        (422, "42200", "Halt sender"),
        *((422, f"4220{digit}", "Dead") for digit in range(1, 6)),
        (429, "", "Retry"),
        (429, "40300", "Retry"),
        (408, "", "Retry"),
        (500, "", "Doubt"),
        (502, "", "Doubt"),
        (503, "", "Doubt"),
        (504, "", "Doubt"),
        (418, "99999", "Dead"),  # what nobody has published
    ],
)
def test_every_status_and_code_has_an_outcome(status: int, code: str, expected: str) -> None:
    outcome = answered(status, code)
    level = f" {outcome.level}" if isinstance(outcome, Halt) else ""
    assert type(outcome).__name__ + level == expected


@pytest.mark.parametrize("code", ["10009", "40001", "40002", "40003", "40300", "40301", "40302"])
def test_codes_are_explained_to_people(code: str) -> None:
    advice = advice_for(code)
    assert advice is not None
    assert advice.means


@pytest.mark.parametrize("code", ["30003", "30004", "30005", "30006", "30007", "30008"])
def test_codes_of_another_provider_are_kept_as_they_came(code: str) -> None:
    payload = {"id": "p", "to": [{"status": "delivery_failed"}], "errors": [{"code": code}]}
    event = {"data": {"event_type": "message.finalized", "id": "e", "payload": payload}}
    told: Any = parse_v2_event(json.dumps(event).encode(), "m1", 0)
    assert (told.delivery, told.code) == ("failed", code)


def test_an_acceptance_tells_its_id_and_cost_in_either_form() -> None:
    for amount in ("0.0051", 0.0051):
        data = {"id": "p", "parts": 1, "cost": {"amount": amount, "currency": "USD"}}
        outcome = v2.outcome_of(Reply(200, {}, json.dumps({"data": data}).encode()))
        assert isinstance(outcome, Accepted)
        assert outcome.provider_id == "p"
    flat = {"sms_id": "p", "gw_sms_id": "g", "status": "queued"}
    outcome = v1.outcome_of(Reply(200, {}, json.dumps(flat).encode()))
    assert isinstance(outcome, Accepted)


def test_what_an_answer_tells_of_its_message_is_kept() -> None:
    to = {"phone_number": TO, "status": "queued", "carrier": "T-MOBILE USA, INC.",
          "line_type": "Wireless"}  # fmt: skip
    fees = {"carrier_fee": {"amount": "0.00305", "currency": "USD"},
            "rate": {"amount": "0.00205", "currency": "USD"}}  # fmt: skip
    data = {"id": "p", "to": [to], "parts": 2, "cost_breakdown": fees, "tcr_campaign_id": "C1"}
    for given in (data, data | {"cost": {"amount": 0.0051, "currency": "USD"}}):
        outcome = v2.outcome_of(Reply(200, {}, json.dumps({"data": given}).encode()))
        assert isinstance(outcome, Accepted)
        bill = outcome.bill
        assert (bill.carrier, bill.line_type, bill.parts) == ("t_mobile", "Wireless", 2)
        assert (bill.cost_billionths, bill.currency, bill.registration) == (5_100_000, "USD", "C1")
    flat = {"sms_id": "p", "parts": 1, "carrier": "SOME CARRIER", "line_type": "Wireless"}
    told = v1.outcome_of(Reply(200, {}, json.dumps(flat).encode()))
    assert isinstance(told, Accepted)
    assert (told.bill.carrier_name, told.bill.line_type, told.bill.parts) == (
        "SOME CARRIER",
        "Wireless",
        1,
    )


def test_what_a_webhook_tells_of_its_message_is_kept() -> None:
    payload = {"id": "p", "to": [{"phone_number": TO, "status": "delivered"}], "parts": 1,
               "cost": {"amount": "0.0051", "currency": "USD"}, "errors": []}  # fmt: skip
    event = {"data": {"event_type": "message.finalized", "id": "e", "payload": payload}}
    told: Any = parse_v2_event(json.dumps(event).encode(), "m1", 0)
    assert (told.bill.parts, told.bill.cost_billionths, told.bill.currency) == (
        1,
        5_100_000,
        "USD",
    )


# -- events


@pytest.mark.parametrize(
    ("kind", "status", "delivery"),
    [
        ("message.sent", "sent", "sent"),
        ("message.sent", "sending", ""),
        ("message.finalized", "delivered", "delivered"),
        ("message.finalized", "delivery_failed", "failed"),
        ("message.finalized", "delivery_unconfirmed", "unconfirmed"),
        ("message.finalized", "sending_failed", "failed"),
        ("message.finalized", "expired", "failed"),
        ("message.finalized", "something new", ""),
    ],
)
def test_every_event_and_status_is_read(kind: str, status: str, delivery: str) -> None:
    payload = {"id": "p", "to": [{"status": status}]}
    data = {"event_type": kind, "id": "e", "occurred_at": "2026-03-05T18:30:00.000+00:00",
            "payload": payload}  # fmt: skip
    told: Any = parse_v2_event(json.dumps({"data": data}).encode(), "m1", 0)
    assert (told.delivery, told.occurred_ms) == (delivery, 1_772_735_400_000)


@pytest.mark.parametrize(
    ("status", "delivery_status", "delivery"),
    [("sent", "", "sent"), ("queued", "", ""), ("delivered", "success", "delivered")],
)
def test_a_detail_record_of_v1_is_a_receipt(
    status: str, delivery_status: str, delivery: str
) -> None:
    record = {"sms_id": "p", "status": status, "delivery_status": delivery_status, "updated": 5}
    told: Any = parse_v1_event(json.dumps(record).encode(), "m1", 0)
    assert (told.provider_id, told.delivery, told.occurred_ms) == ("p", delivery, 5)
    assert set(DELIVERY_OF.values()) == {"delivered", "failed", "unconfirmed"}


# -- the rest, by its place


PLACES: Mapping[str, str] = {
    "Authorization: Bearer": "sluicegate_worker.provider.telnyx.v2:TelnyxV2",
    "X-Profile-Secret": "sluicegate_worker.provider.telnyx.v1:TelnyxV1",
    "retrieve a message": "sluicegate_ops.cli.message.retrieve:retrieve",
    "a message detail record of v1": "sluicegate_worker.provider.telnyx.books:TelnyxV1Books",
    "list messaging profiles": "sluicegate_ops.cli.profile.listing:list_",
    "change a profile's webhooks": "sluicegate_ops.cli.profile.pointing:set_webhook",
    "is the number on a profile": "sluicegate_ops.cli.setup.drift:drifts",
    "is the sender registered": "sluicegate_ops.cli.setup.drift:drifts",
    "is the key valid": "sluicegate_ops.cli.doctor.credentials:secret_findings",
    "is the balance enough": "sluicegate_ops.cli.doctor.credentials:owned_findings",
    "exponential backoff with jitter": "sluicegate_worker.retry:policy",
    "queue and control of throughput": "sluicegate.client:Sluice",
    "messages a second by 10DLC campaign": "sluicegate.config.senders:PER_MINUTE",
    "webhook signatures of v2": "sluicegate_worker.provider.telnyx.signatures:V2Signature",
    "webhook signatures of v1": "sluicegate_worker.provider.telnyx.signatures:V1Signature",
    "answer webhooks in time": "sluicegate_ops.web.webhooks:RECORD_SECONDS",
    "an allow-list of addresses": "sluicegate_ops.web.peers:Proxies",
}


@pytest.mark.parametrize("what", PLACES)
def test_what_is_promised_has_its_place(what: str) -> None:
    module, _, name = PLACES[what].partition(":")
    assert hasattr(importlib.import_module(module), name), what


def test_the_allow_list_is_a_setting_and_off_by_default() -> None:
    assert Web().webhook_networks == ()
