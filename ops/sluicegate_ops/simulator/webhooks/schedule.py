"""Schedules the webhooks of messages: the true events, and what goes wrong with them."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple
from uuid import uuid4

from sluicegate.segments import count

from ..api import v1_payload
from ..api.payload import iso, shown
from ..api.validation import Body
from ..delivery import SILENT, DeliveryState, draw
from ..message import AcceptedMessage
from ..messages import AcceptedMessages
from ..settings import Webhooks
from . import events, signing
from .sender import WebhookSender

#: How old the signature of a stale event is: twice what a receiver should tolerate.
STALE_SECONDS = 600

LIES = ("forged", "tampered", "stale")


class _News(NamedTuple):
    """One event about a message."""

    number: int
    kind: str
    id: str
    state: DeliveryState
    #: The true state, for which a tampered event was signed.
    truth: DeliveryState


class WebhookSchedule:
    """Schedules the events of messages; ``wall`` reads the true Unix time, for signatures."""

    def __init__(
        self,
        webhooks: Webhooks,
        webhook_sender: WebhookSender,
        wall: Callable[[], float],
        seed: int,
    ) -> None:
        self.webhooks, self._webhook_sender, self._wall = webhooks, webhook_sender, wall
        #: The URLs of a messaging profile; empty for none.
        self.profile_urls: Callable[[str], tuple[str, str]] = lambda _: ("", "")
        self.signer, self._forger = signing.Signer(webhooks.signing_key), signing.Signer()
        self._random = Random(seed)  # noqa: S311 - repeatable dice, nothing secret
        self.forget(AcceptedMessages())

    def forget(self, messages: AcceptedMessages) -> None:
        """Drop all events, and continue with other messages."""
        self._messages = messages
        self._counts: Counter[str] = Counter()
        self._webhook_sender.forget()

    def report(self) -> dict[str, int]:
        """Counts of the events and their tries, by what happened to them."""
        names = ("lost", "duplicate", "reordered", *LIES)
        return {**self._webhook_sender.report(), **{name: self._counts[name] for name in names}}

    def urls(self, body: Body, profile: str) -> tuple[str, str]:
        """Where the events of a message of that profile go; empty for nowhere."""
        if body.webhook_url:
            return str(body.webhook_url), str(body.webhook_failover_url or "")
        if body.use_profile_webhooks is False:
            return "", ""
        return self.profile_urls(profile)

    def accepted(self, number: int, body: Body) -> None:
        """Draw a message's delivery, and schedule its events if it has a URL."""
        message, webhooks = self._messages[number], self.webhooks
        urls = self.urls(body, message.profile)
        if body.send_at:
            return
        delivery = draw(
            str(body.to), message.carrier, message.wait_seconds, webhooks, self._random
        )
        message.delivery = delivery
        if body.to == SILENT or not urls[0]:
            return
        sent_due, final_due = (
            message.arrived + delivery.sent_after,
            message.arrived + delivery.final_after,
        )
        final = delivery.state(message.received_at, delivery.final_after)
        lie = delivery.contrary().state(message.received_at, delivery.final_after)
        if delivery.status and self._happens("reordered", webhooks.reorder):
            sent_due = final_due + max(webhooks.delay_seconds, 0.05)
        sent = DeliveryState("sent", message.received_at + delivery.sent_after)
        events_due = [("message.sent", sent, sent_due)]
        if delivery.status:
            events_due.append(("message.finalized", final, final_due))
        for kind, state, due in events_due:
            self._tell(_News(number, kind, self._id(), state, state), due, urls)
            self._lie(_News(number, "message.finalized", "", lie, final), due, urls)

    def received(self, inbound: events.InboundPayload, due: float) -> None:
        """Schedule ``message.received``, if the profile has a URL."""
        urls = self.profile_urls(inbound.messaging_profile_id)
        if urls[0]:
            write = partial(self._write_inbound, self._id(), inbound)
            self._webhook_sender.put(due, urls, write)

    def _tell(self, news: _News, due: float, urls: tuple[str, str]) -> None:
        write, put = partial(self._write, news, ""), self._webhook_sender.put
        told = partial(self._note_told, self._messages[news.number], news.kind)
        if not self._happens("lost", self.webhooks.loss):
            put(due, urls, write, acknowledged=told)
        if self._happens("duplicate", self.webhooks.duplicate):
            put(due + self.webhooks.delay_seconds, urls, write, acknowledged=told)

    @staticmethod
    def _note_told(message: AcceptedMessage, kind: str) -> None:
        message.finally_told = message.finally_told or kind == "message.finalized"

    def _lie(self, news: _News, due: float, urls: tuple[str, str]) -> None:
        for lie in LIES:
            if self._happens(lie, getattr(self.webhooks, lie)):
                write = partial(self._write, news._replace(id=self._id()), lie)
                self._webhook_sender.put(due, urls, write, once=True)

    def _happens(self, what: str, chance: float) -> bool:
        happens = chance > 0 and self._random.random() < chance
        self._counts[what] += happens
        return happens

    @staticmethod
    def _id() -> str:
        return str(uuid4())  # not from our dice: receivers remember ids across our restarts

    def _write(self, news: _News, lie: str, attempt: int, url: str) -> tuple[bytes, bytes]:
        message = self._messages[news.number]
        body = self._body(news, attempt, url)
        signed = body
        if lie == "tampered":
            signed = self._body(news._replace(state=news.truth), attempt, url)
        when = int(self._wall()) - (STALE_SECONDS if lie == "stale" else 0)
        if message.secret:
            secret = message.secret[::-1] + "?" if lie == "forged" else message.secret
            return signing.v1_headers(secret, signed, when), body
        signer = self._forger if lie == "forged" else self.signer
        return signer.headers(signed, when), body

    def _body(self, news: _News, attempt: int, url: str) -> bytes:
        message, id = self._messages[news.number], self._messages.id_of(news.number)
        body, state = message.read(), news.state
        segments = count(str(body.text or ""), body.encoding)  # type: ignore[arg-type] # checked when it came
        if message.secret:
            return v1_payload.record(id, message, body, segments, state)
        occurred_at = iso(state.completed_at or state.sent_at or message.received_at)
        payload = shown(id, message, body, segments, state)
        return events.render(news.kind, news.id, occurred_at, payload, attempt, url)

    def _write_inbound(
        self, id: str, inbound: events.InboundPayload, attempt: int, url: str
    ) -> tuple[bytes, bytes]:
        body = events.render("message.received", id, inbound.received_at, inbound, attempt, url)
        return self.signer.headers(body, int(self._wall())), body
