"""``POST /v2/messages/bulk``: JSON lines in, a result a line out, while both are under way.

A line is answered once its message is in Redis. There are two batches in memory, whoever sends how
much: one that Redis is storing, and one that is read meanwhile. Nothing further is read before
there is room, and the results before it have been taken.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sluicegate.deadlines import in_time
from sluicegate.errors import CapReached
from sluicegate.message import Message
from sluicegate.outbox import CALL, EnqueueResult
from sluicegate.trace_context import TraceContext

from .body_lines import BodyLine, BodyLines
from .messages import FAILED, STORE_SECONDS, is_dry, not_stored, problem_of, why
from .problems import HttpProblem
from .requests import KEY, line_of, trace_of
from .site import Site
from .tenants import Tenant
from .turns import Turns

PACE_WAIT_MS: Final = 2_000
"""So long a batch waits for its app's ``per_second``; whatever takes longer is refused."""

_ENDED: Final = "This line and all after it were not taken: send them again, later."
_OURS: Final = ("taken", "replayed")


class BulkRoute:
    """The endpoint for many messages at once."""

    def __init__(self, site: Site, turns: Turns) -> None:
        self._site, self._turns = site, turns

    async def post(self, request: Request) -> Response:
        """Take messages; the answer begins at once, and goes on as they come."""
        caller, headers = self._site.caller(request.headers), request.headers
        if KEY in headers:
            detail = "Each line has its own idempotency_key; this header has no meaning here."
            raise HttpProblem(400, "10015", "Bad Request", detail, f"/header/{KEY}")
        if headers.get("content-encoding", "identity").lower() != "identity":
            detail = "Send the lines as they are, not compressed."
            raise HttpProblem(415, "10015", "Bad Request", detail, "/header/Content-Encoding")
        wishes = headers.get("prefer", "").replace(" ", "").lower().split(",")
        minimal = "return=minimal" in wishes
        intake = _BulkIntake(self._site, self._turns, caller, dry=is_dry(request))
        intake.trace = trace_of(headers)
        per_second = caller.settings.per_second
        most = min(CALL, max(1, int(per_second))) if per_second else CALL
        lines = BodyLines(request, most, self._site.config.web.max_body_bytes)
        return _BulkAnswer(lines, intake, minimal=minimal)


class _BulkAnswer(Response):
    """An answer that is sent while its request still comes."""

    media_type = "application/x-ndjson"

    def __init__(self, lines: BodyLines, intake: "_BulkIntake", *, minimal: bool) -> None:
        super().__init__(headers={"preference-applied": "return=minimal"} if minimal else None)
        del self.headers["content-length"]
        self._lines, self._intake, self._minimal = lines, intake, minimal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._lines.ask()
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        async with aclosing(self._results()) as results:
            async for lines in results:
                await send({"type": "http.response.body", "body": lines, "more_body": True})
                self._lines.go_on()
        await send({"type": "http.response.body", "body": b""})

    async def _results(self) -> AsyncGenerator[bytes, None]:
        """The lines of the answer, as batches are stored; the next one is read meanwhile."""
        intake, batches = self._intake, self._lines.batches()
        storing: asyncio.Task[Sequence[_Line]] | None = None
        reading: asyncio.Task[list[BodyLine] | None] | None = asyncio.create_task(_next(batches))
        batch: _BulkBatch | None = None
        try:
            while storing or reading or batch:
                if batch and not storing:
                    storing, batch = asyncio.create_task(intake.store(batch, self._lines)), None
                    reading = asyncio.create_task(_next(batches))
                under_way = [task for task in (storing, reading) if task]
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                if storing and storing.done():
                    yield self._shown(storing.result())
                    storing = None
                    if intake.failed:
                        break
                if reading and reading.done():
                    rows, reading = reading.result(), None
                    batch = intake.read(rows) if rows else None
        except ClientDisconnect:
            return
        finally:
            await _ended(storing, reading)
            await batches.aclose()
        if intake.failed and (batch or reading):
            problem = HttpProblem(503, "10037", "Service unavailable", _ENDED)
            yield _refused(intake.answered + 1, "", problem)
        if self._minimal:
            yield intake.summary()

    def _shown(self, lines: Sequence["_Line"]) -> bytes:
        return b"".join(line for line, is_ours in lines if not (is_ours and self._minimal))


async def _next(batches: AsyncGenerator[list[BodyLine], None]) -> list[BodyLine] | None:
    return await anext(batches, None)


async def _ended(
    storing: asyncio.Task[Sequence["_Line"]] | None, reading: asyncio.Task[Any] | None
) -> None:
    """Wait for what is being stored, and give up what is being read."""
    if reading:
        reading.cancel()
    if under_way := [task for task in (storing, reading) if task]:
        await asyncio.wait(under_way)


_Line = tuple[bytes, bool]
"""A line of the answer, and whether it says that a message is ours."""


class _BulkBatch:
    """Lines on their way into Redis: their numbers, and those whose answer is there already."""

    def __init__(self, last: int) -> None:
        self.last = last  # the number of its last line
        self.numbers, self.refused = list[int](), dict[int, HttpProblem]()
        self.messages, self.keyed = list[Message](), list[bool]()


