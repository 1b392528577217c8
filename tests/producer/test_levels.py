"""Rate levels: presets and intervals, their form in Redis, who may send, and how long it takes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.config import Account, Brand, Registration, Sender
from sluicegate.config.senders import PER_MINUTE
from sluicegate.declared import check_sender, sender_of
from sluicegate.errors import InvalidMessage
from sluicegate.levels import carriers_text, digest, published
from sluicegate.paces import pace

NUMBER, OTHER = "+15557654321", "+15557654322"
ACCOUNT = Account(
    senders={
        NUMBER: Sender(kind="10dlc", registration="r"),
        OTHER: Sender(kind="toll_free"),
        "Acme": Sender(kind="alphanumeric"),
        "profile": Sender(kind="pool", numbers=20),
    },
    registrations={"r": Registration(carrier_class="T", brand="b")},
    brands={"b": Brand(tmobile_daily=2000, tmobile_share=0.5)},
)


def sent(
    messages: int,
    segments: int = 0,
    us: int = 0,
    *,
    account: Account = ACCOUNT,
    sender: str | None = NUMBER,
    profile: str | None = None,
    kind: str = "SMS",
    per_second: float = 0.0,
) -> tuple[float, str]:
    limits = published(account)
    made = pace(limits, sender, profile, kind, messages, segments or messages, us, per_second)
    return made.seconds, made.level


def level(kind: Any = "long_code", **fields: Any) -> str:
    """What is published of one sender, beside registrations of a class each."""
    each: Any = {name: Registration(carrier_class=name) for name in PER_MINUTE}
    account = Account(senders={"s": Sender(kind=kind, **fields)}, registrations=each)
    return published(account)[f"sender:{'pool:' * (kind == 'pool')}s"]


def registered(**fields: Any) -> str:
    return published(Account(registrations={"r": Registration(**fields)}))["registration:r"]


# What is published.


def test_without_levels_there_is_the_account() -> None:
    assert published(Account()) == {
        "limit": "50",
        "window_ms": "1000",
        "concurrency": "100",
        "sms": "20",
        "mms": "66.666667",
        "zone": "",
    }


def test_every_level_is_published_by_its_name_in_lanes() -> None:
    fields = published(ACCOUNT)
    assert {name for name in fields if ":" in name} == {
        f"sender:{NUMBER}",
        f"sender:{OTHER}",
        "sender:Acme",
        "sender:pool:profile",
        "registration:r",
        "brand:b",
    }
    assert fields[f"sender:{NUMBER}"] == "||r"
    assert fields["registration:r"] == "800|1200|b"
    assert fields["brand:b"] == "2000|0.5"


def test_a_rate_of_0_is_none() -> None:
    fields = published(Account(sms_per_second=0, mms_per_second=0))
    assert (fields["sms"], fields["mms"]) == ("", "")
    assert level(per_second=0) == "||"
    assert registered(carrier_class="A", sms_per_minute=0) == "|25|"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("long_code", "10000|10000|"),
        ("toll_free", "50|50|"),
        ("short_code", "1|1|"),
        ("alphanumeric", "10000|10000|"),
        ("10dlc", "||"),
        ("pool", "10000|10000|"),
    ],
)
def test_a_kind_has_its_preset(kind: str, expected: str) -> None:
    assert level(kind) == expected


def test_a_rate_of_its_own_replaces_the_preset() -> None:
    assert level("short_code", per_second=30) == "33.333333|33.333333|"
    assert level("10dlc", registration="A", per_second=4) == "250|250|A"


def test_a_pool_has_the_rate_of_each_number_times_the_numbers() -> None:
    assert level("pool", numbers=20) == "500|500|"
    assert level("pool", numbers=20, per_second=0.5) == "100|100|"
    assert level("pool", numbers=20, registration="A") == "||A"
    assert level("pool", numbers=3, per_second=0.5, registration="A").startswith("666.666667|")


@pytest.mark.parametrize("carrier_class", ["G", "N"])
def test_a_class_per_number_is_a_rate_of_each_sender(carrier_class: Any) -> None:
    assert registered(carrier_class=carrier_class) == "||"
    registrations = {"r": Registration(carrier_class=carrier_class)}
    senders = {
        NUMBER: Sender(kind="10dlc", registration="r", per_second=0.9),
        "profile": Sender(kind="pool", numbers=10, registration="r"),
    }
    fields = published(Account(senders=senders, registrations=registrations))
    assert fields[f"sender:{NUMBER}"] == "1111.111111|1200|r"
    assert fields[f"number:{NUMBER}"] == "1000|1200|1111.111111"
    assert fields["sender:pool:profile"] == "100|120|r"
    assert fields["number:pool:profile"] == "100|120|"


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("ABKX", (4500, 2400)),
        ("CDP", (2400, 1200)),
        ("EF", (240, 150)),
        ("GN", (60, 50)),
        ("S", (9000, 2400)),
        ("T", (75, 50)),
        ("W", (15, 50)),
    ],
)
def test_a_class_has_the_carrier_s_rates(classes: str, expected: tuple[float, float]) -> None:
    assert {rates for name, rates in PER_MINUTE.items() if name in classes} == {expected}


def test_there_are_fourteen_classes() -> None:
    assert "".join(sorted(PER_MINUTE)) == "ABCDEFGKNPSTWX"


def test_rates_of_a_registration_s_own_replace_its_class() -> None:
    assert registered(carrier_class="T", sms_per_minute=600) == "100|1200|"
    assert registered(sms_per_minute=600) == "100||"


def test_a_share_is_of_unknown_numbers_and_changes_no_rate() -> None:
    assert registered(carrier_class="T", att_share=0.25) == "800|1200|"
    registrations = {"t": Registration(carrier_class="T", att_share=0.25)}
    senders = {NUMBER: Sender(kind="10dlc", registration="t")}
    fields = published(Account(senders=senders, registrations=registrations))
    assert fields["att_share:t"] == "0.25"
    expected = pace(fields, NUMBER, None, "SMS", 100, 100, 100)
    assert (expected.level, expected.seconds) == ("registration:t", 20)


def test_numbers_are_spread_over_small_hashes() -> None:
    assert carriers_text(1_000_000, 90) == "1000000|90|4096"
    assert carriers_text(10_000_000, 30) == "10000000|30|32768"
    assert "carriers" not in published(Account())
    assert "carriers" not in published(msgspec.structs.replace(ACCOUNT, carrier_numbers=0))
    assert published(msgspec.structs.replace(ACCOUNT, uncapped_first="all"))["aside"] == "tb"


def test_the_zone_is_the_pacific_one_at_any_moment() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    changes = [tuple(map(int, part.split())) for part in published(ACCOUNT)["zone"].split(";")]
    assert changes[0] == (datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000, -8 * 3_600_000)
    assert changes[1] == (datetime(2025, 3, 9, 10, tzinfo=UTC).timestamp() * 1000, -7 * 3_600_000)
    assert changes == sorted(changes)
    assert len(changes) == 1 + 2 * 20
    for moment_ms, offset_ms in changes[1:]:
        at = datetime.fromtimestamp(moment_ms / 1000, UTC)
        before = (at - timedelta(milliseconds=1)).astimezone(zone).utcoffset()
        assert at.astimezone(zone).utcoffset() == timedelta(milliseconds=offset_ms) != before


def test_a_digest_is_that_of_the_fields_in_any_order() -> None:
    fields = published(ACCOUNT)
    assert digest(fields) == digest(dict(reversed(fields.items())))
    assert digest(fields) != digest(fields | {"limit": "51"})
    assert digest({"a": "b", "c": ""}) == "aff8f9f97a81bd0c", "the same on every host, for ever"


# Who may send.


def test_only_declared_senders_may_send() -> None:
    for sender, profile in ((NUMBER, None), ("Acme", "any"), (NUMBER, "profile")):
        check_sender(ACCOUNT, sender, profile)
    check_sender(ACCOUNT, None, "profile")
    strangers = (("12345", None), ("profile", "x"), (None, "Acme"), (None, None))
    for stranger, pool in strangers:
        with pytest.raises(InvalidMessage, match="not among the account's senders: "):
            check_sender(ACCOUNT, stranger, pool)
    with pytest.raises(InvalidMessage) as caught:
        check_sender(ACCOUNT, "12345", None, "m1")
    assert (caught.value.id, caught.value.field, caught.value.value) == ("m1", "sender", "12345")
    assert "Acme, pool:profile" in caught.value.reason


def test_where_none_is_declared_any_may_send() -> None:
    check_sender(Account(), "12345", None)
    check_sender(Account(), None, "profile")


def test_a_sender_is_found_by_its_name_in_lanes() -> None:
    assert sender_of(ACCOUNT, None, "profile") == ("pool:profile", ACCOUNT.senders["profile"])
    assert sender_of(ACCOUNT, "Acme", "profile") == ("Acme", ACCOUNT.senders["Acme"])
    assert sender_of(ACCOUNT, "profile", None) is None


# How long it takes.


def test_undeclared_senders_pass_the_account_s_levels_alone() -> None:
    account = Account()
    assert sent(100, account=account) == (2.0, "account")
    assert sent(100, 200, account=account) == (4.0, "account:sms")
    seconds, level = sent(150, kind="MMS", account=account)
    assert (round(seconds, 6), level) == (10.0, "account:mms")
    slow = Account(limit=10, window_seconds=60, sms_per_second=0)
    assert sent(100, 1000, account=slow) == (600.0, "account")


def test_the_slowest_level_holds_it_back() -> None:
    assert sent(75) == (60.0, "registration:r")
    assert sent(50, kind="MMS") == (60.0, "registration:r")
    assert sent(60, sender=OTHER) == (3.0, f"sender:{OTHER}")
    assert sent(60, sender=None, profile="profile") == (30.0, "sender:pool:profile")
    assert sent(75, per_second=1) == (75.0, "campaign")
    assert sent(75, 150, per_second=1) == (150.0, "campaign")
    assert sent(75, per_second=10) == (60.0, "registration:r")


def test_nothing_takes_no_time() -> None:
    assert sent(0) == (0.0, "account")


def test_a_brand_s_cap_takes_whole_days_and_the_rest() -> None:
    assert sent(4000, us=4000) == (3200.0, "registration:r"), "half of them are the carrier's"
    seconds, held = sent(5000, us=5000)
    assert held == "brand:b"
    assert seconds == pytest.approx(86_400 + 4000 * 0.2)
    assert sent(8000, us=8000) == (86_400 + 3200.0, "brand:b")
    assert sent(8000, us=4000) == (6400.0, "registration:r"), "the others aren't American"


def test_a_cap_beyond_what_a_day_sends_holds_nothing_back() -> None:
    assert sent(1_000_000, us=1, sender=NUMBER) == (800_000.0, "registration:r")
    registrations = {"r": Registration(sms_per_minute=1, brand="b")}
    senders = {NUMBER: Sender(kind="10dlc", registration="r")}
    brands = {"b": Brand(tmobile_daily=2000)}
    slow = Account(senders=senders, registrations=registrations, brands=brands)
    assert sent(5000, us=5000, account=slow) == (300_000.0, "registration:r")


@given(
    messages=st.integers(0, 10**6),
    more=st.integers(0, 10**6),
    share=st.floats(1e-6, 1),
    us=st.floats(0, 1),
    rate=st.sampled_from([0.0, 0.01, 3.0]),
)
def test_more_never_takes_less(
    messages: int, more: int, share: float, us: float, rate: float
) -> None:
    account = Account(
        senders=ACCOUNT.senders,
        registrations=ACCOUNT.registrations,
        brands={"b": Brand(tmobile_daily=7, tmobile_share=share)},
    )
    made = [
        sent(count, us=int(count * us), account=account, per_second=rate)[0]
        for count in (messages, messages + more)
    ]
    assert 0 <= made[0] <= made[1] + 1e-6
