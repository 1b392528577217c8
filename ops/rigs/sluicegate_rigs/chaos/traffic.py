"""A steady stream of messages: an app's of both priorities, a campaign's, and some over HTTP.

Every message has a recipient of its own, and an id that is kept once the enqueue was answered.
Whatever fails is repeated as it was until it is answered: that is how an app is told to do it.
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
from sluicegate.campaigns.plan import Plan, key_hash, message_id, ticket
from sluicegate.campaigns.recipients import Recipient
from sluicegate.errors import OutboxError

from ..deployment import SECRETS, Deployment
from .setting import CAMPAIGN, LIMIT, SENDER

BACKLOG = 3 * LIMIT
"""So many messages are kept waiting: the workers never run dry, and soon finish at the end."""

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
    """The front door refused a message for good."""


class Traffic:
    """The stream, in threads of its own; ``sent`` maps each id that was taken to its recipient.

    ``repeats`` counts the calls that went unanswered and were repeated.
    """

    def __init__(self, deployment: Deployment, random: Random) -> None:
        self.sent: dict[str, str] = {}
        self.repeats = 0
        self._deployment, self._random = deployment, random
        self._over, self._abandoned = threading.Event(), False
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="traffic")
        self._running: list[Future[None]] = []

    def start(self) -> None:
        """Begin, and go on until stopped."""
        self._running = [self._threads.submit(act) for act in (self._enqueue, self._post)]

    def check(self) -> None:
        """Raise what has ended the stream, if anything has."""
        for future in self._running:
            if future.done():
                future.result()

    def stop(self) -> None:
        """End the stream, once what was under way is answered; raises what ended it before."""
        self._over.set()
        self._threads.shutdown()
        self.check()

    def abandon(self) -> None:
        """End it as it is: nobody will ask what became of it."""
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
                    some = self._random.randint(0, BATCH)
                    self._import(campaigns, list(itertools.islice(recipients, some)))

    def _send(self, sluice: Sluice, batch: Sequence[Message]) -> None:
        for result in self._repeated(lambda: list(sluice.enqueue_many(batch))):
            if result.error:
                raise result.error
        self.sent |= {message.id: message.to for message in batch}

    def _import(self, campaigns: Campaigns, recipients: Sequence[Recipient]) -> None:
        self._repeated(lambda: list(campaigns.add(CAMPAIGN, recipients)))
        self.sent |= {
            message_id(CAMPAIGN, recipient.hash): recipient.to for recipient in recipients
        }

    def _post(self) -> None:
        messages = app_messages("http", 617)
        while not self._over.wait(HTTP_PAUSE_SECONDS):
            message = next(messages)
            self._repeated(lambda message=message: _post_one(self._deployment.web_url, message))  # type: ignore[misc] # mypy can't infer a lambda with defaults
            self.sent[message.id] = message.to

    def _repeated(self, act: Callable[[], _T]) -> _T:
        """Act until it is answered: everything here is safe to repeat."""
        while True:
            try:
                return act()
            except (OutboxError, redis.RedisError, OSError, HTTPException):
                if self._abandoned:
                    raise
                self.repeats += 1
                self._over.wait(PAUSE_SECONDS)


def app_messages(name: str, area: int) -> Iterator[Message]:
    """An app's messages without end, of both priorities in turn."""
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
        made = ticket(PLAN, hash, to, segments.parts, [name])
        yield Recipient(number, hash, to, text, segments.parts, segments.encoding, made)


def _pending(sluice: Sluice) -> int:
    """How many messages have neither been accepted nor are held."""
    client, keys = cast("Any", sluice.client), sluice.keys
    enqueued, accepted = client.hmget(keys("totals"), "enqueued", "accepted")
    return int(enqueued or 0) - int(accepted or 0) - int(client.zcard(keys("doubts")))


def _post_one(url: str, message: Message) -> None:
    """Enqueue a message by way of the front door.

    Raises OSError where it is not known to be taken, and Refused.
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