class _BulkIntake:
    """Where the lines of one request go, and what each is answered."""

    def __init__(self, site: Site, turns: Turns, caller: Tenant, *, dry: bool) -> None:
        self._site, self._turns, self._caller, self._dry = site, turns, caller, dry
        self._told = Counter[str]()
        self.trace: TraceContext | None = None
        """That of the request, for lines that have none of their own."""
        self.failed = False
        """Whether Redis has failed, which ends the request."""
        self.answered = 0
        """The number of the last line that was answered."""

    def read(self, rows: Sequence[BodyLine]) -> _BulkBatch:
        """Read lines; blank ones count, and are passed over."""
        batch = _BulkBatch(rows[-1].number)
        for number, raw in rows:
            if raw is not None and not raw.strip():
                continue
            batch.numbers.append(number)
            try:
                message, keyed = self._message(raw)
            except HttpProblem as problem:
                batch.refused[number] = problem
            else:
                batch.messages.append(message)
                batch.keyed.append(keyed)
        return batch

    def _message(self, raw: bytes | None) -> tuple[Message, bool]:
        if raw is None:
            most = self._site.config.web.max_body_bytes
            detail = f"The line is larger than {most:,} bytes."
            raise HttpProblem(413, "10015", "Bad Request", detail)
        message, keyed = line_of(raw, self._caller.settings.priority, self.trace)
        self._caller.check(message, line=True)
        return message, keyed

    async def store(self, batch: _BulkBatch, lines: BodyLines) -> Sequence[_Line]:
        """Store a batch; return its lines of the answer, in order."""
        results = await self._results(batch.messages, lines) if batch.messages else []
        self.answered = batch.last
        taken = iter(zip(batch.messages, results, batch.keyed, strict=True))
        return [
            self._refusal(number, "", batch.refused[number])
            if number in batch.refused
            else self._line(number, *next(taken))
            for number in batch.numbers
        ]

    async def _results(
        self, messages: Sequence[Message], lines: BodyLines
    ) -> Sequence[EnqueueResult | Exception]:
        """What became of each, once the pace has let it in; an error where nobody knows."""
        results = dict[int, EnqueueResult | Exception]()
        left: Sequence[int] = range(len(messages))
        while left:
            try:
                results |= zip(left, await self._called([messages[n] for n in left]), strict=True)
            except FAILED as error:
                self.failed = True
                self._site.counts.note("not_stored", self._caller.account, why(error))
                results |= dict.fromkeys(left, error)
                break
            left, wait_ms = self._paced(results)
            if left:
                await asyncio.sleep(wait_ms / 1000)
                lines.go_on()
        return [results[n] for n in range(len(messages))]

    async def _called(self, messages: Sequence[Message]) -> list[EnqueueResult]:
        store = self._caller.rehearse if self._dry else self._caller.store
        async with in_time(STORE_SECONDS), self._turns.of(self._caller.name):
            return await store(messages)

    def _paced(self, results: Mapping[int, EnqueueResult | Exception]) -> tuple[list[int], int]:
        """Those for which the pace has to be waited, and how long; none if that takes too long."""
        waits = {n: wait for n, result in results.items() if (wait := _pace_wait_ms(result))}
        if self._dry or not waits or max(waits.values()) > PACE_WAIT_MS:
            return [], 0
        return list(waits), max(waits.values())

    def _line(
        self, number: int, message: Message, result: EnqueueResult | Exception, keyed: bool
    ) -> _Line:
        if isinstance(result, Exception):
            problem = not_stored(result, message.id, keyed=keyed)
            return _refused(number, message.id, problem), False
        if refusal := problem_of(result, message, line=True):
            return self._refusal(number, message.id, refusal)
        replayed = result.outcome == "known"
        self._told["replayed" if replayed else "taken"] += 1
        if not self._dry:
            self._site.answers.note(self._caller.name, "replayed" if replayed else "taken")
            self._site.counts.note("messages_taken", self._caller.account)
        more = ',"replayed":true' if replayed else ""
        if self._dry:
            cost = msgspec.json.encode(self._caller.cost(message)).decode()
            more += f',"parts":{message.segments.parts},"cost":{cost}'
        line = f'{{"line":{number},"status":200,"id":"{message.id}"{more}}}\n'
        return line.encode(), True

    def _refusal(self, number: int, id: str, problem: HttpProblem) -> _Line:
        answer = problem.cause or "invalid"
        self._told[answer] += 1
        self._site.answers.note(self._caller.name, answer)
        return _refused(number, id, problem), False

    def summary(self) -> bytes:
        """The last line, for whoever asked for no others than refusals."""
        ours = {answer: self._told[answer] for answer in _OURS}
        refused = self._told.total() - sum(ours.values())
        return msgspec.json.encode(ours | {"refused": refused}) + b"\n"


def _pace_wait_ms(result: EnqueueResult | Exception) -> int:
    """How long a message has to wait for ``per_second``; 0 where that is not what refuses it."""
    error = result.error if isinstance(result, EnqueueResult) else None
    if isinstance(error, CapReached) and error.cap == "per_second":
        return max(1, error.wait_ms)
    return 0


def _refused(number: int, id: str, problem: HttpProblem) -> bytes:
    line: dict[str, object] = {"line": number, "status": problem.status}
    if id:
        line["id"] = id
    if wait := problem.headers.get("retry-after"):
        line["retry_after"] = int(wait)
    return msgspec.json.encode(line | {"errors": [problem.error]}) + b"\n"
