"""Events out: what apps are sent, signed and in order, and what they read themselves."""

import asyncio
import datetime as clocks
import json
from typing import Any

import httpx
import pytest
import redis
from standardwebhooks import Webhook

from sluicegate import Config
from sluicegate.errors import InvalidConfig
from sluicegate.keys import Keys
from sluicegate_ops.inspect import read_event_readers
from sluicegate_ops.web import event_feed
from sluicegate_ops.web.event_signing import EventSigner
from support.command_line import Cli
from support.messages import message, plan
from support.served import (
    NOW,
    OTHER_TOKEN,
    TOKEN,
    Front,
    bearer,
    wrote,
)
from support.told import OLD_SECRET, SECRET, SECRETS, URL
from support.told import ToldDeployment as Deployment

KEYS = Keys("default")
STEPS = ["message.accepted", "message.delivered"]


@pytest.fixture
def deployment(front: Config, valkey: redis.Redis) -> Deployment:
    return Deployment(front, valkey)


def test_each_step_is_sent_once_and_signed(deployment: Deployment) -> None:
    id, shop = deployment.send(1), deployment.shop
    deployment.pass_on()
    assert shop.of(id) == ["accepted", "delivered"]
    accepted, delivered = shop.got
    assert str(accepted.url) == URL
    assert accepted.headers["sluicegate-event"] == "accepted"
    body = json.loads(delivered.content)
    assert body["type"] == "message.delivered"
    assert body["data"]["event_type"] == "message.finalized"
    assert body["data"]["payload"]["to"][0]["status"] == "delivered"
    assert body["data"]["id"] == delivered.headers["webhook-id"]
    assert body["data"]["sluicegate"]["app"] == "shop"
    deployment.pass_on()
    assert len(shop.got) == 2


