"""The simulator's webhooks: what they say, when they come, and what goes wrong on the way."""

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx
import pytest

from sluicegate_ops.simulator import Settings, Simulator, Webhooks
from sluicegate_ops.simulator.delivery import DELIVERY_ERRORS, MAGIC, SILENT, draw
from sluicegate_ops.simulator.faults import ALWAYS, MAGIC_PREFIX, ONCE
from sluicegate_ops.simulator.http.outgoing import Outgoing
from sluicegate_ops.simulator.webhooks.sender import TRIES, WebhookSender
from support.receiver import Receiver, receiving
from support.simulated import Client, Still, simulated

AT_ONCE: dict[str, Any] = {"delay_seconds": 0, "jitter_seconds": 0, "retry_seconds": 0}


@contextmanager
def told(
    answer: Callable[[int], int] = lambda _: 200, **webhooks: Any
) -> Iterator[tuple[Client, Receiver]]:
    """A simulator whose profile's webhooks go to a receiver, one at a time and at once."""
    with receiving(answer) as receiver:
        chosen = Webhooks(**{"url": receiver.url, "connections": 1, **AT_ONCE, **webhooks})
        with simulated(Settings(limit=None, webhooks=chosen)) as client:
            yield client, receiver


# -- what they say


def test_a_message_is_told_as_sent_and_then_as_delivered() -> None:
    with told() as (client, receiver):
        answer = client.send(text="Привет").json()["data"]
        sent, final = receiver.hooks(2)
        assert [sent.kind, final.kind] == ["message.sent", "message.finalized"]
        assert [one.payload["to"][0]["status"] for one in (sent, final)] == ["sent", "delivered"]
        assert [one.payload["id"] for one in (sent, final)] == [answer["id"]] * 2
        assert sent.json["data"]["id"] != final.json["data"]["id"]
        assert sent.json["data"]["record_type"] == "event"
        assert sent.json["meta"] == {"attempt": 1, "delivered_to": receiver.url}
        assert sent.payload["completed_at"] is None
        assert final.payload["completed_at"] >= final.payload["sent_at"] == sent.payload["sent_at"]
        changed = {"to", "sent_at", "completed_at", "valid_until"}
        assert {name for name in answer if answer[name] != final.payload[name]} == changed


def test_a_retrieval_shows_the_state_reached_and_a_replay_the_first_answer() -> None:
    with told(answer=lambda _: 500, delivery_failed=1, failure_codes=("40012",)) as (client, hook):
        first = client.send(key="k")
        hook.hooks(2)
        data = client.http.get(f"{client.simulator.url}/messages/{first.json()['data']['id']}")
        assert data.json()["data"]["to"][0]["status"] == "delivery_failed"
        assert data.json()["data"]["errors"][0]["code"] == "40012"
        assert client.send(key="k").content == first.content
        assert client.face("arrivals")[0]["final"] == "delivery_failed"


def test_a_message_without_a_url_stays_queued_and_is_told_to_nobody() -> None:
    with told(url="") as (client, _):
        id = client.send().json()["data"]["id"]
        shown = client.http.get(f"{client.simulator.url}/messages/{id}").json()["data"]
        assert shown["to"][0]["status"] == "queued"
        assert client.face("webhooks")["events"] == 0


def test_a_message_s_own_url_goes_before_the_profile_s_and_a_message_may_want_neither() -> None:
    with told() as (client, receiver):
        client.send(use_profile_webhooks=False)
        client.send(webhook_url=receiver.url + "/own?id=7")
        client.send()
        paths = Counter(hook.path for hook in receiver.hooks(4))
        assert paths == {"/own?id=7": 2, "/": 2}
        assert client.face("webhooks")["events"] == 4


def test_a_message_that_waits_in_its_queue_is_not_sent_before_its_turn() -> None:
    with receiving() as receiver:
        webhooks = Webhooks(url=receiver.url, **AT_ONCE)
        paced = Settings(limit=None, default_sender_rate=0.001, burst_seconds=0, webhooks=webhooks)
        with simulated(paced) as client:
            first, second = (client.send().json()["data"]["id"] for _ in range(2))
            assert {hook.payload["id"] for hook in receiver.hooks(2)} == {first}
            shown = client.http.get(f"{client.simulator.url}/messages/{second}").json()["data"]
            assert shown["to"][0]["status"] == "queued"
            assert client.face("webhooks")["waiting"] == 2


@pytest.mark.parametrize(("digits", "end"), MAGIC.items())
def test_a_magic_number_has_its_end(digits: str, end: tuple[str, str]) -> None:
    assert digits not in ALWAYS | ONCE
    planned = draw(MAGIC_PREFIX + digits, "", 0.0, Webhooks(), Random(1))
    assert (planned.status, planned.code) == end
    assert end[1] in {*DELIVERY_ERRORS, ""}


