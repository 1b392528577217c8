"""Reconciling: the provider's records settle doubts, fill in what was lost, and prove the bill."""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import redis

from sluicegate import Message
from sluicegate.config import ArchiveSettings, ReconcileSettings
from sluicegate.receipts import RECEIPT, Receipt, receipt_args
from sluicegate_ops.simulator.billing import Billing
from sluicegate_ops.simulator.webhooks.sender import EndedEvent
from sluicegate_worker.archiver import Archiver
from sluicegate_worker.reconcile import ReconcileBusy, Reconciled, TimeSpan, reading
from sluicegate_worker.reconcile.progress import Progress
from support.books import ENVIRON, HOUR_MS, SENDER, STRANGER, Books, Spoil
from support.clock import CLOCK

CHANGING = Billing(
    changed_cost=0.05, changed_parts=0.03, silent_answer=0.02, carrier_fees={"SIMULATED": "0.0031"}
)
LATER = 5.5 * 3600


def to_send(count: int, prefix: str = "m") -> list[Message]:
    return [
        Message(id=f"{prefix}{n}", to=f"+1312{n + 6000000:07d}", text="Hello", sender=SENDER)
        for n in range(count)
    ]


def check_bill(books: Books, done: Reconciled, strangers: int = 0) -> None:
    """Our sums are what the provider bills, but for the strangers' messages."""
    assert set(done.difference.values()) <= {0}
    foreign = sum(done.foreign.values())
    assert books.booked() == sum(done.billed.values()) == books.billed() - foreign
    assert done.left.get("foreign", 0) == strangers


def sent(books: Books, count: int, **lost: Callable[[int], bool]) -> None:
    """Send so many, and let them come to their end."""
    books.send(to_send(count), **lost)
    books.pass_by(30)


