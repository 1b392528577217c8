"""Messages: each rule's refusal, the stored form, the digest, and what logs may show."""

import enum
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.errors import InvalidMessage
from sluicegate.masking import masked
from sluicegate.message import (
    Message,
    content_digest,
    decode,
    digest,
    encode,
    from_dict,
    new_id,
    new_ids,
)
from sluicegate.rules import E164, plain, validated
from sluicegate.segments import Segments, count

SMS: dict[str, Any] = {"to": "+15551234567", "sender": "+15557654321", "text": "Hello", "id": "a"}
MMS: dict[str, Any] = {**SMS, "media_urls": ("https://example.com/cat.jpg",)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
IMAGE = "https://example.com/a.png"


def sms(**changes: Any) -> Message:
    return Message(**{**SMS, **changes})


def mms(**changes: Any) -> Message:
    return Message(**{**MMS, **changes})


@pytest.mark.parametrize(
    ("field", "base", "changes"),
    [
        ("to", SMS, {"to": ""}),
        ("to", SMS, {"to": None}),
        ("to", SMS, {"to": 15551234567}),
        ("to", SMS, {"to": b"+15551234567"}),
        ("to", SMS, {"to": "15551234567"}),
        ("to", SMS, {"to": "+05551234567"}),
        ("to", SMS, {"to": "+155512"}),
        ("to", SMS, {"to": "+1555123456789012"}),
        ("to", SMS, {"to": "+1 555 123 4567"}),
        ("to", SMS, {"to": "+15551234567\n"}),
        ("to", SMS, {"to": "+1555123456\u0667"}),
        ("to", SMS, {"to": "12"}),
        ("sender", SMS, {"sender": None}),
        ("sender", SMS, {"sender": ""}),
        ("sender", SMS, {"sender": 12345}),
        ("sender", SMS, {"sender": "12"}),
        ("sender", SMS, {"sender": "123456789"}),
        ("sender", SMS, {"sender": "ABCDEFGHIJKL", "messaging_profile_id": "p"}),
        ("sender", SMS, {"sender": " Acme", "messaging_profile_id": "p"}),
        ("sender", SMS, {"sender": "Acme ", "messaging_profile_id": "p"}),
        ("sender", SMS, {"sender": "Acme\n", "messaging_profile_id": "p"}),
        ("sender", SMS, {"sender": "Acme!", "messaging_profile_id": "p"}),
        ("sender", SMS, {"sender": "Café", "messaging_profile_id": "p"}),
        ("sender", SMS, {"sender": "12 34", "messaging_profile_id": "p"}),
        ("messaging_profile_id", SMS, {"sender": "Acme"}),
        ("messaging_profile_id", SMS, {"messaging_profile_id": ""}),
        ("messaging_profile_id", SMS, {"messaging_profile_id": "a b"}),
        ("messaging_profile_id", SMS, {"messaging_profile_id": 7}),
        ("text", SMS, {"text": None}),
        ("text", SMS, {"text": ""}),
        ("text", SMS, {"text": " \n\t\u2003"}),
        ("text", SMS, {"text": 5}),
        ("text", SMS, {"text": b"Hello"}),
        ("text", SMS, {"text": "a" * 1531}),
        ("text", SMS, {"text": "ы" * 671}),
        ("text", SMS, {"text": "a" * 671, "encoding": "ucs2"}),
        ("text", SMS, {"text": "a" * 152 + "€" + "a" * 1376}),
        ("text", SMS, {"text": "naïve", "encoding": "gsm7"}),
        ("text", SMS, {"text": "half \ud83d"}),
        ("text", MMS, {"text": "half \ud83d"}),
        ("text", MMS, {"text": "a" * 5001}),
        ("subject", SMS, {"subject": "Hi"}),
        ("subject", MMS, {"subject": "a" * 256}),
        ("subject", MMS, {"subject": "\udc00"}),
        ("subject", MMS, {"subject": 1}),
        ("media_urls", SMS, {"media_urls": None}),
        ("media_urls", SMS, {"media_urls": IMAGE}),
        ("media_urls", SMS, {"media_urls": [IMAGE]}),
        ("media_urls", SMS, {"media_urls": (b"https://example.com/a.png",)}),
        ("media_urls", SMS, {"media_urls": (IMAGE,) * 11}),
        ("media_urls", SMS, {"media_urls": (IMAGE, "http://example.com/a.png")}),
        ("media_urls", SMS, {"media_urls": ("http://localhost/a.png",)}),
        ("webhook_url", SMS, {"webhook_url": 1}),
        ("webhook_url", SMS, {"webhook_url": ""}),
        ("webhook_url", SMS, {"webhook_url": "http://example.com/hook"}),
        ("webhook_failover_url", SMS, {"webhook_failover_url": "ftp://example.com/hook"}),
        ("use_profile_webhooks", SMS, {"use_profile_webhooks": "yes"}),
        ("use_profile_webhooks", SMS, {"use_profile_webhooks": 1}),
        ("auto_detect", SMS, {"auto_detect": 0}),
        ("priority", SMS, {"priority": "urgent"}),
        ("priority", SMS, {"priority": None}),
        ("encoding", SMS, {"encoding": "utf8"}),
        ("encoding", SMS, {"encoding": 7}),
        ("send_at", SMS, {"send_at": "2026-07-01T12:00:00Z"}),
        ("send_at", SMS, {"send_at": NOON.replace(tzinfo=None)}),
        ("send_at", SMS, {"send_at": datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))}),
        ("expires_at", SMS, {"expires_at": NOON.replace(tzinfo=None)}),
        ("expires_at", SMS, {"expires_at": NOON.timestamp()}),
        ("expires_at", SMS, {"expires_at": NOON.date()}),
        ("expires_at", SMS, {"send_at": NOON, "expires_at": NOON}),
        ("expires_at", SMS, {"send_at": NOON, "expires_at": NOON - timedelta(seconds=1)}),
        ("id", SMS, {"id": None}),
        ("id", SMS, {"id": 5}),
        ("id", SMS, {"id": "a b"}),
        ("id", SMS, {"id": "a\n"}),
        ("id", SMS, {"id": "é"}),
        ("id", SMS, {"id": "a" * 201}),
    ],
)
def test_refusals_name_the_field(
    field: str, base: dict[str, Any], changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidMessage) as caught:
        validated(Message(**{**base, **changes}))
    assert caught.value.field == field
    assert caught.value.id in ("a", "") or field == "id"
    assert caught.value.reason


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"to": "+6834000"},
        {"to": "+155512345678901"},
        {"sender": "123"},
        {"sender": "12345678"},
        {"sender": None, "messaging_profile_id": "4001-ab_C"},
        {"sender": "Acme 24", "messaging_profile_id": "p"},
        {"sender": "ABCDEFGHIJK", "messaging_profile_id": "p"},
        {"text": "a" * 1530},
        {"text": "ы" * 670},
        {"text": "naïve", "encoding": "ucs2"},
        {"text": None, "media_urls": (IMAGE,)},
        {"text": "ы" * 5000, "media_urls": (IMAGE,) * 10, "subject": "Ы" * 255},
        {"text": "naïve", "encoding": "gsm7", "media_urls": (IMAGE,)},
        {"webhook_url": "https://example.com/x", "webhook_failover_url": "http://[::1]:80/"},
        {"use_profile_webhooks": False, "auto_detect": True},
        {"send_at": NOON, "expires_at": NOON + timedelta(microseconds=1)},
        {"expires_at": datetime(2000, 1, 1, tzinfo=UTC)},
        {"id": "a" * 200},
        {"priority": "bulk"},
    ],
)
def test_what_is_valid_comes_back_as_it_was(changes: dict[str, Any]) -> None:
    message = sms(**changes)
    assert validated(message) is message


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "HTTPS://Example.COM:8443",
        "https://example.com./a?b=c#d",
        "https://example.com?x",
        "https://my_bucket.s3.example.com/a%20b.png",
        "https://example.com/ü.png",
        "https://files/a.png",
        "https://xn--bcher-kva.example/",
        "https://192.0.2.7/a.png",
        "https://[2001:db8::1]:443/a.png",
        "https://example.com/a@b:c",
        "https://example.com/" + "a" * 1980,
    ],
)
def test_urls_that_go(url: str) -> None:
    assert validated(sms(media_urls=(url,)))
    assert validated(sms(webhook_url=url))


