"""Short links from end to end: sent, followed, counted, and asked for."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from sluicegate.campaigns.plan import rendered
from sluicegate_ops.web.links import LinkRoutes
from support.command_line import SENDER, Cli
from support.served import Front, config, run

PHONE = {"user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1"}
SALE = "https://example.com/sale?a=1&b=2"
Story = Callable[[Front], Awaitable[None]]


@pytest.fixture
def cli(redis_url: str, valkey: redis.Redis, tmp_path: Path) -> Cli:
    cli = Cli(redis_url, valkey)
    (tmp_path / "sluicegate.toml").write_text('[web]\nshort_links = "acme.to"\n')
    cli.environment["SLUICEGATE_CONFIG"] = str(tmp_path / "sluicegate.toml")
    people = tmp_path / "people.csv"
    people.write_text("Phone,Name\n" + "".join(f"+1312555{1000 + n},Ann\n" for n in range(4)))
    start = ("campaign", "start", str(people), "--name", "july", "--from", SENDER, "--yes")
    cli(*start, "--text", f"Hi {{{{ Name }}}}, {SALE}", "--short-links")
    return cli


def sent(cli: Cli) -> list[str]:
    """The paths of the links in the messages that go out."""
    plan = cli.bench.campaigns.get("july").plan
    texts = [
        rendered(plan, grant.id, grant.content).text or ""
        for grant in (cli.bench.send() for _ in range(4))
    ]
    assert all(re.fullmatch(r"Hi Ann, acme\.to/[\w-]{14}", text) for text in texts)
    return [text.partition("acme.to")[2] for text in texts]


def served(cli: Cli, story: Story) -> None:
    run(config(cli.environment["SLUICEGATE_REDIS_URL"], short_links="acme.to"), story)


def test_people_are_sent_on_and_counted_and_programs_are_told_apart(
    cli: Cli, tmp_path: Path
) -> None:
    paths = sent(cli)

    async def followed(front: Front) -> None:
        for _ in range(2):
            answer = await front.http.get(paths[0], headers=PHONE)
            assert (answer.status_code, answer.headers["location"]) == (302, SALE)
            assert answer.headers["cache-control"] == "no-store"
        for agent in ("WhatsApp/2.2", "Slackbot-LinkExpanding 1.0", "curl/8.5", ""):
            answer = await front.http.get(paths[1], headers={"user-agent": agent})
            assert answer.headers["location"] == SALE
        assert (await front.http.head(paths[1], headers=PHONE)).status_code == 302
        asked = PHONE | {"sec-purpose": "prefetch;prerender"}
        assert (await front.http.get(paths[1], headers=asked)).status_code == 302
        assert front.count("links_person") == 2
        assert front.count("links_preview") == 6

    served(cli, followed)
    told = cli.document("campaign", "links", "july")
    [link] = told["links"]
    assert (link["clicks"], link["previews"], told["people"]) == (2, 6, 1)
    assert link["address"] == SALE
    assert "1 recipient followed one" in cli("campaign", "links", "july").output
    by = cli.document("campaign", "report", "july", "--by", "state")["by"]["state"]
    assert [(group["name"], group["clicked"]) for group in by] == [("accepted", 1)]
    ask = ("campaign", "preflight", "--from-campaign", "july", "--from", SENDER, "--text", "Again")
    out = ("--rejects", str(tmp_path / "rejects.csv"), "--to-column", "phone")
    for asked, sendable in (("--clicked", 1), ("--not-clicked", 3)):
        assert cli.document(*ask, *out, asked)["sendable"] == sendable


def test_what_is_no_recipient_s_link_leads_nowhere(cli: Cli) -> None:
    [path, *_] = sent(cli)
    wrong = [
        path[:4] + ("A" * 11),
        "/" + ("_" * 14),
        path[:-1],
        path + "x",
        path.swapcase(),
        "/favicon.ico",
        "/%2e%2e%2fetc",
    ]

    async def followed(front: Front) -> None:
        for one in wrong:
            answer = await front.http.get(one, headers=PHONE)
            assert answer.status_code == 404, one
            assert "location" not in answer.headers
        assert (await front.http.post(path)).status_code == 405
        assert (await front.http.get("/openapi.json")).status_code == 200

    served(cli, followed)
    assert cli.document("campaign", "links", "july")["people"] == 0


def test_a_known_link_leads_on_while_redis_is_away(cli: Cli, monkeypatch: Any) -> None:
    first, second, *_ = sent(cli)

    async def away(*args: object) -> None:
        raise redis.ConnectionError

    async def slow(*args: object) -> None:
        await asyncio.Event().wait()

    async def followed(front: Front) -> None:
        assert (await front.http.get(first, headers=PHONE)).status_code == 302
        monkeypatch.setattr("sluicegate_ops.web.links.COUNTING_SECONDS", 0.01)
        for broken in (away, slow):
            monkeypatch.setattr(LinkRoutes, "_followed", broken)
            answer = await front.http.get(second, headers=PHONE)
            assert (answer.status_code, answer.headers["location"]) == (302, SALE)
            unknown = await front.http.get("/" + ("z" * 14), headers=PHONE)
            assert (unknown.status_code, unknown.headers["retry-after"]) == (503, "60")
        assert front.count("links_uncounted") == 2

    served(cli, followed)


def test_without_a_domain_there_are_no_short_links(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sluicegate.toml").write_text("")
    people = str(tmp_path / "people.csv")
    ask = ("campaign", "preflight", people, "--from", SENDER, "--text", f"see {SALE}")
    assert "set web.short_links" in cli(*ask, "--short-links", exits=2).output
    cli("campaign", "start", people, "--name", "may", *ask[3:], "--yes")
    assert "may has no short links" in cli("campaign", "links", "may", exits=1).output
    again = ("--from-campaign", "may", "--clicked", "--from", SENDER, "--text", "Hi")
    assert "may has no short links" in cli("campaign", "preflight", *again, exits=2).output


def test_deleting_a_campaign_ends_its_links(cli: Cli) -> None:
    [path, *_] = sent(cli)
    cli.bench.drain(10)
    cli("campaign", "cancel", "july", "--yes")
    cli("campaign", "delete", "july", "--confirm", "july", "--why", "over", "--who", "ann")

    async def followed(front: Front) -> None:
        assert (await front.http.get(path, headers=PHONE)).status_code == 404

    served(cli, followed)
    assert not cli.bench.store.keys(cli.bench.keys("click*"))
    assert not cli.bench.store.exists(cli.bench.keys("links"))
