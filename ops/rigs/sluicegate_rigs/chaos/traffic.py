"""A steady stream of messages: an app's of both priorities, a campaign's, and some over HTTP.

Every message has its own recipient, and its id is noted once the enqueue is answered. A call that
fails is repeated unchanged until it is answered, as apps are told to do.
"""

import itertools
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from random import Random
from typing import Any, TypeVar, cast

import redis

from sluicegate import Message, Sluice
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.campaigns.plan import Plan, key_hash, message_id, ticket_end
from sluicegate.campaigns.recipients import Recipient
from sluicegate.errors import OutboxError
from sluicegate.stored import MessageId

from ..deployment import SECRETS, Deployment
from .setting import CAMPAIGN, LIMIT, SENDER

BACKLOG = 3 * LIMIT
"""How many messages wait: enough to keep the workers busy, few enough to finish soon."""

BATCH = 40
PAUSE_SECONDS = 0.1
HTTP_PAUSE_SECONDS = 0.2

PLAN = Plan(
    name=CAMPAIGN,
    text="Hi {{ name }}, it is ready.",
    to_column="phone",
    sender=SENDER,
    region="US",
)

_T = TypeVar("_T")


class Refused(Exception):
    """The front door refused a message permanently."""


class Traffic:
    """The stream, in its own threads; ``sent`` maps each enqueued id to its recipient.

    ``repeats`` counts the calls that were repeated because no answer came.
    """

    def __init__(self, deployment: Deployment, random: Random) -> None:
        self.sent: dict[str, str] = {}
        self.repeats = 0
        self._deployment, self._random = deployment, random
        self._over, self._abandoned = threading.Event(), False
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="traffic")
        self._running: list[Future[None]] = []

    def start(self) -> None:
        """Send until stopped."""
        self._running = [self._threads.submit(act) for act in (self._enqueue, self._post)]

    def check(self) -> None:
        """Raise the error that has ended the stream, if there is one."""
        for future in self._running:
            if future.done():
                future.result()

    def stop(self) -> None:
        """End the stream after the current calls are answered; raises like ``check``."""
        self._over.set()
        self._threads.shutdown()
        self.check()

    def abandon(self) -> None:
        """End the stream without waiting for answers."""
        self._abandoned = True
        self._over.set()
        self._threads.shutdown()

    def _enqueue(self) -> None:
        messages, recipients = app_messages("app", 212), _recipients()
        with self._deployment.sluice() as sluice:
            campaigns = Campaigns(sluice.client, sluice.keys)
            self._repeated(lambda: campaigns.create(PLAN))
            self._repeated(lambda: campaigns.act(CAMPAIGN, "start"))
            while not self._over.wait(PAUSE_SECONDS):
                if self._repeated(lambda: _pending(sluice)) < BACKLOG:
                    self._send(sluice, list(itertools.islice(messages, BATCH)))
                    count = self._random.randint(0, BATCH)
                    self._import(campaigns, list(itertools.islice(recipients, count)))

    def _send(self, sluice: Sluice, batch: Sequence[Message]) -> None:
        for result in self._repeated(lambda: list(sluice.enqueue_many(batch))):
            if result.error:
                raise result.error
        self.sent |= {message.id: message.to for message in batch}

    def _import(self, campaigns: Campaigns, recipients: Sequence[Recipient]) -> None:
        self._repeated(lambda: list(campaigns.add(CAMPAIGN, recipients)))
        members = self._repeated(lambda: campaigns.members(CAMPAIGN))
        self.sent |= {
            message_id(CAMPAIGN, members.hash_of(recipient.hash)): recipient.to
            for recipient in recipients
        }

    def _post(self) -> None:
        messages = app_messages("http", 617)
        while not self._over.wait(HTTP_PAUSE_SECONDS):
            message = next(messages)
            self._repeated(lambda message=message: _post_one(self._deployment.web_url, message))  # type: ignore[misc] # mypy can't infer a lambda with defaults
            self.sent[MessageId.of_app("app", message.id).format()] = message.to

    def _repeated(self, act: Callable[[], _T]) -> _T:
        """Call ``act`` until it is answered; every call here is safe to repeat."""
        while True:
            try:
                return act()
            except (OutboxError, redis.RedisError, OSError, HTTPException):
                if self._abandoned:
                    raise
                self.repeats += 1
                self._over.wait(PAUSE_SECONDS)


def app_messages(name: str, area: int) -> Iterator[Message]:
    """An endless stream of an app's messages, of both priorities in turn."""
    for number in itertools.count():
        yield Message(
            id=f"{name}-{number}",
            to=f"+1{area}{2_000_000 + number}",
            sender=SENDER,
            text="It is ready.",
            priority="bulk" if number % 2 else "transactional",
        )


def _recipients() -> Iterator[Recipient]:
    for number in itertools.count():
        to, name = f"+1415{2_000_000 + number}", f"Ann {number}"
        text = PLAN.template.render({"name": name})
        segments, hash = PLAN.message("row", to, text).segments, key_hash(to)
        end = ticket_end(PLAN, to, segments.parts, [name])
        yield Recipient(number, hash, to, text, segments.parts, segments.encoding, end)


def _pending(sluice: Sluice) -> int:
    """How many messages are neither accepted nor in doubt."""
    client, keys = cast("Any", sluice.client), sluice.keys
    enqueued, accepted = client.hmget(keys("totals"), "enqueued", "accepted")
    return int(enqueued or 0) - int(accepted or 0) - int(client.zcard(keys("doubts")))


def _post_one(url: str, message: Message) -> None:
    """Enqueue a message through the front door.

    Raises Refused, or OSError if it is unknown whether the message was taken.
    """
    fields = {"from": message.sender, "to": message.to, "text": message.text}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{url}/v2/messages",
        data=json.dumps(fields).encode(),
        headers={
            "Authorization": f"Bearer {SECRETS['DEPLOYMENT_APP_TOKEN']}",
            "Content-Type": "application/json",
            "Idempotency-Key": message.id,
            "Sluicegate-Priority": message.priority,
        },
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - our own server
    except urllib.error.HTTPError as error:
        if error.code < 500:
            raise Refused(f"{message.id}: {error.code} {error.read()[:500]!r}") from error
        raise
