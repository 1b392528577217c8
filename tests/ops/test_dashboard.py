"""The dashboard's pages say what the command line says, and say it safely."""

import builtins
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from sluicegate_ops import dashboard
from sluicegate_ops.dashboard.pages import PAGES, PageAnswer
from sluicegate_ops.dashboard.parts import bar
from sluicegate_ops.dashboard.sharing import SharedLooks
from support.command_line import ANSWER, Cli
from support.flowers import asked, installed
from support.messages import message, plan

NUMBER = "+15557654321"
TEXT = "Hi {{ first_name }}, <b>A & B</b> code {{ code }}"
MOVES = {
    *("now_ms", "seconds_ago", "seconds", "away_ms", "memory", "until_ms", "unclaimed_ms"),
    "key_age_seconds",
}
"""What differs between two looks at the same account."""


@pytest.fixture
def pages(cli: Cli, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Flower with our pages on a server on which something happened."""
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)
    bench = cli.bench
    bench.publish()
    bench.enqueue(*(message(n) for n in range(5)))
    bench.campaign(plan("july", text=TEXT), 6)
    for _ in range(3):
        bench.send()
    bench.send(kind="dead", code="40300", reason=f"{ANSWER} {NUMBER}")
    bench.send(kind="doubt", reason="no answer")
    cli("halt", "set", "campaign:july", "--why", "wrong price", "--who", "ada", "--yes")
    with installed():
        yield cli


def still(value: Any) -> Any:
    """A document without what moves by itself."""
    if isinstance(value, dict):
        return {name: still(part) for name, part in value.items() if name not in MOVES}
    return [still(part) for part in value] if isinstance(value, list) else value


def data_of(path: str) -> dict[str, Any]:
    [page] = asked(f"{path}{'&' if '?' in path else '?'}as=json")
    assert page.status == 200, page.body
    data: dict[str, Any] = json.loads(page.body)["data"]
    return data


def words(html: str) -> str:
    """What a reader reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_overview_has_the_document_of_status_and_draws_its_numbers(pages: Cli) -> None:
    told = json.loads(pages("status", "--json", exits=1).stdout)
    data = data_of("/")
    assert still(data["status"]) == still(told)
    [page] = asked("/")
    shown = dict(re.findall(r'id="c-(\w+)">([\d,]+)<', page.body))
    assert shown == {name: f"{count:,}" for name, count in told["counts"].items()}
    for finding in told["findings"]:
        assert " ".join(finding["what"].split()) in words(page.body)
        assert " ".join(finding["do"].split()) in words(page.body)


def test_campaigns_have_the_documents_of_the_command_line(pages: Cli) -> None:
    told = json.loads(pages("campaign", "list", "--json").stdout)
    [row] = data_of("/campaigns")["campaigns"]
    assert still({name: row[name] for name in told}) == still(told)
    [parts] = [one["bar"]["parts"] for one in data_of("/campaigns")["campaigns"]]
    assert sum(part["share"] for part in parts) == pytest.approx(100, abs=0.01)


def test_a_campaign_shows_its_ledger_as_a_sum_and_its_text_as_text(pages: Cli) -> None:
    told = json.loads(pages("campaign", "status", "july", "--json").stdout)
    assert still(data_of("/campaigns/july")["campaign"]) == still(told)
    [page] = asked("/campaigns/july")
    ledger = words(page.body.partition('<p id="ledger">')[2].partition("</p>")[0])
    imported, *counts = (int(number) for number in re.findall(r"\d+", ledger))
    assert imported == sum(counts) == 6
    assert "<b>A" not in page.body
    assert TEXT in words(page.body.replace("&lt;", "\u2039").replace("&gt;", "\u203a")).replace(
        "\u2039", "<"
    ).replace("\u203a", ">")


def lines(pages: Cli, *args: str, exits: int = 0) -> list[Any]:
    """The JSON lines of a listing."""
    return [json.loads(line) for line in pages(*args, "--json", exits=exits).stdout.splitlines()]


def test_listings_have_the_lines_of_the_command_line(pages: Cli) -> None:
    queue, dead, doubts = (data_of(path) for path in ("/queue", "/dead", "/doubts"))
    assert still(queue["lanes"]) == still(lines(pages, "lanes"))
    assert still(queue["halts"]) == still(lines(pages, "halt", "list"))
    for by in ("code", "campaign", "sender"):
        assert dead["groups"][by] == lines(pages, "dead", "list", "--by", by)
    assert dead["letters"] == lines(pages, "dead", "list", "--all")
    assert doubts["doubts"] == lines(pages, "doubt", "list")
    assert data_of("/twice")["twice"] == lines(pages, "twice", "list") == []
    assert data_of("/optouts")["reviews"] == lines(pages, "optout", "review") == []
    assert data_of("/audit")["entries"] == lines(pages, "audit", "list")


def test_each_listing_reads_as_it_is_meant(pages: Cli) -> None:
    queue, dead, doubts, audit = (
        words(page.body) for page in asked("/queue", "/dead", "/doubts", "/audit")
    )
    assert "campaign july wrong price ada" in queue
    assert "sluicegate halt clear campaign:july" in queue
    assert "Dead letters: 1" in dead
    assert "In doubt: 1" in doubts
    assert re.search(r"ada [a-z ]*halt[a-z ]* 1 .*july.*wrong price", audit)


def test_a_message_is_found_by_its_id(pages: Cli) -> None:
    [letter] = lines(pages, "dead", "list", "--all")
    found, nobody = asked(f"/message?id={letter['id']}", "/message?id=nobody%27s")
    assert found.status == 200
    assert "Blocked as spam" in words(found.body)
    shown = data_of(f"/message?id={letter['id']}&x=")["message"]
    assert still(shown) == still(
        json.loads(pages("message", "show", letter["id"], "--json").stdout)
    )
    assert nobody.status == 404
    assert "nobody's" in words(nobody.body)


def test_no_page_has_a_whole_number_of_a_recipient(pages: Cli) -> None:
    paths = [page.path.replace("([^/]+)", "july") for page in PAGES] + ["/message?id=m1"]
    polled = [f"{path}{'&' if '?' in path else '?'}as=json" for path in paths]
    for page in asked(*paths, *polled):
        assert page.status == 200, page.body
        assert NUMBER not in page.body
        assert not re.search(r"\+1555000000[1-9]|\+1415\d{7}", page.body)


def test_what_does_not_exist_is_named(pages: Cli) -> None:
    nope, account = asked("/campaigns/nope", "/?account=nobody")
    assert (nope.status, account.status) == (404, 503)
    assert "nope" in words(nope.body)
    assert "nobody is not configured" in words(account.body)


def test_pages_are_kept_and_framed_by_nobody(pages: Cli) -> None:
    [page] = asked("/")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Frame-Options"] == "DENY"


def test_a_redis_that_is_away_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", "redis://127.0.0.1:1/0")
    with installed():
        page, polled = asked("/", "/?as=json")
    assert page.status == polled.status == 503
    assert "127.0.0.1:1" in words(page.body)
    assert "127.0.0.1:1" in json.loads(polled.body)["trouble"]


def test_a_bar_is_never_wider_than_its_whole() -> None:
    parts = bar({"us": 40, "others": 0, "margin": 80}, 100)
    assert [(part.name, part.at, part.share) for part in parts] == [
        ("us", 0, 40),
        ("margin", 40, 60),
    ]
    assert bar({"us": 0}, 0) == []


def test_who_looks_at_the_same_moment_shares_one_look() -> None:
    now, looks = [0.0], list[float]()
    shared = SharedLooks(lambda: now[0])

    def look() -> PageAnswer:
        looks.append(now[0])
        now[0] += takes
        return PageAnswer("default", (), {"at": now[0]})

    takes = 0.5  # twenty times as long were ten: it is shared for two seconds
    first = shared("queue", look)
    now[0] = 2.4
    assert shared("queue", look) is first
    assert shared("dead", look) is not first
    now[0] = 2.5
    assert shared("queue", look).data["at"] == 3.0
    assert looks == [0.0, 2.4, 2.5]
    now[0], takes = 100.0, 8.0  # what takes so long is not asked for without a rest
    slow = shared("queue", look)
    now[0] = 115.9
    assert shared("queue", look) is slow


def test_a_look_that_breaks_is_shared_by_nobody() -> None:
    shared = SharedLooks()

    def breaks() -> PageAnswer:
        raise LookupError

    with pytest.raises(LookupError):
        shared("queue", breaks)
    assert shared("queue", lambda: PageAnswer("", (), {})).status == 200


def test_a_campaign_s_page_draws_why_its_dead_died(pages: Cli) -> None:
    pages.bench.campaign(plan("may"), 2)
    pages.bench.send(kind="dead", code="40001", reason="not routable")
    pages.bench.send()
    [page] = asked("/campaigns/may")
    assert page.status == 200
    assert "40001" in words(page.body)


def test_no_template_takes_a_name_of_pythons_own() -> None:
    """What one template assigns is local to all that it includes: a ``sum`` there breaks here."""
    folder = Path(dashboard.__file__).parent / "templates"
    assigned = re.compile(r"\{% (?:for|set) ([\w, ()]+?) (?:in|=) ")
    found = {
        (path.name, name)
        for path in sorted(folder.glob("*.html"))
        for names in assigned.findall(path.read_text(encoding="utf-8"))
        for name in re.findall(r"\w+", names)
        if name in dir(builtins)
    }
    assert not found
    assert assigned.findall("{% for currency, sum in x %}{% set a, b = 1, 2 %}") == [
        "currency, sum",
        "a, b",
    ]
