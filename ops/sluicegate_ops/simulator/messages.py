"""The accepted messages, each stored as its request and shown as the provider would show it."""

from collections.abc import Iterator
from os import urandom

import msgspec

from sluicegate.segments import Segments, count

from .api import payload, v1_payload, validation
from .billing import BilledMessage, CostSums, amount_text, sums
from .message import AcceptedMessage


class Arrival(msgspec.Struct, rename={"from_": "from"}):
    """An accepted message for a test: what arrived, and in which order."""

    #: From 0, without gaps, in the order of arrival.
    number: int
    received_at: float
    arrived: float
    from_: str
    to: str
    segments: int
    wait_seconds: float
    idempotency_key: str
    id: str
    #: The final status that it has or will have; empty if no webhook reports on it.
    final: str
    #: What it costs by its answer, and in the end; whether each of them was told. The final event
    #: was told once it was acknowledged.
    answered_cost: str
    billed_cost: str
    currency: str
    cost_answered: bool
    cost_finally_told: bool
    #: The header of its request; empty if there was none.
    traceparent: str


class AcceptedMessages:
    """Accepted messages by number, from 0; an id is a UUID with the number in its last part."""

    def __init__(self) -> None:
        self._all: list[AcceptedMessage] = []
        # A new prefix each time, so that even two simulators with the same seed share no id.
        raw = urandom(8).hex()
        self._prefix = f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8000-"

    def __iter__(self) -> Iterator[AcceptedMessage]:
        return iter(self._all)

    def __getitem__(self, number: int) -> AcceptedMessage:
        return self._all[number]

    def add(self, message: AcceptedMessage) -> int:
        """Store a message; return its number."""
        self._all.append(message)
        return len(self._all) - 1

    def arrivals(self, after: int, limit: int) -> list[Arrival]:
        """At most ``limit`` messages after the first ``after``; callable from any thread."""
        page = self._all[after : after + limit]
        return [self._arrival(number, message) for number, message in enumerate(page, after)]

    def _arrival(self, number: int, message: AcceptedMessage) -> Arrival:
        body = message.read()
        return Arrival(
            number=number,
            received_at=message.received_at,
            arrived=message.arrived,
            from_=str(body.from_ or ""),
            to=str(body.to),
            segments=message.segments,
            wait_seconds=message.wait_seconds,
            idempotency_key=message.idempotency_key,
            id=self.id_of(number),
            final=message.delivery.status if message.delivery else "",
            answered_cost=amount_text(message.billed.first_cost),
            billed_cost=amount_text(message.billed.cost),
            currency=message.billed.currency,
            cost_answered=message.billed.tells(final=False),
            cost_finally_told=message.finally_told and message.billed.tells(final=True),
            traceparent=message.traceparent,
        )

    @property
    def count(self) -> int:
        """How many there are: the number of the next."""
        return len(self._all)

    def costs(self) -> CostSums:
        """The books: what was billed in all; callable from any thread."""
        return sums(_booked(message) for message in self._all[:])

    def id_of(self, number: int) -> str:
        """The provider's id of a message."""
        return f"{self._prefix}{number:012d}"

    def number_of(self, id: str) -> int | None:
        """The number of the message with this id; None if there is none."""
        prefix, digits = id[:24], id[24:]
        if prefix != self._prefix or len(digits) != 12 or not digits.isdecimal():
            return None
        return int(digits) if int(digits) < len(self._all) else None

    def answer(
        self, number: int, body: validation.Body | None = None, segments: Segments | None = None
    ) -> bytes:
        """The JSON answer to a send; a replay gets the same bytes.

        With ``body`` and ``segments`` the message is not read again.
        """
        message = self._all[number]
        if body is None or segments is None:
            body, segments = _counted(message)
        render = v1_payload.answer if message.secret else payload.render
        return render(self.id_of(number), message, body, segments)

    def show(self, number: int, now: float) -> bytes:
        """The JSON answer to a retrieval at ``now``, in monotonic seconds."""
        message = self._all[number]
        render = v1_payload.record if message.secret else payload.render
        return render(self.id_of(number), message, *_counted(message), message.state(now))


def _booked(message: AcceptedMessage) -> BilledMessage:
    body = message.read()
    sender = str(body.from_ or message.profile)
    return BilledMessage(message.billed, sender, message.carrier, message.received_at)


def _counted(message: AcceptedMessage) -> tuple[validation.Body, Segments]:
    body = message.read()
    return body, count(str(body.text or ""), body.encoding)  # type: ignore[arg-type] # checked when it came
