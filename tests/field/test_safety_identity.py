"""Deployments that share a Redis by mistake: who an account belongs to, and how that changes."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import redis

from sluicegate import Config, Sluice
from sluicegate.config import Account
from sluicegate.errors import WrongDeployment
from sluicegate.identity import Identities, fingerprint
from sluicegate_ops.simulator import Settings
from sluicegate_ops.web.heartbeat import Heartbeat
from sluicegate_rigs.deployment import Deployment
from support.command_line import Cli
from support.messages import message

KEY = "SLUICEGATE_TELNYX_API_KEY"
PRODUCTION = {KEY: "KEY-of-production"}
STAGING = {KEY: "KEY-of-staging"}
URL = "https://api.telnyx.com/v2"


def identities(
    client: redis.Redis, environ: dict[str, str] = PRODUCTION, deployment: str = "production"
) -> Identities:
    return Identities(client, Config(deployment=deployment), "default", environ)


def elsewhere(client: redis.Redis, url: str) -> Identities:
    config = Config(deployment="production", accounts={"default": Account(base_url=url)})
    return Identities(client, config, "default", PRODUCTION)


def test_3_5_the_first_worker_says_whose_the_account_is(store: redis.Redis) -> None:
    ours = identities(store)
    ours.claim()
    known = ours.look()
    assert (known.deployment, known.base_url) == ("production", URL)
    assert known.keys == (fingerprint(PRODUCTION[KEY], known.salt),)
    ours.claim()
    assert ours.look() == known


@pytest.mark.parametrize("part", ["deployment", "url", "key"])
def test_3_5_another_name_url_or_key_is_refused_and_both_are_named(
    store: redis.Redis, part: str
) -> None:
    identities(store).claim()
    other = {
        "deployment": identities(store, deployment="staging"),
        "url": elsewhere(store, "http://127.0.0.1:9"),
        "key": identities(store, STAGING),
    }[part]
    known = other.look()
    theirs = fingerprint(STAGING[KEY], known.salt)
    both = {
        "deployment": ("production at", "staging at"),
        "url": (URL, "http://127.0.0.1:9"),
        "key": (known.keys[0], theirs),
    }[part]
    for attempt in (other.claim, lambda: other.check(with_key=True)):
        with pytest.raises(WrongDeployment) as refused:
            attempt()
        assert all(words in str(refused.value) for words in both)
        assert "sluicegate deployment adopt" in str(refused.value)
    assert other.look() == known, "nothing of it was stored"


def test_3_5_a_slash_at_the_end_of_the_url_makes_no_other_deployment(store: redis.Redis) -> None:
    identities(store).claim()
    elsewhere(store, f"{URL}/").claim()


def test_3_5_a_fingerprint_is_no_help_to_guess_the_key(store: redis.Redis) -> None:
    """It is salted, so that no table fits; slow, so that no list of words is tried; and short."""
    assert fingerprint("KEY", "one") != fingerprint("KEY", "other")
    assert len(fingerprint("KEY", "one")) == 16
    began = time.process_time()
    for n in range(5):
        fingerprint("KEY", str(n))
    assert time.process_time() - began > 5 * 0.005
    ours = identities(store)
    ours.claim()
    stored: Any = store.hgetall("sluicegate:{default}:identity")
    assert PRODUCTION[KEY].encode() not in b" ".join(stored.values())


def test_3_5_a_host_without_the_key_is_refused_by_name_and_url_alone(store: redis.Redis) -> None:
    identities(store).claim()
    identities(store, {}).claim()
    identities(store, {}).check(with_key=True)
    with pytest.raises(WrongDeployment):
        identities(store, {}, "staging").claim()


def test_3_5_keys_change_with_an_overlap_one_worker_after_the_other(store: redis.Redis) -> None:
    old, new = identities(store), identities(store, {KEY: "KEY-of-next-year"})
    old.claim()
    with pytest.raises(WrongDeployment):
        new.claim()
    before, after = new.adopt()
    assert after.keys == (*before.keys, fingerprint("KEY-of-next-year", before.salt))
    new.claim()
    old.claim()  # its worker restarts for another reason meanwhile
    assert new.adopt()[1] == after, "adopting twice changes nothing"
    old.forget(before.keys[0])
    new.claim()
    with pytest.raises(WrongDeployment):
        old.claim()


def test_3_5_a_running_account_is_not_taken_over(store: redis.Redis) -> None:
    """Its resends must go to the provider that may have the message, under the same key."""
    identities(store).claim()
    staging, keys = identities(store, STAGING, "staging"), Sluice(Config(), client=store).keys
    before = staging.look()
    store.zadd(keys("workers"), {"worker1": time.time() * 1000 + 60_000})
    assert "workers run: stop them" in staging.adopt()[1].obstacle
    store.delete(keys("workers"))
    store.zadd(keys("doubts"), {"m1": float("inf")})
    assert "1 of its messages are in doubt" in staging.adopt()[1].obstacle
    assert staging.look() == before
    store.delete(keys("doubts"))
    after = staging.adopt()[1]
    assert (after.deployment, len(after.keys)) == ("staging", 1)
    with pytest.raises(WrongDeployment):
        identities(store).claim()


def test_3_5_every_command_refuses_and_the_take_over_is_audited(
    cli: Cli, valkey: redis.Redis
) -> None:
    identities(valkey).claim()
    env = {KEY: PRODUCTION[KEY]}
    for command in (["status"], ["optout", "list"], ["optout", "add", "+15551234567"], ["serve"]):
        refused = cli(*command, exits=2, env=env)
        assert "production" in refused.stderr
        assert "this configuration says the deployment default" in refused.stderr
    assert "says the deployment default" in cli("deployment", "show", env=env).stdout
    assert "--why" in cli("deployment", "adopt", "--yes", exits=2, env=env).stderr
    cli("deployment", "adopt", "--yes", "--why", "it moves", env=env)
    cli("status", env=env)
    [entry] = cli.lines("audit", "list")
    assert (entry["action"], entry["why"]) == ("adopt deployment", "it moves")
    assert entry["filter"]["before"] == f"the deployment production at {URL}"
    assert entry["filter"]["deployment"] == "default"


def test_3_5_a_key_of_another_environment_writes_nothing(cli: Cli, valkey: redis.Redis) -> None:
    Identities(valkey, Config(), "default", PRODUCTION).claim()
    refused = cli("optout", "add", "+15551234567", exits=2, env=STAGING)
    assert "API key" in refused.stderr
    assert "KEY-of" not in refused.stderr
    cli("deployment", "adopt", "--yes", "--why", "the yearly change", env=STAGING)
    [old, new] = cli.document("deployment", "show")["keys"]
    cli("optout", "add", "+15551234567", env=STAGING)
    assert "no such API key" in cli("deployment", "forget", "x", "--why", "x", exits=2).stderr
    cli("deployment", "forget", old, "--why", "changed yesterday")
    last = cli("deployment", "forget", new, "--why", "too much", exits=2)
    assert "only API key" in last.stderr
    assert cli.document("deployment", "show")["keys"] == [new]


def test_3_5_serve_ends_when_redis_comes_back_as_anothers(
    valkey: redis.Redis, redis_url: str
) -> None:
    """It may start while Redis is away; what it is then told ends it."""
    identities(valkey).claim()
    said = list[str]()

    async def ended() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            beating = Heartbeat(client, Config(deployment="staging"), PRODUCTION)
            await asyncio.wait_for(beating.go_on(stop=lambda: said.append("ended")), 10)

    asyncio.run(ended())
    assert said == ["ended"]


def test_3_5_a_staging_worker_on_productions_redis_sends_nothing() -> None:
    with Deployment(Settings()) as staging, staging.sluice() as sluice:
        identities(cast("Any", sluice.client)).claim()
        list(sluice.enqueue_many(message(number) for number in range(5)))
        refused = staging.start_worker()
        assert refused.process.wait(60) == 1
        said = refused.log.read_text()
        assert "production at" in said
        assert "this configuration says the deployment local" in said
        assert staging.provider("report")["received"] == 0


@pytest.mark.long
def test_3_5_nor_does_one_that_started_while_redis_was_away() -> None:
    with Deployment(Settings(), append_only="always") as staging, staging.sluice() as sluice:
        production: Any = sluice.client
        identities(production).claim()
        list(sluice.enqueue_many(message(number) for number in range(5)))
        staging.server.kill()
        late = staging.start_worker()
        wait_for(lambda: "asked again" in late.log.read_text())
        staging.server.restart()
        late.process.wait(60)
        assert "nothing is sent: account default" in late.log.read_text()
        assert staging.provider("report")["received"] == 0

        Identities(production, staging.config, "default", {}).adopt()
        staging.start_worker()
        wait_for(lambda: staging.provider("report")["received"] == 5)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)
