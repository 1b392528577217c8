"""``/v2/messages``: the provider's API in front of our queue."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sluicegate.deadlines import in_time
from sluicegate.errors import (
    ArchiveUnavailable,
    CapReached,
    InvalidMessage,
    OutboxError,
    OutboxFull,
    UnknownMessage,
)
from sluicegate.keys import ENDED_BY_LIMITS
from sluicegate.message import Message
from sluicegate.outbox import EnqueueResult

from ..inspect import MessageRecord, aread_older, aread_record
from .bodies import body_of
from .problems import HttpProblem, not_found, unavailable
from .refusals import refusal
from .requests import ANY_KIND, KEY, MessageKind, id_of_key, message_of
from .shapes import enveloped, recorded, shown
from .site import Site
from .tenants import Tenant, cap_problem
from .turns import Turns

STORE_SECONDS: Final = 8.0
AT_ONCE: Final = 64
"""How many questions may use Redis at the same time, each on its own connection."""

DRY_RUN: Final = "dry_run"

FAILED = (OutboxError, TimeoutError, UnknownMessage, ArchiveUnavailable)
"""Why it is not known, or not yet, what became of a message."""


class MessageRoutes:
    """The endpoints for apps."""

    def __init__(self, site: Site, turns: Turns) -> None:
        self._site, self._turns = site, turns

    def of_kind(self, kind: MessageKind) -> Callable[[Request], Awaitable[Response]]:
        """``post`` for an endpoint of its own."""

        async def post(request: Request) -> Response:
            return await self.post(request, kind)

        return post

    async def post(self, request: Request, kind: MessageKind = ANY_KIND) -> Response:
        """Take a message; it is answered once it is stored."""
        caller = self._site.caller(request.headers)
        try:
            response = await self._post(caller, request, kind)
        except HttpProblem as problem:
            if problem.status < 500:
                self._site.answers.note(caller.name, problem.cause or "invalid")
            raise
        if DRY_HEADER not in response.headers:
            replayed = "idempotent-replayed" in response.headers
            self._site.answers.note(caller.name, "replayed" if replayed else "taken")
            self._site.counts.note("messages_taken", caller.account)
        return response

    async def _post(self, caller: Tenant, request: Request, kind: MessageKind) -> Response:
        caller.admit()
        dry = is_dry(request)
        body = await body_of(request, self._site.config.web.max_body_bytes)
        message = message_of(body, request.headers, caller.settings.priority, kind)
        caller.check(message)
        try:
            async with in_time(STORE_SECONDS):
                return await self._take(caller, message, dry=dry)
        except FAILED as error:
            self._site.counts.note("not_stored", caller.account, why(error))
            raise not_stored(error, message.id, keyed=KEY in request.headers) from None

    async def get(self, request: Request) -> Response:
        """Where a message of the app's stands; nobody else's is looked for."""
        caller = self._site.caller(request.headers)
        record = await self._asked(caller, id_of_key(request.path_params["id"]))
        return Response(
            enveloped(recorded(record)), headers=_state(record), media_type="application/json"
        )

    async def delete(self, request: Request) -> Response:
        """Cancel a message of the app's that has not been sent.

        As at the provider, the answer is the message without an envelope.
        """
        caller = self._site.caller(request.headers)
        id = id_of_key(request.path_params["id"])
        try:
            async with in_time(STORE_SECONDS), self._turns.of(caller.name):
                became = await caller.sluice.cancel(id)
        except UnknownMessage:
            raise _unknown() from None
        except (OutboxError, TimeoutError) as error:
            self._site.counts.note("not_stored", caller.account, why(error))
            detail = "It may or may not have been cancelled; ask again, which is safe."
            raise unavailable(detail, 1) from None
        if became not in ("cancelled", "maybe_sent"):
            raise _not_cancelled(became)
        record = await self._asked(caller, id)
        headers = _state(record) | (
            {"sluicegate-maybe-sent": "true"} if became == "maybe_sent" else {}
        )
        body = msgspec.json.encode(recorded(record))
        return Response(body, headers=headers, media_type="application/json")

    async def _asked(self, caller: Tenant, id: str) -> MessageRecord:
        try:
            async with in_time(STORE_SECONDS), self._turns.of(caller.name):
                return await self._record(caller, id)
        except UnknownMessage:
            raise _unknown() from None
        except (OutboxError, TimeoutError) as error:
            self._site.counts.note("not_read", caller.account, why(error))
            raise unavailable("Redis did not answer; ask again.", 1) from None
        except ArchiveUnavailable as error:
            self._site.counts.note("not_read", caller.account, str(error))
            raise unavailable("The archive of finished messages did not answer.", 10) from None

    async def _take(self, caller: Tenant, message: Message, *, dry: bool) -> Response:
        if dry:
            [result] = await caller.rehearse([message])
        else:
            result = await caller.intake.take(message)
        headers = dict(caller.limit_headers.of(result.left, _cap(result)))
        if problem := problem_of(result, message):
            problem.headers.update(headers)
            raise problem
        received_ms = int(self._site.wall() * 1000)
        if result.outcome == "known":
            async with self._turns.of(caller.name):
                status = (await self._record(caller, message.id)).status
            headers["idempotent-replayed"] = "true"
            received_ms = status.enqueued_ms
            if status.state == "suppressed" and status.code not in ENDED_BY_LIMITS:
                raise _opted_out()
        if dry:
            headers[DRY_HEADER] = "true"
        later = message.send_at and message.send_at.timestamp() * 1000 > received_ms
        status_word = "scheduled" if later else "queued"
        body = shown(message, status_word, received_ms, caller.cost(message) if dry else None)
        return Response(body, headers=headers, media_type="application/json")

    async def _record(self, caller: Tenant, id: str) -> MessageRecord:
        client, config = self._site.client, self._site.config
        try:
            return await aread_record(client, config, caller.account, id, caller.name)
        except UnknownMessage:
            if not caller.older:
                raise
        return await aread_older(client, config, caller.account, id)


DRY_HEADER: Final = "sluicegate-dry-run"


def is_dry(request: Request) -> bool:
    """Whether only to say what would become of it; raises HttpProblem for an unclear wish."""
    for name in request.query_params:
        if name != DRY_RUN:
            detail = f"No such parameter: leave it out, or write {DRY_RUN}=true."
            raise HttpProblem(400, "10015", "Bad Request", detail, f"/{name}"[:100])
    values = request.query_params.getlist(DRY_RUN)
    if values in ([], ["false"]):
        return False
    if values != ["true"]:
        detail = f"Write ?{DRY_RUN}=true, or leave it out."
        raise HttpProblem(400, "10032", "Invalid enumerated value", detail, f"/{DRY_RUN}")
    return True


def problem_of(
    result: EnqueueResult, message: Message, *, line: bool = False
) -> HttpProblem | None:
    """The answer to a message that was refused; None where it was taken, now or before."""
    error = result.error
    if error is None:
        return _opted_out() if result.outcome == "suppressed" else None
    if isinstance(error, InvalidMessage):
        return refusal(error, message, line=line)
    if isinstance(error, CapReached):
        return cap_problem(error)
    detail = "This key came with another message before; a new message needs a new key."
    pointer = "/idempotency_key" if line else f"/header/{KEY}"
    return HttpProblem(422, "10027", "Unprocessable Entity", detail, pointer)


def not_stored(error: Exception, id: str, *, keyed: bool) -> HttpProblem:
    """The answer where nobody knows, or not yet, what became of a message."""
    if isinstance(error, OutboxFull):
        return unavailable("Full for now; nothing was stored. Send it again later.", 10)
    if keyed:
        return unavailable(
            "It may or may not have been stored. Send it again, unchanged.", 1, id=id
        )
    # Sending it again would make a second message: this header keeps the official SDK from it.
    detail = (
        "It may or may not have been stored; meta has its id. "
        "With an Idempotency-Key it could simply be sent again."
    )
    return unavailable(detail, 1, {"x-should-retry": "false"}, id)


def why(error: Exception) -> str:
    """What to say of one of ``FAILED``."""
    return str(error) or "Redis did not answer in time"


def _cap(result: EnqueueResult) -> str:
    return result.error.cap if isinstance(result.error, CapReached) else ""


def _opted_out() -> HttpProblem:
    detail = "The recipient has opted out; nothing was sent."
    return HttpProblem(400, "40300", "Blocked due to STOP message", detail, "/to")


def _unknown() -> HttpProblem:
    return not_found("No such message here, or it is past its retention.")


def _not_cancelled(state: str) -> HttpProblem:
    """Nothing more of it is sent, but what there was can't be taken back."""
    said = {
        "in_flight": "It is being sent. If that fails, it is not tried again.",
        "in_doubt": "It may have been sent. It will not be sent again.",
        "dead": "It could not be sent, and a person decides what becomes of it.",
    }
    detail = said.get(state, f"It has ended before: {state}.")
    return HttpProblem(403, "10010", "Authorization failed", detail, "/id", meta={"state": state})


def _state(record: MessageRecord) -> dict[str, str]:
    headers: dict[str, str] = {"sluicegate-state": record.status.state}
    if record.status.provider_id:
        headers["sluicegate-provider-id"] = record.status.provider_id
    return headers
