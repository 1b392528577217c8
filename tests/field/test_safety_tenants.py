"""Apps as tenants: neither reads, squats, probes nor starves the other; each keeps its caps."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sluicegate import CapReached, Config, InvalidConfig, Sluice, UnknownMessage, load_config
from sluicegate.campaigns.plan import message_id
from sluicegate.caps import Caps
from sluicegate.config import Account, App, Registration, Sender, Web
from sluicegate.outbox import Outbox
from sluicegate.rules import RULES
from sluicegate.stored import MessageId
from sluicegate_ops.web.site import Site
from sluicegate_ops.web.tenants import RequestPace
from sluicegate_ops.web.turns import Turns
from support.bench import Bench
from support.command_line import Cli
from support.effort import size
from support.messages import SENDER, message, plan, recipient
from support.served import ENVIRON, URLS, Front, bearer, opened, run, told

SHOP, CLINIC, BEFORE = (
    "token-of-the-shop-0123",
    "token-of-the-clinic-0123",
    "old-token-of-the-shop-0",
)
TOKENS = {"shop": SHOP, "clinic": CLINIC}
KEY = {"Idempotency-Key": "order-1"}
US, CANADA, FRANCE = "+12025550123", "+14165550123", "+33612345678"
PRICES = "country,type,price\nUS,SMS,0.004\nUS,MMS,0.015\nCA,SMS,0.0075\nCA,MMS,0.02\n"


def tenants(
    url: str, account: Mapping[str, Any] = {}, clinic: Mapping[str, Any] = {}, **shop: Any
) -> Config:
    """Two apps of one account; ``shop`` are settings of the first."""
    apps = {
        "shop": App(token_env="TOKEN_SHOP", **shop),
        "clinic": App(token_env="TOKEN_CLINIC", **clinic),
    }
    return Config(redis_url=url, accounts={"default": Account(**account)}, web=Web(apps=apps))


async def look(door: Front, id: str, app: str = "shop") -> httpx.Response:
    return await door.http.get(f"/v2/messages/{id}", headers=bearer(TOKENS[app]))


async def send(door: Front, app: str = "shop", **fields: Any) -> httpx.Response:
    return await door.send(token=TOKENS[app], **fields)


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], error["source"].get("pointer", "")


# Whose a message is.

KEYS = st.from_regex(r"[A-Za-z0-9_:-]{1,255}", fullmatch=True)
APPS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,39}", fullmatch=True)


@given(APPS, APPS, KEYS, KEYS)
def test_3_2_ids_of_apps_campaigns_and_producers_never_meet(
    one: str, other: str, key: str, other_key: str
) -> None:
    from sluicegate_ops.web.requests import id_of_key

    mine = MessageId.of_app(one, id_of_key(key))
    assert MessageId.parse(mine.short) == mine
    assert (mine.key, mine.app, mine.campaign) == (id_of_key(key), one, "")
    assert not RULES["id"].allows(mine.short)  # so no producer without a name can take it
    if one != other:
        assert mine.short != MessageId.of_app(other, id_of_key(other_key)).short
    assert mine.format() != MessageId.of_hash(other, 5).format()


def test_3_2_neither_app_reads_nor_squats_the_other_s_messages(redis_url: str) -> None:
    async def story(door: Front) -> None:
        ours = await send(door, "shop", headers=KEY, text="ours")
        theirs = await send(door, "clinic", headers=KEY, text="theirs")
        for answer in (ours, theirs):
            assert (answer.status_code, answer.json()["data"]["id"]) == (200, "order-1")
            assert "idempotent-replayed" not in answer.headers
        for app, text in (("shop", "ours"), ("clinic", "theirs")):
            shown = (await look(door, "order-1", app)).json()["data"]
            assert (shown["id"], shown["text"]) == ("order-1", text)
        await send(door, "shop", headers={"Idempotency-Key": "order-2"})
        unknown, foreign = await look(door, "never"), await look(door, "order-2", "clinic")
        assert refused(foreign) == refused(unknown) == (404, "10005", "")
        assert foreign.content == unknown.content
        again = await send(door, "shop", headers=KEY, text="ours")
        assert again.headers["idempotent-replayed"] == "true"

    run(tenants(redis_url), story)


@pytest.mark.parametrize("app", ["shop", "clinic"])
def test_3_2_no_name_of_another_s_message_opens_it(valkey: redis.Redis, app: str) -> None:
    bench, july = Bench(valkey), plan("july")
    bench.enqueue(message(1))
    bench.campaigns.create(july)
    bench.add("july", recipient(july, 1))
    bench.outbox = Outbox(bench.config, "default", "other")
    bench.enqueue(message(2))
    started = message_id("july", recipient(july, 1).hash)
    bench.act("july", "start")
    bench.send()

    async def story(door: Front) -> None:
        await send(door, "shop" if app == "clinic" else "clinic", headers=KEY)
        whole = "shop:order-1" if app == "clinic" else "clinic:order-1"
        for id in ("m1", "m2", "other:m2", started, "july.AAAAAAAAAAA", whole, "order-1"):
            answer = await look(door, id, app)
            assert refused(answer) == (404, "10005", ""), id
        for id in ("m1", "m2", "order-1"):
            answer = await send(door, app, headers={"Idempotency-Key": id})
            assert "idempotent-replayed" not in answer.headers
        for id in ("a:b", "k" * 255):  # an app's own keys that can be no ids
            await send(door, app, headers={"Idempotency-Key": id})
            assert (await look(door, id, app)).status_code == 200

    run(tenants(valkey_url(valkey)), story)


def valkey_url(client: redis.Redis) -> str:
    where = client.connection_pool.connection_kwargs
    return f"redis://{where['host']}:{where['port']}/{where.get('db', 0)}"


def test_3_2_a_producer_with_a_name_has_its_own_ids(redis_url: str) -> None:
    config = Config(redis_url=redis_url)
    with (
        Sluice(config, app="billing") as billing,
        Sluice(config, app="alerts") as alerts,
        Sluice(config) as anybody,
    ):
        for sluice in (billing, alerts, anybody):
            sent = sluice.enqueue(message(1))
            assert (sent.id, sent.outcome) == ("m1", "enqueued")
            assert sluice.enqueue(message(1)).outcome == "known"
        assert billing.cancel("m1") == "cancelled"
        assert billing.status("m1").state == "cancelled"
        assert anybody.status("billing:m1").state == "cancelled"
        assert alerts.status("m1").state == anybody.status("m1").state == "waiting"
        with pytest.raises(UnknownMessage):
            billing.status("alerts:m1")
    with pytest.raises(InvalidConfig, match="app: an app's name must be"):
        Sluice(config, app="Not a name")


def test_3_2_what_version_0_1_stored_is_still_found_and_not_sent_twice(
    valkey: redis.Redis,
) -> None:
    bench = Bench(valkey)
    bench.enqueue(message(1, id="order-1", to="+15550000001", sender=SENDER, text="hi"))

    async def story(door: Front) -> None:
        await door.site.heartbeat.beat()
        again = await send(door, headers=KEY)
        assert again.headers["idempotent-replayed"] == "true"
        assert refused(await send(door, headers=KEY, text="other"))[:2] == (422, "10027")
        assert (await look(door, "order-1")).json()["data"]["text"] == "hi"
        # What a producer without a name enqueues from now on is nobody's of these.
        bench.at(4_000_000_000_000.0)
        bench.enqueue(message(2, id="order-2"))
        assert (await look(door, "order-2")).status_code == 404
        fresh = await send(door, headers={"Idempotency-Key": "order-2"})
        assert "idempotent-replayed" not in fresh.headers

    alone = tenants(valkey_url(valkey))
    alone = replace(alone, web=Web(apps={"shop": alone.web.apps["shop"]}))
    run(alone, story)
    assert bench.totals()["enqueued"] == 3

    async def of_two(door: Front) -> None:
        assert (await look(door, "order-1")).status_code == 404
        assert (await look(door, "order-1", "clinic")).status_code == 200

    run(tenants(valkey_url(valkey), clinic={"older_ids": True}), of_two)


def test_3_2_a_relay_tells_an_app_its_own_id(redis_url: str) -> None:
    got = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        got.append(request)
        return httpx.Response(200)

    async def story(door: Front) -> None:
        url = URLS.url("shop:order-1", "https://shop.example/hook")
        assert (await door.hook(url, told("delivered", "p-1"))).status_code == 200
        async with asyncio.timeout(10):
            while not got:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)

    config = tenants(redis_url)
    config = replace(config, web=replace(config.web, public_url="https://sms.example"))
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    run(config, story, relay_client=client)
    assert [request.headers["Sluicegate-Message-Id"] for request in got] == ["order-1"]


# Tokens.


def test_3_2_while_tokens_are_exchanged_both_are_good(redis_url: str) -> None:
    config = tenants(redis_url)

    async def story(door: Front) -> None:
        for token in (SHOP, BEFORE):
            answer = await door.send(token=token, headers=KEY)
            assert answer.status_code == 200
        assert answer.headers["idempotent-replayed"] == "true"  # they are one app's

    async def after(door: Front) -> None:
        assert (await door.send(token=SHOP)).status_code == 200
        assert (await door.send(token=BEFORE)).status_code == 401

    run(config, story, environ=ENVIRON | {"TOKEN_SHOP_PREVIOUS": BEFORE})
    run(config, after)


@pytest.mark.parametrize("before", [CLINIC, SHOP, "short"])
def test_3_2_a_token_before_that_can_t_be_used_is_refused_at_the_start(
    redis_url: str, before: str
) -> None:
    with pytest.raises(InvalidConfig):
        Site(tenants(redis_url), ENVIRON | {"TOKEN_SHOP_PREVIOUS": before})


# What an app may ask for.

DECLARED = {
    "senders": {
        SENDER: Sender(kind="long_code"),
        "12345": Sender(kind="short_code"),
        "pool-1": Sender(kind="pool"),
    }
}


@pytest.mark.parametrize(
    ("own", "fields", "expected"),
    [
        ((), {}, 200),
        ((), {"from": "12345"}, 200),
        ((), {"from": "+15559999999"}, 403),
        ((), {"from": "Acme", "messaging_profile_id": "pool-1"}, 403),
        ((), {"from": None, "messaging_profile_id": "pool-1"}, 200),
        ((), {"from": None, "messaging_profile_id": "elsewhere"}, 403),
        ((), {"messaging_profile_id": "elsewhere"}, 403),
        (("12345",), {"from": "12345"}, 200),
        (("12345",), {}, 403),
        (("12345",), {"from": None, "messaging_profile_id": "pool-1"}, 403),
        (("pool-1",), {"from": None, "messaging_profile_id": "pool-1"}, 200),
    ],
)
def test_3_2_a_sender_that_is_not_declared_or_not_the_app_s_is_refused(
    redis_url: str, own: tuple[str, ...], fields: dict[str, Any], expected: int
) -> None:
    async def story(door: Front) -> None:
        answer = await send(door, **fields)
        assert answer.status_code == expected, answer.text
        if expected == 403:
            assert refused(answer)[1] == "40305"
            assert SENDER not in answer.text  # other apps' senders are no business of this one
            assert "12345" not in answer.text
            assert door.site.answers["shop", "forbidden"] == 1

    run(tenants(redis_url, DECLARED, senders=own), story)


@pytest.mark.parametrize(
    ("allowed", "to", "expected"),
    [
        ((), FRANCE, 200),
        (("US",), US, 200),
        (("US",), CANADA, 403),
        (("US",), FRANCE, 403),
        (("CA", "FR"), FRANCE, 200),
        (("US",), "+88212345678", 403),  # no country's
        (("US",), "nonsense", 400),
    ],
)
def test_3_2_a_country_that_is_not_the_app_s_is_refused(
    redis_url: str, allowed: tuple[str, ...], to: str, expected: int
) -> None:
    async def story(door: Front) -> None:
        answer = await send(door, to=to)
        assert answer.status_code == expected, answer.text
        if expected == 403:
            assert refused(answer)[1:] == ("40309", "/to")

    run(tenants(redis_url, countries=allowed), story)


def test_3_2_an_app_of_bulk_asks_for_nothing_more(valkey: redis.Redis) -> None:
    async def story(door: Front) -> None:
        await send(door, headers=KEY)
        urgent = await send(door, headers={"Sluicegate-Priority": "transactional"})
        assert refused(urgent) == (403, "10010", "/header/Sluicegate-Priority")
        await send(door, "clinic", headers=KEY)
        lower = await send(door, "clinic", headers={"Sluicegate-Priority": "bulk"})
        assert lower.status_code == 200

    run(tenants(valkey_url(valkey), priority="bulk"), story)
    lanes = {lane.decode().rpartition("lane:")[2] for lane in valkey.scan_iter("*lane:*")}
    assert lanes == {f"bs:{SENDER}@shop", f"ts:{SENDER}@clinic", f"bs:{SENDER}@clinic"}


# Caps.


async def answers(
    doors: list[Front], count: int, app: str = "shop", **fields: Any
) -> Counter[Any]:
    """How so many messages at once, shared out over several processes, are answered."""
    asked = [send(doors[n % len(doors)], app, **fields) for n in range(count)]
    got = await asyncio.gather(*asked)
    return Counter(
        answer.status_code if answer.is_success else refused(answer)[:2] for answer in got
    )


def with_doors(config: Config, story: Any, count: int = 3) -> None:
    """Several serve processes on one Redis."""

    async def body() -> None:
        async with AsyncExitStack() as stack:
            doors = [await stack.enter_async_context(opened(config)) for _ in range(count)]
            await story(doors)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("cap", "code"),
    [
        ({"daily_messages": 7}, "40333"),
        ({"most_waiting": 7}, "40318"),
        ({"daily_money": 0.03}, "40333"),  # seven at 0.004 are 0.028
    ],
)
def test_3_2_a_cap_is_kept_exactly_over_several_processes(
    redis_url: str, cap: dict[str, Any], code: str
) -> None:
    async def story(doors: list[Front]) -> None:
        assert await answers(doors, 30) == {200: 7, (429, code): 23}
        assert await answers(doors, 5, "clinic") == {200: 5}
        answer = await send(doors[0])
        assert int(answer.headers["retry-after"]) >= 1
        [name] = cap
        assert sum(door.site.answers["shop", name] for door in doors) == 24

    with_doors(tenants(redis_url, **cap), story)


def test_3_2_a_rate_is_kept_over_several_processes(redis_url: str) -> None:
    async def story(doors: list[Front]) -> None:
        got = await answers(doors, 30)
        assert got[200] == 5
        assert got[429, "10011"] == 25
        assert await answers(doors, 5, "clinic") == {200: 5}
        answer = await send(doors[0])
        assert answer.headers["retry-after"] == "1"

    with_doors(tenants(redis_url, per_second=5), story)


@given(
    per_second=st.sampled_from([0.1, 0.5, 1, 2, 2.5, 10]),
    gaps=st.lists(st.integers(0, 4000), min_size=1, max_size=60),
)
@example(per_second=0.5, gaps=[2041, 0])
def test_3_2_no_second_has_more_than_the_rate(per_second: float, gaps: list[int]) -> None:
    now = 0.0
    pace, taken = RequestPace(per_second, lambda: now), list[float]()
    for gap in gaps:
        now += gap / 1000
        wait = pace.wait_seconds()
        if wait == 0:
            taken.append(now)
        else:
            assert 0 < wait <= max(1, int(per_second)) / per_second
    most = max(1, int(per_second))
    window = most / per_second
    for at in taken:
        assert sum(at <= other < at + window - 1e-9 for other in taken) <= most


class Caller:
    """A bench whose outbox has caps, and the errors that they raise."""

    def __init__(self, store: redis.Redis, **caps: Any) -> None:
        self.bench = Bench(store, repeat=True)
        self.bench.outbox = Outbox(self.bench.config, "default", "shop", Caps(**caps))

    def ask(self, *numbers: int) -> str:
        from sluicegate.outbox import ENQUEUE

        args = self.bench.outbox.enqueue_args([message(n) for n in numbers], self.bench.token())
        answer = self.bench.call(ENQUEUE, args)
        return answer.decode() if isinstance(answer, bytes) else answer[0].decode()


def test_3_2_a_day_begins_at_midnight_utc(store: redis.Redis) -> None:
    caller = Caller(store, daily_messages=2)
    midnight = 1_700_006_400_000.0
    caller.bench.at(midnight - 1000)
    assert [caller.ask(n) for n in range(3)] == ["e", "e", "daily_messages"]
    assert caller.ask(0) == "k"  # what is known is known, and costs nothing
    caller.bench.at(midnight)
    assert [caller.ask(n) for n in range(2, 5)] == ["e", "e", "daily_messages"]


def test_3_2_what_has_ended_waits_no_more(store: redis.Redis) -> None:
    caller = Caller(store, most_waiting=3)
    bench = caller.bench
    assert [caller.ask(n) for n in range(4)] == ["e", "e", "e", "most_waiting"]
    bench.send()
    assert [caller.ask(n) for n in range(4, 6)] == ["e", "most_waiting"]
    assert bench.cancel("m2") == "cancelled"
    assert caller.ask(6) == "e"
    bench.send(kind="dead", code="40310", reason="No", heard=True)
    assert caller.ask(7) == "most_waiting"  # a dead letter waits for a person
    [dead] = bench.store.zrange(bench.keys("dead"), 0, -1)
    assert bench.purge(dead.decode()) == "purged"
    assert caller.ask(7) == "e"
    bench.check()


def test_3_2_who_opted_out_counts_against_no_cap(store: redis.Redis) -> None:
    caller = Caller(store, most_waiting=1, daily_messages=1)
    store.hset(caller.bench.keys("optouts"), "+15550000005", "1 test")
    assert [caller.ask(5), caller.ask(6), caller.ask(7)] == ["s", "e", "most_waiting"]


def test_3_2_a_batch_beyond_a_cap_is_refused_whole(store: redis.Redis) -> None:
    caller = Caller(store, daily_messages=3)
    assert caller.ask(1, 2) == "ee"
    assert caller.ask(2, 3, 4) == "daily_messages"
    assert caller.ask(1, 3) == "ke"


def test_3_2_what_a_cap_lets_in_is_told_before_it_refuses(redis_url: str) -> None:
    with Sluice(Config(redis_url=redis_url), app="shop", caps=Caps(daily_messages=600)) as sluice:
        told, results = sluice.enqueue_many(map(message, range(1000))), list[Any]()
        with pytest.raises(CapReached) as caught:
            results.extend(told)  # so far it comes
        taken = sum(sluice.enqueue(message(n)).outcome == "known" for n in range(500))
    assert (len(results), taken) == (500, 500)
    assert (caught.value.cap, len(caught.value.ids)) == ("daily_messages", 500)


def test_3_2_money_is_counted_exactly(store: redis.Redis) -> None:
    price = Decimal("0.1")
    caller = Caller(store, daily_money=Decimal("0.3"), price=lambda message: price)
    assert [caller.ask(n) for n in range(4)] == ["e", "e", "e", "daily_money"]
    spent = caller.bench.store.hget(caller.bench.keys("spent:shop"), "money")
    assert spent == b"300000000"


def test_3_2_a_day_s_money_goes_by_the_price_list(tmp_path: Path, redis_url: str) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(PRICES)
    account = {"price_list": str(prices)}
    config = tenants(redis_url, account, daily_money=0.02, countries=("US", "CA"))

    async def story(door: Front) -> None:
        assert (await send(door, to=CANADA)).status_code == 200  # 0.0075
        assert (await send(door, to=US, text="x" * 161)).status_code == 200  # two parts: 0.008
        assert refused(await send(door, to=CANADA))[:2] == (429, "40333")
        answer = await send(door, to=US)  # 0.0195
        assert answer.status_code == 200
        over = await send(door, to=US)
        assert over.headers["x-should-retry"] == "false"
        assert 0 < int(over.headers["retry-after"]) <= 86_400

    run(config, story)


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"daily_money": 1.0}, "add a row such as \\*,SMS"),
        ({"daily_money": 1.0, "countries": ("US", "FR")}, "add a row such as FR,SMS"),
        ({"countries": ("XX",)}, "XX is no country's ISO code"),
        ({"countries": ("UK",)}, "the United Kingdom is GB"),
    ],
)
def test_3_2_what_can_t_be_reckoned_is_refused_at_the_start(
    tmp_path: Path, redis_url: str, own: dict[str, Any], says: str
) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text(PRICES)
    with pytest.raises(InvalidConfig, match=f"^web.apps.shop.*{says}"):
        Site(tenants(redis_url, {"price_list": str(prices)}, **own), ENVIRON)


FAULTS = [
    ('senders = ["+15551112222"]', "web.apps.shop.senders: not among the senders of account"),
    ('senders = "+15551112222"', "web.apps.shop.senders: must be a list of the account's senders"),
    ('countries = ["us"]', "web.apps.shop.countries: each must be an ISO code of two capitals"),
    ('priority = "high"', "web.apps.shop.priority: must be one of"),
    ("per_second = 0", "web.apps.shop.per_second: must be a number, at least 0.001"),
    ("daily_messages = 0", "web.apps.shop.daily_messages: must be a whole number, at least 1"),
    ("most_waiting = -1", "web.apps.shop.most_waiting: must be a whole number, at least 1"),
    ("daily_money = 0", "web.apps.shop.daily_money: must be a number above 0"),
    ("daily_money = 5.0", "web.apps.shop.daily_money: account default has no prices"),
    ("rate = 5", "web.apps.shop.rate: no such setting"),
]


@pytest.mark.parametrize(("line", "says"), FAULTS)
def test_3_2_a_setting_that_makes_no_sense_is_refused_with_its_line(
    tmp_path: Path, line: str, says: str
) -> None:
    file = tmp_path / "sluicegate.toml"
    account = "[accounts.default]\nprice_per_segment = 0\n"
    file.write_text(f'[web.apps.shop]\ntoken_env = "T"\n{line}\n{account}')
    with pytest.raises(InvalidConfig) as caught:
        load_config(file, {})
    assert f"line 3: {says}" in str(caught.value)


# Fairness.


def flood(bench: Bench, app: str, count: int, **fields: Any) -> None:
    bench.outbox = Outbox(bench.config, "default", app)
    for at in range(0, count, 250):
        bench.enqueue(*(message(n, **fields) for n in range(at, min(at + 250, count))))


def place_of(bench: Bench, id: str, ms: float = 3000) -> int:
    """How many messages of others go before this one."""
    ids = [sent.id for sent in bench.drain(ms)]
    return ids.index(id)


@pytest.mark.parametrize("priority", ["transactional", "bulk"])
@pytest.mark.parametrize("senders", [1, 400])
def test_3_2_a_flood_of_one_app_keeps_no_other_waiting(
    valkey: redis.Redis, priority: Any, senders: int
) -> None:
    bench = Bench(valkey, limit=50)
    many = size(2000, 100_000)
    bench.outbox = Outbox(bench.config, "default", "shop")
    for at in range(0, many, 250):
        bench.enqueue(
            *(
                message(n, sender=f"+1444{n % senders:07d}", priority=priority)
                for n in range(at, at + 250)
            )
        )
    bench.drain(1000)
    bench.outbox = Outbox(bench.config, "default", "clinic")
    bench.enqueue(message(1, id="code", sender="+14440000000", priority=priority))
    assert place_of(bench, "clinic:code") <= 10  # what one call takes of a lane in a row


def test_3_2_two_apps_share_the_rate_however_many_senders_one_has(valkey: redis.Redis) -> None:
    bench = Bench(valkey, limit=50)
    bench.outbox = Outbox(bench.config, "default", "shop")
    bench.enqueue(*(message(n, sender=f"+1444{n:07d}") for n in range(250)))
    bench.outbox = Outbox(bench.config, "default", "clinic")
    bench.enqueue(*(message(n) for n in range(250)))
    sent = [one.id for one in bench.drain(4000)]
    shares = Counter(id.partition(":")[0] for id in sent)
    assert abs(shares["shop"] - shares["clinic"]) <= 20, shares
    bench.check()


def test_3_2_two_apps_of_one_slow_sender_take_turns(valkey: redis.Redis) -> None:
    senders = {SENDER: Sender(kind="long_code", per_second=2.0)}
    bench = Bench(valkey, limit=50, senders=senders)
    flood(bench, "shop", 100)
    flood(bench, "clinic", 100)
    sent = [one.id for one in bench.drain(20_000)]
    shares = Counter(id.partition(":")[0] for id in sent)
    assert len(sent) >= 38
    assert abs(shares["shop"] - shares["clinic"]) <= 2, shares
    bench.check()


SLOW: dict[str, Any] = {
    "senders": {
        SENDER: Sender(kind="10dlc", registration="notices"),
        "+15550000009": Sender(kind="10dlc", registration="notices"),
        "+18005550199": Sender(kind="toll_free", per_second=5.0),
        "12345": Sender(kind="short_code", per_second=0.0),
    },
    "registrations": {"notices": Registration(sms_per_minute=600.0)},
}
STEPS = st.one_of(
    st.tuples(
        st.just("enqueue"),
        st.sampled_from(["", "shop", "clinic"]),
        st.sampled_from(sorted(SLOW["senders"])),
        st.sampled_from(["transactional", "bulk"]),
        st.integers(1, 8),
    ),
    st.tuples(st.just("drain"), st.integers(1, 2000)),
    st.tuples(st.just("unused")),
    st.tuples(st.just("halt"), st.sampled_from(["account", f"sender:{SENDER}"])),
    st.tuples(st.just("clear"), st.sampled_from(["account", f"sender:{SENDER}"])),
    st.tuples(st.just("publish"), st.booleans()),
    st.tuples(st.just("lose"), st.sampled_from(["virtual", "parked_by", "ready:ts:a|shop"])),
)


def step(bench: Bench, number: int, what: str, *args: Any) -> int:
    """Do one of ``STEPS``; ``number`` messages were enqueued before. Returns how many now are."""
    match what, *args:
        case "enqueue", app, sender, priority, count:
            bench.outbox = Outbox(bench.config, "default", app)
            numbers = range(number, number + count)
            bench.enqueue(*(message(n, sender=sender, priority=priority) for n in numbers))
            return number + int(count)
        case "drain", ms:
            bench.drain(ms)
        case ("unused",):
            for grant in bench.claim(5).grants:
                bench.settle(grant, "unused")
        case "halt", level:
            bench.halts.set(level, "a test")
        case "clear", level:
            bench.halts.clear(level)
        case "publish", together:
            bench.publish(**(SLOW if together else {"registrations": {}, "senders": {}}))
        case "lose", name:
            bench.store.delete(bench.keys(name))
            for _ in range(4):
                bench.sweep()
    return number


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=size(15, 150))
@given(st.lists(STEPS, max_size=25))
def test_3_2_whatever_happens_no_message_of_an_app_is_left_behind(
    valkey: redis.Redis, steps: list[Any]
) -> None:
    valkey.flushdb()
    bench, number = Bench(valkey, limit=50, **SLOW), 0
    for one in steps:
        number = step(bench, number, *one)
    for level in ("account", f"sender:{SENDER}"):
        bench.halts.clear(level)
    bench.later(60_000)
    bench.drain(60_000)
    assert bench.check() == ({"accepted": number} if number else {})


def test_3_2_an_app_shares_with_who_has_no_name(valkey: redis.Redis) -> None:
    bench = Bench(valkey, limit=50)
    flood(bench, "shop", 500)
    flood(bench, "", 500)
    shares = Counter(":" in one.id for one in bench.drain(4000))
    assert abs(shares[True] - shares[False]) <= 20, shares


def test_3_2_what_one_app_had_scheduled_keeps_no_other_waiting(valkey: redis.Redis) -> None:
    bench = Bench(valkey, limit=50)
    soon = datetime.fromtimestamp(bench.now_ms / 1000 + 60, UTC)
    flood(bench, "shop", size(2000, 20_000), send_at=soon)
    flood(bench, "clinic", 1, id="code", send_at=soon + timedelta(seconds=1))
    bench.later(61_000)
    assert place_of(bench, "clinic:code") <= 20


def test_3_2_in_the_front_door_apps_take_turns() -> None:
    async def story() -> list[str]:
        turns, order = Turns(2), list[str]()

        async def ask(app: str) -> None:
            async with turns.of(app):
                order.append(app)
                await asyncio.sleep(0)

        tasks = [asyncio.create_task(ask("shop")) for _ in range(100)]
        await asyncio.sleep(0)
        tasks[50].cancel()
        tasks += [asyncio.create_task(ask("clinic")) for _ in range(2)]
        await asyncio.gather(*tasks, return_exceptions=True)
        return order

    order = asyncio.run(story())
    assert len(order) == 101
    assert order.index("clinic") <= 6
    assert [at for at, app in enumerate(order) if app == "clinic"][-1] <= 10


# The app's name, wherever a message is shown.


def test_3_2_people_see_whose_a_message_is(cli: Cli) -> None:
    bench = cli.bench
    bench.outbox = Outbox(bench.config, "default", "shop")
    bench.enqueue(message(1), message(2))
    assert [line["app"] for line in cli.lines("lanes")] == ["shop"]
    assert "shop" in cli("lanes").stdout
    assert cli.document("message", "show", "shop:m1")["app"] == "shop"
    assert "app" in cli("message", "show", "shop:m1").stdout
    bench.send(kind="dead", code="40310", reason="No", heard=True)
    bench.send(kind="doubt", delay_ms=-1, code="no_answer")
    bench.outbox = Outbox(bench.config, "default")
    cli.die(3)
    assert [line["app"] for line in cli.lines("dead", "list", "--all", "--app", "shop")] == [
        "shop"
    ]
    groups = {line["app"]: line["count"] for line in cli.lines("dead", "list", "--by", "app")}
    assert groups == {"shop": 1, "": 1}
    assert cli.lines("doubt", "list")[0]["app"] == "shop"
    assert cli("dead", "export", "-").stdout.splitlines()[0].split(",")[-1] == "app"


def test_3_2_why_tells_what_holds_an_app_and_what_of_its_caps_is_used(
    cli: Cli, tmp_path: Path
) -> None:
    caps_set = "daily_messages = 5\ndaily_money = 1.5\nmost_waiting = 2000"
    Path("sluicegate.toml").write_text(f'[web.apps.shop]\ntoken_env = "T"\n{caps_set}\n')
    bench = cli.bench
    price = Decimal("0.004")
    caps = Caps(daily_messages=5, price=lambda message: price)
    bench.outbox = Outbox(bench.config, "default", "shop", caps)
    bench.enqueue(message(1), message(2), message(3))
    bench.send()
    bench.halts.set("account", "a test")
    found = cli.document("why", "app", "shop")
    assert (found["subject"], found["waiting"]) == ("app:shop", 2)
    assert found["waits"][0]["kind"] == "halted"
    assert found["use"] == {"waiting": 2, "messages_today": 3, "money_today": "0.012"}
    shown = cli("why", "app:shop").stdout
    assert "app shop: 2 messages wait" in shown
    assert "2, of 2,000 allowed" in shown
    assert "3 messages, of 5 allowed" in shown
    assert "0.01, of 1.50 allowed USD" in shown
    assert "why app NAME" in cli("why", "app", exits=2).stderr


def test_3_2_an_app_s_own_id_leads_to_its_message(cli: Cli) -> None:
    Path("sluicegate.toml").write_text('[web.apps.shop]\ntoken_env = "T"\n')
    cli.bench.outbox = Outbox(cli.bench.config, "default", "shop")
    cli.bench.enqueue(message(1))
    said = cli("message", "show", "m1", exits=2).stderr
    assert "the app shop has one: shop:m1" in said


def test_3_2_metrics_name_the_apps_of_the_configuration_and_no_others(
    valkey: redis.Redis,
) -> None:
    bench = Bench(valkey)
    for app in ("shop", "unheard-of", "neither"):
        flood(bench, app, 3)

    async def story(door: Front) -> None:
        await send(door)
        text = (await door.monitoring.get("/metrics")).text
        assert 'sluicegate_app_waiting_messages{account="default",app="shop"} 4.0' in text
        assert 'sluicegate_app_waiting_messages{account="default",app="other"} 6.0' in text
        assert "unheard-of" not in text
        assert 'sluicegate_app_requests_total{app="shop",answer="taken"} 1' in text

    run(tenants(valkey_url(valkey)), story)
