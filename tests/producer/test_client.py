"""Handing messages over: both clients, on the real server and the fake, in good times and bad."""

import asyncio
import inspect
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from sluicegate import (
    AsyncSluice,
    Config,
    EnqueueResult,
    IdReused,
    InvalidMessage,
    Message,
    OutboxError,
    OutboxFull,
    OutboxUnavailable,
    Sluice,
    UnknownMessage,
)
from sluicegate.config import Account, Sender
from sluicegate.message import digest
from sluicegate.outbox import BATCH, CALL, Item, Outbox
from sluicegate.redis_errors import translated
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.consistency import check_consistency
from support.fake import StillServer
from support.messages import message

FIELDS: dict[str, Any] = {"to": "+15551234567", "sender": "+15557654321", "text": "hi"}
AsyncClient = Callable[[], redis.asyncio.Redis]


@pytest.fixture
def sluice(store: redis.Redis) -> Sluice:
    return Sluice(Config(), client=store)


@pytest.fixture(params=["valkey", "fakeredis"])
def connect(request: pytest.FixtureRequest) -> AsyncClient:
    """Make an async client of an empty database, inside the test's own event loop."""
    if request.param == "valkey":
        url = request.getfixturevalue("redis_url")
        return lambda: redis.asyncio.Redis.from_url(url)
    server = StillServer()
    return lambda: fakeredis.FakeAsyncRedis(server=server)


def messages(count: int, start: int = 1, **fields: Any) -> list[Message]:
    return [message(number, **fields) for number in range(start, start + count)]


def outcomes(results: Any) -> Counter[str]:
    return Counter(result.outcome for result in results)


def collect(results: Iterator[EnqueueResult], into: list[EnqueueResult]) -> None:
    """Keep the results that come before an error."""
    for result in results:
        into.append(result)  # noqa: PERF402 - extend would lose them


def stored(sluice: Sluice) -> int:
    """How many messages Redis has; its books agree with its records."""
    return sum(check_consistency(sluice.client, sluice.keys).values())


class Counted(Iterator[Message]):
    """Messages without end, that know how many of them were asked for."""

    def __init__(self) -> None:
        self.read = 0

    def __next__(self) -> Message:
        self.read += 1
        return message(self.read)


# One message


def test_a_message_goes_in_whole_or_as_its_fields(sluice: Sluice) -> None:
    whole = sluice.enqueue(message(1))
    as_fields = sluice.enqueue(id="m2", **FIELDS)
    as_mapping = sluice.enqueue({"id": "m3", **FIELDS})
    assert [(r.id, r.outcome, r.ok) for r in (whole, as_fields, as_mapping)] == [
        ("m1", "enqueued", True),
        ("m2", "enqueued", True),
        ("m3", "enqueued", True),
    ]
    assert stored(sluice) == 3


def test_a_message_or_its_fields_but_not_both(sluice: Sluice) -> None:
    with pytest.raises(TypeError, match="not both"):
        sluice.enqueue(message(1), text="other")  # type: ignore[call-overload]  # refused by types too


def test_without_an_id_it_gets_one_of_its_own(sluice: Sluice) -> None:
    first, second = sluice.enqueue(**FIELDS), sluice.enqueue(**FIELDS)
    assert first.id != second.id
    assert stored(sluice) == 2


def test_the_same_message_again_is_known(sluice: Sluice) -> None:
    assert sluice.enqueue(message(1)).outcome == "enqueued"
    again = sluice.enqueue(message(1))
    assert (again.outcome, again.ok) == ("known", True)
    assert stored(sluice) == 1


def test_the_same_id_with_other_content_is_an_error(sluice: Sluice) -> None:
    sluice.enqueue(message(1))
    with pytest.raises(IdReused, match="m1"):
        sluice.enqueue(message(1, text="other"))
    assert stored(sluice) == 1


def test_an_invalid_message_stores_nothing(sluice: Sluice) -> None:
    with pytest.raises(InvalidMessage) as caught:
        sluice.enqueue(id="m1", to="555", text="x")
    assert (caught.value.id, caught.value.field) == ("m1", "to")
    assert stored(sluice) == 0