def lose(books: Books, count: int) -> list[str]:
    """Send so many, lose 2 % of the receipts and 1 % of the answers, and 50 strangers send too."""
    messages = to_send(count)
    books.send(messages[: count // 2], lambda n: n % 100 == 7)
    names = books.strangers(50)
    books.send(messages[count // 2 :], lambda n: n % 100 == 7)
    books.pass_by(60)
    books.tell([m.id for n, m in enumerate(messages) if n % 50 != 3 and n % 100 != 7])
    return names


def of_records(change: Callable[[list[Any]], None]) -> Spoil:
    """Change the detail records of every page."""

    def spoil(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if request.url.path != "/v2/detail_records":
            return response
        page = response.json()
        change(page["data"])
        return httpx.Response(200, json=page)

    return spoil


def doubts(books: Books) -> int:
    return int(books.bench.store.zcard(books.bench.keys("doubts")))


LONG = pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(3_600)])


@pytest.mark.parametrize("count", [600, LONG])
def test_the_books_are_one_after_a_run(valkey: redis.Redis, count: int) -> None:
    books = Books(valkey, simulator={"billing": CHANGING})
    names = lose(books, count)
    began = time.monotonic()
    done = books.reconcile()
    took = f"{count:,} messages reconciled in {time.monotonic() - began:.1f} s\n"
    sys.stderr.write(took)  # pytest shows it with -s
    assert {one.provider_id for one in done.differences} == set(names)
    assert done.left == {"foreign": 50}
    assert doubts(books) == 0
    assert done.mended["accepted"] == count // 100
    assert done.mended["deliveries"] == 3 * count // 100
    check_bill(books, done, 50)
    if count < 100_000:
        assert books.bench.check()["accepted"] == count
    again = books.reconcile()
    assert not any(again.mended.values())
    check_bill(books, again, 50)


def test_what_comes_later_finds_nothing_to_do(valkey: redis.Redis) -> None:
    books = Books(valkey, simulator={"billing": CHANGING})
    sent(books, 40, lost_answer=lambda n: n == 3)
    done = books.reconcile()
    assert done.agrees
    before, booked = books.bench.totals(), books.booked()
    books.tell(list(books.theirs))
    after = books.bench.totals()
    told = {name for name in after if after[name] != before[name]}
    assert told <= {"receipts_stale", "receipts_applied"}  # they tell the lines' types as well
    assert books.booked() == booked
    check_bill(books, books.reconcile())


def test_nothing_is_written_in_a_dry_run(valkey: redis.Redis) -> None:
    books = Books(valkey, simulator={"billing": CHANGING})
    sent(books, 20, lost_answer=lambda n: n < 3)
    names = books.strangers(2)
    books.pass_by(LATER)
    before = books.bench.dump()
    done = books.reconcile(dry_run=True)
    assert books.bench.dump() == before
    assert done.mended["accepted"] == 3
    assert done.mended["deliveries"] == 20
    assert {one.provider_id for one in done.differences} == set(names)
    assert not done.agrees


def test_a_doubt_that_was_never_sent_is_a_dead_letter_in_time(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 4, unsent=lambda n: n == 2)
    early = books.reconcile()
    assert early.counts["undecided"] == 1
    assert early.agrees
    assert books.record("m2")["state"] == "in_doubt"
    books.pass_by(LATER)
    done = books.reconcile()
    assert done.mended["unsent"] == 1
    record = books.record("m2")
    assert (record["state"], record["code"]) == ("dead", "not_sent")
    assert "maybe" not in record
    assert books.bench.replay("m2") == "replayed"
    books.bench.check()


def test_nothing_is_proven_by_the_absence_of_what_was_not_read(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 4, unsent=lambda n: n == 2)
    books.pass_by(LATER)
    books.spoil = of_records(lambda data: data.pop())  # the provider says that there is one more
    done = books.reconcile()
    assert not done.whole
    assert not done.agrees
    assert books.record("m2")["state"] == "in_doubt"
    books.spoil = lambda request, response: response
    short = books.reconcile(hours=1)
    assert short.counts["undecided"] == 1  # its time is not in the span
    assert books.reconcile().mended["unsent"] == 1


def test_an_entry_that_cant_be_read_may_be_the_absent_record(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 3, unsent=lambda n: n == 1)
    books.pass_by(LATER)
    books.spoil = of_records(lambda data: data[0].update(uuid=7))
    assert books.reconcile().counts["undecided"] == 1
    assert doubts(books) == 1


def test_a_cancelled_doubt_that_was_never_sent_stays_cancelled(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 2, unsent=lambda n: n == 1)
    books.bench.cancel("m1")
    books.pass_by(LATER)
    books.reconcile()
    assert books.record("m1")["state"] == "cancelled"
    books.bench.check()


def test_without_urls_a_doubt_is_matched_where_one_record_alone_fits(valkey: redis.Redis) -> None:
    books = Books(valkey, receipts=False)
    sent(books, 10, lost_answer=lambda n: n in (2, 3))
    books.strangers(1, to="+13126000003")  # by another sender
    books.pass_by(30)
    done = books.reconcile()
    assert done.mended["accepted"] == 2
    assert books.record("m3")["provider_id"] == books.theirs["m3"]
    check_bill(books, done, 1)
    assert doubts(books) == 0


def test_where_two_readings_fit_the_doubt_is_left_and_shown(valkey: redis.Redis) -> None:
    books = Books(valkey, receipts=False)
    sent(books, 3, lost_answer=lambda n: n == 2)
    books.still.send(SENDER, to="+13126000002", text="Hullo")
    twins = [
        Message(id=f"twin{n}", to="+13126009999", text="Hello", sender=SENDER) for n in range(2)
    ]
    books.send(twins, lost_answer=lambda n: True, unsent=lambda n: n == 1)
    books.pass_by(LATER)
    done = books.reconcile()
    left = {one.id: one.what for one in done.differences if one.kind == "doubt"}
    assert left.keys() == {"m2", "twin0", "twin1"}
    assert left["m2"].startswith("2 records fit it")
    assert "fits other messages too" in left["twin0"]
    assert doubts(books) == 3
    assert done.left["foreign"] == 3  # whose they are is open, so they stay named


def test_a_post_that_was_under_way_is_known_in_the_end(valkey: redis.Redis) -> None:
    books = Books(valkey, receipts=False)
    sent(books, 2)
    [message] = to_send(1, "late")
    books.bench.enqueue(message)
    [grant] = books.bench.claim_all(1)
    books.pass_by(max(0.0, grant.slot_ms) / 1000)
    request = books._request(message)
    assert books.bench.start(grant, request=request) == [True]
    answers = [books._post(request, grant.id)]
    books.pass_by(5)

    def settle(asked: httpx.Request, response: httpx.Response) -> httpx.Response:
        while answers:
            books.bench.step([books._settle(grant, answers.pop())])
        return response

    books.spoil = settle
    done = books.reconcile()
    assert done.agrees
    assert done.counts["ours"] == 3
    check_bill(books, done)


def test_a_record_that_nearly_fits_leaves_a_doubt_open(valkey: redis.Redis) -> None:
    books = Books(valkey, receipts=False)
    sent(books, 3, unsent=lambda n: n > 0)
    books.still.send(SENDER, to="+13126000001", text="Hello" * 40)  # two parts
    books.pass_by(LATER)
    done = books.reconcile()
    assert [one.what[:16] for one in done.differences if one.kind == "doubt"] == [
        "only nearly fits"
    ]
    assert books.record("m1")["state"] == "in_doubt"
    assert books.record("m2")["code"] == "not_sent"


def test_a_record_with_anothers_url_is_no_doubts(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 2, unsent=lambda n: n == 1)
    books.still.send(SENDER, to="+13126000001", text="Hello", webhook_url="https://a.example/x")
    books.pass_by(LATER)
    done = books.reconcile()
    assert books.record("m1")["code"] == "not_sent"
    assert done.left == {"foreign": 1}


@pytest.mark.parametrize("skew_seconds", [420, -420])
def test_clocks_may_be_minutes_apart(valkey: redis.Redis, skew_seconds: int) -> None:
    for receipts in (True, False):
        valkey.flushdb()
        books = Books(valkey, receipts=receipts, skew_seconds=skew_seconds)
        sent(books, 10, lost_answer=lambda n: n == 4)
        done = books.reconcile()
        assert done.mended["accepted"] == 1
        assert done.counts["ours"] == 10
        check_bill(books, done)


def test_records_in_any_order_are_all_read(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGES", 2)
    books = Books(valkey)
    lose(books, 300)
    books.ask = lambda query: query.replace("sort=created_at", "sort=-created_at")
    done = books.reconcile()
    assert done.whole
    assert done.counts["records"] == 350
    assert doubts(books) == 0
    check_bill(books, done, 50)


def test_a_page_that_is_repeated_hides_none(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 120, lost_answer=lambda n: n == 70)
    for stays in (False, True):
        left = [3] if stays else [1]

        def ask(query: str, left: list[int] = left) -> str:
            if "number%5D=2" in query and left[0]:
                left[0] -= 1
                return query.replace("number%5D=2", "number%5D=1")
            return query

        books.ask = ask
        done = books.reconcile()
        assert done.whole is not stays
        assert done.counts["records"] == (70 if stays else 120)
    assert doubts(books) == 0


def test_a_record_that_is_listed_twice_counts_once(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 30)
    books.spoil = of_records(lambda data: data.insert(3, data[3]))
    done = books.reconcile()
    assert done.counts["records"] == 30
    assert done.counts["twice"] == 1
    assert done.whole
    check_bill(books, done)


def test_what_cant_be_compared_is_named(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 6)
    fields: dict[str, dict[str, Any]] = {
        "m0": {"status": "teleported"},
        "m1": {"currency": "florins"},
        "m2": {"cost": None},
        "m3": {"created_at": "yesterday", "parts": "many", "carrier": None},
        "m4": {"uuid": None},
        "m5": {"cost": "0.0071", "currency": "EUR"},
    }
    by_id = {books.theirs[id]: changed for id, changed in fields.items()}

    def change(data: list[Any]) -> None:
        for record in data:
            record.update(by_id[record["uuid"]])

    books.spoil = of_records(change)
    done = books.reconcile()
    assert done.left == {"cost": 2, "status": 1, "unreadable": 1}
    assert {one.id for one in done.differences if one.kind == "cost"} == {"m1", "m2"}
    assert done.difference == {"EUR": 0, "USD": 0}
    assert "|7100000|EUR|" in books.record("m5")["bill"]
    assert done.whole
    assert not done.agrees


def test_a_delivery_that_differs_stays_and_is_named(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 3)
    books.tell(["m0", "m1", "m2"])
    books.spoil = of_records(lambda data: data.__setitem__(0, data[0] | {"status": "gw_timeout"}))
    done = books.reconcile()
    assert done.left == {"delivery": 1}
    assert "unconfirmed" not in {books.record(f"m{n}")["delivery"] for n in range(3)}


def test_two_records_of_a_message_are_both_billed(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 3)
    assert books.urls is not None
    books.still.send(SENDER, to="+13126000001", text="Hello", webhook_url=books.urls.url("m1"))
    books.pass_by(30)
    done = books.reconcile()
    assert books.bench.store.hlen(books.bench.keys("twice")) == 1
    check_bill(books, done)
    check_bill(books, books.reconcile())


def test_messages_of_others_profiles_may_be_expected(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 2)
    books.strangers(3)
    books.pass_by(30)
    profile = books.reconcile().differences[0].profile
    settings = ReconcileSettings(calls_per_second=1_000, foreign_profiles=(profile,))
    books.config = msgspec.structs.replace(books.config, reconcile=settings)
    done = books.reconcile()
    assert done.agrees
    assert done.counts["expected"] == 3
    assert sum(done.foreign.values()) == 0


def test_what_was_erased_is_still_known_as_ours(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 5)
    for id in ("m1", "m2"):
        books.bench.store.delete(books.bench.keys.record(id))
    done = books.reconcile()
    assert done.counts["forgotten"] == 2
    assert done.agrees


def test_an_id_that_is_used_anew_is_not_the_older_message(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 1)
    books.bench.store.delete(books.bench.keys.record("m0"))
    books.pass_by(24 * 3600)
    sent(books, 1)
    done = books.reconcile()
    assert done.counts["forgotten"] == 1
    assert "provider_id_2" not in books.record("m0")
    assert done.agrees


def test_a_message_that_the_provider_has_no_record_of_is_named(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 4)
    books.bench.store.hset(books.bench.keys.record("m2"), "provider_id", "nobody-knows-it")
    gone = books.theirs["m2"]
    books.spoil = of_records(lambda data: data.__setitem__(slice(None), without(data)))

    def without(data: list[Any]) -> list[Any]:
        return [one for one in data if one["uuid"] != gone]

    assert books.reconcile().counts["pending"] == 1
    books.pass_by(LATER)
    done = books.reconcile()
    assert [one.id for one in done.differences if one.kind == "missing"] == ["m2"]


@pytest.mark.parametrize("status", [500, 429, 200])
def test_a_provider_that_fails_in_the_middle_is_asked_again(
    valkey: redis.Redis, status: int
) -> None:
    books = Books(valkey)
    sent(books, 130)
    fails = iter(range(3))

    def spoil(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if "number%5D=2" in str(request.url) and next(fails, None) in (0, 1):
            return httpx.Response(status, content=b"<html>", headers={"retry-after": "1"})
        return response

    books.spoil = spoil
    done = books.reconcile()
    assert done.agrees
    assert done.counts["ours"] == 130
    check_bill(books, done)


def test_a_run_that_was_cut_short_goes_on(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGES", 2)
    books = Books(valkey, simulator={"billing": CHANGING})
    names = lose(books, 400)
    calls = iter(range(1_000))
    fine = books.spoil

    def spoil(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        return response if next(calls) < 5 else httpx.Response(403)

    books.spoil = spoil
    short = books.reconcile()
    assert "403" in short.cut_short
    assert not short.agrees
    read = short.counts["records"]
    assert 0 < read < 450
    books.spoil, books.calls = fine, []
    done = books.reconcile()
    assert done.counts["records"] == 450
    assert {one.provider_id for one in done.differences} == set(names)
    assert done.mended["accepted"] == 4
    check_bill(books, done, 50)


class Killed(BaseException):
    """What ends a run as kill -9 would."""


@pytest.mark.parametrize("point", ["commit", "apply", "absent", "finish"])
def test_a_killed_run_and_a_second_come_to_the_same_end(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setattr(reading, "PAGES", 1)
    books = Books(valkey, simulator={"billing": CHANGING})
    books.send(to_send(150), lambda n: n % 20 == 7, lambda n: n % 50 == 9)
    names = books.strangers(20)
    books.pass_by(LATER)
    for after in (True, False):
        real = getattr(Progress, point)

        def dies(*args: Any, _real: Any = real, _after: bool = after, **fields: Any) -> None:
            if _after:
                _real(*args, **fields)
            raise Killed

        with pytest.MonkeyPatch.context() as patch, suppress(Killed):
            patch.setattr(Progress, "leave", lambda self: None)
            patch.setattr(Progress, point, dies)
            books.reconcile()
        if valkey.exists(books.bench.keys("reconciler")):
            with pytest.raises(ReconcileBusy):
                books.reconcile()
        valkey.delete(books.bench.keys("reconciler"))  # its lease would last for a minute
    done = books.reconcile()
    assert {one.provider_id for one in done.differences} == set(names)
    assert done.left == {"foreign": 20}
    check_bill(books, done, 20)
    states = books.bench.check()
    assert states == {"accepted": 147, "dead": 3}


def test_archived_messages_are_mended_too(valkey: redis.Redis, tmp_path: Path) -> None:
    books = Books(valkey, simulator={"billing": CHANGING})
    archive = ArchiveSettings(url=f"sqlite:///{tmp_path}/a.sqlite3", after_days=0.01)
    books.config = msgspec.structs.replace(books.config, archive=archive)
    sent(books, 60)
    books.still.send(SENDER, to="+13126000001", text="Hello")  # names no URL of ours
    books.pass_by(3600)
    work = Archiver(valkey, books.config, "default", clock=CLOCK)
    assert work.run().messages == 60
    done = books.reconcile()
    assert done.mended["deliveries"] == 60
    assert done.left == {"foreign": 1}
    check_bill(books, done, 1)
    kept = work.open().get("default", "m7")
    assert kept is not None
    assert kept.record.delivery
    assert not valkey.exists(books.bench.keys.record("m7"))
    work.close()


def test_lost_webhooks_are_applied_and_lost_replies_named(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 2)
    assert books.urls is not None
    at = books.still.MIDNIGHT + books.still.now - 10
    data = json.loads(books.get(f"/v2/messages/{books.theirs['m0']}").body)["data"]
    events = [
        {"event_type": "message.finalized", "id": "e-lost", "payload": data},
        {"event_type": "message.received", "id": "e-in", "payload": {
            "from": {"phone_number": "+13125550777"}, "text": "STOP"}},
        {"event_type": "message.finalized", "id": "e-odd", "payload": {}},
    ]  # fmt: skip
    for event in events:
        body = json.dumps({"data": event}).encode()
        ended = EndedEvent(taken=False, body=body, tries=((at, books.urls.url("m0"), 500),))
        books.still.provider._deliveries.ended(ended)
    done = books.reconcile()
    assert done.mended["receipts"] == 1
    assert done.left == {"reply": 1}
    assert "+13125550777" not in json.dumps(msgspec.to_builtins(done))
    again = Receipt("e-lost", "m0", books.theirs["m0"], "delivered", 1)
    args = receipt_args([again], books.config.retention_ms)
    assert books.bench.call(RECEIPT, args) == [b"duplicate"]


def test_v1_asks_for_what_lacks_something(valkey: redis.Redis) -> None:
    secret = "v1-secret-of-notices"
    books = Books(valkey, api="v1", base_url="https://sms.telnyx.com", receipts=False)
    books.v1_secret = secret
    books.environ = ENVIRON | {"SLUICEGATE_TELNYX_API_KEY": secret}
    sent(books, 6, lost_answer=lambda n: n == 5)
    done = books.reconcile()
    assert done.counts["not_listed"] == 1
    assert done.counts["undecided"] == 1
    assert done.mended["deliveries"] == 5
    assert doubts(books) == 1
    assert set(done.difference.values()) == {0}
    assert not [path for path in books.calls if path.startswith("/v2")]


def test_a_full_redis_can_be_reconciled(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 30, lost_answer=lambda n: n == 3)
    store: Any = valkey
    used = int(store.info("memory")["used_memory"])
    store.config_set("maxmemory", used - 100_000)
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            store.set("more", "x")
        done = books.reconcile()
    finally:
        store.config_set("maxmemory", 0)
    assert done.agrees
    check_bill(books, done)


def test_the_next_run_begins_a_day_before_the_last_ones_end(valkey: redis.Redis) -> None:
    books = Books(valkey)
    sent(books, 2, unsent=lambda n: n == 1)
    first = books.reconciler().run()
    assert first.until_ms - first.since_ms == 3 * 24 * HOUR_MS
    books.pass_by(30 * 3600)
    second = books.reconciler().run()
    assert second.since_ms < first.until_ms - 24 * HOUR_MS + 1
    assert second.mended["unsent"] == 1  # its doubt is older than that day, and is looked for
    only = books.reconciler().run(TimeSpan(None, second.until_ms - HOUR_MS))
    assert only.until_ms == second.until_ms - HOUR_MS
    assert STRANGER not in json.dumps(msgspec.to_builtins(only))