@pytest.mark.parametrize(
    "url",
    [
        "example.com",
        "//example.com/a",
        "https:example.com",
        "https://",
        "https:///a",
        "https://.example.com/",
        "https://a..b/",
        "https://-a.example/",
        "https://a-.example/",
        "https://999.1.1.1/",
        "https://2130706433/",
        "https://[::1",
        "https://[127.0.0.1]/",
        "https://[:::1]/",
        "https://[fe80::1%25eth0]/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:/",
        "https://example.com:٣/",
        "https://example.com/a b",
        "https://example.com/a\n",
        "https://example.com/a\x00",
        "https://example.com/a\u2028",
        "https://example.com/\ud800",
        "https://exam ple.com/",
        "https://example.com\\@other.example/",
        "https://user:secret@example.com/",
        "https://b\u00fccher.example/",
        "https://e\u212aample.com/",
        "http\u017f://example.com/",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "https://" + "a" * 64 + ".example/",
        "https://" + "a." * 126 + "ab/",
        "https://example.com/" + "a" * 1981,
    ],
)
def test_urls_that_do_not_go(url: str) -> None:
    for changes in ({"media_urls": (url,)}, {"webhook_url": url}):
        with pytest.raises(InvalidMessage):
            validated(sms(**changes))


@pytest.mark.parametrize(
    ("url", "goes"),
    [
        ("http://localhost:8080/hook", True),
        ("http://LOCALHOST/hook", True),
        ("http://127.8.9.1/hook", True),
        ("http://[::1]:9/hook", True),
        ("http://localhost.example.com/hook", False),
        ("http://localhost@example.com/hook", False),
        ("http://10.0.0.1/hook", False),
        ("http://[2001:db8::1]/hook", False),
    ],
)
def test_webhooks_are_plain_http_only_on_loopback(url: str, goes: bool) -> None:
    if goes:
        assert validated(sms(webhook_url=url))
        return
    with pytest.raises(InvalidMessage, match="webhook_url"):
        validated(sms(webhook_url=url))


