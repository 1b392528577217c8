"""What trials in the field found about an app's own tests, and what it may be told."""

import asyncio
from typing import get_args, get_type_hints

import pytest

from sluicegate import MessageStatus, OutboxFull, OutboxUnavailable, Sluice
from sluicegate.errors import UnknownMessage
from sluicegate.outbox import MessageDelivery, MessageState
from sluicegate.testing import (
    accept,
    async_outbox,
    deliver,
    die,
    enqueued,
    outbox,
    redis_away,
    redis_full,
)
from support.bench import Bench
from support.messages import message

FIELDS = {"to": "+15551234567", "sender": "+15557654321", "text": "hi"}


def put(sluice: Sluice, id: str) -> None:
    sluice.enqueue(id=id, to=FIELDS["to"], sender=FIELDS["sender"], text=FIELDS["text"])


def test_05_a_status_is_typed_and_tells_the_delivery() -> None:
    hints = get_type_hints(MessageStatus)
    assert hints["state"] == MessageState
    assert hints["delivery"] == MessageDelivery
    assert "accepted" in get_args(MessageState)


def test_05_a_real_receipt_is_told_with_its_time(bench: Bench) -> None:
    bench.enqueue(message(1), message(2))
    assert bench.status("m1").delivery == ""
    bench.send()
    assert bench.status("m1").delivery == "unknown"
    bench.store.hset(
        bench.keys.record("m1"), mapping={"fate": "failed", "fate_at": 5, "fate_code": "40008"}
    )
    told = bench.status("m1")
    assert (told.delivery, told.delivery_ms, told.delivery_code) == ("failed", 5, "40008")


def test_05_messages_are_accepted_delivered_or_dead() -> None:
    with outbox() as sluice:
        for id in ("a", "b", "c", "d"):
            put(sluice, id)
        accept(sluice, "a", "telnyx-1")
        deliver(sluice, "b", "failed", code="40008")
        die(sluice, "c", "40310", "not a number")
        assert [message.id for message in enqueued(sluice)] == ["d"]
        first, second, third = map(sluice.status, "abc")
        assert (first.state, first.provider_id, first.delivery) == (
            "accepted", "telnyx-1", "unknown",
        )  # fmt: skip
        assert first.finished
        assert (second.state, second.delivery, second.delivery_code) == (
            "accepted", "failed", "40008",
        )  # fmt: skip
        assert second.delivery_ms > 1_700_000_000_000
        assert (third.state, third.code, third.reason) == ("dead", "40310", "not a number")
        assert sluice.cancel("a") == "accepted"
        assert sluice.enqueue({**FIELDS, "id": "a"}).outcome == "known"
        with pytest.raises(UnknownMessage):
            deliver(sluice, "lost")


def test_05_redis_is_away_and_comes_back() -> None:
    with outbox() as sluice:
        with redis_away(sluice):
            with pytest.raises(OutboxUnavailable) as away:
                put(sluice, "a")
            with pytest.raises(OutboxUnavailable):
                sluice.status("a")
        assert away.value.ids == ("a",)
        put(sluice, "a")
        assert len(enqueued(sluice)) == 1


def test_05_redis_is_full_and_has_room_again() -> None:
    with outbox() as sluice:
        put(sluice, "a")
        with redis_full(sluice):
            with pytest.raises(OutboxFull) as full:
                put(sluice, "b")
            assert sluice.status("a").state == "waiting", "reading goes on"
        assert full.value.ids == ("b",)
        put(sluice, "b")
        assert len(enqueued(sluice)) == 2


def test_05_an_app_on_asyncio_has_all_of_it_too() -> None:
    async def test() -> None:
        async with async_outbox() as sluice:
            await sluice.enqueue(id="a", to="+15551234567", sender="+15557654321", text="hi")
            assert [message.id for message in enqueued(sluice)] == ["a"]
            with redis_away(sluice), pytest.raises(OutboxUnavailable):
                await sluice.status("a")
            with redis_full(sluice), pytest.raises(OutboxFull):
                await sluice.enqueue(to="+15551234567", sender="+15557654321", text="hi")
            deliver(sluice, "a")
            assert (await sluice.status("a")).delivery == "delivered"
            assert enqueued(sluice) == []

    asyncio.run(test())


def test_05_only_an_outbox_of_ours_is_played_with() -> None:
    not_ours = pytest.raises(TypeError, match=r"not an outbox of sluicegate[.]testing")
    with outbox() as sluice, Sluice(client=sluice.client) as other, not_ours, redis_away(other):
        pass