def test_an_undeclared_sender_is_refused(store: redis.Redis) -> None:
    senders = {"12345": Sender(kind="short_code"), "ours": Sender(kind="pool")}
    config = Config(accounts={"default": Account(senders=senders)})
    sluice = Sluice(config, client=store)
    with pytest.raises(InvalidMessage, match="among the account's senders: 12345, pool:ours"):
        sluice.enqueue(**FIELDS)
    assert sluice.enqueue(**(FIELDS | {"sender": "12345"})).ok
    assert sluice.enqueue(**(FIELDS | {"sender": None, "messaging_profile_id": "ours"})).ok
    with pytest.raises(InvalidMessage, match="messaging_profile_id = 'theirs': not among"):
        sluice.enqueue(**(FIELDS | {"sender": None, "messaging_profile_id": "theirs"}))


def test_who_opted_out_is_suppressed(sluice: Sluice) -> None:
    sluice.optouts.add([message(1).to])
    result = sluice.enqueue(message(1))
    assert (result.outcome, result.ok) == ("suppressed", True)
    status = sluice.status("m1")
    assert (status.state, status.finished) == ("suppressed", True)
    assert sluice.enqueue(message(1)).outcome == "known"


def test_send_at_in_the_future_is_scheduled_and_in_the_past_is_now(sluice: Sluice) -> None:
    now = datetime.now(UTC)
    sluice.enqueue(message(1, send_at=now + timedelta(hours=1)))
    sluice.enqueue(message(2, send_at=now - timedelta(hours=1)))
    assert (sluice.status("m1").state, sluice.status("m2").state) == ("scheduled", "waiting")
    due: Any = sluice.client.zscore(sluice.keys("due"), "m1")
    assert due == pytest.approx((now + timedelta(hours=1)).timestamp() * 1000, abs=1)
    assert stored(sluice) == 2


def test_expires_at_stands_in_the_ticket(sluice: Sluice) -> None:
    moment = datetime(2099, 1, 1, tzinfo=UTC)
    sluice.enqueue(message(1, expires_at=moment))
    [lane] = sluice.client.scan_iter(f"{sluice.keys.lane('')}*")
    tickets: Any = sluice.client.lrange(lane, 0, -1)
    expected = f"m1|1|SMS|{int(moment.timestamp() * 1000)}|{message(1).to}"
    assert tickets == [expected.encode()]


def test_accounts_share_nothing(store: redis.Redis) -> None:
    config = Config(accounts={"a": Account(), "b": Account()})
    first, second = (Sluice(config, account=name, client=store) for name in "ab")
    assert first.enqueue(message(1)).outcome == "enqueued"
    assert second.enqueue(message(1, text="other")).outcome == "enqueued"
    assert stored(first) == stored(second) == 1


def test_the_digest_is_the_message_s_own() -> None:
    made = message(1, text="Grüße", priority="bulk")
    args = Outbox(Config(), "default").enqueue_args([made])
    assert args[4] == digest(made)


def test_a_client_that_decodes_is_refused() -> None:
    with pytest.raises(ValueError, match="decode_responses"):
        Sluice(Config(), client=redis.Redis(decode_responses=True))
    with pytest.raises(ValueError, match="decode_responses"):
        AsyncSluice(Config(), client=redis.asyncio.Redis(decode_responses=True))


# Status and cancelling


def test_status_follows_the_message(store: redis.Redis) -> None:
    sluice, bench = Sluice(Config(), client=store), Bench(store)
    bench.enqueue(message(1))
    waiting = sluice.status("m1")
    assert (waiting.state, waiting.to, waiting.finished) == ("waiting", message(1).to, False)
    assert waiting.enqueued_ms == waiting.changed_ms == bench.now_ms
    [grant] = bench.claim_all(1)
    assert sluice.status("m1").state == "granted"
    bench.later(max(grant.slot_ms, 0))
    assert bench.start(grant) == [True]
    assert sluice.status("m1").state == "started"
    bench.settle(grant, "accepted", provider_id="p1", heard=True)
    accepted = sluice.status("m1")
    assert (accepted.state, accepted.provider_id, accepted.finished) == ("accepted", "p1", True)


def test_an_unknown_message_is_an_error(sluice: Sluice) -> None:
    for ask in (sluice.status, sluice.cancel):
        with pytest.raises(UnknownMessage, match="nobody"):
            ask("nobody")


