"""The endpoints beside sending: kinds of senders, dry runs, cancelling, and what is left."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis
from msgspec.structs import replace

from sluicegate import Config
from sluicegate.config import Account, App, Web
from support.bench import Bench
from support.served import NUMBER, OTHER_TOKEN, SENDER, TOKEN, Front, bearer, config, run

PROFILE = "40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3"
LATER = (datetime.now(UTC) + timedelta(days=9)).isoformat()
KEY = {"Idempotency-Key": "order-1"}


@pytest.fixture
def bench(valkey: redis.Redis) -> Bench:
    return Bench(valkey, app="shop")


async def post(door: Front, path: str, headers: Any = None, **body: Any) -> httpx.Response:
    return await door.http.post(
        f"/v2/messages{path}", json={"to": NUMBER, **body}, headers=bearer(TOKEN, headers)
    )


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], error["source"].get("pointer", "")


# The kinds.


KINDS: list[tuple[str, dict[str, Any]]] = [
    ("/long_code", {"from": SENDER}),
    ("/short_code", {"from": "12345", "media_urls": ["https://a.example/1"]}),
    ("/number_pool", {"messaging_profile_id": PROFILE}),
    ("/alphanumeric_sender_id", {"from": "Parcels", "messaging_profile_id": PROFILE}),
    ("/schedule", {"from": SENDER, "send_at": LATER}),
    ("/schedule", {"messaging_profile_id": PROFILE, "send_at": LATER}),
]


def test_each_kind_of_sender_has_its_endpoint(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        for n, (path, fields) in enumerate(KINDS):
            key, body = {"Idempotency-Key": f"order-{n}"}, {"text": "hi"} | fields
            answer = await post(door, path, key, **body)
            assert answer.status_code == 200, answer.text
            status = "scheduled" if path == "/schedule" else "queued"
            assert answer.json()["data"]["to"][0]["status"] == status
            # The same by the endpoint for all of them is the same message.
            again = await post(door, "", key, **body)
            assert again.headers["idempotent-replayed"] == "true"
            assert bench.status(f"order-{n}").to == NUMBER

    run(front, story)


POOL, NAMED = {"messaging_profile_id": PROFILE}, {"from": "Parcels"}
REFUSED: list[tuple[str, dict[str, Any], tuple[int, str, str]]] = [
    ("/long_code", {}, (400, "10004", "/from")),
    ("/long_code", {"from": "12345"}, (400, "40305", "/from")),
    ("/long_code", {"from": SENDER, "send_at": LATER}, (400, "10015", "/send_at")),
    ("/short_code", {"from": SENDER}, (400, "40305", "/from")),
    ("/number_pool", {}, (400, "10004", "/messaging_profile_id")),
    ("/number_pool", POOL | {"from": SENDER}, (400, "10015", "/from")),
    ("/alphanumeric_sender_id", POOL | {"from": SENDER}, (400, "40305", "/from")),
    ("/alphanumeric_sender_id", POOL | NAMED | {"text": None}, (400, "10004", "/text")),
    ("/schedule", {"from": SENDER}, (400, "10004", "/send_at")),
    ("/schedule", {"from": SENDER, "send_at": 5}, (400, "10015", "/send_at")),
]


def test_what_a_kind_lacks_or_has_not_is_refused(front: Config) -> None:
    async def story(door: Front) -> None:
        for path, fields, problem in REFUSED:
            assert refused(await post(door, path, **{"text": "hi"} | fields)) == problem

    run(front, story)


# Dry runs.


def test_a_dry_run_checks_and_reckons_everything_and_stores_nothing(
    bench: Bench, front: Config
) -> None:
    bench.store.hset(bench.keys("optouts"), "+15550000009", "1")
    shop = App(token_env="TOKEN_SHOP", daily_messages=1)
    account = Account(price_per_segment=0.004, price_per_mms=0.02)
    priced = replace(front, accounts={"default": account}, web=Web(apps={"shop": shop}))
    fields: dict[str, Any] = {"from": SENDER, "text": "x" * 200}

    async def story(door: Front) -> None:
        dry = await post(door, "?dry_run=true", KEY, **fields)
        assert dry.status_code == 200
        assert dry.headers["sluicegate-dry-run"] == "true"
        data = dry.json()["data"]
        assert (data["id"], data["parts"]) == ("order-1", 2)
        assert data["cost"] == {"amount": "0.008", "currency": "USD"}
        assert "enqueued" not in bench.totals()
        assert door.site.answers["shop", "taken"] == door.count("messages_taken") == 0
        opted_out = await post(door, "?dry_run=true", to="+15550000009", **fields)
        assert refused(opted_out) == (400, "40300", "/to")
        real = await post(door, "?dry_run=false", KEY, **fields)
        assert real.status_code == 200
        assert "sluicegate-dry-run" not in real.headers
        again = await post(door, "?dry_run=true", KEY, **fields)
        assert again.headers["idempotent-replayed"] == "true"
        other = await post(door, "?dry_run=true", KEY, **fields | {"text": "other"})
        assert refused(other)[:2] == (422, "10027")
        assert refused(await post(door, "?dry_run=true", **fields))[:2] == (429, "40333")

    run(priced, story)
    assert bench.totals()["enqueued"] == 1


def test_an_unclear_wish_for_a_dry_run_sends_nothing(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        for query in ("dryrun=true", "dry_run=1", "dry_run=true&dry_run=false"):
            answer = await post(door, f"?{query}", **{"from": SENDER, "text": "hi"})
            assert answer.status_code == 400

    run(front, story)
    assert "enqueued" not in bench.totals()


# Cancelling.

KEYS: dict[str, dict[str, Any]] = {"now": {}, "later": {"send_at": LATER}}


def test_what_has_not_been_sent_is_cancelled(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        for key, more in KEYS.items():
            await post(
                door, "", {"Idempotency-Key": key}, **{"from": SENDER, "text": "hi"}, **more
            )
            for _ in range(2):  # repeating it is safe
                answer = await door.http.delete(f"/v2/messages/{key}", headers=bearer(TOKEN))
                assert answer.status_code == 200
                assert answer.headers["sluicegate-state"] == "cancelled"
                shown = answer.json()  # as at the provider, without an envelope
                assert (shown["id"], shown["to"][0]["status"]) == (key, "cancelled")
            assert bench.status(key).state == "cancelled"

    run(front, story)


def test_what_was_sent_can_not_be_taken_back(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        await post(door, "", KEY, **{"from": SENDER, "text": "hi"})
        bench.send()
        answer = await door.http.delete("/v2/messages/order-1", headers=bearer(TOKEN))
        assert refused(answer) == (403, "10010", "/id")
        assert answer.json()["errors"][0]["meta"] == {"state": "accepted"}

    run(front, story)


def test_nobody_cancels_what_is_not_theirs(bench: Bench, front: Config) -> None:
    async def story(door: Front) -> None:
        await post(door, "", KEY, **{"from": SENDER, "text": "hi"})
        for id, token in (("order-1", OTHER_TOKEN), ("never", TOKEN), ("shop:order-1", TOKEN)):
            answer = await door.http.delete(f"/v2/messages/{id}", headers=bearer(token))
            assert refused(answer) == (404, "10005", "")
        answer = await door.http.delete("/v2/messages/order-1", headers=bearer("nobody's"))
        assert answer.status_code == 401

    run(front, story)
    assert bench.status("order-1").state == "waiting"


# What is left.


def test_each_answer_says_what_the_caps_leave(redis_url: str) -> None:
    shop = App(
        token_env="TOKEN_SHOP", per_second=3, daily_messages=5, most_waiting=4, daily_money=1.0
    )
    account = Account(price_per_segment=0.25, price_per_mms=0.5)
    limited = replace(
        config(redis_url), accounts={"default": account}, web=Web(apps={"shop": shop})
    )
    fields: dict[str, Any] = {"from": SENDER, "text": "hi"}

    async def story(door: Front) -> None:
        first = await post(door, "", KEY, **fields)
        assert first.headers["ratelimit-policy"] == (
            '"per_second";q=3;w=1, "most_waiting";q=4, "daily_messages";q=5;w=86400, '
            '"daily_money";q=100;qu="cents";w=86400'
        )
        left = [one.strip().split(";") for one in first.headers["ratelimit"].split(",")]
        assert [one[:2] for one in left] == [
            ['"per_second"', "r=2"],
            ['"most_waiting"', "r=3"],
            ['"daily_messages"', "r=4"],
            ['"daily_money"', "r=75"],
        ]
        assert first.headers["x-ratelimit-limit"] == "3"
        assert first.headers["x-ratelimit-remaining"] == "2"
        assert first.headers["x-ratelimit-reset"] == "1"
        again = await post(door, "", KEY, **fields)  # known already: it used nothing
        assert again.headers["x-ratelimit-remaining"] in ("2", "3")
        for _ in range(9):
            answer = await post(door, "", **fields)
            if answer.status_code == 429:
                break
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert answer.headers["x-ratelimit-limit"] == "3"
        assert '"per_second";r=0' in answer.headers["ratelimit"]
        assert int(answer.headers["retry-after"]) == int(answer.headers["x-ratelimit-reset"])

    run(limited, story)


def test_without_caps_there_is_nothing_to_say(front: Config) -> None:
    async def story(door: Front) -> None:
        answer = await post(door, "", **{"from": SENDER, "text": "hi"})
        assert not [name for name in answer.headers if "ratelimit" in name]

    run(front, story)


# Looking a number up.


async def look_up(door: Front, number: str, token: str = TOKEN, query: str = "") -> httpx.Response:
    return await door.http.get(f"/v2/number_lookup/{number}{query}", headers=bearer(token))


def test_who_may_ask_learns_what_is_known_of_a_number(redis_url: str, bench: Bench) -> None:
    us, other, france = "+12025550123", "+12025550124", "+33612345678"
    bench.store.hset(bench.keys("optouts"), us, "1")
    shop = App(token_env="TOKEN_SHOP", lookups=True, countries=("US",))
    clinic = App(token_env="TOKEN_CLINIC")
    asked = replace(config(redis_url), web=Web(apps={"shop": shop, "clinic": clinic}))

    async def story(door: Front) -> None:
        known = (await look_up(door, us, query="?type=carrier")).json()["data"]
        assert known["record_type"] == "number_lookup"
        assert (known["phone_number"], known["country_code"]) == (us, "US")
        assert (known["valid_number"], known["opted_out"], known["carrier"]) == (True, True, None)
        assert (await look_up(door, other)).json()["data"]["opted_out"] is False
        assert refused(await look_up(door, france)) == (403, "40309", "/number")
        assert refused(await look_up(door, us, OTHER_TOKEN)) == (403, "10010", "")
        assert refused(await look_up(door, "12")) == (400, "10016", "/number")
        unknown = await look_up(door, us, query="?type=caller-name")
        assert refused(unknown) == (400, "10015", "/type")
        assert (await look_up(door, us, "nobody's")).status_code == 401

    run(asked, story)
