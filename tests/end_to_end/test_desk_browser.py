"""The desk in a real browser: five journeys of a novice, by visible labels alone."""

import csv
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sluicegate_ops.desk import passwords
from sluicegate_ops.simulator import Settings, Webhooks
from sluicegate_rigs.embedded import free_ports
from support.command_line import invoked
from support.deployment import Account, deployment, eventually
from support.desks import PASSWORD
from support.novice import Novice, needs_a_browser, somebody

MOST_INTERACTIONS = 15
READY_SECONDS = 60
SENDER, PHONE = "+15557654321", "+13125550199"
PEOPLE = 400
FILE = "Phone,First Name\n" + "".join(f"+1415555{n:04},Ann{n}\n" for n in range(1_000, 1_400))
ZONES = {"312": "America/Chicago", "415": "America/Los_Angeles", "212": "America/New_York"}
EACH = 20
TONIGHT = "Phone,First Name\n" + "".join(
    f"+1{area}555{1000 + n},Ann{n}\n" for area in ZONES for n in range(EACH)
)
IN_SECONDS = 30
FOR_GOOD, FOR_NOW = "40012", "40006"
"""Codes of failed deliveries: no such number, and a carrier that could not be reached."""
ROLES = {"ann": ["send", "operate", "numbers"], "ben": ["send"]}
PAGES = ["queue", "dead", "doubts", "twice", "message", "inbox", "optouts", "audit", "drafts"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(900), needs_a_browser]


@pytest.fixture(params=["mouse", "keyboard"])
def novice(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Novice]:
    with somebody(tmp_path, keyboard=request.param == "keyboard") as novice:
        yield novice


@contextmanager
def desk(provider: Settings, **options: Any) -> Iterator[tuple[Account, str]]:
    """A deployment with a desk, and where that is."""
    [port] = free_ports(1)
    hashed = passwords.hashed(PASSWORD, log_n=10)
    users = {name: {"password_hash": hashed, "roles": roles} for name, roles in ROLES.items()}
    web = {"desk": {"port": port, "users": users}}
    with deployment(provider, web=web, append_only="everysec", **options) as account:
        account.deployment.start_web()
        account.deployment.wait_for_web(READY_SECONDS)
        yield account, f"http://127.0.0.1:{port}"


def logs_in(novice: Novice, url: str, name: str) -> None:
    novice.driver.delete_all_cookies()
    novice.driver.get(f"{url}/desk/")
    novice.writes("Name", name)
    novice.writes("Password", PASSWORD)
    novice.clicks("Log in")
    novice.sees("Requests per second")


@contextmanager
def journey(novice: Novice) -> Iterator[None]:
    novice.interactions = 0
    yield
    assert novice.interactions <= MOST_INTERACTIONS


def told(account: Account, *args: str) -> Any:
    """What a command says with ``--json``."""
    result = invoked([*args, "--json"], env=account.deployment.environ)
    assert result.exit_code in (0, 1), result.output  # 1 is of status: somebody is needed
    return json.loads(result.stdout)


def nothing_is_wrong(novice: Novice) -> None:
    errors = [e for e in novice.driver.get_log("browser") if e["level"] == "SEVERE"]
    assert (novice.faults, errors) == ({}, [])