def test_cancel_ends_what_has_not_started(sluice: Sluice) -> None:
    sluice.enqueue(message(1))
    sluice.enqueue(message(2, send_at=datetime.now(UTC) + timedelta(hours=1)))
    for id in ("m1", "m2"):
        assert sluice.cancel(id) == "cancelled"
        assert sluice.status(id).state == "cancelled"
        assert sluice.cancel(id) == "cancelled"
    assert sluice.enqueue(message(1)).outcome == "known"
    assert stored(sluice) == 2


def test_cancel_says_what_it_came_too_late_for(store: redis.Redis) -> None:
    sluice, bench = Sluice(Config(), client=store), Bench(store)
    bench.enqueue(message(1))
    grant = bench.begin()
    assert sluice.cancel("m1") == "in_flight"
    bench.settle(grant, "accepted", provider_id="p1", heard=True)
    assert sluice.cancel("m1") == "accepted"


# Many messages


def test_enqueue_many_reads_no_more_than_a_batch_ahead(sluice: Sluice) -> None:
    source = Counted()
    results = sluice.enqueue_many(source)
    assert source.read == 0
    for number in range(1, 2 * BATCH + 2):
        assert next(results).id == f"m{number}"
        assert number <= source.read < number + BATCH
    assert stored(sluice) == source.read == 3 * BATCH


def test_enqueue_many_takes_messages_and_mappings_and_a_last_short_batch(sluice: Sluice) -> None:
    items: list[Item] = [*messages(BATCH), {"id": "mapping", **FIELDS}, message(BATCH + 1)]
    results = list(sluice.enqueue_many(items))
    expected = [f"m{n}" for n in range(1, BATCH + 1)] + ["mapping", f"m{BATCH + 1}"]
    assert [result.id for result in results] == expected
    assert outcomes(results) == {"enqueued": BATCH + 2}
    assert list(sluice.enqueue_many([])) == []


def test_results_stand_in_order_with_the_bad_ones_among_the_good(sluice: Sluice) -> None:
    sluice.optouts.add([message(4).to])
    sluice.enqueue(message(2))
    sluice.enqueue(message(3, text="other"))
    invalid = {"id": "bad", "to": "555", "text": "x"}
    items: list[Item] = [
        invalid,
        message(1),
        message(2),
        message(3),
        invalid,
        message(4),
        {},
        message(5),
    ]
    results = list(sluice.enqueue_many(items))
    assert [(result.id, result.outcome) for result in results] == [
        ("bad", "invalid"),
        ("m1", "enqueued"),
        ("m2", "known"),
        ("m3", "reused"),
        ("bad", "invalid"),
        ("m4", "suppressed"),
        ("", "invalid"),
        ("m5", "enqueued"),
    ]
    assert all(r.ok == (r.outcome not in ("invalid", "reused")) for r in results)
    assert isinstance(results[0].error, InvalidMessage)
    assert isinstance(results[3].error, IdReused)


def test_a_batch_of_nothing_valid_stores_nothing(sluice: Sluice) -> None:
    assert outcomes(sluice.enqueue_many([{}] * (BATCH + 1))) == {"invalid": BATCH + 1}
    assert stored(sluice) == 0


def test_an_id_twice_in_one_batch_is_enqueued_once_and_then_known(sluice: Sluice) -> None:
    items = [message(1), message(2), message(1), message(1, text="other"), message(1)]
    results = [result.outcome for result in sluice.enqueue_many(items)]
    assert results == ["enqueued", "enqueued", "known", "reused", "known"]
    assert stored(sluice) == 2


def test_a_source_that_fails_fails_the_call_and_yielded_results_stand(sluice: Sluice) -> None:
    def source() -> Iterator[Message]:
        yield from messages(BATCH + 1)
        raise OSError("the file ended early")

    done: list[EnqueueResult] = []
    with pytest.raises(OSError, match="ended early"):
        collect(sluice.enqueue_many(source()), done)
    assert outcomes(done) == {"enqueued": BATCH}
    assert stored(sluice) == BATCH


def test_enqueue_many_never_iterated_warns_and_does_nothing(sluice: Sluice) -> None:
    with pytest.warns(RuntimeWarning, match="never iterated, so nothing was enqueued"):
        sluice.enqueue_many([message(1)])
    assert stored(sluice) == 0


