"""The campaign desk: a file is uploaded, checked, tested and sent by the rules of the command."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from sluicegate.audit import By
from sluicegate.config import Account
from sluicegate_ops.desk.app import DeskSite
from sluicegate_ops.desk.blasts import counted_text
from sluicegate_ops.desk.drafts import Draft
from sluicegate_ops.desk.jobs import spawned
from support.command_line import Cli
from support.desks import Browser, at_the_desk, desk_config, logged_in, words
from support.messages import plan, recipient
from support.receipts import tell

ROWS = "Phone,First Name,Plan\n" + "".join(
    f"+1415555{n:04},Ann{n},gold\n" for n in range(100, 130)
)
FILE = f"{ROWS}not a number,Bob,gold\n"
SENDER = "+15557654321"
TEXT = "Hi {{ first_name }}, <b>see</b> you"


@pytest.fixture
def here(cli: Cli, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    monkeypatch.chdir(tmp_path)
    cli.bench.publish()
    return cli


async def uploaded(browser: Browser, body: bytes = FILE.encode(), name: str = "people.csv") -> str:
    """Upload a file; the path of its draft."""
    answer = await upload(browser, await browser.token(), body, name)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def upload(browser: Browser, token: str, body: bytes, name: str) -> httpx.Response:
    form: Any = {"data": {"_xsrf": token}, "files": {"file": (name, body)}}
    return await browser.http.post("/desk/new", headers=browser.from_here(), **form)


async def ended(site: DeskSite, browser: Browser, path: str) -> httpx.Response:
    """The draft's page once its command has ended."""
    await site.jobs.settled(site.drafts.get(path.rpartition("/")[2]))
    return await browser.get(path)


def hash_on(page: httpx.Response) -> str:
    """The hash of what a page shows, which its form carries."""
    found = re.search(r'name="hash" value="([0-9a-f]+)"', page.text)
    return found[1] if found else ""


def big(page: httpx.Response, id: str) -> str:
    found = re.search(rf'id="{id}">([^<]+)<', page.text)
    return found[1].strip() if found else ""


