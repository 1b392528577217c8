"""The wall around uvicorn: what one connection may take of the server, in time and in memory.

uvicorn limits neither, and no server that was tried limits all of it (``docs/ARCHITECTURE.md`` has
the figures). Its protocol for httptools was taken because it costs least for each request, and
because all that it keeps of a connection passes through here:

- **One deadline over all phases.** An exchange, from the first byte of the request to the last
  of the answer, may take ``exchange_seconds``, and between two of them a connection may idle for
  ``idle_seconds``. Whoever is slow where, none lasts longer. A route that streams both ways says
  when it has got on, which is for whoever has shown a token.
- **One request at a time.** The head has a most, and so has what stands around the pieces of a
  body; the body itself is left to whoever asks for it. Another request that comes before the
  answer is not read, and the connection closes after the answer.
- **Who answers before the body has ended closes.** The client may read the answer: what it still
  sends is dropped for ``linger_seconds``, up to ``linger_bytes``.
- **Everybody in turn.** Reading goes through one small buffer for all. Whoever filled it rests
  until the others have had their turn, and nobody keeps more than a head and what its application
  has asked for.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple, cast

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from .peers import Peers
from .problems import HttpProblem
from .threshold import HEAD_BYTES, HEAD_LINES, TOO_LONG

log = logging.getLogger(__name__)
log.setLevel(logging.ERROR)  # uvicorn has a warning for whatever is not HTTP; we count it

_READ_BYTES: Final = 16_384

_NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"retry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)

Note = Callable[[str], object]


class Limits(NamedTuple):
    """What each connection may take; ``exchanges`` is how many requests it may bring."""

    exchange_seconds: float = 10.0
    idle_seconds: float = 4.0
    linger_seconds: float = 1.0
    linger_bytes: int = 65_536
    exchanges: int = 1_000


LIMITS: Final = Limits()


class Door(NamedTuple):
    """What all connections of one listener share; ``note`` counts what becomes of them."""

    config: Config
    state: ServerState
    peers: Peers
    note: Note
    limits: Limits = LIMITS

    def opened(self) -> Callable[[], asyncio.BaseProtocol]:
        """What makes the protocol of each connection."""
        buffer = bytearray(_READ_BYTES)
        return lambda: Wall(self, buffer)


class Wall(asyncio.BufferedProtocol):
    """One connection's: stands between the socket and uvicorn."""

    def __init__(self, door: Door, buffer: bytearray) -> None:
        self._door, self._limits, self._buffer = door, door.limits, memoryview(buffer)
        self._loop = asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = None
        self._idle, self._begun, self._exchanges = False, False, 0
        self._dropped_bytes = 0
        self._closing = self._held = self._resting = False
        self._transport: asyncio.Transport
        self._inside: _Http | None = None

    # As the loop sees it.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        address = (transport.get_extra_info("peername") or ("",))[0]
        if not self._door.peers.enter(self, address):
            self._door.note("connections_refused")
            self._closing = True
            self._transport.write(_NO_ROOM)
            self._transport.close()
            return
        self._allow(self._limits.exchange_seconds)
        self._inside = _Http(self._door, self)
        self._inside.connection_made(_Inside(self, self._transport))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes == len(self._buffer):
            self._rest()
        if self._closing or self._inside is None:
            self._dropped_bytes += nbytes
            if self._dropped_bytes > self._limits.linger_bytes:
                self._transport.abort()
            return
        if self._idle:
            self._idle = False
            self._allow(self._limits.exchange_seconds)
        self._begun = True
        self._inside.data_received(bytes(self._buffer[:nbytes]))

    def eof_received(self) -> None:
        if self._closing:
            self._transport.close()

    def pause_writing(self) -> None:
        if self._inside is not None:
            self._inside.pause_writing()

    def resume_writing(self) -> None:
        if self._inside is not None:
            self._inside.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.peers.leave(self)
        self._closing = True
        if self._deadline is not None:
            self._deadline.cancel()
        if self._inside is not None:
            self._inside.connection_lost(exc)

    # As the peers see it.

    @property
    def busy(self) -> bool:
        return self._inside is not None and self._inside.busy and not self._closing

    def show_out(self) -> None:
        self._door.note("connections_ended_for_room")
        self._closing = True
        self._transport.abort()

    # As uvicorn's side of it sees it.

    @property
    def is_last(self) -> bool:
        """Whether the connection closes after the exchange under way."""
        return self._exchanges + 1 >= self._limits.exchanges

    def exchange_over(self) -> None:
        """A request was answered, and none is under way."""
        self._exchanges += 1
        self._door.peers.renew(self)
        if not self._closing:
            self._idle, self._begun = True, False
            self._allow(self._limits.idle_seconds)

    def go_on(self) -> None:
        """An exchange that takes as long as it needs has got on: its time begins anew."""
        if not self._closing:
            self._door.peers.renew(self)
            self._allow(self._limits.exchange_seconds)

    def hold(self) -> None:
        """Read no more for now: it has not been asked for."""
        self._held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        self._held = False
        if not self._resting:
            self._transport.resume_reading()

    @property
    def closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Close once the answer is out; what the client still sends is dropped meanwhile."""
        if self._closing:
            return
        self._closing = True
        if self._inside is None or not self._inside.unread:
            self._transport.close()
            return
        self._allow(self._limits.linger_seconds)
        # Closing with something unread is a reset, and the client might not see the answer.
        try:
            self._transport.write_eof()
            self.release()
        except OSError:  # the client has gone
            self._transport.abort()

    def _rest(self) -> None:
        self._resting = True
        self._transport.pause_reading()
        self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._resting = False
        if not self._held:
            self._transport.resume_reading()

    def _allow(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self._closing or self._inside is None:
            self._transport.abort()
            return
        self._allow(self._limits.linger_seconds)
        if not self._idle:
            self._door.note("connections_late")
            if self._begun and self._inside.refuse_slow():
                return
        self._end()

    def _end(self) -> None:
        if self._begun or self._transport.get_write_buffer_size():
            self._closing = True
            self._transport.abort()
        else:
            self.close()


class _Inside(asyncio.Transport):
    """The connection as uvicorn sees it: the wall decides how it is closed."""

    def __init__(self, wall: Wall, transport: asyncio.Transport) -> None:
        self._wall, self._transport = wall, transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data:
            self._transport.write(data)

    def close(self) -> None:
        self._wall.close()

    def is_closing(self) -> bool:
        return self._wall.closing

    def pause_reading(self) -> None:
        self._wall.hold()

    def resume_reading(self) -> None:
        self._wall.release()


class _Http(HttpToolsProtocol):
    """uvicorn's side of a connection, which answers one request after the other."""

    def __init__(self, door: Door, wall: Wall) -> None:
        super().__init__(door.config, door.state, {}, asyncio.get_running_loop())
        self._door, self._wall = door, wall
        self.logger = log  # instead of uvicorn's own
        self._lines = self._bytes = self._body_bytes = 0
        self._in_head, self._whole, self._last, self._kept = False, True, False, True

    @property
    def busy(self) -> bool:
        """Whether a whole request is here and is being answered."""
        return self._answering and self._whole

    @property
    def unread(self) -> bool:
        """Whether the client may be sending what will not be read."""
        return not self._whole or self._last

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if not self._last:
            super().data_received(data)
        if self._wall.closing:
            return
        if self._in_head and self._bytes > HEAD_BYTES:
            self._refuse(TOO_LONG)
        elif self._bytes - self._body_bytes > self._body_bytes + 2 * HEAD_BYTES:
            self._refuse(_TOO_LARGE)
        self._mark()

    def shutdown(self) -> None:
        self._last = True
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # which uvicorn does only for some

    # As the parser sees it.

    def on_message_begin(self) -> None:
        if self._answering:
            raise _Early
        super().on_message_begin()
        self.scope["extensions"] = {"sluicegate": {"go_on": self._wall.go_on}}
        self._in_head, self._whole, self._lines = True, False, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._lines += 1
        if self._lines > HEAD_LINES:
            raise _TooLong
        if self._in_head:  # and is no trailer
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self._kept = self.cycle.keep_alive

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._whole = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        cause = error.__context__ if error else None
        if isinstance(cause, _Early):
            self._last = True
            return
        self._whole = False
        self._door.note("not_http")
        self._refuse(TOO_LONG if isinstance(cause, _TooLong) else _MALFORMED)

    def _unsupported_upgrade_warning(self) -> None:
        self._last = True  # the parser is through

    # Answers.

    def on_response_complete(self) -> None:
        if self.unread or self._wall.is_last:
            self.transport.close()
        super().on_response_complete()
        self._bytes = self._body_bytes = 0
        self._wall.exchange_over()

    def refuse_slow(self) -> bool:
        """Answer 408 to a request that isn't whole; False where it is, or is being answered."""
        if self.busy or (self._answering and self.cycle.response_started):
            return False
        self._refuse(_SLOW)
        return True

    def _mark(self) -> None:
        """Have the answer say that the connection closes, if it is to be the last one."""
        if self._answering and not self.cycle.response_started:
            self.cycle.keep_alive = self._kept and not self.unread and not self._wall.is_last

    def _refuse(self, problem: HttpProblem) -> None:
        """Answer from here and close; who is answering already finds the client gone."""
        if not self._answering or not self.cycle.response_started:
            self.transport.write(_raw(problem, self.server_state.default_headers))
        self.transport.close()
        if self._answering:
            self.cycle.disconnected = True
            self.cycle.message_event.set()


class _Early(Exception):
    """A request began before the one before it was answered: it is not read."""


class _TooLong(Exception):
    """A request has too many lines."""


_SLOW: Final = HttpProblem(408, "10008", "Request timeout", "The request did not come in time.")
_TOO_LARGE: Final = HttpProblem(413, "10015", "Bad Request", "More stands around it than in it.")
_MALFORMED: Final = HttpProblem(400, "10015", "Bad Request", "This is not HTTP/1.1.")


def _raw(problem: HttpProblem, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """An answer as it is sent; the connection closes after it."""
    response = problem.response()
    status = HTTPStatus(response.status_code)
    lines = [*headers, *response.raw_headers, (b"connection", b"close")]
    head = f"HTTP/1.1 {status} {status.phrase}\r\n".encode()
    head += b"".join(name + b": " + value + b"\r\n" for name, value in lines)
    return head + b"\r\n" + bytes(response.body)
