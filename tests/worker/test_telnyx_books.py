"""An account's books at Telnyx: pages, patience, what can't be read, and no key in any error."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sluicegate.config import Account
from sluicegate_worker.provider.owned import AccountBooks, Unread
from sluicegate_worker.provider.registry import provider_of
from sluicegate_worker.provider.telnyx.books import campaign_of
from sluicegate_worker.provider.telnyx.calls import MOST_PAGES, TRIES, AccountCalls

KEY = "KEY0123456789ABCDEF-secret"
Answer = Callable[[httpx.Request], httpx.Response]


def opened(answer: Answer, waits: list[float] | None = None, **account: Any) -> AccountBooks:
    factory = provider_of(Account(**account)).books
    assert factory is not None
    client = httpx.Client(transport=httpx.MockTransport(answer))
    return factory(Account(**account), KEY, client, ([] if waits is None else waits).append)


def told(data: Any, **meta: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": data, **({"meta": meta} if meta else {})})


def refused(
    status: int, code: str = "10011", detail: str = "no", **headers: str
) -> httpx.Response:
    error = {"code": code, "title": "Refused", "detail": detail}
    return httpx.Response(status, json={"errors": [error]}, headers=headers)


def test_pages_are_read_to_the_last() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        number = int(request.url.params["page[number]"])
        return told([{"id": f"p{number}"}], total_pages=3)

    assert [profile.id for profile in opened(answer).profiles()] == ["p1", "p2", "p3"]


def test_a_list_without_totals_ends_where_a_page_is_empty() -> None:
    pages = [[{"id": "a"}], [{"id": "b"}], []]
    books = opened(lambda request: told(pages[int(request.url.params["page[number]"]) - 1]))
    assert [profile.id for profile in books.profiles()] == ["a", "b"]


def test_a_server_that_repeats_its_first_page_is_not_read_for_ever() -> None:
    books = opened(lambda _: told([{"id": "a"}], total_pages=10**9))
    assert len(list(books.profiles())) == 1 < MOST_PAGES


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    waits: list[float] = []
    answers = [refused(429, **{"retry-after": "7"}), refused(503), told({"id": "p"})]
    assert opened(lambda _: answers.pop(0), waits).profile("p").id == "p"
    assert [wait for wait in waits if wait >= 1] == [7, 2]


def test_it_gives_up_after_a_few_tries() -> None:
    calls = []
    books = opened(lambda request: calls.append(request) or refused(500))  # type: ignore[func-returns-value] # it counts
    with pytest.raises(Unread, match=f"HTTP 500 10011 Refused no, {TRIES} times"):
        books.profile("p")
    assert len(calls) == TRIES


def test_all_calls_together_end_in_time() -> None:
    now = [0.0]

    def slow(_: httpx.Request) -> httpx.Response:
        now[0] += 40
        return refused(503)

    client = httpx.Client(transport=httpx.MockTransport(slow))
    calls = AccountCalls("https://x", {}, KEY, client, lambda _: None, lambda: now[0], 100)
    with pytest.raises(Unread, match="503"):
        calls.get("/balance")
    assert now[0] <= 160
    with pytest.raises(Unread, match="time"):
        calls.get("/balance")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b"[]"),
        httpx.Response(200, content=b"\xff"),
        httpx.Response(200, content=b"[" * 100_000),
        httpx.Response(200, json={"data": None}),
        httpx.Response(200, json={"data": ["x"]}),
        httpx.Response(302, headers={"location": "https://elsewhere.example"}),
        httpx.Response(404, content=b"nothing"),
    ],
)
def test_whatever_it_answers_is_unread_and_no_crash(answer: httpx.Response) -> None:
    with pytest.raises(Unread):
        list(opened(lambda _: answer).profiles())


@pytest.mark.parametrize(
    "echo", [KEY, KEY.replace("-", "%2D"), json.dumps(KEY), KEY.encode().hex()]
)
def test_no_error_repeats_the_key(echo: str) -> None:
    with pytest.raises(Unread) as caught:
        opened(lambda _: refused(400, detail=f"bad {echo}")).profile("p")
    assert "secret" not in str(caught.value)
    assert KEY.encode().hex() not in str(caught.value)

    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(str(request.headers))

    with pytest.raises(Unread, match="ConnectError") as caught:
        opened(broken).profile("p")
    assert "secret" not in str(caught.value)


def test_a_part_that_the_key_may_not_read_is_named_and_the_rest_is_read() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path.removeprefix("/v2"):
            case "/messaging_profiles":
                return told([{"id": "p", "whitelisted_destinations": ["*"], "v1_secret": KEY}])
            case "/phone_numbers/messaging":
                return told([{"phone_number": "+1", "type": "satellite", "features": {"sms": {}}}])
            case path if "10dlc" in path:
                return refused(403, "10010", "not yours")
            case _:
                return refused(404, "10005", "nothing")

    owned = opened(answer).owned()
    assert [profile.countries for profile in owned.profiles] == [()]
    assert [(number.kind, number.mms) for number in owned.numbers] == [("other", False)]
    assert {"brands", "toll-free verification", "public key", "balance"} <= set(owned.unread)
    assert "403 10010" in owned.unread["brands"]
    assert KEY not in repr(owned)


def test_a_wrong_key_is_not_taken_for_an_empty_account() -> None:
    with pytest.raises(Unread) as caught:
        opened(lambda _: refused(401, "10009")).owned()
    assert caught.value.status == 401


def test_what_carriers_tell_is_found_by_their_names() -> None:
    att = {"mno": "AT&T", "msgClass": "g", "tpm": 60, "mmsTpm": 50, "tpmScope": "NUMBER"}
    tmobile = {"mno": "T-Mobile", "brandTier": "TOP", "brandDailyCap": 200_000}
    entry = {"campaignId": "c", "brandId": "b", "campaignStatus": "MNO_PROVISIONED"}
    known = campaign_of(entry, {"1": att, "2": tmobile, "3": {"mno": "Other"}})
    assert (known.att_class, known.sms_per_minute, known.mms_per_minute) == ("G", 60, 50)
    assert (known.per_number, known.tmobile_tier, known.tmobile_daily) == (True, "TOP", 200_000)
    assert known == campaign_of(
        entry, {"campaignId": "c", "mnoMetadata": {"1": att, "2": tmobile}}
    )
    nothing = campaign_of(entry, {"1": {"mno": "AT&T", "tpm": "many"}, "2": None, "3": {"mno": 1}})
    assert (nothing.att_class, nothing.sms_per_minute, nothing.tmobile_daily) == ("", None, None)


@pytest.mark.parametrize(
    ("entry", "suspended"),
    [
        ({"campaignStatus": "MNO_PROVISIONED"}, ""),
        ({"status": "ACTIVE", "campaignStatus": "TCR_SUSPENDED"}, "TCR_SUSPENDED"),
        ({"status": "EXPIRED"}, "EXPIRED"),
        ({"status": "ACTIVE", "isTMobileSuspended": True}, "suspended by T-Mobile"),
        ({"campaignStatus": "TCR_PENDING"}, "not approved yet: TCR_PENDING"),
        ({"campaignStatus": "SOMETHING_NEW"}, "not approved yet: SOMETHING_NEW"),
        ({}, ""),
    ],
)
def test_a_campaign_that_may_not_send_says_why(entry: dict[str, Any], suspended: str) -> None:
    assert campaign_of(entry, {}).suspended == suspended


def test_the_secret_of_v1_reads_messages_only() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-profile-secret"] == KEY
        return httpx.Response(200, json={"sms_id": request.url.path.rpartition("/")[2]})

    books = opened(answer, api="v1")
    assert books.message("a b") == {"sms_id": "a b"}
    for ask in (books.owned, books.balance, lambda: list(books.profiles())):
        with pytest.raises(Unread, match="api = v2"):
            ask()
