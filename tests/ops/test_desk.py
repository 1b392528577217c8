"""The desk of ``sluicegate serve``: who gets in, what a form must carry, and what each may do."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from sluicegate.errors import InvalidConfig
from sluicegate_ops.dashboard.pages import PAGES
from sluicegate_ops.desk import passwords, shell
from sluicegate_ops.desk.app import DeskSite
from sluicegate_ops.desk.sessions import TRIES_OF_PAIR
from support.command_line import Cli, invoked
from support.desks import (
    PASSWORD,
    Browser,
    at_the_desk,
    desk_config,
    logged_in,
    words,
)
from support.messages import plan, recipient


@pytest.fixture
def july(cli: Cli) -> Cli:
    """A campaign of five runs."""
    cli.bench.publish()
    cli.bench.campaign(plan("july", text="Hi"), 5)
    return cli


def state(cli: Cli) -> str:
    told: str = cli.document("campaign", "status", "july")["state"]
    return told


def test_a_password_is_known_by_its_hash_alone() -> None:
    stored = passwords.hashed(PASSWORD)
    assert PASSWORD not in stored
    assert passwords.matches(PASSWORD, stored)
    assert not passwords.matches("another password", stored)
    assert passwords.hashed(PASSWORD, log_n=8) != passwords.hashed(PASSWORD, log_n=8)
    for broken in ("", "scrypt$15", "scrypt$x$8$1$a$b", "plain"):
        assert not passwords.matches(PASSWORD, broken)


def test_every_page_is_for_who_has_logged_in(july: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        stranger = Browser(site)
        paths = [f"/desk{page.path.replace('([^/]+)', 'july')}" for page in PAGES]
        for path in (*paths, "/desk/act/pause?campaign=july"):
            page = await stranger.get(path)
            assert (page.status_code, page.headers["location"][:12]) == (303, "/desk/login?")
            assert (await stranger.get(path, params={"as": "json"})).status_code == 401
        ann = await logged_in(site, "ann")
        for path in paths:
            page = await ann.get(path)
            assert page.status_code == 200, page.text
            assert (
                page.headers["content-security-policy"] == shell.HEADERS["Content-Security-Policy"]
            )
            assert page.headers["cache-control"] == "no-store"
            assert not any(mark in page.text for mark in ("<script>", "style=", "onclick="))

    at_the_desk(desk_config(redis_url), story)


def test_the_numbers_are_those_of_the_command_line(july: Cli, redis_url: str) -> None:
    told = july.document("campaign", "status", "july")
    counts = json.loads(july("status", "--json", exits=1).stdout)["counts"]

    async def story(site: DeskSite) -> None:
        ann = await logged_in(site, "ann")
        page = (await ann.get("/desk/campaigns/july", params={"as": "json"})).json()
        assert page["data"]["campaign"]["ledger"] == told["ledger"]
        first = (await ann.get("/desk/", params={"as": "json"})).json()
        assert first["data"]["status"]["counts"] == counts

    at_the_desk(desk_config(redis_url), story)


def test_an_act_is_done_in_the_name_of_who_logged_in(july: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        ann = await logged_in(site, "ann")
        page = await ann.get("/desk/campaigns/july")
        assert 'href="/desk/act/pause?campaign=july"' in page.text
        asks = await ann.get("/desk/act/pause?campaign=july")
        assert "with 5 recipients not sent to yet" in words(asks)
        done = await ann.post("/desk/act/pause", campaign="july", why="wrong price")
        assert "july is paused" in words(done)

    at_the_desk(desk_config(redis_url), story)
    assert state(july) == "paused"
    [entry] = july.lines("audit", "list")[:1]
    assert (entry["who"], entry["why"]) == ("ann", "wrong price")


def test_forged_and_foreign_forms_do_nothing(july: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        ann, len_ = await logged_in(site, "ann"), await logged_in(site, "len")
        token = await ann.token()
        fields = {"campaign": "july", "_xsrf": token}
        tries: list[tuple[dict[str, str], dict[str, str]]] = [
            ({"campaign": "july"}, ann.from_here()),
            (fields | {"_xsrf": await len_.token()}, ann.from_here()),
            (fields, {}),
            (fields, {"Origin": "https://evil.example"}),
            (fields, ann.from_here() | {"Sec-Fetch-Site": "cross-site"}),
            (fields, ann.from_here() | {"Host": "evil.example"}),
        ]
        for data, headers in tries:
            answer = await ann.http.post("/desk/act/pause", data=data, headers=headers)
            assert answer.status_code == 403, headers
        assert (await ann.http.put("/desk/act/pause", data=fields)).status_code == 405
        stranger = Browser(site)
        assert (await stranger.post("/desk/act/pause", token, campaign="july")).status_code == 401
        mere = await len_.post("/desk/act/pause", campaign="july")
        assert mere.status_code == 403
        assert "/desk/act/" not in (await len_.get("/desk/campaigns/july")).text

    at_the_desk(desk_config(redis_url), story)
    assert state(july) == "running"


def test_a_session_ends_when_its_person_says_so(july: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        ann = await logged_in(site, "ann")
        kept = dict(ann.http.cookies)
        assert (await ann.post("/desk/logout")).status_code == 303
        thief = Browser(site)
        thief.http.cookies.update(kept)
        assert (await thief.get("/desk/")).status_code == 303

    at_the_desk(desk_config(redis_url), story)


def test_who_is_not_in_the_configuration_any_more_is_out(july: Cli, redis_url: str) -> None:
    kept: dict[str, str] = {}

    async def before(site: DeskSite) -> None:
        kept.update((await logged_in(site, "ann")).http.cookies)

    async def after(site: DeskSite) -> None:
        ann = Browser(site)
        ann.http.cookies.update(kept)
        assert (await ann.get("/desk/")).status_code == 303

    at_the_desk(desk_config(redis_url), before)
    at_the_desk(desk_config(redis_url, users={}), after)


def test_a_login_is_tried_a_few_times(july: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        thief, ann = Browser(site, "192.0.2.1"), Browser(site)
        for _ in range(TRIES_OF_PAIR):
            answer = await thief.login("ann", "wrong password")
            assert answer.status_code == 401
            assert "No such name with that password" in words(answer)
        assert "Too many tries" in words(await thief.login("ann"))
        assert (await ann.login("ann")).status_code == 303  # from elsewhere she still gets in
        unknown = await Browser(site).login("nobody")
        assert "No such name with that password" in words(unknown)
        foreign = await ann.http.post("/desk/login", data={"name": "ann", "password": PASSWORD})
        assert foreign.status_code == 403

    at_the_desk(desk_config(redis_url), story)


@pytest.mark.parametrize(
    ("next", "leads"),
    [
        ("/desk/campaigns/july?account=default", "/desk/campaigns/july?account=default"),
        *[
            (path, "/desk/")
            for path in (
                "https://evil.example/desk/",
                "//evil.example/desk/",
                "/other",
                "/desk/\\",
            )
        ],
    ],
)
def test_a_login_leads_to_a_page_of_the_desk(redis_url: str, next: str, leads: str) -> None:
    async def story(site: DeskSite) -> None:
        browser = Browser(site)
        fields = {"name": "ann", "password": PASSWORD, "next": next}
        answer = await browser.http.post("/desk/login", data=fields, headers=browser.from_here())
        assert answer.headers["location"] == leads
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()

    at_the_desk(desk_config(redis_url), story)


def test_behind_https_the_cookie_is_for_this_host_and_https_alone(redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        browser = Browser(site, origin="https://desk.example.com")
        cookie = (await browser.login("ann")).headers["set-cookie"]
        assert cookie.startswith("__Host-sluicegate-desk=")
        assert "Secure" in cookie
        assert (
            await Browser(site, origin="https://evil.example").get("/desk/")
        ).status_code == 403

    at_the_desk(desk_config(redis_url, url="https://desk.example.com"), story)


def test_a_proxys_word_counts_from_the_proxy_alone(july: Cli, redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        ann = {"X-Forwarded-User": "ann"}
        proxied, direct = Browser(site, "10.0.0.7"), Browser(site, "192.0.2.1")
        page = await proxied.get("/desk/campaigns/july", headers=ann)
        assert page.status_code == 200
        assert "/desk/act/pause" in page.text
        assert (await direct.get("/desk/", headers=ann)).status_code == 303
        nobody = Browser(site, "10.0.0.7")
        assert (await nobody.get("/desk/", headers={"X-Forwarded-User": "eve"})).status_code == 303
        both = [("X-Forwarded-User", "ann"), ("X-Forwarded-User", "eve")]
        assert (await nobody.get("/desk/", headers=both)).status_code == 303
        other = await proxied.get("/desk/", headers={"X-Forwarded-User": "len"})
        assert ">len</span>" in other.text  # the session that ann's name opened is not his

    config = desk_config(redis_url, web={"proxies": ("10.0.0.7",)}, user_header="X-Forwarded-User")
    at_the_desk(config, story)


def test_nothing_but_the_pages_files_is_served(redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        browser = Browser(site)
        for name in ("dashboard.js", "dashboard.css", "desk.css", "desk.js"):
            assert (await browser.get(f"/desk/files/{name}")).status_code == 200
        for name in ("shell.html", "..%2fapp.py", "nope.js"):
            assert (await browser.get(f"/desk/files/{name}")).status_code == 404
        assert (await browser.get("/desk")).headers["location"] == "/desk/"
        assert (await browser.get("/elsewhere")).status_code == 404

    at_the_desk(desk_config(redis_url), story)


def test_a_form_has_its_most(redis_url: str) -> None:
    async def story(site: DeskSite) -> None:
        ann = await logged_in(site, "ann")
        answer = await ann.post("/desk/act/pause", campaign="x" * 300_000)
        assert answer.status_code == 413

    at_the_desk(desk_config(redis_url), story)


def test_a_redis_that_is_away_is_said() -> None:
    async def story(site: DeskSite) -> None:
        answer: httpx.Response = await Browser(site).login("ann")
        assert answer.status_code == 503

    at_the_desk(desk_config("redis://127.0.0.1:1/0"), story)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('host = "0.0.0.0"', "passwords would cross the network in the clear"),
        ('user_header = "X-User"', "anybody could send it"),
        ('url = "http://desk.example.com"', "must be https://"),
        ('[web.desk.users."a b"]\nroles = ["look"]', "a person's name must be"),
        ('[web.desk.users.ann]\npassword_hash = "secret"', "is not a hash of a password"),
        ("[web.desk.users.ann]\nroles = []", "name at least one of look"),
    ],
)
def test_a_desk_that_is_not_safe_is_refused(tmp_path: Any, toml: str, said: str) -> None:
    from sluicegate import load_config

    file = tmp_path / "sluicegate.toml"
    file.write_text(f"[web.desk]\n{toml}\n")
    with pytest.raises(InvalidConfig, match=said):
        load_config(file, {})


def test_people_are_added_and_removed_in_the_configuration(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sluicegate.toml"
    file.write_text("# mine\n[web]\nport = 8090  # kept\n")
    monkeypatch.setenv("SLUICEGATE_CONFIG", str(file))
    roles = ["--role", "send", "--role", "numbers"]
    done = invoked(["user", "add", "ann", *roles], stdin=f"{PASSWORD}\n")
    assert done.exit_code == 0, done.stderr
    text = file.read_text()
    assert text.startswith("# mine\n[web]\nport = 8090  # kept\n")
    assert PASSWORD not in text
    listed = invoked(["user", "list", "--json"])
    assert json.loads(listed.stdout) == {
        "name": "ann", "roles": ["send", "numbers"], "password": True,
    }  # fmt: skip
    short = invoked(["user", "add", "bob"], stdin="short\n")
    assert short.exit_code == 2
    assert "12 to 256 characters" in short.stderr
    assert invoked(["user", "add", "bob", "--role", "king", "--no-password"]).exit_code == 2
    assert invoked(["user", "remove", "ann", "--yes"]).exit_code == 0
    assert "ann" not in file.read_text()
    assert invoked(["user", "remove", "ann", "--yes"]).exit_code == 2
    printed = invoked(["user", "add", "cy", "--print"], stdin=f"{PASSWORD}\n")
    assert "[web.desk.users.cy]" in printed.stdout
    assert "cy" not in file.read_text()


def test_people_come_and_go_while_it_runs(
    july: Cli, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "sluicegate.toml"
    monkeypatch.setenv("SLUICEGATE_CONFIG", str(file))
    zoe = {"password_hash": passwords.hashed(PASSWORD, log_n=8)}
    added = f'[web.desk.users.zoe]\npassword_hash = "{zoe["password_hash"]}"\n'

    async def story(site: DeskSite) -> None:
        zoe = Browser(site)
        assert "No such name" in words(await zoe.login("zoe"))
        file.write_text(added)
        assert (await zoe.login("zoe")).status_code == 303
        assert "Overview" in words(await zoe.get("/desk/"))
        file.write_text("[web.desk.users.zoe]\nroles = 7\n")  # half written: nothing changes
        assert (await zoe.get("/desk/")).status_code == 200
        file.write_text("[web.desk]\n")
        assert (await zoe.get("/desk/")).status_code == 303, "the session of nobody we know"

    at_the_desk(desk_config(redis_url), story)


def test_a_number_finds_what_it_was_sent_for_who_may_see_numbers(
    july: Cli, redis_url: str
) -> None:
    to = recipient(plan("july", text="Hi"), 0).to
    unknown = "b0c7e8cb-6227-4c74-9f32-c7f80c30934b"

    async def story(site: DeskSite) -> None:
        bea, nel = await logged_in(site, "bea"), await logged_in(site, "nel")
        path = f"/desk/message?id={quote(to)}"
        assert "takes the role numbers" in words(await bea.get(path))
        found = await nel.get(path)
        assert f"1 sent to {to}" in words(found)
        assert "/desk/message?id=july." in found.text
        assert "ask the provider" in words(await bea.get(f"/desk/message?id={unknown}"))
        assert "+15550001" in words(await nel.get("/desk/message?id=%2B15550001"))

    at_the_desk(desk_config(redis_url), story)