def test_silent_numbers_are_told_of_half_or_not_at_all() -> None:
    with told() as (client, receiver):
        client.send(SILENT)
        client.send(MAGIC_PREFIX + "8099")
        client.send("+13125550002")
        told_of = [
            (hook.kind, hook.payload["to"][0]["phone_number"]) for hook in receiver.hooks(3)
        ]
        assert told_of[0] == ("message.sent", MAGIC_PREFIX + "8099")
        assert {number for _, number in told_of[1:]} == {"+13125550002"}


def test_ends_are_dealt_in_their_shares() -> None:
    webhooks = Webhooks(
        delivery_failed=0.2, delivery_unconfirmed=0.1, failure_codes=("40006", "40008")
    )
    random = Random(1)
    plans = [draw("+13125550002", "", 2.0, webhooks, random) for _ in range(3000)]
    ends = Counter((plan.status, plan.code) for plan in plans)
    assert 240 < ends["delivery_failed", "40006"] < 360
    assert 240 < ends["delivery_unconfirmed", ""] < 360
    assert 2000 < ends["delivered", ""] < 2200
    assert all(2 <= plan.sent_after <= plan.final_after for plan in plans)


# -- what goes wrong


def test_duplicates_have_the_same_event_id() -> None:
    with told(duplicate=1) as (client, receiver):
        client.send()
        ids = Counter(hook.json["data"]["id"] for hook in receiver.hooks(4))
        assert sorted(ids.values()) == [2, 2]
        assert client.face("webhooks")["duplicate"] == 2


def test_what_is_reordered_comes_final_first() -> None:
    with told(reorder=1) as (client, receiver):
        client.send()
        first, second = receiver.hooks(2)
        assert [first.kind, second.kind] == ["message.finalized", "message.sent"]
        assert first.json["data"]["occurred_at"] >= second.json["data"]["occurred_at"]


def test_what_is_lost_never_comes() -> None:
    with told(loss=1) as (client, _):
        client.send()
        counts = client.face("webhooks")
        assert (counts["lost"], counts["events"]) == (2, 0)


def test_a_lie_is_told_once_and_tells_another_end() -> None:
    with told(answer=lambda _: 403, forged=1, tampered=1, stale=1) as (client, receiver):
        client.send()
        hooks = receiver.hooks(2 * TRIES + 6)
        states = Counter(hook.payload["to"][0]["status"] for hook in hooks)
        assert states == {"sent": TRIES, "delivered": TRIES, "delivery_failed": 6}


def test_a_signing_key_of_ones_own_is_kept_and_never_shown() -> None:
    settings = Settings(limit=None, webhooks=Webhooks(signing_key="A" * 43 + "="))
    with simulated(settings) as client, simulated(settings) as again:
        assert client.face("public_key") == again.face("public_key")
        assert "signing_key" not in client.face("settings")["webhooks"]


# -- how they are brought


def test_three_tries_at_a_url_and_three_at_its_failover() -> None:
    with told(answer=lambda number: 500 if number < 5 else 204) as (client, receiver):
        client.face("settings", {"webhooks": {"failover_url": receiver.url + "/failover"}})
        client.send(MAGIC_PREFIX + "8099")
        hooks = receiver.hooks(6)
        assert [hook.path for hook in hooks] == ["/"] * TRIES + ["/failover"] * TRIES
        assert [hook.json["meta"]["attempt"] for hook in hooks] == [1, 2, 3, 4, 5, 6]
        assert hooks[5].json["meta"]["delivered_to"] == receiver.url + "/failover"
        assert len({hook.json["data"]["id"] for hook in hooks}) == 1


Write = tuple[bytes, bytes]


def bring(
    post: Callable[[str], Awaitable[int]],
    count: int,
    until: Callable[[WebhookSender], bool],
    **more: Any,
) -> WebhookSender:
    """Bring ``count`` events to two URLs until something holds; returns the courier."""

    async def posting(url: str, headers: bytes, body: bytes, seconds: float) -> int:
        return await post(url)

    async def main() -> WebhookSender:
        courier = WebhookSender(
            Webhooks(**{**AT_ONCE, **more}), post=posting, monotonic=lambda: 0.0
        )
        for _ in range(count):
            courier.put(0.0, ("a", "b"), lambda attempt, url: (b"", b""))
        running = asyncio.create_task(courier.run())
        async with asyncio.timeout(20):
            while not until(courier):  # noqa: ASYNC110 - it has no event for every count
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return courier

    return asyncio.run(main())


def test_an_event_that_nobody_takes_is_given_up_after_six_tries() -> None:
    tried = list[str]()

    async def post(url: str) -> int:
        tried.append(url)
        return 302

    courier = bring(post, 1, lambda courier: courier.report()["given_up"] == 1)
    assert tried == ["a"] * 3 + ["b"] * 3
    assert courier.report()["tries"] == 6


