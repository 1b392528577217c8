"""The official SDK, unmodified, finds in the simulator what it knows of the provider."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from sluicegate_ops.inspect import AppEvent
from sluicegate_ops.simulator import Settings, Simulator, Webhooks, simulator_in_thread
from sluicegate_ops.web.event_shapes import event_body
from sluicegate_ops.web.event_signing import EventSigner
from support.receiver import Hook, receiving
from support.simulated import Client, simulated

if TYPE_CHECKING:
    import telnyx

SENDER = "+13125550001"


@pytest.fixture(scope="module", autouse=True)
def _import_sdk() -> None:
    """Only for these tests: each process that collects them would take seconds to import it."""
    globals()["telnyx"] = importlib.import_module("telnyx")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with simulator_in_thread(Settings(limit=None, api_keys=("KEY",))) as one:
        yield one


@pytest.fixture
def sdk(simulator: Simulator) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=simulator.url, max_retries=0) as client:
        yield client


def test_sends_and_retrieves(sdk: telnyx.Telnyx) -> None:
    sent = sdk.messages.send(from_=SENDER, to="+13125550002", text="hi").data
    assert sent is not None
    assert sent.id is not None
    assert sent.to is not None
    assert (sent.to[0].phone_number, sent.to[0].status) == ("+13125550002", "queued")
    assert (sent.parts, sent.encoding, sent.wait_seconds) == (1, "GSM-7", 0.0)
    found = sdk.messages.retrieve(sent.id).data
    assert found is not None
    assert found.model_dump()["id"] == sent.id


@pytest.mark.parametrize(
    ("to", "text", "error", "status", "code"),
    [
        ("+15555554010", "hi", "AuthenticationError", 401, "10009"),
        ("+15555554030", "hi", "PermissionDeniedError", 403, "10010"),
        ("+15555550300", "hi", "BadRequestError", 400, "40300"),
        ("+13125550002", "x" * 2000, "UnprocessableEntityError", 422, "10015"),
        ("+15555554290", "hi", "RateLimitError", 429, "10011"),
        ("+15555555000", "hi", "InternalServerError", 500, "10007"),
        ("+15555555030", "hi", "InternalServerError", 503, "10037"),
    ],
)
def test_error_classes(
    sdk: telnyx.Telnyx, to: str, text: str, error: str, status: int, code: str
) -> None:
    with pytest.raises(getattr(telnyx, error)) as caught:
        sdk.messages.send(from_=SENDER, to=to, text=text)
    assert caught.value.status_code == status
    assert caught.value.response.json()["errors"][0]["code"] == code


def test_a_wrong_key_is_an_authentication_error(simulator: Simulator) -> None:
    with (
        telnyx.Telnyx(api_key="WRONG", base_url=simulator.url, max_retries=0) as sdk,
        pytest.raises(telnyx.AuthenticationError),
    ):
        sdk.messages.send(from_=SENDER, to="+13125550002", text="hi")


def test_a_closed_connection_is_a_connection_error(sdk: telnyx.Telnyx) -> None:
    with pytest.raises(telnyx.APIConnectionError):
        sdk.messages.send(from_=SENDER, to="+15555557000", text="hi")


def test_an_idempotency_key_replays(sdk: telnyx.Telnyx, simulator: Simulator) -> None:
    def send(text: str) -> Any:
        return sdk.messages.with_raw_response.send(
            from_=SENDER, to="+13125550002", text=text, idempotency_key="one-key"
        )

    first, second = send("hi"), send("hi")
    assert first.parse().data.id == second.parse().data.id
    assert second.headers["idempotent-replayed"] == "true"
    with pytest.raises(telnyx.UnprocessableEntityError, match="10027"):
        send("other")
    assert simulator.recipients() == {"+13125550002": 1}


def test_its_own_retry_sends_twice_without_a_key_and_once_with_one(simulator: Simulator) -> None:
    with telnyx.Telnyx(api_key="KEY", base_url=simulator.url, max_retries=1) as sdk:
        sdk.messages.send(from_=SENDER, to="+15555557021", text="hi")
        assert simulator.recipients() == {"+15555557021": 2}
        sdk.messages.send(from_=SENDER, to="+15555557011", text="hi", idempotency_key="k")
        assert simulator.recipients()["+15555557011"] == 1


# -- webhooks


def unwrapped(sdk: telnyx.Telnyx, hook: Hook, key: str) -> Any:
    event: Any = sdk.webhooks.unwrap(hook.body.decode(), headers=hook.headers, key=key)
    return event.data


def at_once(url: str, **webhooks: Any) -> Settings:
    once: dict[str, Any] = {
        "delay_seconds": 0,
        "jitter_seconds": 0,
        "retry_seconds": 0,
        "connections": 1,
    }
    return Settings(limit=None, webhooks=Webhooks(url=url, **once, **webhooks))


def test_it_accepts_the_receipts() -> None:
    with receiving() as receiver, simulated(at_once(receiver.url)) as client:
        with telnyx.Telnyx(api_key="KEY", base_url=client.simulator.url) as sdk:
            sent = sdk.messages.send(from_=SENDER, to="+15555558012", text="hi").data
            assert sent is not None
            events = [
                unwrapped(sdk, hook, client.simulator.public_key) for hook in receiver.hooks(2)
            ]
        assert [one.event_type for one in events] == ["message.sent", "message.finalized"]
        assert [one.payload.id for one in events] == [sent.id] * 2
        assert [one.payload.to[0].status for one in events] == ["sent", "delivery_failed"]
        assert events[1].payload.errors[0].code == "40012"


def test_it_accepts_what_came_in_and_lists_who_opted_out() -> None:
    with receiving() as receiver, simulated(at_once(receiver.url)) as client:
        written = {"from": "+13125550002", "to": SENDER, "text": "STOP"}
        client.face("inbound", written)
        with telnyx.Telnyx(api_key="KEY", base_url=client.simulator.url) as sdk:
            event = unwrapped(sdk, receiver.hooks(1)[0], client.face("public_key")["public_key"])
            assert event.event_type == "message.received"
            assert event.payload.from_.phone_number == "+13125550002"
            assert event.payload.text == "STOP"
            (blocked,) = sdk.messaging_optouts.list()
            assert (blocked.to, blocked.from_, blocked.keyword) == ("+13125550002", SENDER, "STOP")


@pytest.mark.parametrize("lie", ["forged", "tampered", "stale"])
def test_it_rejects_every_lie(lie: str) -> None:
    with receiving() as receiver, simulated(at_once(receiver.url, **{lie: 1})) as client:
        assert accepted(client, receiver.hooks) == ["sent", "delivered"]
        assert client.face("webhooks")[lie] == 2


def accepted(client: Client, hooks: Any) -> list[str]:
    """The states, of the two events of one message and a lie beside each, that verify."""
    states = []
    with telnyx.Telnyx(api_key="KEY", base_url=client.simulator.url) as sdk:
        sdk.messages.send(from_=SENDER, to="+13125550002", text="hi")
        for hook in hooks(4):
            try:
                event = unwrapped(sdk, hook, client.simulator.public_key)
            except ValueError:
                continue
            states.append(event.payload.to[0].status)
    return states


def test_it_accepts_our_own_events_under_our_own_key(sdk: telnyx.Telnyx) -> None:
    signer = EventSigner("SECRET", ["whsec_" + "A" * 43 + "="])
    facts = {"to": "+15550000001", "sender": "+15550000000", "state": "accepted"}
    event = AppEvent(7, "delivered", int(time.time() * 1000), "shop:order-1", facts)
    body = event_body("default", "shop", event)
    headers = signer.headers("default-7-1", body, int(time.time()))
    told: Any = sdk.webhooks.unwrap(body.decode(), headers=headers, key=signer.public_key)
    assert told.data.event_type == "message.finalized"
    assert told.data.payload.id == "order-1"
    assert told.data.payload.to[0].status == "delivered"
    with pytest.raises(ValueError, match="ignature"):
        sdk.webhooks.unwrap(body.decode() + " ", headers=headers, key=signer.public_key)