def test_signatures_hold_before_the_published_library(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.send(1)
    deployment.pass_on()
    request = deployment.shop.got[-1]
    headers, moment = dict(request.headers), float(request.headers["webhook-timestamp"])

    class Then(clocks.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return clocks.datetime.fromtimestamp(moment, tz)

    monkeypatch.setattr("standardwebhooks.webhooks.datetime", Then)
    for secret in (SECRET, OLD_SECRET):
        body = Webhook(secret).verify(request.content, headers)
        assert body["type"] == "message.delivered"
    with pytest.raises(Exception, match="signature"):
        Webhook("whsec_" + "C" * 43 + "=").verify(request.content, headers)


def test_a_receiver_away_for_an_hour_gets_all_in_order(deployment: Deployment) -> None:
    shop = deployment.shop
    shop.answer = lambda body: 0
    ids = [deployment.send(number) for number in range(30)]

    async def story(door: Front) -> None:
        ends = deployment.bench.now_ms + 3_600_000
        while deployment.bench.now_ms < ends:
            door.now = deployment.bench.now_ms / 1000
            await door.site.feed.feed()
            deployment.later(min(await door.site.relays.settle(), 60) + 0.001)
        assert shop.got == []
        assert shop.asked < 1_500, "it is not flooded while it is away"
        shop.answer = lambda body: 204
        assert await deployment.settle(door) < 450, "soon after it is back"

    deployment.tell(story)
    assert [shop.of(id) for id in ids] == [["accepted", "delivered"]] * 30
    assert len(shop.got) == 60


def test_what_follows_a_step_that_is_not_taken_waits_and_others_do_not(
    deployment: Deployment,
) -> None:
    shop, tries = deployment.shop, list[int]()
    one, other = deployment.send(1), deployment.send(2)

    def answer(body: Any) -> int:
        if body["data"]["payload"]["id"] == one and len(tries) < 5:
            tries.append(body["data"]["sluicegate"]["number"])
            return 500
        return 204

    shop.answer = answer
    deployment.pass_on()
    assert tries == [1] * 5
    assert shop.of(other) == shop.of(one) == ["accepted", "delivered"]
    assert [body["data"]["payload"]["id"] for body in shop.bodies] == [other, other, one, one]


def test_a_dead_endpoint_is_passed_no_more_until_a_person_says_so(
    deployment: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    shop = deployment.shop
    shop.answer = lambda body: 503
    ids = [deployment.send(number) for number in range(3)]
    deployment.pass_on(seconds=60)
    assert not read_event_readers(deployment.store, KEYS)[0].off_ms
    deployment.later(3 * 86_400)
    deployment.pass_on(seconds=60)
    [state] = read_event_readers(deployment.store, KEYS)
    assert state.off_ms
    assert "HTTP 503" in state.why
    assert state.given == 0, "it goes on with the first that was not taken"
    assert "passed no more events" in caplog.text
    assert deployment.store.hlen(KEYS("relays")) == 0
    shop.answer = lambda body: 204
    ids.append(deployment.send(3))
    deployment.pass_on()
    assert shop.got == []

    from sluicegate_ops.cli.events import AGAIN

    deployment.bench.call(AGAIN, [b"shop", b"", b"t1", b'{"who":"a","action":"enable events"}'])
    deployment.pass_on()
    assert [shop.of(id) for id in ids] == [["accepted", "delivered"]] * 4


def test_an_app_that_says_gone_is_passed_no_more_at_once(deployment: Deployment) -> None:
    deployment.shop.answer = lambda body: 410
    deployment.send(1)
    deployment.pass_on()
    [state] = read_event_readers(deployment.store, KEYS)
    assert (state.why, state.given) == ("HTTP 410", 0)
    assert deployment.shop.asked == 1


def test_a_process_that_dies_between_keeping_and_noting_sends_it_again_under_its_id(
    deployment: Deployment,
) -> None:
    deployment.send(1)
    deployment.pass_on()
    deployment.store.hset(KEYS("event_readers"), "shop", "0")
    deployment.pass_on()
    ids = [request.headers["webhook-id"] for request in deployment.shop.got]
    assert ids == [*ids[:2], *ids[:2]]
    assert len(set(ids)) == 2
    first, _, again, _ = deployment.shop.got
    assert first.content == again.content


def test_more_than_may_wait_stays_in_the_stream(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_feed, "MOST_WAITING", 3)
    monkeypatch.setattr(event_feed, "PAGE", 2)
    deployment.shop.answer = lambda body: 0
    ids = [deployment.send(number) for number in range(10)]

    async def story(door: Front) -> None:
        await door.site.feed.feed()
        await door.site.relays.settle()
        assert deployment.store.zcard(KEYS("relays:events-shop")) <= 4
        deployment.shop.answer = lambda body: 204
        await deployment.settle(door)
        await deployment.settle(door)

    deployment.tell(story)
    assert [deployment.shop.of(id) for id in ids] == [["accepted", "delivered"]] * 10


def test_what_was_trimmed_before_it_was_given_is_told(deployment: Deployment) -> None:
    for number in range(3):
        deployment.send(number)
    deployment.store.xtrim(KEYS("events"), maxlen=2, approximate=False)
    deployment.pass_on()
    first, *others = deployment.shop.bodies
    assert (first["type"], first["data"]["trimmed"], first["data"]["next"]) == (
        "events.trimmed",
        4,
        5,
    )
    assert [body["data"]["sluicegate"]["number"] for body in others] == [5, 6]


def test_an_event_of_no_form_that_we_know_keeps_no_other(deployment: Deployment) -> None:
    deployment.store.xadd(KEYS("events"), {"kind": "dead", "id": "a b|c", "told": "1"}, "1-0")
    deployment.store.set(KEYS("event_number"), 1)
    id = deployment.send(1)
    deployment.pass_on()
    assert deployment.shop.of(id) == ["accepted", "delivered"]


def test_an_app_of_all_hears_of_campaigns_replies_and_opt_outs(
    front: Config, valkey: redis.Redis
) -> None:
    deployment = Deployment(front, valkey, "all")
    july = plan()
    deployment.bench.campaign(july, 1)
    deployment.bench.send()

    async def story(door: Front) -> None:
        for body in (wrote("hello"), wrote("hello"), wrote("STOP", NOW - 1)):
            assert (await door.hook("/receipts/default", body)).status_code == 200
        await deployment.settle(door)

    deployment.tell(story)
    types = [body["type"] for body in deployment.shop.bodies]
    assert sorted(types) == [
        "campaign.running",
        "consent.stop",
        "message.accepted",
        "message.received",
        "message.received",
    ]
    said = [b for b in deployment.shop.bodies if b["type"] == "message.received"]
    assert said[0]["data"]["payload"] == wrote("hello")["data"]["payload"]


def test_others_messages_are_not_told(front: Config, valkey: redis.Redis) -> None:
    deployment = Deployment(front, valkey, "own")
    deployment.bench.outbox.app = "till"
    deployment.send(1)
    deployment.pass_on()
    assert deployment.shop.got == []


# Read by the app itself.


def lines(answer: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


def test_an_app_behind_a_firewall_reads_its_events(front: Config, valkey: redis.Redis) -> None:
    deployment = Deployment(front, valkey, "own", url="")
    id = deployment.send(1)

    async def story(door: Front) -> None:
        def get(query: str, token: str = TOKEN) -> Any:
            return door.http.get(f"/v2/events?{query}", headers=bearer(token))

        answer = await get("wait=0")
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [line["type"] for line in lines(answer)] == [
            "message.accepted",
            "message.delivered",
        ]
        assert {line["data"]["payload"]["id"] for line in lines(answer)} == {id}
        after = answer.headers["sluicegate-next-after"]
        assert after == "2"
        assert (await get(f"after={after}&wait=0")).text == ""
        assert len(lines(await get("after=1"))) == 1
        assert len(lines(await get("limit=1"))) == 1

        async def soon() -> None:
            await asyncio.sleep(0.05)
            deployment.send(2)

        waited, _ = await asyncio.gather(get(f"after={after}&wait=8"), soon())
        assert lines(waited)[0]["type"] == "message.accepted"
        valkey.xtrim(KEYS("events"), maxlen=1, approximate=False)
        first, *_ = lines(await get("after=0"))
        assert first["type"] == "events.trimmed"
        assert first["data"]["trimmed"] >= 2
        assert (await get("", OTHER_TOKEN)).status_code == 403
        assert (await get("", "nobody's")).status_code == 401
        for query in (
            "after=x",
            "after=-1",
            "limit=0",
            "limit=5000",
            "wait=60",
            "wait=x",
            "afterr=5",
            "after=1&after=2",
        ):
            assert (await get(query)).status_code == 400, query

    deployment.tell(story)


# What it can't be.


@pytest.mark.parametrize(
    "secret", ["", "A" * 43, "whsec_", "whsec_AAAA", "whsec_" + "A" * 200, "whsec_!!!"]
)
def test_a_secret_that_is_none_ends_the_start(deployment: Deployment, secret: str) -> None:
    environ = SECRETS | {"SHOP_EVENTS": secret, "SHOP_EVENTS_PREVIOUS": ""}
    with pytest.raises(InvalidConfig, match="SHOP_EVENTS"):
        Front(deployment.config, environ)


# From the command line.


@pytest.fixture
def cli(
    deployment: Deployment, redis_url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sluicegate.toml").write_text(
        f'[web.apps.shop]\ntoken_env = "T"\nevents = "own"\nevents_url = "{URL}"\n'
        'events_secret_env = "SHOP_EVENTS"\n'
    )
    cli = Cli(redis_url, deployment.store, deployment.bench)
    cli.environment |= {"SHOP_EVENTS": SECRET}
    return cli


def test_the_command_line_lists_replays_and_enables(cli: Cli, deployment: Deployment) -> None:
    id = deployment.send(1)
    deployment.pass_on()
    listed = cli.lines("events", "list")
    assert [(line["number"], line["kind"]) for line in listed] == [
        (1, "accepted"),
        (2, "delivered"),
    ]
    assert message(1).to not in cli("events", "list").output
    assert message(1).to in cli("events", "list", "--full", "--message", f"shop:{id}").output
    assert cli.lines("events", "list", "--app", "till") == []
    assert cli.document("events", "status")["apps"][0]["given"] == 2
    assert "events 1 to 2 are kept" in cli("events", "status").output
    answer = cli("events", "replay", "shop", "--after", "1", "--why", "it lost one")
    assert "given events 2 to 2" in answer.output
    deployment.pass_on()
    assert deployment.shop.kinds == ["accepted", "delivered", "delivered"]
    deployment.shop.answer = lambda body: 410
    deployment.send(2)
    deployment.pass_on()
    assert "HTTP 410" in cli("events", "status", exits=1).output
    deployment.shop.answer = lambda body: 204
    cli("events", "enable", "shop", "--why", "it is back")
    deployment.pass_on()
    assert deployment.shop.kinds[-2:] == ["accepted", "delivered"]
    assert [entry["action"] for entry in cli.lines("audit", "list")][:2] == [
        "enable events",
        "replay events",
    ]


def test_the_command_line_makes_secrets_and_keys(cli: Cli) -> None:
    signer = EventSigner("S", [SECRET])
    assert cli("events", "key", "shop").stdout.strip() == signer.public_key
    EventSigner("S", [cli("events", "secret").stdout.strip()])
    assert (
        "no app nobody wants events"
        in cli("events", "enable", "nobody", "--why", "x", exits=2).output
    )
    assert "has no events_url" in cli("events", "key", "nobody", exits=2).output
    assert (
        "the last event is 0"
        in cli("events", "replay", "shop", "--after", "7", "--why", "x", exits=2).output
    )
