"""The outbox that an app's own tests get, used as its documentation says."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sluicegate import Config, InvalidMessage, Sluice
from sluicegate.config import Account, Sender
from sluicegate.testing import enqueued, outbox

SENDER = "+15557654321"


@pytest.fixture
def sluice() -> Iterator[Sluice]:
    with outbox() as sluice:
        yield sluice


def sign_up(number: str, sluice: Sluice) -> None:
    """Stands for the app's code."""
    sluice.enqueue(to=number, sender=SENDER, text="Your code is 1234")


def ids(sluice: Sluice) -> list[str]:
    return [message.id for message in enqueued(sluice)]


def test_it_shows_what_the_app_enqueued() -> None:
    with outbox() as sluice:
        sign_up("+15551234567", sluice)
        [message] = enqueued(sluice)
        assert message.to == "+15551234567"
        assert message.text is not None
        assert message.text.startswith("Your code")


def test_it_is_a_fixture_and_empty_each_time(sluice: Sluice) -> None:
    assert enqueued(sluice) == []
    sign_up("+15551234567", sluice)
    assert len(enqueued(sluice)) == 1


def test_two_outboxes_share_nothing(sluice: Sluice) -> None:
    with outbox() as other:
        sign_up("+15551234567", other)
        assert enqueued(sluice) == []


def test_the_order_is_transactional_bulk_scheduled_and_within_a_lane_as_enqueued(
    sluice: Sluice,
) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    common: dict[str, Any] = {"to": "+15551234567", "text": "hi", "sender": SENDER}
    sluice.enqueue(id="later", send_at=soon + timedelta(hours=1), **common)
    sluice.enqueue(id="soon", send_at=soon, **common)
    sluice.enqueue(id="bulk-2", priority="bulk", **common)
    sluice.enqueue(id="bulk-1", priority="bulk", **common)
    sluice.enqueue(id="other-sender", **(common | {"sender": "+15557654322"}))
    sluice.enqueue(id="first", **common)
    sluice.enqueue(id="second", **common)
    in_order = ["first", "second", "other-sender", "bulk-2", "bulk-1", "soon", "later"]
    assert ids(sluice) == in_order


def test_a_message_comes_back_as_it_was_enqueued(sluice: Sluice) -> None:
    fields: dict[str, Any] = {
        "id": "one",
        "to": "+15551234567",
        "sender": SENDER,
        "text": "Grüße",
        "priority": "bulk",
        "expires_at": datetime(2099, 1, 1, tzinfo=UTC),
    }
    sluice.enqueue(**fields)
    [message] = enqueued(sluice)
    assert {name: getattr(message, name) for name in fields} == fields


def test_what_was_cancelled_or_suppressed_is_not_shown(sluice: Sluice) -> None:
    common: dict[str, Any] = {"sender": SENDER, "text": "hi"}
    sluice.optouts.add(["+15551234567"])
    sluice.enqueue(id="gone", to="+15551234568", **common)
    sluice.enqueue(id="suppressed", to="+15551234567", **common)
    sluice.enqueue(id="kept", to="+15551234568", **common)
    assert sluice.cancel("gone") == "cancelled"
    assert ids(sluice) == ["kept"]


def test_it_obeys_the_app_s_own_configuration() -> None:
    config = Config(accounts={"default": Account(senders={"12345": Sender(kind="short_code")})})
    with outbox(config) as sluice, pytest.raises(InvalidMessage, match="12345"):
        sign_up("+15551234567", sluice)
    with outbox(msgspec.structs.replace(config, retention_seconds=1.0)) as sluice:
        assert sluice.config.retention_ms == 1000


def test_without_fakeredis_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fakeredis", None)
    with (
        pytest.raises(ModuleNotFoundError, match="with its extra testing"),
        outbox(),
    ):
        pass
