"""What trials in the field found about webhooks passed on: none is lost, none leads inside."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import redis

from sluicegate import Config
from sluicegate.addresses import IpAddress, is_loopback, is_permitted, is_public
from sluicegate.config import load
from sluicegate.errors import InvalidConfig
from sluicegate.keys import Keys
from sluicegate_ops.inspect import read_account
from sluicegate_ops.operating.status.replies import webhooks
from sluicegate_ops.web.guard import EVERYWHERE, GuardedTransport, NotPermitted, Resolver
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.clock import CLOCK
from support.command_line import Cli
from support.messages import message
from support.served import (
    NOW,
    NUMBER,
    URLS,
    Front,
    config,
    event,
    told,
    v2_signed,
    wrote,
)

KEYS = Keys("default")
CRM, APP = "https://crm.example/sms", "https://app.example/hook?a=1"
Story = Callable[[Front], Awaitable[None]]


class Apps:
    """The apps' servers: ``away`` answers nothing, ``refused`` texts are answered 500."""

    def __init__(self) -> None:
        self.away = False
        self.refused: set[str] = set()
        self.got: list[httpx.Request] = []
        self.asked = 0

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    @property
    def texts(self) -> list[str]:
        bodies = [json.loads(request.content) for request in self.got]
        return [body["data"]["payload"].get("text", "") for body in bodies]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.away:
            raise httpx.ConnectError("away")
        if any(text.encode() in request.content for text in self.refused):
            return httpx.Response(500)
        self.got.append(request)
        return httpx.Response(204)


def taking(front: Config, url: str = CRM, **web: Any) -> Config:
    """The configuration with an app for what comes in for the first account."""
    accounts = dict(front.accounts)
    accounts["default"] = msgspec.structs.replace(accounts["default"], inbound_url=url)
    changed = msgspec.structs.replace(front.web, **web)
    return msgspec.structs.replace(front, accounts=accounts, web=changed)


class Clock:
    """The server's clock, which the relays go by."""

    def __init__(self, store: Any, *accounts: str) -> None:
        self._store, self._keys = store, [Keys(name) for name in accounts or ("default", "clinic")]
        self.now_ms = NOW * 1000.0
        self.later(0)

    def later(self, seconds: float) -> None:
        self.now_ms += seconds * 1000
        for keys in self._keys:
            self._store.set(keys("test-clock"), self.now_ms)


def told_by(front: Config, apps: Apps, story: Story, *, time: str | None = CLOCK) -> None:
    """Have a story happen at a front door that passes nothing on unless it is asked to."""

    async def tell() -> None:
        door = Front(front, relay_client=apps.client(), time=time)
        async with door.http, door.monitoring:
            await story(door)
            await door.site.client.aclose()

    asyncio.run(tell())


async def until_taken(door: Front, clock: Clock, apps: Apps, seconds: float = 900) -> float:
    """Pass on what is due, and let time pass, until nothing waits; returns the seconds it took."""
    took = 0.0
    while (wait := await door.site.relays.settle()) != float("inf"):
        clock.later(wait + 0.001)
        took += wait
        assert took < seconds, "it is still waiting"
    return took


@pytest.fixture
def clock(valkey: redis.Redis) -> Clock:
    return Clock(valkey)


# 1. What comes in.