def test_a_first_blast_is_stopped_corrected_and_followed_up(
    novice: Novice, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(FILE)
    limited = {"limit": 20, "price_per_segment": 0.004, "currency": "USD"}
    with desk(Settings(limit=20, latency_ms=5), account=limited) as (account, url):
        with journey(novice):
            first_blast(novice, url, file, account)
        agrees_with_everybody(novice, url, account)
        with journey(novice):
            stop_and_correct(novice, url, account)
        with journey(novice):
            follow_up(novice, url)
        for path in PAGES:
            novice.driver.get(f"{url}/desk/{path}")
            novice.looks(path)
        nothing_is_wrong(novice)


def first_blast(novice: Novice, url: str, file: Path, account: Account) -> None:
    """Log in, upload, check, send, watch, pause."""
    novice.driver.get(f"{url}/desk/")
    novice.looks("login")
    logs_in(novice, url, "ann")
    novice.looks("overview-idle")
    novice.clicks("New campaign")
    novice.looks("new")
    novice.writes("The file of recipients", str(file))
    novice.clicks("Upload the file")
    novice.sees("Columns: Phone First Name")
    novice.looks("draft")
    novice.writes("Name", "friday")
    novice.writes("Text", "Hi {{ first_name }}, see you on Friday")
    novice.sees("1 segment")
    novice.writes("From", SENDER)
    novice.clicks("Check it")
    novice.sees(f"Send friday to {PEOPLE} people")
    assert "Hi Ann1000, see you on Friday" in novice.page
    novice.looks("checked")
    novice.clicks(f"Send friday to {PEOPLE} people")
    novice.sees("friday is imported")
    novice.clicks("Watch friday")
    novice.sees("friday: running")
    novice.clicks("Pause friday")
    novice.sees("recipients not sent to yet?")
    novice.looks("act")
    novice.clicks("Pause friday")
    novice.sees("friday is paused")
    sent = account.received().total()
    assert 0 < sent < PEOPLE
    novice.clicks("Back")
    novice.sees(f"{sent:,} accepted")
    time.sleep(1.5)  # at 20 a second, thirty more would have come
    assert account.received().total() == sent
    novice.looks("paused")


def agrees_with_everybody(novice: Novice, url: str, account: Account) -> None:
    """What the pages say is what the commands say, and what the provider got."""
    received = account.received().total()
    report = told(account, "campaign", "report", "friday")
    assert (report["states"]["imported"], report["states"]["accepted"]) == (PEOPLE, received)
    ledger = novice.shown("ledger")
    assert ledger.startswith(f"{PEOPLE:,} imported =")
    for name, count in report["states"].items():
        assert f"{count:,} {name.replace('_', ' ')}" in ledger
    for name, count in report["deliveries"].items():
        assert f"{count:,} {name}" in novice.page
    novice.driver.get(f"{url}/desk/")
    status = told(account, "status")
    for name, count in status["counts"].items():
        assert novice.shown(f"c-{name}") == f"{count:,}", name
    assert status["counts"]["accepted"] == received
    waiting = status["counts"]["waiting"] + status["counts"]["scheduled_or_retrying"]
    assert novice.shown("n-waiting") == f"{waiting:,}"
    novice.looks("overview")


def stop_and_correct(novice: Novice, url: str, account: Account) -> None:
    """A campaign that is paused gets another text, and goes on with that."""
    before = account.received().total()
    novice.driver.get(f"{url}/desk/campaigns/friday")
    novice.clicks("Revise its text")
    novice.writes("The new text", "Hi {{ first_name }}, see you on Monday")
    novice.clicks("Show what it would do")
    novice.sees("+ Hi {{ first_name }}, see you on Monday")
    novice.looks("revise")
    novice.clicks("Send the new text to everybody who waits in friday")
    novice.sees("Done.")
    novice.clicks("Watch friday")
    novice.clicks("Resume friday")
    novice.sees("recipients not sent to yet?")
    novice.clicks("Resume friday")
    novice.sees("friday is running")
    novice.clicks("Back")
    novice.sees("friday: finished")
    assert account.received().total() == PEOPLE > before
    time.sleep(5)  # it looks again, and has its charts all the while
    novice.sees("The numbers of these charts")
    novice.looks("campaign")


def follow_up(novice: Novice, url: str) -> None:
    """Another campaign is for whom the first one reached."""
    novice.driver.get(f"{url}/desk/")
    novice.clicks("New campaign")
    novice.writes("Its name", "friday")
    novice.clicks("Choose them")
    novice.writes("Name", "thanks")
    novice.writes("Text", "Thank you for coming")
    novice.writes("From", SENDER)
    novice.clicks("Check it")
    novice.sees(f"Send thanks to {PEOPLE} people")
    novice.looks("follow-up")
    novice.clicks(f"Send thanks to {PEOPLE} people")
    novice.sees("thanks is imported")
    novice.clicks("Watch thanks")
    novice.sees("thanks: running")
    novice.driver.get(f"{url}/desk/campaigns")
    novice.sees("thanks")
    novice.looks("campaigns")


def test_tonight_s_campaign_and_who_did_not_get_it(novice: Novice, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text(TONIGHT)
    provider = Settings(
        limit=50, webhooks=Webhooks(delivery_failed=0.3, failure_codes=(FOR_GOOD, FOR_NOW))
    )
    approved = {"approve_campaigns": True, "price_per_segment": 0.004, "currency": "USD"}
    with desk(provider, account=approved, receipts=True) as (account, url):
        logs_in(novice, url, "ann")
        with journey(novice):
            tonight(novice, file, account)
        with journey(novice):
            second_person(novice, url, "tonight")
        runs_at_its_time(novice, url, account)
        account.deployment.change_provider(webhooks={"delivery_failed": 0.0})
        logs_in(novice, url, "ann")
        with journey(novice):
            who_failed(novice, account, tmp_path)
        second_person(novice, url, "tonight-2")
        novice.driver.get(f"{url}/desk/campaigns/tonight-2")
        novice.sees("tonight-2: finished")
        nothing_is_wrong(novice)


def tonight(novice: Novice, file: Path, account: Account) -> None:
    """By each one's own clock, tried on one's own phone, capped, and put before another person."""
    novice.clicks("New campaign")
    novice.writes("The file of recipients", str(file))
    novice.clicks("Upload the file")
    novice.sees("Columns: Phone First Name")
    novice.writes("Name", "tonight")
    novice.writes("Text", "Hi {{ first_name }}, tonight all is half the price")
    novice.writes("From", SENDER)
    novice.clicks("When and how much")
    novice.writes("Starts at", f"+{IN_SECONDS}s")
    novice.writes("Only in these hours", "00:00-24:00")
    novice.writes("Pause before it costs more than", "5")
    novice.clicks("Check it")
    novice.sees("When it reaches whom")
    for zone in ZONES.values():
        begins = rf"{zone} {EACH} 00:00-24:00 begins (\w+ \d+ \w+ \d+:\d+) there"
        said = re.search(begins, novice.page)
        assert said, novice.page
        there = datetime.now(ZoneInfo(zone)) + timedelta(seconds=IN_SECONDS)
        near = (there + timedelta(minutes=minutes) for minutes in (-2, -1, 0))
        assert said[1] in {f"{at:%a} {at.day} {at:%b %H:%M}" for at in near}
    novice.looks("zones")
    novice.writes("Your number", PHONE)
    novice.clicks("Send me a test")
    novice.sees("The test is on its way")
    eventually(lambda: account.received() == {PHONE: 1}, READY_SECONDS, account.deployment)
    novice.clicks(f"Schedule tonight for {len(ZONES) * EACH} people")
    novice.sees("A second person has to approve it")


def second_person(novice: Novice, url: str, name: str) -> None:
    """Somebody else reads the campaign, and lets it go out."""
    logs_in(novice, url, "ben")
    novice.clicks("Campaigns")
    novice.clicks(name)
    novice.clicks(f"Read and approve {name}")
    novice.sees("as it is?")
    novice.looks("approve")
    novice.clicks(f"Approve {name}")
    novice.sees(f"{name} is approved")


def runs_at_its_time(novice: Novice, url: str, account: Account) -> None:
    people = len(ZONES) * EACH
    novice.driver.get(f"{url}/desk/campaigns/tonight")
    novice.sees("tonight: finished")
    at_ms = told(account, "campaign", "status", "tonight")["at_ms"]
    arrivals = account.deployment.provider("arrivals")
    assert len(arrivals) == people + 1
    assert all(one["received_at"] * 1000 >= at_ms for one in arrivals if one["to"] != PHONE)
    failed = sum(one["final"] == "delivery_failed" for one in arrivals if one["to"] != PHONE)
    novice.sees(f"{people - failed} delivered + {failed} failed")
    novice.looks("finished")


def who_failed(novice: Novice, account: Account, downloads: Path) -> None:
    """By code, as a list to keep, and tried again."""
    report = told(account, "campaign", "report", "tonight")
    codes = {one["code"]: one["count"] for one in report["undelivered"]}
    novice.clicks("Campaigns")
    novice.clicks("tonight")
    novice.clicks("Who did not get it, and why")
    novice.sees(f"Whom tonight did not reach: {sum(codes.values())}")
    for code, count in codes.items():
        assert f"{code} {count} failed" in novice.page
    novice.clicks("Make the list")
    novice.sees("Download the list")
    novice.looks("who-failed")
    novice.clicks("Download the list")
    path = downloads / "tonight.unreached.csv"
    eventually(path.exists, READY_SECONDS, account.deployment)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(codes.values())
    assert all(row["to"].lstrip("'") in account.received() for row in rows)
    assert f"seldom of use to try those of {FOR_GOOD} again" in novice.page
    novice.clicks(f"Try those of {FOR_NOW} again")
    novice.clicks("Show what it would do")
    novice.sees(f"Would be sent to again\n{codes[FOR_NOW]}")
    novice.looks("retry")
    novice.clicks("Send to those of tonight again")
    novice.sees(f"{codes[FOR_NOW]} people are in tonight-2.")
    novice.clicks("Watch tonight-2")
    novice.sees("tonight-2: draft")
