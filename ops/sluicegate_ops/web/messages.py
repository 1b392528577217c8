"""``POST /v2/messages``, ``GET /v2/messages/{id}``: the provider's API in front of our queue."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from sluicegate.deadlines import in_time
from sluicegate.errors import (
    ArchiveUnavailable,
    CapReached,
    IdReused,
    InvalidMessage,
    OutboxError,
    OutboxFull,
    UnknownMessage,
)
from sluicegate.keys import ENDED_BY_LIMITS
from sluicegate.message import Message

from ..inspect import MessageRecord, aread_older, aread_record
from .bodies import body_of
from .problems import HttpProblem, not_found, unavailable
from .requests import KEY, id_of_key, message_of, refusal
from .shapes import recorded, shown
from .site import Site
from .tenants import Tenant, cap_problem
from .turns import Turns

STORE_SECONDS: Final = 8.0
AT_ONCE: Final = 64
"""How many requests may use Redis at the same time, each on its own connection."""


class MessageRoutes:
    """The endpoints for apps."""

    def __init__(self, site: Site) -> None:
        self._site, self._turns = site, Turns(AT_ONCE)

    async def post(self, request: Request) -> Response:
        """Take a message; it is answered once it is stored."""
        caller = self._site.caller(request.headers)
        try:
            response = await self._post(caller, request)
        except HttpProblem as problem:
            if problem.status < 500:
                self._site.answers.note(caller.name, problem.cause or "invalid")
            raise
        replayed = "idempotent-replayed" in response.headers
        self._site.answers.note(caller.name, "replayed" if replayed else "taken")
        self._site.counts.note("messages_taken", caller.account)
        return response

    async def _post(self, caller: Tenant, request: Request) -> Response:
        caller.admit()
        body = await body_of(request, self._site.config.web.max_body_bytes)
        message = message_of(body, request.headers, caller.settings.priority)
        caller.check(message)
        keyed = KEY in request.headers
        try:
            async with in_time(STORE_SECONDS), self._turns.of(caller.name):
                return await self._take(caller, message)
        except InvalidMessage as error:
            raise refusal(error, message) from None
        except IdReused:
            detail = "This key came with another message before; a new message needs a new key."
            pointer = f"/header/{KEY}"
            raise HttpProblem(422, "10027", "Unprocessable Entity", detail, pointer) from None
        except CapReached as error:
            raise cap_problem(error) from None
        except (OutboxError, TimeoutError, UnknownMessage, ArchiveUnavailable) as error:
            why = str(error) or "Redis did not answer in time"
            self._site.counts.note("not_stored", caller.account, why)
            raise _unavailable(error, message.id, keyed=keyed) from None

    async def get(self, request: Request) -> Response:
        """Where a message of the app's stands; nobody else's is looked for."""
        caller = self._site.caller(request.headers)
        id = id_of_key(request.path_params["id"])
        try:
            async with in_time(STORE_SECONDS), self._turns.of(caller.name):
                record = await self._record(caller, id)
        except UnknownMessage:
            raise not_found("No such message here, or it is past its retention.") from None
        except (OutboxError, TimeoutError) as error:
            why = str(error) or "Redis did not answer in time"
            self._site.counts.note("not_read", caller.account, why)
            raise unavailable("Redis did not answer; ask again.", 1) from None
        except ArchiveUnavailable as error:
            self._site.counts.note("not_read", caller.account, str(error))
            raise unavailable("The archive of finished messages did not answer.", 10) from None
        headers: dict[str, str] = {"sluicegate-state": record.status.state}
        if record.status.provider_id:
            headers["sluicegate-provider-id"] = record.status.provider_id
        return Response(recorded(record), headers=headers, media_type="application/json")

    async def _take(self, caller: Tenant, message: Message) -> Response:
        outcome = (await caller.sluice.enqueue(message)).outcome
        headers, received_ms, suppressed = {}, int(self._site.wall() * 1000), False
        if outcome == "known":
            status = (await self._record(caller, message.id)).status
            headers = {"idempotent-replayed": "true"}
            received_ms = status.enqueued_ms
            suppressed = status.state == "suppressed" and status.code not in ENDED_BY_LIMITS
        if outcome == "suppressed" or suppressed:
            detail = "The recipient has opted out; nothing was sent."
            raise HttpProblem(400, "40300", "Blocked due to STOP message", detail, "/to")
        later = message.send_at and message.send_at.timestamp() * 1000 > received_ms
        body = shown(message, "scheduled" if later else "queued", received_ms)
        return Response(body, headers=headers, media_type="application/json")

    async def _record(self, caller: Tenant, id: str) -> MessageRecord:
        client, config = self._site.client, self._site.config
        try:
            return await aread_record(client, config, caller.account, id, caller.name)
        except UnknownMessage:
            if not caller.older:
                raise
        return await aread_older(client, config, caller.account, id)


def _unavailable(error: Exception, id: str, *, keyed: bool) -> HttpProblem:
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
