"""A messenger for listmonk: its campaigns go out as texts, each subscriber once.

    $ pip install '.[ops]'    # in a checkout
    $ export LISTMONK_PASSWORD=$(openssl rand -hex 32) SMS_SENDER=+15557654321
    $ uvicorn --app-dir examples/listmonk messenger:app --port 9100

In listmonk, under Settings, Messengers: a name such as sms, http://127.0.0.1:9100/send as its URL,
the user listmonk and that password. A subscriber's number is the attribute ``phone``, in the form
+15551234567. Choose sms as a campaign's messenger and plain text as its format.
"""

import base64
import hmac
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sluicegate import AsyncSluice, IdReused, InvalidMessage, Message, OutboxError, load_config

SENDER = os.environ["SMS_SENDER"]
LOGIN = base64.b64encode(f"listmonk:{os.environ['LISTMONK_PASSWORD']}".encode()).decode()
MOST_BYTES = 1_048_576
_NO_ID = re.compile(r"[^A-Za-z0-9_-]+")


async def send(request: Request) -> Response:
    """Take one message to some subscribers; 200 means that it is stored and will be sent."""
    shown = request.headers.get("authorization", "")
    if not hmac.compare_digest(shown.encode(), f"Basic {LOGIN}".encode()):
        return Response(status_code=401, headers={"www-authenticate": "Basic"})
    if int(request.headers.get("content-length", MOST_BYTES + 1)) > MOST_BYTES:
        return refused(413, "the message is too long")
    try:
        given = await request.json()
        messages = [message_to(subscriber, given) for subscriber in given["recipients"]]
    except (KeyError, TypeError, ValueError) as error:  # InvalidMessage is a ValueError
        reason = str(error) if isinstance(error, InvalidMessage) else "not as listmonk writes it"
        return refused(400, reason)
    try:
        for message in messages:
            await request.app.state.sluice.enqueue(message)
    except (IdReused, InvalidMessage) as error:
        return refused(400, str(error))
    except OutboxError as error:  # Redis is full or away: try again; nobody gets two
        return refused(503, str(error))
    return JSONResponse({"status": "ok"})


def message_to(subscriber: dict, given: dict) -> Message:
    """One subscriber's message; of a campaign each gets one, however often it is asked for."""
    if given["content_type"] == "html":
        raise InvalidMessage("content_type", "html", "choose plain text as the campaign's format")
    campaign = given.get("campaign")
    fields = {"to": str(subscriber["attribs"]["phone"]), "sender": SENDER, "text": given["body"]}
    if not campaign:  # a transactional message
        return Message(**fields, priority="transactional")
    id = _NO_ID.sub("-", f"listmonk-{campaign['uuid']}-{subscriber['uuid']}")
    return Message(id=id, **fields, priority="bulk")


def refused(status: int, reason: str) -> Response:
    """An answer that listmonk shows in its log."""
    return JSONResponse({"message": reason}, status)


@asynccontextmanager
async def opened(app: Starlette) -> AsyncIterator[None]:
    async with AsyncSluice(load_config()) as app.state.sluice:
        yield


app = Starlette(routes=[Route("/send", send, methods=["POST"])], lifespan=opened)
