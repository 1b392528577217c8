"""The gateway to Telnyx API v2: its bytes, and what it makes of each answer of the simulator."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from sluicegate import Message
from sluicegate.config import Account
from sluicegate_ops.simulator import Settings, Simulator
from sluicegate_worker.provider.gateway import Attempt, idempotency_key
from sluicegate_worker.provider.outcome import Accepted, Dead, Doubt, Halt, Outcome, Retry
from sluicegate_worker.provider.rate_headers import NO_RATE_HEADERS
from sluicegate_worker.provider.telnyx.v2 import TelnyxV2
from support.messages import message

API_KEY = "KEY0123456789_very-secret"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(body)


def gateway(url: str, api_key: str = API_KEY, **fields: Any) -> TelnyxV2:
    account = Account(base_url=url, **fields)
    return TelnyxV2(account, api_key)


def sent(
    *numbers: int,
    settings: Settings | None = None,
    gate: Callable[[], bool] = lambda: True,
    same_key: bool = False,
    **fields: Any,
) -> tuple[list[Attempt], Simulator]:
    """Send to magic numbers of the simulator, one after the other; numbers are last digits."""
    attempts: list[Attempt] = []
    simulator = Simulator(settings or Settings(limit=None, api_keys=(API_KEY,)))

    async def body() -> None:
        async with simulator:
            one = gateway(simulator.url, **fields)
            for place, number in enumerate(numbers):
                request = one.request(message(to=f"+1555555{number:04d}"))
                key = "key" if same_key else f"key{place}"
                attempts.append(await one.send(request, key, gate))
            await one.aclose()

    run(body())
    return attempts, simulator


# -- the bytes


PLAIN = Message(to="+15551234567", sender="+15550000000", text="h\u00e9llo \u20ac", id="m1")
FULL = Message(
    to="+15551234567",
    sender="ACME",
    text="look",
    media_urls=("https://a.test/1.png", "https://a.test/2.png"),
    subject="s",
    messaging_profile_id="profile",
    priority="bulk",
    encoding="ucs2",
    webhook_url="https://a.test/hook",
    webhook_failover_url="https://b.test/hook",
    use_profile_webhooks=False,
    auto_detect=True,
    send_at=NOON,
    expires_at=NOON,
    id="m2",
)


def test_the_exact_bytes_of_a_plain_message() -> None:
    expected = (
        '{"from":"+15550000000","to":"+15551234567","text":"h\u00e9llo \u20ac","type":"SMS"}'
    )
    assert gateway("https://a.test").request(PLAIN) == expected.encode()


def test_the_exact_bytes_of_a_message_with_every_field() -> None:
    assert gateway("https://a.test").request(FULL) == (
        b'{"from":"ACME","messaging_profile_id":"profile","to":"+15551234567","text":"look",'
        b'"subject":"s","media_urls":["https://a.test/1.png","https://a.test/2.png"],'
        b'"type":"MMS","encoding":"ucs2","webhook_url":"https://a.test/hook",'
        b'"webhook_failover_url":"https://b.test/hook","use_profile_webhooks":false,'
        b'"auto_detect":true}'
    )


def test_the_same_message_is_the_same_bytes_whoever_sends_it() -> None:
    """What is ours alone (id, priority, times) changes nothing."""
    first, second = gateway("https://a.test"), gateway("https://b.test", "other", limit=1)
    for one in (PLAIN, FULL):
        assert first.request(one) == first.request(one) == second.request(one)
    ours = Message(to=PLAIN.to, sender=PLAIN.sender, text=PLAIN.text, id="x", send_at=NOON)
    assert first.request(ours) == first.request(PLAIN)


def test_an_idempotency_key_is_one_message_of_one_generation() -> None:
    key = idempotency_key("prod", "default", "m1", 0)
    assert key == idempotency_key("prod", "default", "m1", 0) == "xyX4qyrMWYkSLAfqTLNW-nS7CVs"
    others = {
        idempotency_key("test", "default", "m1", 0),
        idempotency_key("prod", "other", "m1", 0),
        idempotency_key("prod", "default", "m2", 0),
        idempotency_key("prod", "default", "m1", 1),
    }
    assert len(others | {key}) == 5


# -- against the simulator


def test_accepted_then_replayed() -> None:
    [first, again], simulator = sent(9999, 9999, same_key=True)
    assert isinstance(first.outcome, Accepted)
    assert again.outcome == Accepted(
        first.outcome.provider_id, replayed=True, bill=first.outcome.bill
    )
    assert first.heard
    assert first.took_ms > 0
    assert first.answer == ""
    assert simulator.recipients() == {"+15555559999": 1}
    assert [entry[2] for entry in simulator.requests()] == ["key", "key"]


def test_the_rate_headers_are_evidence() -> None:
    [attempt], _ = sent(9999, settings=Settings(limit=7, api_keys=(API_KEY,)))
    assert (attempt.rate.limit, attempt.rate.remaining) == (7, 6)
    [attempt], _ = sent(9999)
    assert attempt.rate == NO_RATE_HEADERS


def test_a_refusal_by_the_limiter_says_how_long_to_wait() -> None:
    settings = Settings(limit=1, window_seconds=60, api_keys=(API_KEY,))
    [_, attempt], _ = sent(9999, 9998, settings=settings)
    assert isinstance(attempt.outcome, Retry)
    assert attempt.outcome.throttled
    assert attempt.rate.limit == 1
    assert attempt.rate.remaining == 0
    assert attempt.rate.wait_ms > 1000


def kind(outcome: Outcome | None) -> tuple[object, ...]:
    match outcome:
        case Retry():
            return Retry, outcome.code, outcome.charged, outcome.perhaps
        case Dead():
            return Dead, outcome.code, outcome.opted_out
        case Halt():
            return Halt, outcome.code, outcome.level
        case Doubt():
            return Doubt, outcome.code, outcome.hold
        case _:
            return (outcome,)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (300, (Dead, "40300", True)),
        (305, (Halt, "40305", "sender")),
        (309, (Dead, "40309", False)),
        (312, (Halt, "40312", "sender")),
        (318, (Retry, "40318", False, False)),
        (320, (Halt, "40320", "sender")),
        (322, (Dead, "40322", False)),
        (333, (Halt, "40333", "sender")),
        (4010, (Halt, "10009", "account")),
        (4020, (Halt, "20100", "account")),
        (4030, (Halt, "10010", "sender")),
        (4290, (Retry, "10011", False, False)),
        (5000, (Retry, "10007", True, True)),
        (5020, (Doubt, "502", False)),
        (5030, (Retry, "10037", True, False)),
        (7000, (Doubt, "no_answer", False)),
        (7010, (Doubt, "no_answer", False)),
        (7020, (Retry, "10007", True, True)),
        (7030, (Doubt, "no_answer", False)),
    ],
)
def test_magic_faults(number: int, expected: tuple[object, ...]) -> None:
    [attempt], _ = sent(number)
    assert kind(attempt.outcome) == expected
    assert attempt.heard == (expected[1] != "no_answer")
    assert attempt.answer.startswith("HTTP ") == attempt.heard


@pytest.mark.parametrize("number", [6000, 6010])
def test_a_silent_provider_is_in_doubt(number: int) -> None:
    settings = Settings(limit=None, hang_seconds=20)
    [attempt], _ = sent(number, settings=settings, read_timeout_seconds=0.2)
    assert kind(attempt.outcome) == (Doubt, "no_answer", False)
    assert not attempt.heard
    assert attempt.took_ms >= 200


def test_the_same_key_with_other_bytes_is_for_a_person() -> None:
    [_, attempt], _ = sent(9999, 9998, same_key=True)
    assert kind(attempt.outcome) == (Doubt, "10027", True)


def test_a_wrong_key_halts_the_account() -> None:
    [attempt], _ = sent(9999, settings=Settings(limit=None, api_keys=("OTHER",)))
    assert kind(attempt.outcome) == (Halt, "10009", "account")


def test_a_wrong_path_is_seen_as_no_single_messages_fault() -> None:
    async def body() -> None:
        async with Simulator(Settings(limit=None)) as simulator:
            one = gateway(simulator.base + "/nowhere")
            attempt = await one.send(one.request(message()), "key")
            assert kind(attempt.outcome) == (Halt, "10005", "account")
            await one.aclose()

    run(body())


def test_a_closed_gate_is_no_outcome() -> None:
    [attempt], simulator = sent(9999, gate=lambda: False)
    assert attempt == Attempt(None)
    assert simulator.requests() == []


def test_a_provider_that_is_away_was_not_sent_to() -> None:
    async def body() -> None:
        async with Simulator() as simulator:
            one = gateway(simulator.url)
        attempt = await one.send(one.request(message()), "key")
        assert kind(attempt.outcome) == (Retry, "not_sent", True, False)
        assert not attempt.heard
        await one.aclose()

    run(body())


def test_an_accounts_own_outcomes_are_looked_at_first() -> None:
    [attempt], _ = sent(309, outcomes={"40309": "halt_sender"})
    assert kind(attempt.outcome) == (Halt, "40309", "sender")


def test_a_slash_at_the_end_of_the_base_url_is_no_matter() -> None:
    async def body() -> None:
        async with Simulator(Settings(limit=None)) as simulator:
            one = gateway(simulator.url + "/")
            attempt = await one.send(one.request(message()), "key")
            assert isinstance(attempt.outcome, Accepted)
            await one.aclose()

    run(body())


# -- the API key is told to nobody but the provider


def test_the_api_key_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Not even where the provider itself, or something on the way, repeats the request."""
    answers = [
        b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%b",
        b"HTTP/1.1 502 No\r\nContent-Length: %d\r\n\r\n%b",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b",
        b"HTTP/1.1 %d %b\r\nContent-Length: x\r\n\r\n",
        b"%d %b\r\n\r\n",
    ]
    caplog.set_level(logging.DEBUG)
    found: list[Attempt] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert f"Bearer {API_KEY}".encode() in head
        key = next(line for line in head.split(b"\r\n") if API_KEY.encode() in line)
        body = b'{"errors":[{"code":"10009","title":"%b","detail":"%b"}]}' % (key, key)
        told = answers[len(found)]
        writer.write(told % (len(body), body))
        await writer.drain()
        writer.close()

    async def body() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            for _ in answers:
                one = gateway(url)
                found.append(await one.send(one.request(message()), "key"))
                assert API_KEY not in f"{one!r} {one._exchange!r}"
                await one.aclose()

    run(body())
    assert [kind(attempt.outcome)[0] for attempt in found] == [Halt, Doubt, Doubt, Doubt, Doubt]
    assert API_KEY not in repr(found)
    assert API_KEY not in caplog.text
    assert "very-secret" not in repr(found) + caplog.text


def test_an_error_that_stopped_a_post_does_not_hold_the_api_key() -> None:
    async def body() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"nonsense\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            one = gateway(url)
            with pytest.raises(Exception, match="HttpProcessingError") as caught:
                await one._exchange._transport.post(url, one._exchange._headers, b"{}")
            assert caught.value.__context__ is None
            await one.aclose()

    run(body())