def test_a_message_is_an_mms_exactly_with_media() -> None:
    assert sms().type == "SMS"
    assert mms().type == "MMS"
    assert sms(text="😀" * 67).segments == Segments("UCS-2", 134, 3, 2)
    assert sms(text="a" * 71, encoding="ucs2").segments.parts == 2
    assert mms(text="a" * 500).segments == Segments("GSM-7", 500, 1, 1)
    assert mms(text=None).segments.parts == 1


def test_a_missing_id_is_made() -> None:
    message = sms(id="")
    made = validated(message)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", made.id)
    assert msgspec.structs.replace(made, id="") == message
    assert validated(message).id != made.id


def test_ids_are_distinct_and_never_look_like_an_option() -> None:
    ids = {new_id() for _ in range(5000)}
    assert len(ids) == 5000
    assert not any(made.startswith("-") for made in ids)


def test_what_is_not_a_message_is_refused() -> None:
    for other in (None, SMS, "text"):
        with pytest.raises(InvalidMessage, match="must be a Message"):
            validated(other)  # type: ignore[arg-type] # what the test is about


class Markup(str):
    """As template engines return: also its ``str()`` is one."""

    __slots__ = ()

    def __str__(self) -> str:
        return self


class Choice(str, enum.Enum):  # noqa: UP042 - StrEnum behaves; this older kind is the hard case
    BULK = "bulk"


class Moment(datetime):
    """As libraries that freeze time make."""


