"""People are told what is used of carriers' levels, and how the number that one holds is known."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime

import pytest
import redis

from sluicegate.config import Registration, Sender
from sluicegate_ops.inspect import BrandUse, Look, RegistrationUse, Wait, Waits, WhoseNumber
from sluicegate_ops.inspect.carrier_use import CarrierUse, read_carrier_use
from sluicegate_ops.operating.status.carriers import carrier_rows, whose
from support.bench import Bench
from support.carried import PACIFIC, SENDER, Carried, carrier_of
from support.clock import CLOCK
from support.command_line import Cli
from support.flowers import asked, installed
from support.messages import message

DAY_MS = 86_400_000.0
ALONE = "+15550000002"
T_MOBILES, ATTS = (
    [n for n in range(1, 200) if carrier_of(f"+1555{n:07d}") == carrier]
    for carrier in ("t_mobile", "att")
)


def waits(made: Carried) -> dict[str, Wait]:
    """What holds the account back, by its level."""
    found = Waits(made.bench.store, made.bench.keys, CLOCK).account().waits
    return {wait.level: wait for wait in found}


def number(made: Carried, level: str = "brand:acme") -> WhoseNumber:
    """How the number is known that a carrier's level holds first."""
    found = waits(made)[level].number
    assert found is not None
    return found


def heard(made: Carried, n: int = ATTS[-1]) -> Carried:
    """The provider has answered once, and told whose that number is."""
    made.enqueue(n, id="first")
    assert made.run(60_000) == 1
    made.answer_all()
    return made


def use(made: Carried) -> CarrierUse:
    bench = made.bench
    limits = Waits(bench.store, bench.keys, CLOCK).facts.limits
    return read_carrier_use(Look(bench.store, bench.keys, CLOCK), limits, bench.now_ms)


@pytest.mark.parametrize("share", [1.0, 0.75])
def test_a_number_of_an_unknown_carrier_is_said_with_what_it_counts(
    store: redis.Redis, share: float
) -> None:
    made = heard(Carried(store, cap=1, tmobile_share=share))
    made.bench.later(DAY_MS)
    made.enqueue(*T_MOBILES[:2])
    made.bench.claim(2)
    assert number(made) == WhoseNumber("unknown", None, share)


@pytest.mark.parametrize("days", [1, 3])
def test_a_number_is_said_to_be_whose_an_answer_told_and_how_long_ago(
    valkey: redis.Redis, days: int
) -> None:
    known, unknown = T_MOBILES[:2]
    made = heard(Carried(valkey, cap=1), known)
    made.bench.later(DAY_MS * days)
    made.enqueue(unknown)
    made.bench.claim(1)
    made.enqueue(known)
    made.bench.claim(1)
    assert number(made) == WhoseNumber("t_mobile", days, 1.0)


def test_a_registrations_rate_says_whose_number_waits_for_it(valkey: redis.Redis) -> None:
    made = heard(Carried(valkey, per_minute=1.0), ATTS[0])
    made.enqueue(ATTS[0], id="held")
    made.bench.claim(1)
    assert number(made, "registration:notices") == WhoseNumber("att", 0, 1.0)


def test_so_it_does_of_a_campaign_whose_registration_is_parked(valkey: redis.Redis) -> None:
    made = heard(Carried(valkey, per_minute=1.0), ATTS[0])
    made.campaign([ATTS[1]])
    made.bench.claim(1)
    wait = waits(made)["registration:notices"]
    assert wait.refuses
    assert wait.number == WhoseNumber("unknown", None, 1.0)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (WhoseNumber("t_mobile", 0, 1.0), "T-Mobile's, as an answer told today"),
        (WhoseNumber("att", 1, 1.0), "AT&T's, as an answer told 1 day ago"),
        (
            WhoseNumber("other", 40, 0.0),
            "another carrier's, as an answer told 40 days ago: it does not count here",
        ),
        (
            WhoseNumber("unknown", None, 1.0),
            "not known: until an answer tells, each of its segments counts here in full",
        ),
        (
            WhoseNumber("unknown", None, 0.4),
            "not known: until an answer tells, each of its segments counts here as 0.4 of one",
        ),
    ],
)
def test_how_a_number_is_known_is_a_sentence(number: WhoseNumber, said: str) -> None:
    assert whose(number) == said


def test_what_is_used_of_a_brands_day_lasts_until_the_carriers_midnight(
    valkey: redis.Redis,
) -> None:
    made = Carried(valkey, cap=10)
    made.enqueue(*T_MOBILES[:3])
    assert made.run(1_000) == 3
    until_ms = datetime(2026, 3, 3, tzinfo=PACIFIC).timestamp() * 1000
    assert use(made).brands == [BrandUse("acme", 3.0, 10, until_ms)]
    made.answer_all()
    made.bench.at(until_ms - 10)
    made.enqueue(*T_MOBILES[3:23])
    grants = made.bench.claim(20).grants
    new = sum(grant.slot_ms >= 10 for grant in grants)
    assert 0 < new < len(grants), "some go on this day, and some on the one that comes"
    assert use(made).brands == [BrandUse("acme", new, 10, until_ms + DAY_MS)]


