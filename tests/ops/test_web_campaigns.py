"""Campaigns over HTTP: an app's own, by the functions of the command line."""

import asyncio
from typing import Any

import httpx
import pytest
import redis
from msgspec.structs import replace

from sluicegate import Config
from sluicegate.audit import Audit, By
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.config import Account, App, Web
from support.bench import Bench
from support.messages import plan
from support.served import OTHER_TOKEN, SENDER, TOKEN, Front, bearer, config, run

PLAN: dict[str, Any] = {
    "name": "july",
    "text": "Hi {{ first_name }}",
    "to_column": "phone",
    "from": SENDER,
    "region": "US",
}
ROWS = "phone,first_name\n+12125550123,Ann\n212-555-0124,Bob\nnonsense,Eve\n+12125550123,Ann\n"
LINES = '{"phone":"+12125550125","first_name":"Cy"}\n{"phone":"+33612345678","first_name":"Di"}\n'


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return Bench(valkey)


def desk(url: str, **account: Any) -> Config:
    apps = {
        "shop": App(token_env="TOKEN_SHOP", campaigns=True, countries=("US",)),
        "clinic": App(token_env="TOKEN_CLINIC", campaigns=True),
    }
    prices = {"price_per_segment": 0.01, "price_per_mms": 0.02}
    accounts = {"default": Account(**prices | account)}
    return replace(config(url), accounts=accounts, web=Web(apps=apps))


async def post(door: Front, path: str = "", body: Any = None, **options: Any) -> httpx.Response:
    token, headers = options.pop("token", TOKEN), options.pop("headers", None)
    sent = {"content": body} if isinstance(body, str) else {"json": body}
    url = f"/v2/campaigns{path}"
    return await door.http.post(url, **sent, headers=bearer(token, headers), timeout=30)


async def get(door: Front, path: str = "", token: str = TOKEN) -> httpx.Response:
    return await door.http.get(f"/v2/campaigns{path}", headers=bearer(token), timeout=30)


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], error["source"].get("pointer", "")


def test_a_campaign_s_whole_life(redis_url: str, bench: Bench) -> None:
    async def story(door: Front) -> None:
        asked = PLAN | {"max_messages": 1_000, "max_cost": "5", "per_second": 10}
        made = (await post(door, "", asked, headers={"Sluicegate-Why": "a sale"})).json()["data"]
        assert (made["name"], made["state"], made["ledger"]["imported"]) == ("july", "draft", 0)
        assert made["guards"]["max_messages"] == 1_000
        assert (await post(door, "", asked)).status_code == 200  # the same again finds it
        checked = (await post(door, "/july/preflight", ROWS)).json()["data"]
        assert (checked["preflight"]["rows"], checked["preflight"]["sendable"]) == (4, 2)
        assert "imported" not in checked
        assert "5550123" not in str(checked)
        told = (await post(door, "/july/recipients", ROWS)).json()["data"]
        assert told["imported"] == {"added": 2, "duplicate": 1, "suppressed": 0, "excluded": 0}
        assert [row["column"] for row in told["rejected"]] == ["phone"]
        more = (await post(door, "/july/recipients", LINES)).json()["data"]
        assert more["imported"]["added"] == 1  # France is none of the app's countries
        assert len(more["rejected"]) == 1
        states = [
            (await post(door, f"/july/{act}")).json()["data"]["state"]
            for act in ("start", "pause", "resume", "pause")
        ]
        assert states == ["running", "paused", "running", "paused"]
        bench.campaigns.pace("july", 3, by=By("ann"))
        assert (await post(door, "", asked)).json()["data"]["per_second"] == 3  # a person's stays
        revised = (await post(door, "/july/revise", {"text": "Ho {{ first_name }}"})).json()
        assert revised["data"]["version"] == 2
        assert (await post(door, "/july/cancel")).json()["data"]["state"] == "cancelled"
        report = (await get(door, "/july/report")).json()["data"]
        assert report["states"]["cancelled"] == 3
        assert [one["name"] for one in (await get(door)).json()["data"]] == ["july"]
        status = (await get(door, "/july")).json()["data"]
        assert status["ledger"]["adds_up"] is True

    run(desk(redis_url), story)
    entries = list(Audit(bench.store, bench.keys))
    people = {entry.who for entry in entries if entry.action not in ("limits", "pace")}
    assert people == {"app:shop"}
    assert {"import", "start", "pause", "revise", "cancel"} <= {one.action for one in entries}
    assert "a sale" in {entry.why for entry in entries}