def test_subclasses_become_plain() -> None:
    moment = Moment(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    message = validated(
        sms(text=Markup("Hi"), priority=Choice.BULK, id=Markup("b"), send_at=moment)
    )
    assert (type(message.text), message.text) == (str, "Hi")
    assert (type(message.priority), message.priority) == (str, "bulk")
    assert (type(message.id), message.id) == (str, "b")
    assert (type(message.send_at), message.send_at) == (datetime, moment)
    assert message.send_at is not None
    assert message.send_at.fold == 1
    assert encode(message)


def test_times_compare_as_instants_when_the_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 2, 50, tzinfo=berlin)
    second = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=berlin)  # 20 minutes later
    assert validated(sms(send_at=first, expires_at=second))
    with pytest.raises(InvalidMessage, match="expires_at"):
        validated(sms(send_at=second, expires_at=first))


def test_refusals_say_why() -> None:
    with pytest.raises(
        InvalidMessage, match=r"11 parts \(671 units in UCS-2 because of '\\u2019'\)"
    ):
        validated(sms(text="a" * 670 + "\u2019"))
    with pytest.raises(InvalidMessage, match="number 2 must be an https URL"):
        validated(sms(media_urls=(IMAGE, "x")))


# The stored form.

instants = st.integers(0, 4_000_000_000_000_000).map(lambda us: EPOCH + timedelta(microseconds=us))
zones = st.one_of(
    st.timezones(),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23))),
)
times = st.none() | st.builds(datetime.astimezone, instants, zones)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
urls = st.text("abc/?=ü", max_size=20).map("https://example.com/".__add__)
e164 = st.from_regex(E164)
messages = st.builds(
    Message,
    to=e164,
    sender=st.none() | e164 | st.sampled_from(["12345", "Acme"]),
    text=texts,
    media_urls=st.lists(urls, max_size=3).map(tuple),
    subject=st.none() | texts,
    messaging_profile_id=st.just("profile"),
    priority=st.sampled_from(["transactional", "bulk"]),
    encoding=st.sampled_from(["auto", "gsm7", "ucs2"]),
    webhook_url=st.none() | urls,
    webhook_failover_url=st.none() | urls,
    use_profile_webhooks=st.none() | st.booleans(),
    auto_detect=st.none() | st.booleans(),
    send_at=times,
    expires_at=times,
    id=st.from_regex(r"\A(?!-)[A-Za-z0-9_-]{1,200}\Z"),
)


def as_encoded(message: Message) -> Message:
    """With its times in UTC, and without its trace, which is kept apart."""
    fields = {name: getattr(message, name) for name in ("send_at", "expires_at")}
    utc = {name: at and at.astimezone(UTC) for name, at in fields.items()}
    return msgspec.structs.replace(message, **utc, traceparent=None, tracestate=None)


@given(messages)
def test_what_is_encoded_decodes_to_the_same(message: Message) -> None:
    read = decode(encode(message), message.id)
    assert read == as_encoded(message)
    assert encode(read) == encode(message)
    assert digest(read) == digest(message)


def field_refused(make: Callable[[], Message]) -> str | None:
    try:
        validated(make())
    except InvalidMessage as refusal:
        return refusal.field
    return None


@given(messages)
def test_validation_accepts_or_refuses_and_never_crashes(message: Message) -> None:
    field = field_refused(lambda: message)
    assert field in {None, "subject", "text", "expires_at"}
    if field is None and message.type == "SMS":
        assert count(message.text or "", message.encoding).parts <= 10


anything = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    *(st.datetimes(), st.lists(st.text(), max_size=2), st.tuples(st.integers())),
    st.dictionaries(st.text(), st.text()),
)


@given(st.dictionaries(st.sampled_from(Message.__struct_fields__), anything))
def test_values_of_any_type_are_refused_in_our_own_words(changes: dict[str, Any]) -> None:
    makes: list[Callable[[], Message]] = [
        lambda: sms(**changes),
        lambda: from_dict({**SMS, **changes}),
    ]
    for make in makes:
        field = field_refused(make)
        assert field is None or field in {*SMS, *changes, "messaging_profile_id"}
        if field is None:
            message = validated(make())
            assert decode(encode(message), message.id) == as_encoded(message)