def test_from_a_file_to_a_campaign_by_the_rules_of_the_command(here: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        bea = await logged_in(site, "bea")
        path = await uploaded(bea)
        page = await bea.get(path)
        assert "Columns: Phone First Name Plan" in words(page)
        await bea.post(f"{path}/check", name="friday", text=TEXT, sender=SENDER)
        checked = await ended(site, bea, path)
        assert [big(checked, f"d-{what}") for what in ("rows", "sendable", "rejected")] == [
            "31", "30", "1",
        ]  # fmt: skip
        assert "Send friday to 30 people" in words(checked)
        assert "<b>see" not in checked.text
        assert "Hi Ann100, <b>see</b> you" in words(checked)
        rejects = await bea.get(f"{path}/rejects")
        assert "not a number" in rejects.text
        changed = await bea.post(f"{path}/check", name="friday", text=f"{TEXT}!", sender=SENDER)
        assert changed.status_code == 303
        await ended(site, bea, path)
        unseen = await bea.post(f"{path}/start", hash=hash_on(checked))
        assert unseen.status_code == 409  # the text has changed since that page
        await bea.post(f"{path}/start", hash=hash_on(await bea.get(path)), why="as agreed")
        done = await ended(site, bea, path)
        assert "friday is imported" in words(done)
        again = await bea.post(f"{path}/start")
        assert again.status_code == 409

    at_the_desk(desk_config(redis_url), story)
    told = here.document("campaign", "status", "friday")
    assert (told["state"], told["ledger"]["imported"]) == ("running", 30)
    entry = next(one for one in here.lines("audit", "list") if one["action"] == "start")
    assert (entry["who"], entry["why"]) == ("bea", "as agreed")


def test_nothing_is_sent_that_was_not_checked_as_it_is(here: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        bea = await logged_in(site, "bea")
        path = await uploaded(bea)
        assert (await bea.post(f"{path}/start")).status_code == 409
        draft: Draft = site.drafts.get(path.rpartition("/")[2])
        draft.name, draft.settings = "friday", {"text": "Hi", "sender": SENDER}
        site.drafts.save(draft)
        assert (await bea.post(f"{path}/start")).status_code == 409
        unnamed = await bea.post(f"{path}/check", text="Hi", sender=SENDER)
        assert unnamed.status_code == 422
        bad = "Hi {{ nobody }}"
        await bea.post(f"{path}/check", name="friday", text=bad, sender=SENDER)
        page = await ended(site, bea, path)
        assert "nobody" in words(page)
        assert "Send friday" not in words(page)
        assert (await bea.post(f"{path}/start")).status_code == 409

    at_the_desk(desk_config(redis_url), story)
    assert here.lines("campaign", "list") == []


def test_files_that_are_none_and_forms_that_are_not_ours_leave_nothing(
    here: Cli, redis_url: str, tmp_path: Path
) -> None:
    async def story(site: DeskSite) -> None:
        bea, len_ = await logged_in(site, "bea"), await logged_in(site, "len")
        token = await bea.token()
        empty = await upload(bea, token, b"", "empty.csv")
        assert empty.status_code == 422
        large = await upload(bea, token, b"a,b\n" * 1_000, "large.csv")
        assert "more than 2,048 bytes" in words(large)
        assert (await upload(bea, "forged", FILE.encode(), "x.csv")).status_code == 403
        nameless = await upload(bea, token, b"\x00\x01\x02", "x.bin")
        assert nameless.status_code == 422
        assert (await upload(len_, await len_.token(), FILE.encode(), "x.csv")).status_code == 403
        plain = await bea.http.post("/desk/new", content=b"x", headers=bea.from_here())
        assert plain.status_code == 422
        foreign = await bea.http.post(
            "/desk/new", data={"_xsrf": token}, files={"file": ("x.csv", b"a\n")}
        )
        assert foreign.status_code == 403
        assert (await bea.get("/desk/drafts/../../etc/passwd")).status_code in (303, 404)
        assert (await bea.get(f"/desk/drafts/{'0' * 24}")).status_code == 404

    at_the_desk(desk_config(redis_url, upload_bytes=2_048), story)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_who_may_not_send_sees_no_draft(here: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        bea, len_ = await logged_in(site, "bea"), await logged_in(site, "len")
        path = await uploaded(bea)
        for there in (path, "/desk/drafts", "/desk/new"):
            assert (await len_.get(there)).status_code == 403
        ann = await logged_in(site, "ann")
        assert "people.csv" in words(await ann.get("/desk/drafts"))
        assert (await ann.get(f"{path}/rejects")).status_code == 403  # bea's own numbers
        await ann.post(f"{path}/remove")
        assert (await bea.get(path)).status_code == 404

    at_the_desk(desk_config(redis_url), story)


def test_a_text_is_revised_once_it_is_seen_what_that_does(here: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        bea = await logged_in(site, "bea")
        path = await uploaded(bea)
        await bea.post(f"{path}/check", name="friday", text=TEXT, sender=SENDER)
        await ended(site, bea, path)
        await bea.post(f"{path}/start", hash=hash_on(await bea.get(path)))
        await ended(site, bea, path)
        page = await bea.get("/desk/campaigns/friday")
        assert "/desk/campaigns/friday/revise" in page.text
        foreign = {"Sec-Fetch-Site": "cross-site"}
        there = "/desk/campaigns/friday/revise"
        assert (await bea.get(there, headers=foreign)).status_code == 403
        begun = (await bea.get(there)).headers["location"]
        await bea.post(f"{begun}/do")  # nothing was asked
        await bea.post(f"{begun}/ask", text="Hello {{ first_name }}")
        asked = await ended(site, bea, begun)
        assert "Send the new text to everybody who waits in friday" in words(asked)
        assert (await bea.post(f"{begun}/do", hash="0" * 16)).status_code == 409
        await bea.post(f"{begun}/do", hash=hash_on(asked), why="a slip")
        assert "Done." in words(await ended(site, bea, begun))

    at_the_desk(desk_config(redis_url), story)
    assert here.document("campaign", "status", "friday")["version"] == 2


@pytest.mark.long
def test_a_command_runs_in_a_process_of_its_own(here: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        bea = await logged_in(site, "bea")
        path = await uploaded(bea)
        await bea.post(f"{path}/check", name="friday", text=TEXT, sender=SENDER)
        assert "Checking every row" in words(await bea.get(path))
        assert big(await ended(site, bea, path), "d-sendable") == "30"
        await bea.post(f"{path}/start", hash=hash_on(await bea.get(path)))
        await site.jobs.close()
        assert "do it again, it goes on where it stopped" in words(await bea.get(path))

    at_the_desk(desk_config(redis_url), story, spawned)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("a" * 160, "160 characters, 1 segment, GSM-7, as it stands here"),
        ("a" * 161, "161 characters, 2 segments, GSM-7, as it stands here"),
        ("ł", "1 characters, 1 segment, UCS-2, as it stands here"),
    ],
)
def test_a_text_is_counted_as_it_is_billed(text: str, said: str) -> None:
    assert counted_text(text) == said


def test_a_second_person_approves_what_they_saw(here: Cli, redis_url: str) -> None:
    config = desk_config(redis_url, accounts={"default": Account(approve_campaigns=True)})
    here.bench.publish(approve_campaigns=True)

    async def story(site: DeskSite) -> None:
        campaigns = site.accounts.session(writes=True).campaigns
        friday = plan("friday", text="Hi")
        campaigns.create(friday)
        rows = [recipient(friday, n) for n in range(3)]
        assert len(list(campaigns.add("friday", rows, By("bea")))) == 3
        bea, ann = await logged_in(site, "bea"), await logged_in(site, "ann")
        asks = await ann.get("/desk/act/approve?campaign=friday")
        assert "Let friday go out to 3 recipients as it is?" in words(asks)
        seen = re.search(r'name="hash" value="([0-9a-f]+)"', asks.text)
        assert seen is not None
        own = await bea.post("/desk/act/approve", campaign="friday", hash=seen[1])
        assert own.status_code == 409
        stale = await ann.post("/desk/act/approve", campaign="friday", hash="0" * 16)
        assert "it has changed since you looked" in words(stale)
        assert campaigns.get("friday").state == "draft"
        done = await ann.post("/desk/act/approve", campaign="friday", hash=seen[1])
        assert "friday is approved" in words(done)
        assert campaigns.get("friday").state == "running"

    at_the_desk(config, story)


def test_whom_a_campaign_did_not_reach_is_listed_and_tried_again(
    here: Cli, redis_url: str
) -> None:
    async def story(site: DeskSite) -> None:
        bea, nel = await logged_in(site, "bea"), await logged_in(site, "nel")
        path = await uploaded(bea)
        await bea.post(f"{path}/check", name="friday", text=TEXT, sender=SENDER)
        await ended(site, bea, path)
        await bea.post(f"{path}/start", hash=hash_on(await bea.get(path)))
        await ended(site, bea, path)
        for n in range(30):
            if n < 2:
                here.bench.send(kind="dead", code="40310", reason="no", heard=True)
                continue
            sent, status = here.bench.send(), "delivery_failed" if n < 5 else "delivered"
            tell(here.bench, sent.id, status, code="40008" if n < 5 else "")
        here.bench.sweep()
        there = "/desk/campaigns/friday/unreached"
        assert there in (await bea.get("/desk/campaigns/friday")).text
        assert (await bea.get(there, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403
        assert (await nel.get(there)).status_code == 403
        assert (await bea.get("/desk/campaigns/may/unreached")).status_code == 404
        report = (await bea.get(there)).headers["location"]
        told = words(await ended(site, bea, report))
        assert "Whom friday did not reach: 5" in told
        assert "Of 30 people" in told
        assert "25 delivered" in told
        assert "40008 3 failed" in told
        assert "40310 2 dead" in told
        assert (await bea.get(f"{report}/list")).status_code == 404
        assert (await bea.post(f"{report}/check", name="x", text="Hi")).status_code == 404
        await bea.post(f"{report}/list")
        assert "Download the list" in words(await ended(site, bea, report))
        listed = (await bea.get(f"{report}/list")).text.splitlines()
        assert len(listed) == 6
        assert "+1415555" not in "".join(listed), "whole numbers take a role"
        again = (await bea.get("/desk/campaigns/friday/retry?failed=40008")).headers["location"]
        await bea.post(f"{again}/ask", failed="40008")
        asked = await ended(site, bea, again)
        assert "Would be sent to again 3" in words(asked)
        assert "Hi Ann10" in words(asked), "the file is known"
        await bea.post(f"{again}/do", hash=hash_on(asked))
        done = words(await ended(site, bea, again))
        assert "3 people are in friday-2." in done
        assert "Watch friday-2" in done

    at_the_desk(desk_config(redis_url), story)
    assert here.bench.campaigns.ledger("friday-2").imported == 3


def test_a_file_that_is_gone_is_uploaded_again_to_try_again(here: Cli, redis_url: str) -> None:
    here.bench.campaign(plan("july", text="Hi {{ first_name }}"), 1)
    here.bench.send(kind="dead", code="40310", reason="no", heard=True)
    here.bench.sweep()

    async def story(site: DeskSite) -> None:
        bea = await logged_in(site, "bea")
        again = (await bea.get("/desk/campaigns/july/retry")).headers["location"]
        await bea.post(f"{again}/ask", failed="any")
        assert "it needs first_name of each row" in words(await ended(site, bea, again))
        form: Any = {
            "data": {"_xsrf": await bea.token()},
            "files": {"file": ("p.csv", b"phone,first_name\n+15550000000,Ann\n")},
        }
        await bea.http.post(f"{again}/file", headers=bea.from_here(), **form)
        assert "It is not on this host" not in words(await bea.get(again))

    at_the_desk(desk_config(redis_url), story)


def test_it_is_told_when_each_zone_begins(here: Cli, redis_url: str) -> None:
    rows = "Phone,First Name\n+12125550100,Ann\n+14155550101,Bob\n+14155550102,Cid\n"

    async def story(site: DeskSite) -> None:
        bea = await logged_in(site, "bea")
        path = await uploaded(bea, rows.encode())
        form = {"name": "tonight", "text": TEXT, "sender": SENDER, "hours": "18:00-21:00"}
        await bea.post(f"{path}/check", **form)
        told = words(await ended(site, bea, path))
        for zone, people in (("America/New_York", 1), ("America/Los_Angeles", 2)):
            there = datetime.now(ZoneInfo(zone))
            opens = there + timedelta(days=there.hour >= 21)
            begins = f"begins {opens:%a} {opens.day} {opens:%b} 18:00 there, "
            state = "open now, until" if 18 <= there.hour < 21 else begins
            assert f"{zone} {people} 18:00-21:00 {state}" in told
        later = f"{datetime.now(UTC) + timedelta(days=3):%Y-%m-%dT%H:%MZ}"
        await bea.post(f"{path}/check", at=later, **form)
        assert "open now" not in words(await ended(site, bea, path)), "it starts in three days"

    at_the_desk(desk_config(redis_url), story)


def test_a_campaign_is_for_an_earlier_one_s_recipients(here: Cli, redis_url: str) -> None:
    here.bench.campaign(plan("july"), 4)
    sent = [here.bench.send() for _ in range(2)]
    tell(here.bench, sent[0].id)
    Path("sluicegate.toml").write_text('[web]\nshort_links = "acme.to"\n')
    there = desk_config(redis_url, web={"short_links": "acme.to"})

    async def story(site: DeskSite) -> None:
        bea = await logged_in(site, "bea")
        assert "who surely got it" in words(await bea.get("/desk/new"))
        nobody = await bea.post("/desk/audience", campaign="may", outcome="all")
        assert (nobody.status_code, "campaign may: not known" in words(nobody)) == (404, True)
        odd = await bea.post("/desk/audience", campaign="july", outcome="--all")
        assert odd.status_code == 422
        chosen = await bea.post("/desk/audience", campaign="july", outcome="delivered")
        path = chosen.headers["location"]
        assert "recipients of july: who surely got it" in words(await bea.get(path))
        text = "Again: https://example.com/sale"
        form = {"name": "more", "sender": SENDER, "text": text, "to_column": "phone"}
        await bea.post(f"{path}/check", short_links="yes", **form)
        checked = await ended(site, bea, path)
        assert big(checked, "d-sendable") == "1"
        assert "Again: acme.to/" in words(checked)
        await bea.post(f"{path}/start", hash=hash_on(checked))
        assert "more is imported" in words(await ended(site, bea, path))

    at_the_desk(there, story)
    made = here.bench.campaigns.get("more")
    assert (made.plan.short_links, here.bench.campaigns.ledger("more").imported) == ("acme.to", 1)