def test_an_app_sees_its_own_campaigns_and_no_other(redis_url: str, bench: Bench) -> None:
    bench.campaigns.create(plan("people"))

    async def story(door: Front) -> None:
        await post(door, "", PLAN)
        for name, token in (("july", OTHER_TOKEN), ("people", TOKEN), ("never", TOKEN)):
            for answer in (
                await get(door, f"/{name}", token),
                await get(door, f"/{name}/report", token),
                await get(door, f"/{name}/approval", token),
                await post(door, f"/{name}/start", token=token),
                await post(door, f"/{name}/cancel", token=token),
                await post(door, f"/{name}/revise", {"text": "x"}, token=token),
                await post(door, f"/{name}/recipients", ROWS, token=token),
            ):
                assert refused(answer) == (404, "10005", ""), (name, answer.url)
        assert (await get(door, "", OTHER_TOKEN)).json()["data"] == []
        taken = await post(door, "", PLAN | {"name": "people"})
        assert refused(taken) == (422, "10027", "/name")

    run(desk(redis_url), story)


def test_an_app_is_never_the_second_person(redis_url: str, bench: Bench) -> None:
    async def story(door: Front) -> None:
        await post(door, "", PLAN)
        await post(door, "/july/recipients", ROWS)
        assert refused(await post(door, "/july/start"))[:2] == (403, "10010")
        assert refused(await post(door, "/july/approve"))[:2] == (403, "10010")
        shown = (await get(door, "/july/approval")).json()["data"]
        assert (shown["needs_approval"], shown["recipients"]) == (True, 2)
        campaigns = Campaigns(bench.store, bench.keys)
        seen = campaigns.proposal("july")
        assert seen.hash == shown["hash"]
        campaigns.approve(seen, By("ann"))
        assert (await post(door, "/july/start")).json()["data"]["state"] == "running"

    bench.publish(approve_campaigns=True)
    run(desk(redis_url, approve_campaigns=True), story)


BAD: list[tuple[dict[str, Any], tuple[int, str, str]]] = [
    ({"name": "No Name"}, (400, "10015", "/name")),
    ({"text": "{{ first_name"}, (400, "10015", "")),
    ({"from": None}, (400, "10015", "/from")),
    ({"text": 5}, (400, "10015", "/text")),
    ({"surprise": 1}, (400, "10015", "/surprise")),
    ({"expires_at": "tomorrow"}, (400, "10015", "/expires_at")),
    ({"max_messages": -1}, (400, "10015", "/max_messages")),
    ({"per_second": -1}, (400, "10015", "/per_second")),
    ({"max_cost": "0"}, (400, "10015", "/max_cost")),
    ({"max_cost": "NaN"}, (400, "10015", "/max_cost")),
]


def test_what_can_not_be_is_refused(redis_url: str, bench: Bench) -> None:
    async def story(door: Front) -> None:
        for change, problem in BAD:
            answer = await post(door, "", PLAN | change)
            assert refused(answer) == problem, answer.text
        assert refused(await post(door, "", "{")) == (400, "10023", "")
        assert (await get(door)).json()["data"] == []
        await post(door, "", PLAN)
        assert refused(await post(door, "/july/resume"))[:2] == (409, "10015")
        assert refused(await post(door, "/july/recipients", "a,b\n1,2\n"))[:2] == (400, "10015")
        assert refused(await post(door, "/july/recipients", ""))[:2] == (400, "10015")
        assert refused(await post(door, "/july/recipients?dry_run=true", ROWS))[0] == 400
        assert refused(await post(door, "/july/revise", {}))[:2] == (400, "10015")
        assert (await get(door, "/july")).json()["data"]["ledger"]["imported"] == 0

    run(desk(redis_url), story)


def test_who_may_not_run_campaigns_is_told_so(front: Config) -> None:
    async def story(door: Front) -> None:
        for answer in (await get(door), await post(door, "", PLAN)):
            assert refused(answer) == (403, "10010", "")
        assert (await get(door, "", "nobody's")).status_code == 401

    run(front, story)


def test_an_app_imports_once_at_a_time(redis_url: str) -> None:
    async def story(door: Front) -> None:
        await post(door, "", PLAN)
        both = await asyncio.gather(
            post(door, "/july/recipients", ROWS), post(door, "/july/recipients", LINES)
        )
        assert sorted(answer.status_code for answer in both) == [200, 503]

    run(desk(redis_url), story)