def glanced(message: Message) -> None:
    """What is valid at a glance is valid, and all the same as by a closer look.

    But for the rule of a sender, which it doesn't look at.
    """
    if type(message.sender) is str:
        message = msgspec.structs.replace(message, sender=SMS["sender"])
    if found := plain(message):
        looked = validated(message)
        assert found == (looked.segments.parts, encode(looked))


@given(st.dictionaries(st.sampled_from(Message.__struct_fields__), anything))
def test_a_glance_lets_nothing_of_a_wrong_type_through(changes: dict[str, Any]) -> None:
    glanced(sms(**changes))


SOLE = st.builds(
    Message,
    to=st.sampled_from(["+15551234567", "+6834000", "+0155512345", "15551234567", "+1555\n"]),
    sender=st.just("+15557654321"),
    text=st.text(max_size=20)
    | st.sampled_from(
        ['a,"id":"x"', "a" * 1530, "a" * 1531, "ы" * 671, "", " \t", "\ud83d", "^€[x]"]
    ),
    priority=st.sampled_from(
        ["bulk", "transactional", Choice.BULK, "".join(["bu", "lk"]), "other"]
    ),
    encoding=st.sampled_from(["auto", "gsm7", "".join(["au", "to"])]),
    id=st.sampled_from(["", "x", "order-1", "a b", "a" * 201]),
)


@given(SOLE)
def test_a_glance_agrees_with_a_closer_look(message: Message) -> None:
    glanced(message)


def test_a_glance_is_enough_for_most() -> None:
    for changes in (
        {},
        {"id": "a"},
        {"priority": "bulk"},
        {"text": "Grüße 😀"},
        {"text": "a" * 900},
    ):
        made = sms(**changes)
        assert plain(made) == (made.segments.parts, encode(made))


def test_equal_defaults_are_left_out_whoever_made_them() -> None:
    made = sms(priority="".join(["transac", "tional"]), encoding="".join(["au", "to"]))
    assert encode(validated(made)) == encode(validated(sms()))


@given(st.binary())
def test_the_digest_is_url_safe_base64_of_blake2b(content: bytes) -> None:
    expected = urlsafe_b64encode(blake2b(content, digest_size=16).digest())[:22].decode()
    assert content_digest(content) == expected


def test_ids_made_at_once_are_like_others() -> None:
    made = [id for count in (0, 1, 2, 500) for id in new_ids(count)]
    assert len(set(made)) == len(made) == 503
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", id) for id in made)


@given(messages, messages)
def test_digests_are_equal_exactly_where_the_content_is(one: Message, other: Message) -> None:
    same = as_encoded(msgspec.structs.replace(other, id=one.id)) == as_encoded(one)
    assert (digest(one) == digest(other)) == same
    assert digest(msgspec.structs.replace(one, id="other")) == digest(one)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("to", "+15551234568"),
        ("sender", None),
        ("text", "Hello!"),
        ("media_urls", (IMAGE,)),
        ("subject", "Hello"),
        ("messaging_profile_id", "p"),
        ("priority", "bulk"),
        ("encoding", "gsm7"),
        ("webhook_url", IMAGE),
        ("webhook_failover_url", IMAGE),
        ("use_profile_webhooks", False),
        ("auto_detect", False),
        ("send_at", NOON),
        ("expires_at", NOON),
        ("media_kinds", ("img",)),
    ],
)
def test_each_field_is_part_of_the_digest(field: str, value: object) -> None:
    assert digest(sms(**{field: value})) != digest(sms())


def test_the_digest_covers_every_field_but_the_id_and_the_trace() -> None:
    cases = test_each_field_is_part_of_the_digest.pytestmark[0].args[1]  # type: ignore[attr-defined] # set by pytest
    outside = {"id", "traceparent", "tracestate"}
    assert {*(field for field, _ in cases), *outside} == set(Message.__struct_fields__)