# Redis away, forgetful, or full


def test_redis_away_names_the_ids_and_the_call_may_be_repeated() -> None:
    with EmbeddedServer() as server:
        sluice = Sluice(Config(redis_url=server.url))
        server.kill()
        with pytest.raises(OutboxUnavailable, match="repeating it is safe") as caught:
            sluice.enqueue(message(1))
        assert caught.value.ids == ("m1",)
        for ask in (sluice.status, sluice.cancel):
            with pytest.raises(OutboxUnavailable, match="m1"):
                ask("m1")
        server.restart()
        assert sluice.enqueue(message(1)).outcome == "enqueued"
        assert sluice.enqueue(message(1)).outcome == "known"
        assert stored(sluice) == 1
        sluice.close()


def test_redis_lost_midway_names_the_batch_and_the_whole_may_be_repeated() -> None:
    with EmbeddedServer(append_only="always") as server:
        items = messages(3 * BATCH)

        def source() -> Iterator[Message]:
            yield from items[: BATCH + 1]
            server.kill()
            yield from items[BATCH + 1 :]

        done: list[EnqueueResult] = []
        with Sluice(Config(redis_url=server.url)) as sluice:
            with pytest.raises(
                OutboxUnavailable, match=f"m{BATCH + 1}.*and {BATCH - 5} more"
            ) as caught:
                collect(sluice.enqueue_many(source()), done)
            assert outcomes(done) == {"enqueued": BATCH}
            assert caught.value.ids == tuple(m.id for m in items[BATCH : 2 * BATCH])
            server.restart()
            again = outcomes(sluice.enqueue_many(items))
            assert again == {"known": BATCH, "enqueued": 2 * BATCH}
            assert stored(sluice) == 3 * BATCH


def is_answer(reply: Any) -> bool:
    """Whether a reply is the script's: nothing but its letters."""
    return isinstance(reply, bytes) and not reply.strip(b"eksr")


class LosesReply(redis.Connection):
    """A connection that breaks after the server did its work, once per process."""

    losses = 0

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        reply = super().read_response(*args, **kwargs)
        if is_answer(reply) and LosesReply.losses:
            LosesReply.losses -= 1
            self.disconnect()  # type: ignore[no-untyped-call] # redis-py's
            raise redis.ConnectionError("the reply was lost")
        return reply


def test_a_lost_reply_is_asked_for_again_and_answered_as_the_first_time(redis_url: str) -> None:
    pool = redis.ConnectionPool.from_url(
        redis_url, connection_class=LosesReply, retry=Retry(NoBackoff(), 1)
    )
    with Sluice(Config(), client=redis.Redis(connection_pool=pool)) as sluice:
        sluice.optouts.add([message(3).to])
        sluice.enqueue(message(2))
        LosesReply.losses = 1
        results = list(sluice.enqueue_many(messages(4)))
        assert LosesReply.losses == 0
        expected = ["enqueued", "known", "suppressed", "enqueued"]
        assert [result.outcome for result in results] == expected
        LosesReply.losses = 2
        with pytest.raises(OutboxUnavailable, match="m5"):
            sluice.enqueue(message(5))
        assert sluice.enqueue(message(5)).outcome == "known"
        assert stored(sluice) == 5
        for losses in (1, 2):  # a head start's, and that of the ordinary call after it
            LosesReply.losses = losses
            many = messages(2 * CALL + 1, 1000 * losses)
            assert outcomes(sluice.enqueue_many(many)) == {"enqueued": len(many)}
            assert LosesReply.losses == 0
        LosesReply.losses = 3
        many = messages(BATCH, 5000)
        with pytest.raises(OutboxUnavailable) as caught:
            list(sluice.enqueue_many(many))
        assert caught.value.ids == tuple(made.id for made in many)
        assert outcomes(sluice.enqueue_many(many)) == {"known": CALL, "enqueued": BATCH - CALL}
        pool.disconnect()