def test_a_registrations_rate_is_used_up_or_free(valkey: redis.Redis) -> None:
    made = Carried(valkey, per_minute=6.0)
    [sms] = use(made).registrations
    assert sms == RegistrationUse("notices", "SMS", 6.0)
    made.enqueue(T_MOBILES[0])
    [grant] = made.bench.claim(1).grants
    [sms] = use(made).registrations
    assert sms.used_up == 1
    assert sms.opens_ms == pytest.approx(made.bench.now_ms + max(0, grant.slot_ms) + 10_000, abs=1)


def test_where_each_number_has_the_rate_they_are_counted(valkey: redis.Redis) -> None:
    senders = {n: Sender(kind="10dlc", registration="notices") for n in (SENDER, ALONE)}
    each = {"notices": Registration(carrier_class="G")}
    made = Carried(valkey)
    made.bench.publish(senders=senders, registrations=each, brands={})
    made.enqueue(T_MOBILES[0])
    made.bench.claim(1)
    found = use(made)
    assert not found.brands
    mms, sms = found.registrations
    assert (sms.type, sms.per_minute, sms.senders, sms.used_up) == ("SMS", 60.0, 2, 1)
    assert (mms.type, mms.per_minute, mms.senders, mms.used_up) == ("MMS", 50.0, 2, 0)
    made.bench.later(2_000)
    rows = dict(carrier_rows(use(made), made.bench.now_ms))
    assert rows["AT&T, notices"].endswith("segments a minute for each sender, free")


def test_an_account_without_registrations_asks_and_says_nothing(store: redis.Redis) -> None:
    bench = Bench(store)
    limits = Waits(bench.store, bench.keys, CLOCK).facts.limits
    found = read_carrier_use(Look(bench.store, bench.keys, CLOCK), limits, 0.0)
    assert found == CarrierUse([], [])
    assert carrier_rows(found, 0.0) == []


def test_of_many_rates_the_fullest_are_shown() -> None:
    brands = [BrandUse(f"b{n}", n, 100, 0.0) for n in range(30)]
    rows = carrier_rows(CarrierUse(brands, [RegistrationUse("r", "SMS", 75.0)]), 0.0)
    assert rows[0][1].startswith("29 of 100 segments used today, until")
    assert rows[-1] == ("carriers", "and 21 more: status --json")


@pytest.fixture
def capped(redis_url: str, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """The command line and Flower, where a brand's day is used up and a rate is in use."""
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    made = Carried(valkey, cap=1, per_minute=60.0)
    cli = Cli(redis_url, valkey, made.bench)
    made.bench.at(time.time() * 1000)
    made.bench.sweep("w1")
    heard(made)
    made.bench.at(time.time() * 1000)
    made.enqueue(*T_MOBILES[:2])
    made.bench.claim(2)
    with installed():
        yield cli


def test_status_why_and_the_overview_tell_it(capped: Cli) -> None:
    status = json.loads(capped("status", "--json").stdout)
    [brand] = status["carriers"]["brands"]
    assert (brand["name"], brand["used"], brand["limit"]) == ("acme", 1, 1)
    [rate] = status["carriers"]["registrations"]
    assert (rate["name"], rate["type"], rate["per_minute"]) == ("notices", "SMS", 60)
    said = "1 of 1 segments used today, until"
    assert re.search(rf"T-Mobile, acme +{said}", capped("status").stdout)
    [page] = asked("/")
    assert f"<dt>T-Mobile, acme</dt><dd>{said}" in page.body
    assert "<dt>AT&amp;T, notices</dt><dd>60 SMS segments a minute, " in page.body
    capped.bench.enqueue(message(ATTS[-1], id="again", sender=SENDER, priority="bulk"))
    assert re.search(
        r"carrier +AT&T, as an answer told today\n", capped("message", "show", "again").stdout
    )
    again = capped.document("message", "show", "again")
    assert (again["carrier"], again["carrier_days_ago"]) == ("AT&T", 0)
    assert "carrier" not in capped.document("message", "show", f"m{T_MOBILES[1]}")
    shown = capped("why").stdout
    assert re.search(r"next number +not known: until an answer tells, each of its", shown)
    [wait] = [one for one in capped.document("why")["waits"] if one["kind"] == "daily_cap"]
    assert wait["number"] == {"carrier": "unknown", "days_ago": None, "counts": 1}
    assert wait["whose_number"].startswith("not known: ")