def test_the_digest_of_one_instant_is_one() -> None:
    tokyo = NOON.astimezone(ZoneInfo("Asia/Tokyo"))
    assert digest(sms(send_at=tokyo, expires_at=tokyo)) == digest(
        sms(send_at=NOON, expires_at=NOON)
    )


def test_the_stored_form_stays_as_it_is() -> None:
    message = mms(send_at=NOON, priority="bulk")
    assert encode(message) == (
        b'{"to":"+15551234567","sender":"+15557654321","text":"Hello",'
        b'"media_urls":["https://example.com/cat.jpg"],"priority":"bulk",'
        b'"send_at":"2026-07-01T12:00:00Z"}'
    )
    assert digest(message) == "LV0j-2EtwKK_dEhs2TlwtQ"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "message"),
        (b"null", "message"),
        (b"[]", "message"),
        (b"\xff", "message"),
        (b'{"to":"\xff"}', "message"),
        (b'{"to":"+15551234567"', "message"),
        (b"[" * 100_000, "message"),
        (b"{}", "to"),
        (b'{"to":1}', "to"),
        (b'{"to":"+15551234567","media_urls":["a",2]}', "media_urls"),
        (b'{"to":"+15551234567","priority":"urgent"}', "priority"),
        (b'{"to":"+15551234567","send_at":"soon"}', "send_at"),
        (b'{"to":"+15551234567","from":"+15557654321"}', "from"),
    ],
)
def test_garbage_is_refused(data: bytes, field: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        decode(data, "some-id")
    assert (caught.value.field, caught.value.id) == (field, "some-id")
    assert "5551234567" not in str(caught.value)


# Plain dictionaries.


def test_a_mapping_makes_a_message() -> None:
    assert from_dict(SMS) == sms()
    read = from_dict({**SMS, "media_urls": [IMAGE], "send_at": "2026-07-01T14:00:00+02:00"})
    assert validated(read) == sms(media_urls=(IMAGE,), send_at=NOON)


def test_a_time_written_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="with its date and zone"):
        validated(from_dict({**SMS, "send_at": "2026-07-01T14:00:00"}))


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ({"from": "+15557654321", **SMS}, "from"),
        ({1: 2}, "1"),
        ({"text": "Hello"}, "to"),
        ({"to": 15551234567}, "to"),
        ({**SMS, "media_urls": IMAGE}, "media_urls"),
        ({**SMS, "auto_detect": "no"}, "auto_detect"),
        ({**SMS, "id": None}, "id"),
        ([("to", "+15551234567")], "message"),
        (None, "message"),
    ],
)
def test_mappings_that_do_not_fit_are_refused(mapping: Any, field: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        from_dict(mapping)
    assert caught.value.field == field


def test_an_unknown_field_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidMessage) as caught:
        from_dict({**SMS, "from": "+15557654321"})
    assert all(name in caught.value.reason for name in Message.__struct_fields__)
    assert "5557654321" not in str(caught.value)


# What logs may show.


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+15551234567", "+1555•••67"),
        ("+155512345678901", "+1555•••01"),
        ("+6834000", "+•••00"),
        ("1234567", "•••"),
        ("12345", "•••"),
        ("", "•••"),
        (15551234567, "1555•••67"),
        (None, "•••"),
    ],
)
def test_masking(number: object, shown: str) -> None:
    assert masked(number) == shown


@given(st.text())
def test_masking_never_shows_more_than_it_says(number: str) -> None:
    head, hidden, tail = masked(number).rpartition("•••")
    assert hidden
    assert number.startswith(head)
    assert number.endswith(tail)
    assert len(head) <= 5
    assert len(tail) <= 2
    assert len(head) + len(tail) <= max(0, len(number) - 5)


def test_neither_a_repr_nor_a_refusal_shows_a_number_or_the_text() -> None:
    assert repr(sms()) == "Message(id='a', to='+1555•••67', type='SMS')"
    for changes in ({"to": "15551234567"}, {"to": 15551234567}, {"sender": "+1 555 123 4567"}):
        with pytest.raises(InvalidMessage) as caught:
            validated(sms(**changes))
        assert "123" not in str(caught.value)