def test_never_more_under_way_than_connections() -> None:
    under_way = highest = 0

    async def post(url: str) -> int:
        nonlocal under_way, highest
        under_way += 1
        highest = max(highest, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return 200

    bring(post, 100, lambda courier: courier.report()["acknowledged"] == 100, connections=7)
    assert highest == 7


def test_what_is_cut_off_under_way_is_due_again() -> None:
    async def post(url: str) -> int:
        return await asyncio.Future()

    courier = bring(post, 3, lambda courier: courier.report()["under_way"] == 3)
    report = courier.report()
    assert (report["waiting"], report["under_way"], report["tries"]) == (3, 0, 0)


def test_an_outage_holds_events_back_and_a_reset_drops_them() -> None:
    async def main() -> list[int]:
        webhooks = Webhooks(url="http://127.0.0.1:1/", delay_seconds=3600)
        async with Simulator(Settings(limit=None, webhooks=webhooks)) as simulator:
            async with httpx.AsyncClient(headers={"Authorization": "Bearer K"}) as http:
                body = {"from": "+13125550001", "to": "+13125550002", "text": "hi"}
                await http.post(simulator.url + "/messages", json=body)
            await simulator.stop()
            await simulator.start()
            waiting = [simulator.webhooks()["waiting"]]
            simulator.reset()
            return [*waiting, simulator.webhooks()["waiting"]]

    assert asyncio.run(main()) == [2, 0]


def test_a_try_under_way_at_a_reset_is_the_last_of_its_event() -> None:
    async def main() -> dict[str, int]:
        began, ended = asyncio.Event(), asyncio.Event()

        async def post(url: str, headers: bytes, body: bytes, seconds: float) -> int:
            began.set()
            await ended.wait()
            return 500

        courier = WebhookSender(Webhooks(**AT_ONCE), post=post, monotonic=lambda: 0.0)
        courier.put(0.0, ("a",), lambda attempt, url: (b"", b""))
        running = asyncio.create_task(courier.run())
        await began.wait()
        courier.forget()
        ended.set()
        while courier.report()["under_way"]:  # noqa: ASYNC110 - its end has no event
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return courier.report()

    assert set(asyncio.run(main()).values()) == {0}


# -- the client that posts


def post_to(answers: list[bytes], seconds: float = 5, tries: int = 1) -> list[int]:
    """Post to a server that gives these raw answers, one a connection, and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)
                    if not answer:
                        connection.recv(65536)  # until the client gives up

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/hook"

        async def main() -> list[int]:
            outgoing = Outgoing()
            statuses = [await outgoing.post(url, b"", b"{}", seconds) for _ in range(tries)]
            outgoing.close()
            return statuses

        statuses = asyncio.run(main())
        thread.join()
    return statuses


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.0 200 OK\r\n\r\nas long as it lasts", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\n\r\n", 302),
        (b"nonsense", 0),
        (b"HTTP/1.1 2", 0),
    ],
)
def test_every_answer_has_its_status(answer: bytes, status: int) -> None:
    assert post_to([answer]) == [status]


def test_no_answer_in_time_is_none() -> None:
    assert post_to([b""], seconds=0.05) == [0]


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert post_to([answer, answer], tries=2) == [200, 200]


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "http://", "nowhere", "http://[", ""])
def test_what_is_no_plain_http_url_is_not_posted_to(url: str) -> None:
    assert asyncio.run(Outgoing().post(url, b"", b"", 1)) == 0


@pytest.mark.parametrize(
    "setting",
    [
        {"delivery_failed": 1.1},
        {"loss": -0.1},
        {"delivery_failed": 0.6, "delivery_unconfirmed": 0.6},
        {"retry_seconds": -1},
        {"connections": 0},
        {"failure_codes": ()},
        {"signing_key": "short"},
    ],
)
def test_senseless_settings_are_refused_by_name(setting: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(setting))):
        Webhooks(**setting)


def test_a_setting_of_webhooks_that_is_not_named_stays() -> None:
    with told(loss=0.5) as (client, receiver):
        changed = client.face("settings", {"webhooks": {"duplicate": 1}})["webhooks"]
        assert (changed["loss"], changed["url"]) == (0.5, receiver.url)
        answer = client.http.post(
            client.simulator.base + "/_sim/settings", json={"webhooks": {"los": 1}}
        )
        assert (answer.status_code, "los" in answer.json()["error"]) == (400, True)


def test_a_carrier_fails_in_a_share_of_its_own() -> None:
    webhooks = Webhooks(delivery_failed=0.5, carriers_failed={"Acme Mobile": 0.0})
    random = Random(1)
    ends = Counter(draw("+1", "Acme Mobile", 0.0, webhooks, random).status for _ in range(300))
    assert ends == {"delivered": 300}
    still = Still(carriers={"+1312": "Acme Mobile", "+13125": "Best"})
    for number, carrier in (("+13125550002", "Best"), ("+13124440002", "Acme Mobile")):
        answer = json.loads(still.send(to=number).body)["data"]
        assert answer["to"][0]["carrier"] == carrier
    with pytest.raises(ValueError, match="Acme Mobile = 2"):
        Webhooks(carriers_failed={"Acme Mobile": 2})