def test_what_was_stored_before_a_failure_has_its_results(redis_url: str) -> None:
    with (
        Sluice(Config(redis_url=redis_url)) as sluice,
        Sluice(Config(redis_url=redis_url)) as other,
    ):
        bad: Any = other.client
        bad.set(sluice.keys.lane("ts:12345"), "no list")
        items = [*messages(CALL), *messages(2 * CALL, 2 * CALL, sender="12345")]
        done: list[EnqueueResult] = []
        with pytest.raises(OutboxError, match="WRONGTYPE") as caught:
            collect(sluice.enqueue_many(items), done)
        assert [result.id for result in done] == [made.id for made in items[:CALL]]
        assert caught.value.ids == tuple(made.id for made in items[CALL:])


def test_a_server_nearly_full_takes_nothing_until_it_has_room_again() -> None:
    with EmbeddedServer(maxmemory_bytes=64_000_000) as server:
        config = Config(redis_url=server.url, memory_ceiling=0.001)
        with Sluice(config) as sluice:
            for _ in range(3):
                with pytest.raises(OutboxFull, match="enqueueing stops at 64,000") as caught:
                    sluice.enqueue(message(1))
                assert caught.value.ids == ("m1",)
            with pytest.raises(OutboxFull):
                next(sluice.enqueue_many(messages(2)))
            assert sluice.client.dbsize() == 0
            sluice.client.config_set("maxmemory", 0)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                try:
                    assert sluice.enqueue(message(1)).outcome == "enqueued"
                    break
                except OutboxFull:
                    time.sleep(0.02)
            assert stored(sluice) == 1


MAXMEMORY = 8_000_000


@contextmanager
def lowered(client: redis.Redis) -> Iterator[None]:
    """A server that has used up more memory than it may."""
    client.config_set("maxmemory", 1)
    try:
        yield
    finally:
        client.config_set("maxmemory", MAXMEMORY)