def test_1_every_event_of_a_profile_is_passed_on_as_it_came(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps = Apps()
    events = [
        wrote("hello there"),
        wrote("STOP", NOW - 1),
        wrote("We have got to STOP this bill", NOW - 2),
        event("messaging-profile.spend-limit-reached", {"text": "cap"}),
        told("delivered", "p-of-another-system", "event-9"),
        event("call.hangup", {"text": "new"}, "event-10"),
    ]
    raws = [json.dumps(one, indent=1).encode() for one in events]

    async def story(door: Front) -> None:
        for raw in raws:
            assert (await door.hook("/receipts/default", raw)).status_code == 200
        await until_taken(door, clock, apps)

    told_by(taking(front), apps, story)
    assert sorted(request.content for request in apps.got) == sorted(raws), "the same bytes"
    for request in apps.got:
        signed = v2_signed(request.content, NOW)
        assert {name: request.headers[name] for name in signed} == signed
        assert str(request.url) == CRM
        assert request.headers["Sluicegate-Account"] == "default"
        assert "authorization" not in request.headers
    assert valkey.hlen(KEYS("relays")) == 0


def test_1_it_is_in_redis_before_the_answer_and_lives_through_a_restart(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps = Apps()

    async def hear(door: Front) -> None:
        assert (await door.hook("/receipts/default", wrote("hello"))).status_code == 200
        assert valkey.hlen(KEYS("relays")) == 1

    async def pass_on(door: Front) -> None:
        await until_taken(door, clock, apps)

    told_by(taking(front), apps, hear)
    assert apps.asked == 0
    told_by(taking(front), apps, pass_on)
    assert apps.texts == ["hello"]


def test_1_none_is_lost_while_the_app_is_away_for_ten_minutes(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps, sent = Apps(), []

    async def story(door: Front) -> None:
        apps.away = True
        for minute in range(10):
            for n in range(5):
                sent.append(f"text {minute} {n}")
                answer = await door.hook("/receipts/default", wrote(sent[-1], NOW - len(sent)))
                assert answer.status_code == 200
            ends = clock.now_ms + 60_000
            while clock.now_ms < ends:
                wait = await door.site.relays.settle()
                clock.later(min(wait + 0.001, (ends - clock.now_ms) / 1000 + 0.001))
        assert apps.got == []
        assert apps.asked < 300, "it is not flooded while it is away"
        apps.away = False
        took = await until_taken(door, clock, apps)
        assert took < 450, "soon after it is back"

    told_by(taking(front), apps, story)
    assert sorted(apps.texts) == sorted(sent), "each once, and none lost"


def test_1_what_came_in_waits_for_days(valkey: redis.Redis, front: Config, clock: Clock) -> None:
    apps = Apps()

    async def story(door: Front) -> None:
        apps.away = True
        await door.hook("/receipts/default", wrote("hello"))
        for _ in range(20):
            await door.site.relays.settle()
            clock.later(86_400)
            door.now += 86_400
        apps.away = False
        await until_taken(door, clock, apps)

    told_by(taking(front), apps, story)
    assert apps.texts == ["hello"]


def test_1_one_that_an_app_refuses_holds_up_no_other(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps = Apps()

    async def story(door: Front) -> None:
        apps.refused = {"poison"}
        for n in range(40):
            text = "poison" if n == 0 else f"text {n}"
            await door.hook("/receipts/default", wrote(text, NOW - n))
        for _ in range(20):
            wait = await door.site.relays.settle()
            clock.later(min(wait, 5.0))
        assert len(apps.got) == 39
        apps.refused = set()
        await until_taken(door, clock, apps)

    told_by(taking(front), apps, story)
    assert len(set(apps.texts)) == 40


def test_1_several_processes_share_the_work_and_take_over_from_one_that_died(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps, settings = Apps(), taking(front)

    async def story(door: Front) -> None:
        for n in range(30):
            await door.hook("/receipts/default", wrote(f"text {n}", NOW - n))
        one, other = (Front(settings, relay_client=apps.client(), time=CLOCK) for _ in range(2))
        queue = one.site.relays.queues["default"]
        dying = await queue.take(30, 16)
        assert len(dying.webhooks) == 16
        assert await other.site.relays.settle() <= 30, "that target is somebody's"
        assert apps.got == []
        clock.later(30.001)
        await until_taken(other, clock, apps)
        assert len(apps.got) == 30
        waiting = await queue.end(dying, list(dying.webhooks), [], any_taken=True, why="", dice=0)
        assert waiting == 0
        for site in (one.site, other.site):
            await site.client.aclose()

    told_by(settings, apps, story)
    sums = {name: int(n) for name, n in valkey.hgetall(KEYS("relay_sums")).items()}
    assert set(sums.values()) == {0}


def test_1_what_came_in_is_found_again_should_the_index_be_lost_or_the_clock_set_back(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps = Apps()

    async def story(door: Front) -> None:
        await door.hook("/receipts/default", wrote("hello"))
        clock.later(-3_600)
        assert await door.site.relays.settle() == float("inf")
        await door.hook("/receipts/default", wrote("again", NOW - 1))
        valkey.delete(KEYS("relay_targets"))
        assert await door.site.relays.settle() == float("inf")

    told_by(taking(front), apps, story)
    assert apps.texts == ["hello", "again"]


def test_1_a_new_inbound_url_gets_what_waited(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps, moved = Apps(), Apps()
    apps.away = True

    async def hear(door: Front) -> None:
        await door.hook("/receipts/default", wrote("hello"))
        await door.site.relays.settle()

    async def pass_on(door: Front) -> None:
        await until_taken(door, clock, moved)

    told_by(taking(front), apps, hear)
    told_by(taking(front, "https://new.example/"), moved, pass_on)
    assert [str(request.url) for request in moved.got] == ["https://new.example/"]


def test_1_it_is_bounded_and_beyond_that_the_provider_keeps_it(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps = Apps()
    apps.away = True
    settings = taking(front, relay_bytes=1_048_576)

    async def story(door: Front) -> None:
        statuses = []
        for n in range(20):
            said = wrote("x" * 100_000 + str(n), NOW - n)
            statuses.append((await door.hook("/receipts/default", said)).status_code)
        assert (statuses[0], statuses[-1]) == (200, 503)
        stop = wrote("STOP", NOW - 50, padding="x" * 200_000)
        assert (await door.hook("/receipts/default", stop)).status_code == 503
        assert valkey.hexists(KEYS("optouts"), NUMBER), "a STOP counts all the same"
        state = read_account(valkey, settings, "default")
        assert 0.8 * 1_048_576 < state.webhooks.bytes["inbound"] <= 1_048_576
        receipt = await door.hook(URLS.url("m1", APP), told("delivered", "p"))
        assert receipt.status_code == 200, "another kind has room of its own"

    told_by(settings, apps, story)


def test_3_2_an_app_that_is_away_leaves_the_others_room(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps = Apps()
    apps.away = True
    settings = taking(front, relay_bytes=1_048_576)

    async def story(door: Front) -> None:
        for app, hooks in (("deaf", 12), ("shop", 2)):
            url = URLS.url(f"{app}:m1", f"https://{app}.example/hook")
            for n in range(hooks):
                receipt = told("delivered", "p", f"event-{app}-{n}")
                receipt["data"]["payload"]["text"] = "x" * 100_000
                assert (await door.hook(url, receipt)).status_code == 200
        assert 0.4 * 1_048_576 < share("deaf") <= 0.5 * 1_048_576
        assert share("shop") > 200_000
        says = [finding.what for finding in webhooks(read_account(valkey, settings, "default"))]
        assert any("receipts of the app deaf" in what for what in says)
        assert not any("receipts of the app shop" in what for what in says)
        apps.away = False
        await until_taken(door, clock, apps)

    def share(app: str) -> int:
        return int(valkey.hget(KEYS("relay_sums"), f"bytes:{app}") or 0)

    told_by(settings, apps, story)
    hosts = [request.url.host for request in apps.got]
    assert (hosts.count("deaf.example"), hosts.count("shop.example")) == (5, 2)
    assert share("deaf") == share("shop") == 0
    assert not valkey.hexists(KEYS("relay_sums"), "bytes:deaf"), "nothing is kept of it"


def test_1_a_full_server_takes_what_came_in_and_passes_it_on(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    apps = Apps()

    async def story(door: Front) -> None:
        valkey.config_set("maxmemory", "1mb")
        assert (await door.hook("/receipts/default", wrote("hello"))).status_code == 200
        apps.away = True
        await door.site.relays.settle()
        valkey.config_set("maxmemory", "0")
        clock.later(400)
        valkey.config_set("maxmemory", "1mb")
        apps.away = False
        assert await door.site.relays.settle() == float("inf")

    try:
        told_by(taking(front), apps, story)
    finally:
        valkey.config_set("maxmemory", "0")
    assert apps.texts == ["hello"]


def test_1_status_says_who_takes_nothing_and_since_when(
    cli: Cli, valkey: redis.Redis, front: Config
) -> None:
    apps = Apps()
    apps.away = True

    async def story(door: Front) -> None:
        await door.hook("/receipts/default", wrote("hello"))
        await door.hook(URLS.url("m1", APP), told("delivered", "p"))
        await door.site.relays.settle()
        text = (await door.monitoring.get("/metrics")).text
        assert 'sluicegate_webhooks_waiting{account="default",kind="inbound"} 1.0' in text
        assert 'sluicegate_webhooks_waiting{account="default",kind="receipt"} 1.0' in text

    told_by(taking(front), apps, story, time=None)
    shown = cli("status").stdout
    assert "1 webhook waits to be passed on to inbound_url" in shown
    assert "ConnectError" in shown
    valkey.hset(KEYS("relay:inbound"), "since", str(NOW))
    assert "start the app behind inbound_url" in cli("status", exits=1).stdout


def test_1_without_redis_nothing_is_acknowledged() -> None:
    with EmbeddedServer() as server:
        settings = taking(config(server.url))
    apps = Apps()

    async def story(door: Front) -> None:
        assert (await door.hook("/receipts/default", wrote("hello"))).status_code == 503
        with pytest.raises(Exception, match="Redis"):
            await door.site.relays.settle()

    told_by(settings, apps, story)


# Receipts: the same way.


def test_1_a_receipt_waits_for_its_app_and_is_given_up_after_days(
    valkey: redis.Redis, front: Config
) -> None:
    bench, clock, apps = Bench(valkey), Clock(valkey), Apps()
    bench.enqueue(message(1))
    bench.send()

    async def story(door: Front) -> None:
        apps.away = True
        await door.hook(URLS.url("m1", APP), told("delivered", "p-m1"))
        clock.later(600)
        await door.site.relays.settle()
        apps.away = False
        await until_taken(door, clock, apps)
        [request] = apps.got
        assert request.headers["Sluicegate-Message-Id"] == "m1"
        apps.away = True
        await door.hook(URLS.url("m1", APP), told("delivered", "p-m1", "event-2"))
        door.now += 3 * 86_400 + 1
        await until_taken(door, clock, apps)
        assert door.count("relays_dropped") == 1

    told_by(front, apps, story)
    assert len(apps.got) == 1


def test_1_apps_that_are_away_hold_up_no_other(valkey: redis.Redis, front: Config) -> None:
    clock, asked = Clock(valkey), dict[str, int]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked[request.url.host] = asked.get(request.url.host, 0) + 1
        if request.url.host == "dead.example":
            raise httpx.ConnectTimeout("away")
        return httpx.Response(200)

    async def story(door: Front) -> None:
        for n in range(100):
            url = f"https://dead.example/?order={n}"
            await door.hook(URLS.url(f"d{n}", url), told("delivered", "p", f"d{n}"))
        await door.hook(URLS.url("m1", APP), told("delivered", "p", "e"))
        await door.site.relays.settle()
        assert asked["app.example"] == 1
        for _ in range(60):
            clock.later(1)
            await door.site.relays.settle()
        assert asked["dead.example"] <= 16 * 8, "a batch at a time, less and less often"

    async def tell() -> None:
        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        door = Front(front, relay_client=client, time=CLOCK)
        async with door.http, door.monitoring:
            await story(door)
            await door.site.client.aclose()

    asyncio.run(tell())


# 3.4: only to permitted addresses.


_INSIDE = """
127.0.0.1 127.9.9.9 0.0.0.0 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254
100.64.0.1 100.100.100.200 192.0.0.192 168.63.129.16 198.18.0.1 192.0.2.1 224.0.0.1 240.0.0.1
255.255.255.255 ::1 :: fe80::1 fd00:ec2::254 fc00::1 fec0::1 ff02::1 2001:db8::1 2001::1
::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1
64:ff9b::a9fe:a9fe 64:ff9b:1::808:808 2002:7f00:1:: 2002:a9fe:a9fe::1
"""
_OUTSIDE = "8.8.8.8 1.1.1.1 172.32.0.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808"
INSIDE, OUTSIDE = _INSIDE.split(), _OUTSIDE.split()


@pytest.mark.parametrize("address", INSIDE)
def test_3_4_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    assert is_permitted(ip_address(address), EVERYWHERE)


@pytest.mark.parametrize("address", OUTSIDE)
def test_3_4_an_address_of_the_internet_is(address: str) -> None:
    assert is_public(ip_address(address))


def test_3_4_there_is_one_definition_of_loopback() -> None:
    for host in ("localhost", "LOCALHOST.", "127.0.0.1", "127.3.2.1", "[::1]", "::ffff:127.0.0.1"):
        assert is_loopback(host), host
    for host in ("example.com", "10.0.0.1", "169.254.169.254", "localhost.evil.example", ""):
        assert not is_loopback(host), host
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("producer", "worker", "ops/sluicegate_ops")
        for path in (Path(__file__).parents[2] / folder).rglob("*.py")
    ]
    assert sum(text.count("is_loopback(host: str)") for text in sources) == 1


class Inner(httpx.AsyncBaseTransport):
    """Notes where it was sent to; the first ``broken`` addresses don't answer."""

    def __init__(self, *broken: str) -> None:
        self.sent: list[httpx.Request] = []
        self.broken = broken

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if request.url.host in self.broken:
            raise httpx.ConnectError("refused")
        return httpx.Response(200)


class Names:
    """What names resolve to: each look-up gives the next answer."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> Sequence[IpAddress]:
        self.asked += 1
        return [ip_address(text) for text in self.answers.pop(0)]


def guarded(
    names: Names, url: str = "https://app.example/x", networks: Sequence[str] = (), *broken: str
) -> Inner:
    inner = Inner(*broken)
    transport = GuardedTransport([ip_network(text) for text in networks], names, inner)

    async def post() -> None:
        async with httpx.AsyncClient(transport=transport) as client:
            await client.post(url, content=b"{}")

    asyncio.run(post())
    return inner


@pytest.mark.parametrize("address", INSIDE)
def test_3_4_nothing_goes_to_a_name_that_leads_inside(address: str) -> None:
    with pytest.raises(NotPermitted, match="leads to"):
        guarded(Names([address]))


def test_3_4_the_address_that_was_judged_is_the_one_that_is_connected_to() -> None:
    names = Names(["8.8.8.8"], ["127.0.0.1"])
    [request] = guarded(names).sent
    assert names.asked == 1, "no second look-up"
    assert request.url.host == "8.8.8.8"
    assert request.headers["host"] == "app.example"
    assert request.extensions["sni_hostname"] == "app.example"
    [request] = guarded(Names(["2606:4700::1111"]), "https://app.example:8443/x?y=1").sent
    assert str(request.url) == "https://[2606:4700::1111]:8443/x?y=1"


def test_3_4_of_several_addresses_only_the_permitted_are_tried() -> None:
    inner = guarded(Names(["127.0.0.1", "8.8.8.8", "10.0.0.1", "1.1.1.1"]), "https://a.example",
                    (), "8.8.8.8")  # fmt: skip
    assert [request.url.host for request in inner.sent] == ["8.8.8.8", "1.1.1.1"]


def test_3_4_a_permitted_network_is_reached_and_plain_http_only_there() -> None:
    url = "http://app.example/x"
    assert guarded(Names(["10.1.2.3"]), url, ["10.1.0.0/16"]).sent
    assert guarded(Names(["::ffff:10.1.2.3"]), url, ["10.1.0.0/16"]).sent
    for address, networks in (("10.2.0.1", ["10.1.0.0/16"]), ("8.8.8.8", ["0.0.0.0/0"])):
        with pytest.raises(NotPermitted):
            guarded(Names([address]), url, networks)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "localhost", "[::1]"]
)
def test_3_4_however_an_address_is_written_it_is_judged_as_what_it_is(host: str) -> None:
    resolver = Resolver()
    inner = Inner()

    async def post() -> None:
        transport = GuardedTransport((), resolver, inner)
        async with httpx.AsyncClient(transport=transport) as client:
            await client.post(f"https://{host}/", content=b"")

    with pytest.raises((NotPermitted, httpx.ConnectError, httpx.InvalidURL)):
        asyncio.run(post())
    resolver.close()
    assert inner.sent == []


@pytest.mark.parametrize(("permitted", "taken"), [((), 0), (("127.0.0.0/8",), 1)])
def test_3_4_a_receipt_goes_to_loopback_only_where_that_is_permitted(
    valkey: redis.Redis, front: Config, permitted: tuple[str, ...], taken: int
) -> None:
    Clock(valkey)

    async def story(door: Front, url: str) -> None:
        await door.hook(URLS.url("m1", url), told("delivered", "p"))
        await door.site.relays.settle()
        assert (door.count("relays"), door.count("relays_dropped")) == (taken, 1 - taken)

    async def tell() -> None:
        got = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            got.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
            writer.close()

        listener = socket.create_server(("127.0.0.1", 0))
        server = await asyncio.start_server(answer, sock=listener)
        web = msgspec.structs.replace(front.web, relay_networks=permitted)
        door = Front(msgspec.structs.replace(front, web=web), time=CLOCK)
        async with server, door.http, door.monitoring:
            await story(door, f"http://localhost:{listener.getsockname()[1]}/x")
            await door.site.client.aclose()
        assert len(got) == taken

    asyncio.run(tell())


def test_3_4_an_operator_s_own_url_may_be_private_by_a_setting_of_its_own(
    tmp_path: Path, valkey: redis.Redis, front: Config
) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[accounts.default]\ninbound_url = "http://127.0.0.1:9/x"\n')
    with pytest.raises(InvalidConfig, match="inbound_private"):
        load(file, {})
    file.write_text(file.read_text() + "inbound_private = true\n")
    assert load(file, {}).account("default").inbound_private
    file.write_text('[web]\nrelay_networks = ["10.0.0.1/8"]\n')
    with pytest.raises(InvalidConfig, match="relay_networks"):
        load(file, {})


def test_3_4_what_came_in_is_kept_where_its_url_leads_inside(
    valkey: redis.Redis, front: Config, clock: Clock
) -> None:
    async def story(door: Front) -> None:
        door.site.relays._clients[False] = httpx.AsyncClient(
            transport=GuardedTransport((), Names(["10.0.0.1"]), Inner())
        )
        await door.hook("/receipts/default", wrote("hello"))
        await door.site.relays.settle()
        assert valkey.hlen(KEYS("relays")) == 1
        [target] = read_account(valkey, front, "default").webhooks.behind
        assert "crm.example leads to 10.0.0.1" in target.why
        assert "inbound_private" in target.why

    told_by(taking(front), Apps(), story)
