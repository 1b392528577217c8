"""Rate levels from the command line: what holds messages back, in which order lanes are served."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis

from sluicegate.config import Brand, Config, Registration, Sender
from sluicegate.levels import published
from sluicegate.optouts import START_TO_POST_SECONDS
from sluicegate.stored import LaneName
from sluicegate_ops.operating.session import Session
from sluicegate_ops.operating.words import local
from sluicegate_worker.provider.codes import advice_for
from support.bench import Bench
from support.command_line import Cli, invoked
from support.effort import size
from support.messages import message, plan, recipient

FAST, SLOW, NOTICES = "+15550000000", "+15550000001", "+15550000002"
TIME = r"(....-..-.. ..:..|..:..:..) \S+"
"""A time as ``local`` writes it."""

LEVELS = f"""
[accounts.default]
sms_per_second = 0.0
mms_per_second = 0.0
[accounts.default.senders."{FAST}"]
kind = "toll_free"
per_second = 0
[accounts.default.senders."{SLOW}"]
kind = "long_code"
per_second = 0.01
[accounts.default.senders."{NOTICES}"]
kind = "10dlc"
registration = "notices"
[accounts.default.registrations.notices]
sms_per_minute = 0.6
brand = "acme"
[accounts.default.brands.acme]
tmobile_daily = 100
"""
FIELDS: dict[str, Any] = {
    "senders": {
        FAST: Sender(kind="toll_free", per_second=0),
        SLOW: Sender(kind="long_code", per_second=0.01),
        NOTICES: Sender(kind="10dlc", registration="notices"),
    },
    "registrations": {"notices": Registration(sms_per_minute=0.6, brand="acme")},
    "brands": {"acme": Brand(tmobile_daily=100)},
}


class LevelsCli(Cli):
    """The command line on one server, with a file of levels, and a bench that makes the state."""

    def __init__(self, url: str, client: redis.Redis, folder: Path) -> None:
        super().__init__(url, client, Bench(client, **FIELDS))
        self.folder, self.client = folder, client
        self.configured(LEVELS)
        self.bench.at(time.time() * 1000)
        self.bench.sweep("w1")

    def first(self, *args: str) -> tuple[str, str]:
        """Kind and level of what stops most."""
        found = self.document("why", *args)["waits"][0]
        return found["kind"], found["level"]

    def configured(self, text: str) -> None:
        (self.folder / "sluicegate.toml").write_text(text)

    def campaign(self, sender: str = FAST, count: int = 30, name: str = "july") -> None:
        made = plan(name, sender=sender)
        self.bench.campaigns.create(made)
        self.bench.add(name, *[recipient(made, n) for n in range(count)])
        self.bench.act(name, "start")

    def refused(self) -> None:
        """Send what may go, until a claim is refused."""
        while grants := self.bench.claim(1).grants:
            self.bench.later(max(0.0, grants[0].slot_ms))
            assert self.bench.start(grants[0]) == [True]
            self.bench.settle(grants[0], "accepted", provider_id="p", heard=True)


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LevelsCli:
    monkeypatch.chdir(tmp_path)
    return LevelsCli(redis_url, valkey, tmp_path)


def test_the_file_of_these_tests_is_what_the_bench_has_published(cli: LevelsCli) -> None:
    config = Session("default", None).account
    assert published(config) == published(cli.bench.config.accounts["default"])


# Why.


def halted(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.halts.set(f"sender:{FAST}", "complaints of +15551234567", 7_200)


def silent(cli: LevelsCli) -> None:
    cli.campaign()
    cli.client.delete(cli.bench.keys("workers"))


def blocked(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.send(kind="back", wait_ms=60_000, heard=True, throttled=True, reason="HTTP 429")


def capped(cli: LevelsCli) -> None:
    cli.campaign(NOTICES)
    cli.bench.publish(
        registrations={"notices": Registration(sms_per_minute=0, brand="acme")},
        brands={"acme": Brand(tmobile_daily=2)},
    )
    cli.refused()


def full(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.send(kind="back", heard=True, queue_full=True, code="40318", reason="queue full")


def queued(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.send(hold_ms=60_000)


def by_sender(cli: LevelsCli) -> None:
    cli.campaign(SLOW)
    cli.refused()


def by_registration(cli: LevelsCli) -> None:
    cli.campaign(NOTICES)
    cli.refused()


def by_campaign(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.campaigns.pace("july", 0.01)
    cli.refused()


def by_type(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.publish(sms_per_second=0.01)
    cli.refused()


def by_requests(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.publish(limit=2, window_seconds=3_600)
    cli.refused()


def busy(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.publish(concurrency=1)
    cli.bench.send()
    cli.bench.claim_all(1)


def probing(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.claim_all(1)


def retrying(cli: LevelsCli) -> None:
    cli.campaign(count=1)
    cli.bench.send(kind="retry", delay_ms=60_000, code="10007", reason="in passing", heard=True)


def in_doubt(cli: LevelsCli) -> None:
    cli.campaign(count=1)
    cli.bench.send(kind="doubt", delay_ms=60_000, code="no_answer", reason="timed out")


def held(cli: LevelsCli) -> None:
    cli.campaign(count=1)
    cli.bench.send(kind="doubt", delay_ms=-1, code="no_answer", reason="timed out")
    cli.bench.enqueue(message(1))
    cli.bench.send(kind="doubt", delay_ms=-1, code="no_answer", reason="another's")


def failing(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.answers_probes = None
    for _ in range(5):
        cli.bench.send(
            kind="retry",
            delay_ms=60_000,
            code="10007",
            reason="HTTP 500",
            heard=True,
            failing=True,
        )


def trying(cli: LevelsCli) -> None:
    failing(cli)
    cli.bench.answers_probes = True
    cli.bench.later(1_001)
    cli.bench.step(want=1)


def paused(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.act("july", "pause")


def draft(cli: LevelsCli) -> None:
    cli.bench.campaigns.create(plan(sender=FAST))


@pytest.mark.parametrize(
    ("made", "kind", "level", "words", "way_out"),
    [
        (halted, "halted", f"sender:{FAST}", f"{FAST} is halted (", f"halt clear sender:{FAST}"),
        (
            silent,
            "no_worker",
            "account",
            "no worker has been heard from in the last hour",
            "celery -A",
        ),
        (blocked, "blocked", "account", "the provider answered 429", "it resumes by itself"),
        (capped, "daily_cap", "brand:acme", "is used up, 2 of 2 segments", "tmobile_daily"),
        (
            full,
            "queue_full",
            f"sender:{FAST}",
            f"{FAST} is full (40318)",
            "lower the sender's per_second",
        ),
        (
            queued,
            "queue",
            f"sender:{FAST}",
            "Telnyx still queues",
            "lower the sender's per_second",
        ),
        (by_sender, "rate", f"sender:{SLOW}", "0.01 segments per s", f'senders."{SLOW}"'),
        (by_registration, "rate", "registration:notices", "0.01 segments per s", "carrier_class"),
        (by_campaign, "rate", "campaign:july", "campaign july, 0.01 seg", "campaign pace july"),
        (by_type, "rate", "account:sms", "the account's SMS, 0.01 segments", "sms_per_second"),
        (by_requests, "requests", "account", "2 per 3600 s: 1 used in the last", "raise limit"),
        (busy, "concurrency", "account", "1 of 1 requests are under way", "concurrency"),
        (probing, "probing", "account", "1 of 1 requests are under way until", "by itself"),
        (retrying, "retrying", "account", "1 message due later", "by itself"),
        (in_doubt, "in_doubt", "account", "1 message in doubt, left to policy", "by itself"),
        (held, "held", "account", "1 message in doubt, held for you", "sluicegate doubt list"),
        (
            failing,
            "failing",
            "account",
            "the provider has been failing or silent",
            "within 15 s",
        ),
        (trying, "trying", "account", "is tried again, one message at a time", "by itself"),
        (paused, "paused", "campaign:july", "campaign july is paused", "campaign resume july"),
        (draft, "draft", "campaign:july", "campaign july is a draft", "campaign start FILE"),
    ],
)
def test_why_names_the_level_that_holds_a_campaign_back_and_what_changes_it(
    cli: LevelsCli,
    made: Callable[[LevelsCli], None],
    kind: str,
    level: str,
    words: str,
    way_out: str,
) -> None:
    made(cli)
    assert cli.first("campaign", "july") == (kind, level)
    shown = cli("why", "campaign", "july").stdout
    assert words in shown
    assert way_out in shown
    status = cli("campaign", "status", "july").stdout
    assert words in status
    assert way_out in status


@pytest.mark.parametrize(
    ("made", "seconds"),
    [(halted, 7_200), (blocked, 60), (full, 30), (queued, 60), (by_sender, 100), (by_type, 100)],
)
def test_why_says_until_when(
    cli: LevelsCli, made: Callable[[LevelsCli], None], seconds: float
) -> None:
    made(cli)
    found = cli.document("why", "campaign", "july")
    first = found["waits"][0]
    assert seconds - 30 < first["seconds"] < seconds + 30
    assert first["until_ms"] == pytest.approx(found["now_ms"] + 1000 * first["seconds"], abs=1)
    assert re.search(rf"(until|next) +{TIME}, in [0-9]", cli("why", "campaign", "july").stdout)


def test_a_provider_that_fails_is_said_with_since_when_and_the_next_probe(cli: LevelsCli) -> None:
    failing(cli)
    cli.bench.answers_probes = False
    for _ in range(4):
        cli.bench.later(15_000)
        cli.bench.step(want=1)
    since_ms = cli.bench.now_ms - 60_000
    cli.client.hset(cli.bench.keys("breaker"), "opened", f"{since_ms:.0f}")
    [first, *_] = cli.document("why")["waits"]
    assert (first["kind"], first["seconds"]) == ("failing", pytest.approx(15, abs=0.01))
    since = rf"failing or silent since {datetime.now(UTC):%Y}\S+ \S+Z, so nothing is sent"
    for asked in (("why",), ("why", "campaign", "july"), ("why", "sender", FAST)):
        shown = cli(*asked).stdout
        assert re.search(since, shown)
        assert re.search(rf"next probe +{TIME}, in 15 s", shown)
    for asked in (("status",), ("campaign", "status", "july")):
        shown = cli(*asked).stdout
        ends = "nothing to do, it ends within 15 s of the provider's recovery"
        because = r"(?: \([^)]*\))*"  # what was answered, and to whom
        assert re.search(rf"{since}{because}, next probe {TIME}, in 15 s: {ends}", shown)
        assert "Telnyx's status page" in shown


def test_a_provider_that_fails_holds_back_nothing_where_nothing_is_to_do(cli: LevelsCli) -> None:
    cli.bench.enqueue(message(1))
    cli.client.hset(cli.bench.keys("breaker"), "state", "open")
    assert cli.first() == ("failing", "account")
    cli.bench.cancel("m1")
    assert cli.document("why")["waits"] == []


def test_a_brands_day_ends_at_the_carriers_midnight(cli: LevelsCli) -> None:
    capped(cli)
    found = cli.document("why", "campaign", "july")
    zone = ZoneInfo("America/Los_Angeles")
    now = datetime.fromtimestamp(found["now_ms"] / 1000, zone)
    midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), zone)
    assert found["waits"][0]["until_ms"] == pytest.approx(1000 * midnight.timestamp(), abs=1)


def test_a_brands_day_holds_back_nothing_that_isnt_the_carriers(cli: LevelsCli) -> None:
    made = plan(sender=NOTICES)
    capped(cli)
    side = LaneName.parse(made.lane)._replace(carrier="t_mobile").format()
    cli.client.delete(cli.bench.keys.lane(made.lane), cli.bench.keys.lane(side))
    cli.client.rpush(cli.bench.keys.lane(made.lane), "x|1|SMS||+447700900000|[]")
    cli.bench.publish(concurrency=99)  # what the day has parked is looked at anew
    kinds = [wait["kind"] for wait in cli.document("why", "campaign", "july")["waits"]]
    assert "daily_cap" not in kinds


def test_others_use_and_the_margin_are_said_with_the_accounts_requests(cli: LevelsCli) -> None:
    cli.campaign()
    cli.bench.publish(limit=10, window_seconds=60)
    cli.bench.send(limit=10, remaining=4)
    cli.bench.send(kind="back", heard=True, throttled=True, wait_ms=1, reason="HTTP 429")
    shown = cli("why").stdout
    assert "10 per 60 s: 2 used in the last window, 5 by others, 1 kept as a margin" in shown


def test_numbers_in_a_halts_cause_are_hidden(cli: LevelsCli) -> None:
    halted(cli)
    asked = [("why",), ("why", "campaign", "july"), ("halt", "list"), ("status",)]
    for args in [*asked, *((*one, "--json") for one in asked)]:
        shown = cli(*args).stdout
        assert "complaints of +1555•••67" in shown
        assert "+15551234567" not in shown


def test_a_halt_for_a_cause_comes_with_the_advice_on_it(cli: LevelsCli) -> None:
    cli.campaign()
    reason = "HTTP 402 20100 No credit"
    cli.bench.send(kind="back", halt="account", heard=True, code="20100", reason=reason)
    told = advice_for("20100")
    assert told is not None
    for args, exits in ((("why",), 0), (("status",), 1)):
        shown = cli(*args, exits=exits).stdout
        assert told.advice in shown
        assert told.portal in shown


def test_what_is_halted_is_said_to_be_nothing_else(cli: LevelsCli) -> None:
    halted(cli)
    for asked in (("campaign", "july"), ("sender", FAST)):
        assert [one["kind"] for one in cli.document("why", *asked)["waits"]] == ["halted"]


def test_only_where_a_setting_would_help_it_says_how_one_is_changed(cli: LevelsCli) -> None:
    by_campaign(cli)
    assert "limits_version" not in cli("why", "campaign", "july").stdout
    cli.campaign(SLOW, name="august")
    cli.refused()
    assert "limits_version" in cli("why", "campaign", "august").stdout


def test_what_stops_the_account_comes_before_the_levels_below(cli: LevelsCli) -> None:
    by_sender(cli)
    assert cli.first() == ("rate", f"sender:{SLOW}")
    cli.bench.halts.set("account", "stop")
    cli.bench.halts.set("campaign:august", "stop")
    kinds = [(one["kind"], one["level"]) for one in cli.document("why")["waits"]]
    assert kinds == [
        ("halted", "account"),
        ("halted", "campaign:august"),
        ("rate", f"sender:{SLOW}"),
    ]


def test_of_a_sender_all_its_lanes_count(cli: LevelsCli) -> None:
    cli.campaign(SLOW, 20)
    cli.campaign(SLOW, 7, "august")
    cli.campaign(SLOW, 3, "september")
    cli.bench.campaigns.pace("august", 0.001)
    cli.bench.act("september", "pause")
    cli.bench.enqueue(message(1, sender=SLOW))
    found = cli.document("why", "sender", SLOW)
    assert found["waiting"] == 28
    assert found["waits"][-1]["level"] == "campaign:september"
    cli.refused()
    assert cli.first("sender", SLOW) == ("rate", f"sender:{SLOW}")
    assert "nothing waits" in cli("why", "sender", FAST).stdout
    unknown = cli("why", "sender", "+15559999999", exits=2).stderr
    assert f"sender +15559999999: not one of the account's senders: {FAST}" in unknown


def test_where_nothing_waits_nothing_holds_back(cli: LevelsCli) -> None:
    assert cli("why").stdout == "the account: nothing waits\n"
    assert cli.document("why")["waits"] == []


# When it will be done.


def finish(cli: LevelsCli, name: str = "july") -> tuple[Any, str, int]:
    """Seconds from now, the level that sets the pace, and how many campaigns share it."""
    found = cli.document("why", "campaign", name)
    ends = found["finish"]
    return (ends["at_ms"] - found["now_ms"]) / 1000, ends["level"], ends["beside"]


def test_the_finish_is_that_of_the_level_that_is_slowest(cli: LevelsCli) -> None:
    cli.campaign(SLOW, 30)
    assert finish(cli) == (pytest.approx(3_000, abs=2), f"sender:{SLOW}", 0)
    cli("campaign", "pace", "july", "--rate", "0.005")
    assert finish(cli) == (pytest.approx(6_000, abs=2), "campaign:july", 0)
    cli.bench.publish(limit=10, window_seconds=3_600)
    assert finish(cli) == (pytest.approx(10_800, abs=2), "account", 0)


def test_campaigns_share_a_level_by_their_weights(cli: LevelsCli) -> None:
    cli.campaign(SLOW, 30)
    cli.campaign(SLOW, 30, "august")
    cli.bench.campaigns.pace("august", weight=3)
    assert finish(cli) == (pytest.approx(12_000, abs=2), f"sender:{SLOW}", 1)
    assert finish(cli, "august") == (pytest.approx(4_000, abs=2), f"sender:{SLOW}", 1)
    assert "shared with 1 other campaign" in cli("campaign", "status", "july").stdout


def test_a_brands_cap_takes_days(cli: LevelsCli) -> None:
    cli.campaign(NOTICES, 350)
    cli.bench.publish(registrations={"notices": Registration(sms_per_minute=600, brand="acme")})
    seconds, level, _ = finish(cli)
    assert level == "brand:acme"
    assert 2 * 86_400 < seconds < 3 * 86_400 + 30


def test_what_waits_for_a_halts_end_is_done_that_much_later(cli: LevelsCli) -> None:
    cli.campaign(SLOW, 30)
    cli.bench.halts.set("campaign:july", "later", 7_200)
    assert finish(cli)[0] == pytest.approx(10_200, abs=2)


@pytest.mark.parametrize("made", [paused, draft, silent])
def test_nobody_can_say_when_what_stands_still_is_done(
    cli: LevelsCli, made: Callable[[LevelsCli], None]
) -> None:
    made(cli)
    assert cli.document("why", "campaign", "july")["finish"] is None


def test_times_are_those_of_who_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2030, 1, 31, 22, tzinfo=UTC).timestamp() * 1000
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "Europe/Berlin")
        time.tzset()
        assert local(now + 5_000, now) == "23:00:05 CET"
        assert local(now + 3_600_000, now) == "2030-02-01 00:00 CET"
    time.tzset()


# Lanes.


def test_lanes_are_listed_in_the_order_in_which_they_are_served(cli: LevelsCli) -> None:
    unhurried = {"notices": Registration(sms_per_minute=0, brand="acme")}
    cli.bench.publish(limit=1000, registrations=unhurried)
    cli.bench.enqueue(message(0, sender=FAST))
    cli.bench.send()
    cli.bench.enqueue(message(1, sender=FAST), message(2, sender=FAST, media_urls=("https://x",)))
    for name, sender, weight in (("july", FAST, 1), ("august", FAST, 3), ("october", NOTICES, 2)):
        cli.campaign(sender, 20, name)
        cli.bench.campaigns.pace(name, weight=weight)
    for _ in range(30):
        [first] = [one for one in cli.lines("lanes") if one["place"] == 1]
        [grant] = cli.bench.claim_all(1)
        lease = cli.client.hget(cli.bench.keys("leases"), grant.id)
        assert isinstance(lease, bytes)
        assert lease.split(b"|")[4].decode() == first["lane"]


def test_each_lane_says_what_it_waits_for(cli: LevelsCli) -> None:
    cli.campaign(SLOW, 20, "july")
    cli.campaign(NOTICES, 20, "august")
    cli.refused()
    cli.campaign(FAST, 20, "october")
    cli.campaign(FAST, 3, "march")
    cli.bench.act("march", "pause")
    cli.bench.campaigns.create(plan("may", sender=FAST))
    cli.campaign(FAST, 1, "june")
    cli.bench.enqueue(message(1, sender=FAST))
    cli.bench.halts.set("campaign:october", "stop")
    cli.bench.send()
    cli.bench.send(kind="retry", delay_ms=60_000, code="10007", reason="in passing", heard=True)
    found = {one["campaign"]: one for one in cli.lines("lanes")}
    assert {name: (one["state"], one["level"]) for name, one in found.items()} == {
        "july": ("parked", f"sender:{SLOW}"),
        "august": ("parked", "registration:notices"),
        "october": ("halted", "campaign:october"),
        "march": ("paused", ""),
        "may": ("draft", ""),
        "june": ("empty", ""),
    }
    assert [found[name]["waiting"] for name in ("july", "october", "march", "june")] == [
        *(19, 20, 3, 0)
    ]
    shown = cli("lanes").stdout
    assert re.search(rf"parked until {TIME} by sender \{SLOW}", shown)
    assert "halted by campaign october" in shown


def test_with_no_lanes_it_says_so(cli: LevelsCli) -> None:
    assert cli("lanes").stdout == "no lanes: nothing waits\n"


def test_of_thousands_of_lanes_the_first_fifty_are_shown(cli: LevelsCli) -> None:
    count = size(2_000, 10_000)
    cli.bench = Bench(cli.client)
    for first in range(0, count, 500):
        cli.bench.enqueue(*(message(n, sender=f"+1666{n:07d}") for n in range(first, first + 500)))
    shown = cli("lanes")
    assert len(shown.stdout.splitlines()) == 51
    assert f"and {count - 50:,} lanes more: --all lists them" in shown.stderr
    assert [one["place"] for one in cli.lines("lanes")] == list(range(1, 51))
    assert len(cli.lines("lanes", "--all")) == count


# Status.


def test_status_shows_the_limits_in_force_and_where_the_file_differs(cli: LevelsCli) -> None:
    assert "no person is needed" in cli("status").stdout
    cli.bench.publish(limit=20, window_seconds=10, concurrency=7, limits_version=4)
    shown = cli("status").stdout
    assert "20 per 10 s" in shown
    assert "7 at once" in shown
    assert "limits of version 4 are in force, not those of the file read here" in shown
    assert "concurrency (7 in force, 100 here), limit (20 in force, 50 here), window_s" in shown
    assert "set its limits_version to 5 and restart a worker" in shown
    found = cli.document("status")
    assert found["limits"]["version"] == 4
    assert found["person_needed"] is False
    cli.configured(LEVELS.replace("sms_per", "limits_version = 5\nsms_per", 1))
    assert "restart a worker with this file" in cli("status").stdout


def test_status_says_that_no_limits_are_in_force_yet(cli: LevelsCli) -> None:
    cli.client.flushdb()
    shown = cli("status").stdout
    assert "none in force yet" in shown
    assert "no worker has published it yet" in shown


def test_status_shows_the_providers_window_where_it_names_one(cli: LevelsCli) -> None:
    cli.bench.enqueue(message(1, sender=FAST))
    cli.bench.send(limit=100, remaining=99, window_ms=60_000)
    assert "100 per 60 s (the provider's window; 50 per 1 s configured)" in cli("status").stdout


def test_a_reset_alone_is_not_worth_a_word(cli: LevelsCli) -> None:
    cli.bench.enqueue(message(1, sender=FAST))
    cli.bench.send(limit=50, remaining=49, reset_ms=250_000)
    shown = cli("status").stdout
    assert "limit             50 per 1 s\n" in shown
    assert "no person is needed" in shown


def test_a_limit_that_is_not_the_configured_one_is_reported_with_the_doubt(cli: LevelsCli) -> None:
    cli.bench.enqueue(message(1, sender=FAST))
    cli.bench.send(limit=600, remaining=599)
    shown = cli("status").stdout
    assert "600 per 12 s (a guess at the provider's window; 50 per 1 s configured)" in shown
    assert "how long the provider's window is, is not certain; 50 per 1 s is configured" in shown
    assert "its answers name another limit, but no window; it names a limit of 600" in shown


def test_what_the_provider_allows_is_reported_with_what_to_configure(cli: LevelsCli) -> None:
    cli.bench.publish(limit=20, window_seconds=1)
    at = cli.bench.now_ms
    for number in range(10):  # what was used comes back at once, every 5 s
        cli.bench.at(at + 1_000 * number)
        cli.bench.enqueue(message(number + 1, sender=FAST))
        cli.bench.send(limit=20, remaining=19 - (number + 2) % 5)
    state = cli.document("status")
    [found] = [one for one in state["findings"] if "the provider allows" in one["what"]]
    assert found["what"] == "the provider allows 20 per 5 s; 20 per 1 s is configured"
    assert found["why"].startswith("all that was used came back at once, 5 s apart since ")
    assert "limit = 20, window_seconds = 5, and a higher limits_version" in found["do"]
    assert state["rate"]["evidence"] == "drops"


def test_headers_that_allow_more_than_is_believed_are_reported(cli: LevelsCli) -> None:
    cli.bench.enqueue(message(1, sender=FAST))
    cli.bench.send(limit=6_000, remaining=5_999, window_ms=1_000)
    shown = cli("status", exits=1).stdout
    assert "the provider's headers allow more than ten times the configured rate" in shown


def test_status_finds_every_halted_level(cli: LevelsCli) -> None:
    cli.bench.halts.set(f"sender:{SLOW}", "HTTP 403 40013 Invalid sender")
    cli.bench.halts.set("account", "stop", 7_200)
    state = cli.document("status", exits=1)
    settings = {what for what, *_ in state["hazards"]}  # the test's server has some
    found = [one for one in state["findings"] if one["what"] not in settings]
    assert [one["what"].partition(" is halted")[0] for one in found] == [
        "the account",
        f"sender {SLOW}",
    ]
    told = advice_for("40013")
    assert told is not None
    assert found[1]["do"].startswith(told.advice)
    assert found[1]["do"].endswith(f"sluicegate halt clear sender:{SLOW}")


def test_status_says_what_holds_back(cli: LevelsCli) -> None:
    by_sender(cli)
    shown = cli("status").stdout
    assert f"held back: the rate of sender {SLOW}, 0.01 segments per s, is used up, next " in shown
    assert "parked            1, see: sluicegate lanes" in shown


# A campaign's pace.


def start(cli: LevelsCli, *more: str) -> None:
    rows = "\n".join(f"+1312555{n},Ann" for n in range(1000, 1003))
    (cli.folder / "people.csv").write_text(f"phone,name\n{rows}\n")
    text = ("--text", "Hi {{ name }}", "--from", FAST, "--yes")
    cli("campaign", "start", "people.csv", "--name", "july", *text, *more)


def paced(cli: LevelsCli) -> tuple[float, float]:
    found = cli.bench.campaigns.get("july")
    return found.per_second, found.weight


def test_a_campaign_starts_with_its_rate_and_weight(cli: LevelsCli) -> None:
    start(cli, "--rate", "0.5", "--weight", "2")
    assert paced(cli) == (0.5, 2)
    for command in (("status", "july"), ("list",), ("pace", "july", "--weight", "2")):
        assert "0.5 segments per s, weight 2" in cli("campaign", *command).stdout
    assert "about" in cli("campaign", "list").stdout
    [listed] = cli.lines("campaign", "list")
    assert (listed["per_second"], listed["weight"]) == (0.5, 2)
    assert listed["finish"]["level"] == "campaign:july"


def test_starting_again_keeps_the_pace_unless_another_is_asked_for(cli: LevelsCli) -> None:
    start(cli)
    assert paced(cli) == (0, 1)
    cli("campaign", "pace", "july", "--rate", "5", "--weight", "3")
    start(cli)
    assert paced(cli) == (5, 3)
    start(cli, "--rate", "7")
    assert paced(cli) == (7, 3)


def test_a_pace_is_changed_while_it_runs(cli: LevelsCli) -> None:
    by_campaign(cli)
    assert cli.first("campaign", "july") == ("rate", "campaign:july")
    said = cli("campaign", "pace", "july", "--rate", "none", "--weight", "0.5").stdout
    assert said.startswith("july: weight 0.5\n")
    assert cli.bench.claim_all(1)
    said = cli("campaign", "pace", "july", "--weight", "1").stdout
    assert said.startswith("july: no rate of its own, weight 1\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("july",), "say what to change: --rate X, --rate none or --weight X"),
        (("july", "--rate", "fast"), "--rate fast: give segments per second above 0, or none"),
        (("july", "--rate", "0"), "above 0, or none"),
        (("july", "--rate", "nan"), "above 0, or none"),
        (("july", "--weight", "0"), "must be from 0.01 to 100"),
        (("gone", "--rate", "1"), "campaign gone: not known"),
    ],
)
def test_a_pace_that_makes_no_sense_is_refused(
    cli: LevelsCli, args: tuple[str, ...], said: str
) -> None:
    cli.campaign()
    assert said in cli("campaign", "pace", *args, exits=2).stderr


# Halts.


def test_a_level_is_halted_and_let_go_on(cli: LevelsCli) -> None:
    cli.campaign(SLOW)
    names = (f"sender:{SLOW}", "registration:notices", "brand:acme", "campaign:july", "account")
    for name in names:
        cli("halt", "set", name, "--why", "a drill", "--for", "90s", "--yes")
    assert {one["level"] for one in cli.lines("halt", "list")} == {*names}
    for one in cli.lines("halt", "list"):
        assert 60_000 < one["until_ms"] - time.time() * 1000 < 120_000
    for name in names:
        assert "goes on" in cli("halt", "clear", name, "--yes").stdout
    assert cli("halt", "list").stdout == "nothing is halted\n"
    assert cli.bench.claim_all(1)


def test_a_halt_of_all_stops_every_configured_account(cli: LevelsCli) -> None:
    cli.configured(LEVELS + "[accounts.marketing]\n")
    said = cli("halt", "set", "all", "--why", "wrong price", "--yes").stdout
    assert "account default is halted until it is cleared\n" in said
    assert "account marketing is halted until it is cleared\n" in said
    for account in ("default", "marketing"):
        [one] = cli.lines("--account", account, "halt", "list")
        assert (one["level"], one["why"], one["until_ms"]) == ("account", "wrong price", None)
    cli("--account", "marketing", "halt", "clear", "--yes")
    assert cli("halt", "clear", "all", "--yes").stdout == "account default goes on\n"


def test_a_halt_asks_first(cli: LevelsCli) -> None:
    asked = invoked(["halt", "set", "account", "--why", "x"], "n\n", cli.environment)
    assert asked.exit_code == 1
    assert "Halt account default until it is cleared?" in asked.stderr
    assert cli.bench.halts.list() == []


def test_a_halt_waits_until_what_had_started_is_written(cli: LevelsCli) -> None:
    slept: list[float] = []
    session = Session("default", None)
    session.client, session.config = cli.client, Config()
    session.sleep = slept.append
    session.wait_for_starts()
    assert slept == []
    cli.campaign()
    cli.bench.begin()
    session.wait_for_starts()
    assert slept == [START_TO_POST_SECONDS]