@pytest.fixture(scope="module")
def blind() -> Iterator[tuple[redis.Redis, str]]:
    """A small server, and the URL of a user who may not ask it how full it is."""
    with (
        EmbeddedServer(maxmemory_bytes=MAXMEMORY) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        client.acl_setuser(
            "blind", enabled=True, passwords=["+secret"], keys=["*"], categories=["+@all"],
            commands=["-info"],
        )  # fmt: skip
        yield client, server.url.replace("//", "//blind:secret@")


def test_a_full_server_refuses_a_batch_whole(blind: tuple[redis.Redis, str]) -> None:
    client, url = blind
    client.flushall()
    done: list[EnqueueResult] = []
    source = (message(number, text="x" * 900) for number in itertools.count())
    with Sluice(Config(redis_url=url)) as sluice:
        with pytest.raises(OutboxFull, match="out of memory") as caught:
            collect(sluice.enqueue_many(source), done)
        assert outcomes(done) == {"enqueued": len(done)}
        assert (len(done) + len(caught.value.ids)) % BATCH == 0
        assert len(done) % CALL == 0
        assert stored(sluice) == len(done)
        for id in caught.value.ids:
            with pytest.raises(UnknownMessage):
                sluice.status(id)


def test_a_server_full_from_the_start_is_outbox_full(blind: tuple[redis.Redis, str]) -> None:
    client, url = blind
    client.flushall()
    client.script_flush()
    with lowered(client), Sluice(Config(redis_url=url)) as sluice:
        with pytest.raises(OutboxFull, match="out of memory") as caught:
            sluice.enqueue(message(1))
        assert caught.value.ids == ("m1",)
        assert client.dbsize() == 0


def test_each_error_of_redis_is_one_of_ours() -> None:
    cases: list[tuple[redis.RedisError, type[OutboxError]]] = [
        (redis.ConnectionError("refused"), OutboxUnavailable),
        (redis.TimeoutError("slow"), OutboxUnavailable),
        (redis.BusyLoadingError("loading"), OutboxUnavailable),
        (redis.InvalidResponse("garbage"), OutboxUnavailable),
        (redis.OutOfMemoryError("command not allowed"), OutboxFull),
        (redis.ResponseError("Error running script: -OOM command not allowed"), OutboxFull),
        (redis.ReadOnlyError("a replica"), OutboxError),
        (redis.ResponseError("WRONGTYPE"), OutboxError),
    ]
    for error, kind in cases:
        ours = translated(error, ["m1"])
        assert type(ours) is kind
        assert ours.ids == ("m1",)


# Processes and threads

FORKS = """
import os, sys
from sluicegate import Sluice
from support.messages import message

sluice = Sluice()
assert sluice.enqueue(message(0)).outcome == "enqueued"
children = []
for child in (1, 2, 3):
    pid = os.fork()
    if pid == 0:
        here, children = child, []
        break
    children.append(pid)
else:
    here = 0
first = 1 + 500 * here
for number in range(first, first + 100):
    assert sluice.enqueue(message(number)).outcome == "enqueued"
many = sluice.enqueue_many(message(number) for number in range(first + 100, first + 500))
assert all(result.outcome == "enqueued" for result in many)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_a_sluice_used_before_a_fork_serves_parent_and_children(redis_url: str) -> None:
    path = os.pathsep.join(sys.path)  # for support
    environ = os.environ | {"SLUICEGATE_REDIS_URL": redis_url, "PYTHONPATH": path}
    script = [sys.executable, "-c", FORKS]
    done = subprocess.run(script, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    with Sluice(Config(redis_url=redis_url)) as sluice:
        assert stored(sluice) == 1 + 4 * 500


def test_threads_share_a_sluice(redis_url: str) -> None:
    with Sluice(Config(redis_url=redis_url)) as sluice, ThreadPoolExecutor(8) as threads:

        def work(thread: int) -> Counter[str]:
            own = messages(400, 1 + 500 * thread)
            many = messages(100, 401 + 500 * thread)
            return outcomes([*map(sluice.enqueue, own), *sluice.enqueue_many(many)])

        done = sum(threads.map(work, range(8)), Counter[str]())
        assert done == {"enqueued": 8 * 500}
        assert stored(sluice) == 8 * 500


def test_threads_with_the_same_messages_enqueue_each_once(redis_url: str) -> None:
    with Sluice(Config(redis_url=redis_url)) as sluice, ThreadPoolExecutor(8) as threads:
        runs = threads.map(lambda _: outcomes(sluice.enqueue_many(messages(500))), range(8))
        assert sum(runs, Counter[str]()) == {"enqueued": 500, "known": 7 * 500}
        assert stored(sluice) == 500


# asyncio


def test_both_clients_have_the_same_methods_and_parameters() -> None:
    def public(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
        return {
            name.removeprefix("a") if name == "aclose" else name: [
                (p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()
            ]
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_") or name == "__init__"
        }

    assert public(Sluice) == public(AsyncSluice)
    assert {"enqueue", "enqueue_many", "status", "cancel", "close"} <= set(public(Sluice))


def test_async_enqueue_status_and_cancel(connect: AsyncClient) -> None:
    async def scenario() -> None:
        async with AsyncSluice(Config(), client=connect()) as sluice:
            assert (await sluice.enqueue(message(1))).outcome == "enqueued"
            assert (await sluice.enqueue(message(1))).outcome == "known"
            assert (await sluice.enqueue(id="fields", **FIELDS)).outcome == "enqueued"
            with pytest.raises(IdReused):
                await sluice.enqueue(message(1, text="other"))
            with pytest.raises(InvalidMessage):
                await sluice.enqueue(to="555", text="hi")
            with pytest.raises(TypeError):
                await sluice.enqueue(message(1), text="other")  # type: ignore[call-overload]  # refused by types too
            later = datetime.now(UTC) + timedelta(hours=1)
            await sluice.enqueue(message(2, send_at=later))
            assert (await sluice.status("m2")).state == "scheduled"
            assert await sluice.cancel("m2") == "cancelled"
            assert (await sluice.status("m2")).state == "cancelled"
            with pytest.raises(UnknownMessage):
                await sluice.status("nobody")
            with pytest.raises(UnknownMessage):
                await sluice.cancel("nobody")

    asyncio.run(scenario())


def test_async_enqueue_many_takes_both_kinds_of_iterable(connect: AsyncClient) -> None:
    read = 0

    async def source() -> AsyncIterator[Message]:
        nonlocal read
        while True:
            read += 1
            await asyncio.sleep(0)
            yield message(read)

    async def scenario() -> None:
        async with AsyncSluice(Config(), client=connect()) as sluice:
            items: list[Item] = [
                message(1),
                {},
                message(2),
                message(1),
                {"id": "mapping", **FIELDS},
            ]
            results = [result.outcome async for result in sluice.enqueue_many(items)]
            assert results == ["enqueued", "invalid", "enqueued", "known", "enqueued"]
            number = 0
            many = sluice.enqueue_many(source())
            assert read == 0
            async for result in many:
                number += 1
                assert result.id == f"m{number}"
                assert number <= read < number + CALL
                if number == 2 * CALL + 1:
                    break
            assert (await sluice.status(f"m{3 * CALL}")).state == "waiting"

    asyncio.run(scenario())


def test_async_calls_may_run_at_once(connect: AsyncClient) -> None:
    async def scenario() -> None:
        async with AsyncSluice(Config(), client=connect()) as sluice:
            done = await asyncio.gather(*(sluice.enqueue(message(n % 50)) for n in range(100)))
            assert outcomes(done) == {"enqueued": 50, "known": 50}

    asyncio.run(scenario())


def test_async_enqueue_many_never_iterated_warns(connect: AsyncClient) -> None:
    async def scenario() -> None:
        async with AsyncSluice(Config(), client=connect()) as sluice:
            with pytest.warns(RuntimeWarning, match="never iterated, so nothing was enqueued"):
                sluice.enqueue_many([message(1)])
            with pytest.raises(UnknownMessage):
                await sluice.status("m1")

    asyncio.run(scenario())


def test_async_redis_away_and_back() -> None:
    async def scenario(server: EmbeddedServer) -> None:
        async with AsyncSluice(Config(redis_url=server.url)) as sluice:
            server.kill()
            with pytest.raises(OutboxUnavailable) as caught:
                await sluice.enqueue(message(1))
            assert caught.value.ids == ("m1",)
            for ask in (sluice.status, sluice.cancel):
                with pytest.raises(OutboxUnavailable):
                    await ask("m1")
            server.restart()
            assert (await sluice.enqueue(message(1))).outcome == "enqueued"

    with EmbeddedServer() as server:
        asyncio.run(scenario(server))


class LosesAsyncReply(redis.asyncio.Connection):
    """``LosesReply`` for asyncio."""

    losses = 0

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        reply = await super().read_response(*args, **kwargs)
        if is_answer(reply) and LosesAsyncReply.losses:
            LosesAsyncReply.losses -= 1
            await self.disconnect()
            raise redis.ConnectionError("the reply was lost")
        return reply


def test_async_a_lost_reply_is_answered_as_the_first_time(redis_url: str) -> None:
    async def scenario() -> None:
        retry = redis.asyncio.retry.Retry(NoBackoff(), 1)
        pool = redis.asyncio.ConnectionPool.from_url(
            redis_url, connection_class=LosesAsyncReply, retry=retry
        )
        client = redis.asyncio.Redis.from_pool(pool)
        async with AsyncSluice(Config(), client=client) as sluice:
            LosesAsyncReply.losses = 1
            assert (await sluice.enqueue(message(1))).outcome == "enqueued"
            assert LosesAsyncReply.losses == 0

    asyncio.run(scenario())


def test_async_a_full_server_refuses(blind: tuple[redis.Redis, str]) -> None:
    client, url = blind

    async def refusal(config: Config) -> OutboxFull:
        async with AsyncSluice(config) as sluice:
            with pytest.raises(OutboxFull) as caught:
                await sluice.enqueue(message(1))
        return caught.value

    client.flushall()
    with lowered(client):
        assert "out of memory" in str(asyncio.run(refusal(Config(redis_url=url))))
        sighted = Config(redis_url=url.replace("blind:secret@", ""))
        assert "enqueueing stops at" in str(asyncio.run(refusal(sighted)))
    assert client.dbsize() == 0


def test_a_subject_alone_is_refused_at_once_where_the_api_has_no_such_mms() -> None:
    alone = Message(to="+15550000001", sender="+15550000000", subject="Picture")
    accounts = {"default": Account(), "old": Account(api="v1")}
    with pytest.raises(InvalidMessage, match="sends no subject alone"):
        Outbox(Config(accounts=accounts), "default").checked(alone)
    assert Outbox(Config(accounts=accounts), "old").checked(alone).type == "MMS"
