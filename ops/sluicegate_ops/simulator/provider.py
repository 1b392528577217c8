"""The imitated provider: decides each request when it arrives."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from random import Random

from .account.deliveries import WebhookDeliveries
from .account.detail_records import DetailRecords
from .account.holdings import Holdings
from .account.owner import Owner
from .account.routes import AccountApi
from .api import replies, v1_body, validation
from .api.payload import iso
from .api.retrieval import retrieve
from .billing import CostSums
from .decisions import Context, Decision, Post, decide
from .faults import FaultInjector
from .gate import Admission, Gate
from .http.exchange import HttpReply, Request
from .idempotency import Scoped
from .inbound import Written, inbound
from .messages import AcceptedMessages, Arrival
from .optouts import Optouts
from .request_log import LoggedPost, RequestLog, Status
from .settings import Settings
from .webhooks.events import InboundPayload
from .webhooks.schedule import WebhookSchedule
from .webhooks.sender import WebhookSender

#: How many accepted messages one answer lists by default.
ARRIVALS_PAGE = 1000


class Provider:
    """Answers the API's requests; independent of sockets.

    ``monotonic`` and ``wall`` read the clocks, in seconds; ``wall`` is the Unix time.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self._monotonic, self._wall = monotonic, wall
        self._injector = FaultInjector(settings.faults, settings.seed)
        # Separate dice, so that a change of latency does not change which faults are injected.
        self._random = Random(settings.seed + 1)  # noqa: S311 - repeatable, nothing secret
        self.webhook_sender = WebhookSender(settings.webhooks, monotonic=monotonic, wall=wall)
        self._schedule = WebhookSchedule(
            settings.webhooks, self.webhook_sender, wall, settings.seed + 2
        )
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Forget messages, keys, quotas, events, opt-outs and the request log.

        Requests in flight continue.
        """
        self._request_log, self._messages = RequestLog(), AcceptedMessages()
        self._gate = Gate(self.settings)
        self._highest_concurrency = self.in_flight
        self._injector.forget()
        self._schedule.forget(self._messages)
        self._optouts, self._deliveries = Optouts(), WebhookDeliveries()
        #: Sender: the messaging profile with which it last sent.
        self._profiles: dict[object, str] = {}
        self._set_context()

    def _set_context(self) -> None:
        settings = self.settings
        spends = settings.paced or settings.spend_cap is not None
        self._owner = owner = Owner(settings.account)
        self._context = Context(
            settings, self._messages, self._injector, self._optouts, owner, spends
        )
        records = DetailRecords(self._messages, self._profile_name)
        self._account = AccountApi(
            settings.account, self._keep, records, self._deliveries, lambda: self.public_key
        )
        self._schedule.profile_urls = self._profile_urls
        self.webhook_sender.on_end = self._deliveries.ended if settings.account else None

    def _keep(self, holdings: Holdings) -> None:
        self.change(replace(self.settings, account=holdings))

    def _profile_name(self, id: str) -> str:
        profile = self._owner.profile(id)
        return profile.name if profile else ""

    def _profile_urls(self, id: str) -> tuple[str, str]:
        """The profile's own URLs or, where the account owns none, those of the settings."""
        if profile := self._owner.profile(id):
            return profile.webhook_url or "", profile.webhook_failover_url or ""
        return self.settings.webhooks.url, self.settings.webhooks.failover_url

    def change(self, settings: Settings) -> None:
        """Change the settings."""
        self.settings = settings
        self._injector.change(settings.faults)
        self._gate.change(settings, self._monotonic())
        self._schedule.webhooks = self.webhook_sender.webhooks = settings.webhooks
        self._set_context()

    @property
    def public_key(self) -> str:
        """The public key of the webhooks' signatures, in base64."""
        return self._schedule.signer.public_key

    def webhooks(self) -> dict[str, int]:
        """Counts of the events, by what happened to them."""
        return self._schedule.report()

    def receive(self, written: Written) -> InboundPayload:
        """Receive a message: it may opt its writer out or back in, and causes a webhook."""
        wall = self._wall() + self.settings.clock_offset_seconds
        known = self._profiles.get(written.to) or self._owner.profile_of_sender(written.to)
        profile = written.messaging_profile_id or known
        kind = self._optouts.hear(profile, written.to, written.from_, written.text, iso(wall))
        message = inbound(written, profile, kind, wall, self._profile_urls(profile))
        self._schedule.received(message, self._monotonic())
        return message

    def report(self) -> dict[str, object]:
        """The request log's sums, and the highest rate and concurrency."""
        return {
            **self._request_log.report(),
            "highest_in_window": self._gate.highest_in_window,
            "highest_concurrency": self._highest_concurrency,
            "in_flight": self.in_flight,
        }

    def recipients(self) -> dict[str, int]:
        """The number of messages accepted for each recipient."""
        return self._request_log.recipients.copy()

    def requests(self, after: int = 0) -> list[LoggedPost]:
        """The POSTs after the first ``after``, in order of arrival."""
        return list(islice(self._request_log.requests, after, None))

    def arrivals(self, after: int = 0, limit: int = ARRIVALS_PAGE) -> list[Arrival]:
        """The accepted messages after the first ``after``, in order of arrival."""
        return self._messages.arrivals(after, limit)

    def costs(self) -> CostSums:
        """What was billed in all."""
        return self._messages.costs()

    def handle(self, request: Request) -> HttpReply:
        """Decide the reply to a request; the caller must call its ``on_end`` when it is over."""
        now, wall = self._monotonic(), self._wall()
        self.in_flight += 1
        if self.in_flight > self._highest_concurrency:
            self._highest_concurrency = self.in_flight
        admission = self._gate.admit(request, now, wall, self.in_flight)
        if request.method == "POST":
            return self._post(request, admission, now, wall)
        told_wall = wall + self.settings.clock_offset_seconds
        reply = retrieve(request, admission, self._context, self._account, now, told_wall)
        self._request_log.other(reply.status)
        reply.delay_seconds = replies.latency_seconds(self.settings, self._random)
        reply.on_end = self._end
        return reply

    def _end(self) -> None:
        self.in_flight -= 1

    def _post(self, request: Request, admission: Admission, now: float, wall: float) -> HttpReply:
        v1 = request.v1
        body = (v1_body if v1 else validation).decode(request.body)
        to = None if isinstance(body, validation.Refusal) else body.to
        recipient = to if isinstance(to, str) else ""
        sent_key = request.keys[0].decode("latin-1") if request.keys else None
        # API v1 has no idempotency keys.
        honoured = sent_key if self.settings.idempotency and not v1 else None
        secret = request.secret.decode("latin-1") if v1 and request.secret else ""
        wall += self.settings.clock_offset_seconds
        post = Post(request, admission, body, recipient, honoured, now, wall, secret)
        decision = decide(post, self._context)
        reply = replies.tell(post, decision, self._messages, self.settings)
        if decision.number >= 0 or reply.how == "answer":
            reply.delay_seconds += replies.latency_seconds(self.settings, self._random)
        self._note(post, decision, reply, now, sent_key or "")
        self._hold(post, decision, reply)
        if decision.segments is not None and isinstance(body, validation.Body):
            self._accepted(decision.number, body)
        return reply

    def _accepted(self, number: int, body: validation.Body) -> None:
        if body.messaging_profile_id:
            self._profiles[body.from_] = str(body.messaging_profile_id)
        if body.webhook_url or self.settings.webhooks.url or self.settings.account:
            self._schedule.accepted(number, body)

    def _note(
        self, post: Post, decision: Decision, reply: HttpReply, now: float, sent_key: str
    ) -> None:
        request_log, fault = self._request_log, decision.fault
        request_log.arrivals.add(now, self.settings.window_seconds)
        status: Status = {"close": "closed", "hang": "hang"}.get(reply.how, reply.status)
        accepted = decision.number >= 0 and not decision.replayed
        request_log.replayed += decision.replayed
        if fault is not None:
            request_log.faults[fault.kind] += 1
        request_log.post((now, post.recipient, sent_key, status, accepted))

    def _hold(self, post: Post, decision: Decision, reply: HttpReply) -> None:
        """Keep the key in progress until the answer; an accepted message that hangs frees it."""
        reply.on_end = self._end
        through = decision.number >= 0 and reply.how == "hang"
        if post.key is not None and decision.holds_key and reply.delay_seconds > 0 and not through:
            busy, scoped = post.admission.credential.keys.busy, (post.request.path, post.key)
            busy.add(scoped)
            reply.on_end = partial(self._release, busy, scoped)

    def _release(self, busy: set[Scoped], scoped: Scoped) -> None:
        self.in_flight -= 1
        busy.discard(scoped)
