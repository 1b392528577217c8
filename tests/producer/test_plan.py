"""A campaign's plan: what is pinned, and tickets that render to exactly what was counted."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.campaigns.hours import SendingHours
from sluicegate.campaigns.plan import (
    Plan,
    differences,
    key_hash,
    message_id,
    plan_digest,
    rendered,
)
from sluicegate.campaigns.template import RENDERERS
from sluicegate.errors import BadTemplate, BadValue, InvalidMessage
from sluicegate.message import Message
from sluicegate.rules import validated
from sluicegate.segments import Segments, count
from sluicegate.stored import short_hash
from support.messages import SENDER, plan, ticket

EXPIRES = datetime(2030, 1, 31, 9, tzinfo=UTC)
OTHERS: dict[str, Any] = {
    "name": "august",
    "text": "Hi {{ first_name }}, code {{ code }}!",
    "to_column": "mobile",
    "sender": "+15550000001",
    "messaging_profile_id": "profile",
    "media_urls": ("https://example.com/a.png",),
    "key_column": "order",
    "expires_at": EXPIRES,
    "kept_columns": ("plan",),
    "plain_punctuation": True,
    "language_column": "lang",
    "languages": ("de", ""),
    "columns": ("code", "first_name"),
    "follows": "june",
    "b_share": 0.5,
    "dealt_by": "june",
    "renderer": "other/9",
    "except_campaigns": ("june",),
    "hours": SendingHours(windows="09:00-18:00"),
    "series": "july",
    "short_links": "acme.to",
    "app": "shop",
}

HASHES = st.integers(-(2**63), 2**63 - 1)
VALUES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("|\"\n\t\\,'😀")
).filter(lambda value: any(char.isalnum() for char in value) and "{" not in value)


@given(first=VALUES, second=VALUES, hash=HASHES)
def test_a_ticket_renders_to_what_was_counted(first: str, second: str, hash: int) -> None:
    of = plan()
    text = of.template.render({"first_name": first, "code": second})
    try:
        parts = of.message("row", "+14152000000", text).segments.parts
    except InvalidMessage:
        return  # too long for a message: its row is rejected
    made = ticket(of, hash, "+14152000000", parts, (first, second))
    head = made.split(b"|")[:5]
    assert head == [short_hash(hash).encode(), b"%d" % parts, b"SMS", b"", b"+14152000000"]
    assert b"\n" not in made
    id = message_id("july", hash)
    message = rendered(of, id, made)
    assert (message.id, message.to, message.text) == (id, "+14152000000", text)
    assert message.segments.parts == parts == count(text).parts
    stored = msgspec.json.decode(msgspec.json.encode(of), type=Plan)
    assert rendered(stored, id, made) == message, "any worker makes the same"


@given(
    text=st.text(max_size=30)
    | st.sampled_from(["", " ", "a" * 1530, "a" * 1531, "ы" * 670, "ы" * 671, "\ud83d", "😀€"]),
    to=st.sampled_from(["+14152000000", "+6834000"]),  # in E.164, as the function asks
    fields=st.sampled_from([{}, {"sender": "1"}, {"media_urls": OTHERS["media_urls"]}]),
)
def test_segments_are_counted_as_the_message_s(text: str, to: str, fields: dict[str, Any]) -> None:
    of = plan(**fields)

    def counted(count: Callable[[], Segments]) -> Segments | str:
        try:
            return count()
        except InvalidMessage as error:
            return str(error)

    closely = counted(lambda: of.message("row", to, text).segments)
    assert counted(lambda: of.segments(to, text)) == closely


@given(st.text())
def test_hashes_are_blake2b_and_stand_in_url_safe_base64(key: str) -> None:
    digest = blake2b(key.encode(), digest_size=8).digest()
    hash = key_hash(key)
    assert hash == int.from_bytes(digest, signed=True)
    assert short_hash(hash) == urlsafe_b64encode(digest)[:11].decode()


@given(HASHES)
def test_an_id_is_as_long_for_every_key_and_never_an_app_s(hash: int) -> None:
    id = message_id("july", hash)
    assert len(id) == len("july.") + 11
    with pytest.raises(InvalidMessage):
        validated(Message(id=id, to="+14152000000", sender=SENDER, text="x"))


@given(st.text(), st.text())
def test_keys_have_hashes_of_64_bits(one: str, other: str) -> None:
    assert (key_hash(one) == key_hash(other)) == (one == other)
    assert -(2**63) <= key_hash(one) < 2**63


@given(HASHES, HASHES)
def test_hashes_stay_apart_in_ids(one: int, other: int) -> None:
    assert (short_hash(one) == short_hash(other)) == (one == other)


def test_a_message_has_all_that_the_plan_says() -> None:
    media = ("https://example.com/a.png",)
    of = plan(sender="SHOP", messaging_profile_id="p", media_urls=media, expires_at=EXPIRES)
    made = ticket(of, 1, "+14152000000", 1, ("Ann", "1"))
    assert made.split(b"|")[2:4] == [b"MMS", b"%d" % (EXPIRES.timestamp() * 1000)]
    message = rendered(of, message_id("july", 1), made)
    assert message.type == "MMS"
    assert message.priority == "bulk"
    assert (message.sender, message.messaging_profile_id) == ("SHOP", "p")
    assert (message.media_urls, message.expires_at) == (media, EXPIRES)


@pytest.mark.parametrize("field", OTHERS)
def test_the_digest_changes_with_every_field(field: str) -> None:
    assert plan_digest(plan()) == plan_digest(plan())
    assert plan_digest(plan(**{field: OTHERS[field]})) != plan_digest(plan())


OF_ONE_FILE: dict[str, Any] = {"region": "US", "region_column": "country", "landlines": False}
LINKS = (("https://example.com/", "Ab3"),)


def test_how_one_file_is_read_is_no_part_of_the_digest() -> None:
    other = plan(**OF_ONE_FILE)
    assert plan_digest(other) == plan_digest(plan())
    assert not differences(other, plan())


def test_codes_of_links_are_chosen_later_and_no_part_of_the_digest() -> None:
    other = plan(short_links="acme.to", links=LINKS)
    assert plan_digest(other) == plan_digest(plan(short_links="acme.to"))
    assert not differences(other, plan(short_links="acme.to"))


def test_every_field_has_such_a_test() -> None:
    assert {*OTHERS, *OF_ONE_FILE, "links"} == set(Plan.__struct_fields__)


def test_what_equals_a_default_makes_no_other_digest() -> None:
    fields = {field.name: field.default for field in msgspec.structs.fields(Plan)}
    zero = float("0")  # equal to the default, and not the same object
    assert zero is not fields["b_share"]
    assert plan_digest(plan(b_share=zero)) == plan_digest(plan())


def test_one_moment_in_two_zones_is_one_plan() -> None:
    there = EXPIRES.astimezone(timezone(timedelta(hours=9)))
    assert plan_digest(plan(expires_at=there)) == plan_digest(plan(expires_at=EXPIRES))


def test_what_renders_it_is_stored_with_it() -> None:
    assert msgspec.json.decode(msgspec.json.encode(plan()))["renderer"] == RENDERERS[0]


@pytest.mark.parametrize("name", ["a", "0", "july-sale_2", "x" * 60])
def test_names(name: str) -> None:
    assert plan(name).checked() == plan(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "_a", "July", "a.b", "a:b", "a|b", "a#b", "a b", "é", "x" * 61, "a\n"]
)
def test_names_that_can_stand_in_no_key(name: str) -> None:
    with pytest.raises(InvalidMessage, match="name"):
        plan(name).checked()


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sender": None}, "sender"),
        ({"sender": "SHOP"}, "messaging_profile_id"),
        ({"media_urls": ("http://example.com/a.png",)}, "media_urls"),
        ({"expires_at": datetime(2030, 1, 1)}, "expires_at"),  # noqa: DTZ001 - what is refused
        ({"text": "x" * 1600}, "text"),
        ({"messaging_profile_id": "a b"}, "messaging_profile_id"),
    ],
)
def test_plans_that_make_no_sense(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        plan(**fields).checked()
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["", "Hi {name}", "{% for x in y %}{% endfor %}", "{{ a"])
def test_texts_that_are_no_templates(text: str) -> None:
    with pytest.raises(BadTemplate):
        plan(text=text).checked()


@pytest.mark.parametrize("sender", ["+15550000000", None])
def test_the_lane_bears_the_sender_and_the_campaign(sender: str | None) -> None:
    of = plan(sender=sender, messaging_profile_id="p")
    assert of.lane == f"bs:{sender or 'pool:p'}#july"


def test_a_value_that_renders_to_nothing_is_refused_by_name() -> None:
    made = ticket(plan(), 1, "+14152000000", 1, ("", "1"))
    with pytest.raises(BadValue, match="first_name is empty"):
        rendered(plan(), "july.x", made)


def test_kept_columns_go_into_the_tickets_and_not_into_the_text() -> None:
    kept = plan(kept_columns=("carrier", "code"))
    assert kept.values == ("first_name", "code", "carrier")
    values = ["Ann", "7", "T-Mobile"]
    written = ticket(kept, 1, "+14155550001", 1, values)
    assert rendered(kept, "july.x", written).text == "Hi Ann, code 7"
    assert plan_digest(kept) != plan_digest(plan())
    assert differences(kept, plan()) == ["list of kept columns"]


@pytest.mark.parametrize(
    "fields",
    [
        {"hours": SendingHours(on_close="nope")},  # type: ignore[arg-type] # as from Python
        {"b_share": 2.0},
        {"b_share": 0.5},
        {"text": "{% if ab_variant == 'b' %}x{% else %}y{% endif %}"},
        {"media_urls": [1]},
        {"columns": (object(),)},
    ],
)
def test_a_plan_that_could_not_be_read_again_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessage):
        plan("july", **fields).checked()
