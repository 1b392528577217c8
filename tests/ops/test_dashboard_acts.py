"""Acts on the dashboard's pages: who may do them, what they ask, and what they do."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import msgspec
import pytest

from sluicegate_ops.web.keywords import HEAR
from support.command_line import Cli
from support.flowers import Asked, Page, asked, installed
from support.messages import message, plan

CONFIG = """
[web.desk.users.ann]
roles = ["operate"]
[web.desk.users.bob]
roles = ["look"]
"""
ANN, BOB, EVE = "ann:secret", "bob:secret", "eve:secret"
TOKEN = "2|3c1fe2d1|0e0f3d8f8d9be4a1c5a0f1c7b2d3e4f5|1700000000"


@pytest.fixture
def pages(
    cli: Cli, redis_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Cli]:
    """Flower with our pages and logins; a campaign of five runs, one letter is dead."""
    file = tmp_path / "sluicegate.toml"
    file.write_text(CONFIG)
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    monkeypatch.setenv("SLUICEGATE_CONFIG", str(file))
    bench = cli.bench
    bench.publish()
    bench.campaign(plan("july", text="Hi"), 5)
    with installed(basic_auth=[ANN, BOB, EVE]):
        yield cli


def post(act: str, login: str = ANN, origin: str = "http://HOST", **fields: str) -> Page:
    """The answer to a form of ours, as a browser sends it from the page ``origin``."""
    headers = (
        ("Origin", origin),
        ("Cookie", f"_xsrf={TOKEN}"),
        ("Content-Type", "application/x-www-form-urlencoded"),
    )
    body = urlencode({"_xsrf": TOKEN, **{name.rstrip("_"): text for name, text in fields.items()}})
    [page] = asked(Asked(f"/act/{act}", "POST", body, login, headers))
    return page


def words(page: Page) -> str:
    body = page.body.partition('<div id="sluicegate">')[2].partition('class="sg-foot"')[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def state(pages: Cli) -> str:
    told: str = pages.document("campaign", "status", "july")["state"]
    return told


def test_a_pause_from_the_page_is_the_command_and_its_audit_names_who_and_why(pages: Cli) -> None:
    page, asks = asked(
        Asked("/campaigns/july", login=ANN), Asked("/act/pause?campaign=july", login=ANN)
    )
    assert 'href="/act/pause?campaign=july"' in page.body
    assert "Pause july, with 5 recipients not sent to yet?" in words(asks)
    assert state(pages) == "running"
    done = post("pause", campaign="july", why="wrong price")
    assert done.status == 200
    assert "july is paused" in words(done)
    assert state(pages) == "paused"
    [entry] = pages.lines("audit", "list")[:1]
    assert (entry["who"], entry["action"], entry["why"]) == ("ann", "pause", "wrong price")
    assert "july is running" in words(post("resume", campaign="july"))
    assert "Done" in words(post("pace", campaign="july", rate="2", weight="1"))
    assert post("pace", campaign="july", rate="fast", weight="1").status == 409
    assert pages.document("campaign", "status", "july")["per_second"] == 2


def test_what_ends_for_good_takes_the_campaigns_name(pages: Cli) -> None:
    [asks] = asked(Asked("/act/cancel?campaign=july", login=ANN))
    assert "Type july to confirm it" in words(asks)
    wrong = post("cancel", campaign="july", typed="june")
    assert (wrong.status, state(pages)) == (422, "running")
    assert post("cancel", campaign="july", typed="july").status == 200
    assert state(pages) == "cancelled"


@pytest.mark.parametrize("login", [BOB, EVE])
def test_who_has_no_such_role_sees_no_button_and_does_nothing(pages: Cli, login: str) -> None:
    page, asks = asked(
        Asked("/campaigns/july", login=login), Asked("/act/pause?campaign=july", login=login)
    )
    assert "/act/" not in page.body
    assert asks.status == 403
    assert post("pause", login, campaign="july").status == 403
    assert state(pages) == "running"


def test_no_other_site_and_nobody_unknown_acts(pages: Cli) -> None:
    forged = urlencode({"campaign": "july"})
    cookie = ("Cookie", f"_xsrf={TOKEN}")
    own = ("Origin", "http://HOST")
    tries = [
        Asked("/act/pause", "POST", forged, ANN, (cookie, own)),  # no token
        Asked("/act/pause", "POST", f"{forged}&_xsrf={TOKEN}", ANN, (own,)),  # no cookie
        Asked("/act/pause", "POST", f"{forged}&_xsrf={TOKEN}", ANN, (cookie,)),  # from nowhere
        Asked(
            "/act/pause", "POST", f"{forged}&_xsrf={TOKEN}", ANN,
            (cookie, own, ("Sec-Fetch-Site", "cross-site")),
        ),
        Asked("/act/pause", "POST", f"{forged}&_xsrf={TOKEN}", "", (cookie, own)),
        Asked("/act/pause", "PUT", forged, ANN, (cookie, own)),
    ]  # fmt: skip
    assert [page.status for page in asked(*tries)] == [403, 403, 403, 403, 401, 403]
    assert post("pause", origin="https://evil.example", campaign="july").status == 403
    assert state(pages) == "running"


def test_a_flower_that_may_only_look_does_nothing(pages: Cli) -> None:
    with installed(read_only=True, basic_auth=[ANN]):
        [page] = asked(Asked("/campaigns/july", login=ANN))
        assert "/act/" not in page.body
        assert post("pause", campaign="july").status == 403
    with installed(basic_auth=[]):
        [page] = asked("/campaigns/july")
        assert "/act/" not in page.body
        assert post("pause", "", campaign="july").status == 403
    assert state(pages) == "running"


def test_a_replay_from_the_page_sends_once(pages: Cli) -> None:
    pages.die(1, 2, 3)
    [dead] = asked(Asked("/dead", login=ANN))
    assert dead.body.count('name="id"') == 3
    [letter, *_] = pages.lines("dead", "list", "--all")
    done = post("replay", id=letter["id"])
    assert "Replayed 1." in words(done)
    again = post("replay", id=letter["id"])
    assert again.status == 409
    assert "not a dead letter" in words(again)
    untyped = post("replay", code="40300", why="the cause is gone")
    assert untyped.status == 422
    assert "Replayed 2." in words(post("replay", code="40300", why="it is gone", typed="2"))
    assert pages.lines("dead", "list", "--all") == []
    audit = [(one["action"], one["count"]) for one in pages.lines("audit", "list")]
    assert audit[:2] == [("replay", 2), ("replay", 1)]


def test_a_purge_takes_a_reason_and_the_number(pages: Cli) -> None:
    pages.die(1, 2)
    assert post("purge", all="yes", typed="2").status == 422
    assert post("purge", all="yes", why="gone").status == 422
    assert "Purged 2." in words(post("purge", all="yes", why="gone", typed="2"))
    assert post("purge", all="yes", why="gone", typed="2").status == 409


def test_the_red_button_halts_and_lets_go_on(pages: Cli) -> None:
    queue, asks = asked(Asked("/queue", login=ANN), Asked("/act/halt?level=account", login=ANN))
    assert "/act/halt?level=account" in queue.body
    assert "Halt account default, with 5 messages behind it?" in words(asks)
    assert post("halt", level="account").status == 422
    assert post("halt", level="planet", why="x").status == 409
    assert post("halt", level="account", why="x", for_="often").status == 409
    assert "is halted for 2 h" in words(post("halt", level="account", why="wrong", for_="2h"))
    [halt] = pages.lines("halt", "list")
    assert (halt["level"], halt["who"], halt["why"]) == ("account", "ann", "wrong")
    assert "goes on" in words(post("clear-halt", level="account"))
    assert pages.lines("halt", "list") == []
    assert post("clear-halt", level="account").status == 409


def test_doubts_are_decided_on_the_page(pages: Cli) -> None:
    pages.doubt(1, 2)
    [first, second] = pages.lines("doubt", "list")
    assert post("resolve", id=first["id"], as_="maybe").status == 409
    assert post("resolve", id=first["id"], as_="drop").status == 422  # without a reason
    assert "Resolved 1." in words(post("resolve", id=first["id"], as_="drop", why="called"))
    assert "Resolved 1." in words(post("resolve", id=second["id"], as_="accepted"))
    assert pages.lines("doubt", "list") == []
    assert [letter["id"] for letter in pages.lines("dead", "list", "--all")] == [first["id"]]


def test_numbers_opt_out_and_in_on_the_page(pages: Cli) -> None:
    assert post("opt-out", numbers="nonsense").status == 409
    done = post("opt-out", numbers="+14155550101\n+14155550102", why="by phone")
    assert "2 numbers added, 0 known already" in words(done)
    [found] = asked(Asked("/optouts?number=%2B14155550101", login=ANN))
    assert "has opted out since" in words(found)
    assert "by phone" in words(found)
    assert "+14155550101" not in words(found)
    gone = post("opt-in", numbers="+14155550101", why="asked for it")
    assert "1 number removed" in words(gone)
    assert len(pages.lines("optout", "list", "--json")) == 1


def test_only_the_role_for_numbers_shows_them_whole(
    pages: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages.die(1)
    file = tmp_path / "numbers.toml"
    file.write_text('[web.desk.users.ann]\nroles = ["numbers"]\n')
    monkeypatch.setenv("SLUICEGATE_CONFIG", str(file))
    with installed(basic_auth=[ANN, BOB]):
        ann, bob = asked(Asked("/dead?as=json", login=ANN), Asked("/dead?as=json", login=BOB))
    [whole], [masked] = (json.loads(page.body)["data"]["letters"] for page in (ann, bob))
    assert whole["to"] == message(1).to
    assert masked["to"] != message(1).to


def test_each_finding_that_one_act_ends_has_its_button(pages: Cli) -> None:
    pages.die(1)
    pages.halt()
    pages("campaign", "pause", "july")
    ann, bob = asked(Asked("/", login=ANN), Asked("/", login=BOB))
    findings = ann.body.partition('aria-label="Findings"')[2].partition("</ul>")[0]
    for path in ("/act/clear-halt?level=", "/act/resume?campaign=july", "/dead"):
        assert f'href="{path}' in findings
    assert "/act/" not in bob.body
    assert "sluicegate halt clear" in words(bob)


def test_a_reply_is_read_beside_what_its_number_was_sent(pages: Cli) -> None:
    bench = pages.bench
    sent = bench.record(bench.send().id)["to"]
    said = msgspec.json.encode({"text": "STOP sending me offers, how do I order?"})
    bench.call(HEAR, [sent, "review", int(bench.now_ms), "", said, "e1", 1000, 1, "t"])
    [page] = asked(Asked("/inbox", login=ANN))
    told = words(page)
    assert "Replies to read: 1" in told
    assert "they wrote STOP sending me offers" in told
    assert re.search(r"july , accepted.* Hi ", told)
    assert sent not in page.body
    [reply] = set(re.findall(r"reply=([0-9-]+)&amp;as=release", page.body))
    assert post("decide", reply=reply, as_="release").status == 422  # without a reason
    assert "released" in words(post("decide", reply=reply, as_="release", why="asks to order"))
    assert post("decide", reply=reply, as_="release", why="x").status == 409


def test_flowers_own_controls_are_hidden() -> None:
    from sluicegate_ops.dashboard.in_flower.loading import CONTENT, CONTROLS, FLOWERS

    for name in CONTROLS:
        text = (FLOWERS / name).read_text()
        assert text.count(CONTENT) == 1
        assert "{% if not read_only %}" in text
