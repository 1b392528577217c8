"""The accepted messages, each kept as the request it came in, and shown as the provider would."""

from os import urandom
from typing import NamedTuple

from sluicegate.segments import Segments, count

from . import payload, validation


class Message(NamedTuple):
    """An accepted message: the request's exact bytes, and its Unix time in seconds."""

    body: bytes
    received_at: float


class Messages:
    """Accepted messages by number, from 0; an id is a UUID with the number in its last part."""

    def __init__(self) -> None:
        self._all: list[Message] = []
        # A fresh prefix each time: no id is given twice, not even by two simulators of one seed.
        raw = urandom(8).hex()
        self._prefix = f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-8000-"

    def __getitem__(self, number: int) -> Message:
        return self._all[number]

    def add(self, message: Message) -> int:
        """Keep a message, and give its number."""
        self._all.append(message)
        return len(self._all) - 1

    def number_of(self, id: str) -> int | None:
        """The number of the message with this id, or None when there is none."""
        prefix, digits = id[:24], id[24:]
        if prefix != self._prefix or len(digits) != 12 or not digits.isdecimal():
            return None
        return int(digits) if int(digits) < len(self._all) else None

    def show(
        self, number: int, body: validation.Body | None = None, segments: Segments | None = None
    ) -> bytes:
        """The JSON of a message; ``body`` and ``segments`` spare reading it again."""
        message = self._all[number]
        if body is None or segments is None:
            decoded = validation.decode(message.body)
            assert isinstance(decoded, validation.Body)  # noqa: S101 - it was accepted as one
            body, segments = decoded, count(str(decoded.text or ""), decoded.encoding)  # type: ignore[arg-type]
        return payload.render(f"{self._prefix}{number:012d}", message.received_at, body, segments)
