"""Two books for tests: a bench's, and an imitated provider's without sockets, on one test's clock.

What is lost between them is the test's to say, message by message.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import redis
from msgspec.structs import replace

from sluicegate import Config, Message
from sluicegate.config import ReconcileSettings, Web
from sluicegate.receipts import RECEIPT, receipt_args
from sluicegate.webhook_urls import WebhookUrls
from sluicegate_ops.simulator import Webhooks
from sluicegate_ops.simulator.account.sample import sample
from sluicegate_ops.simulator.http.exchange import HttpReply, Request
from sluicegate_worker.provider.telnyx.bills import v1_bill, v2_bill
from sluicegate_worker.provider.telnyx.events import parse_v2_event
from sluicegate_worker.reconcile import Reconciled, Reconciler, TimeSpan
from sluicegate_worker.wire import Grant, Settle, Start

from .bench import Bench
from .clock import CLOCK
from .simulated import Still

SECRET = "a secret of the receipts' URLs, long enough"
KEY = "KEY0190SIMULATED0123456789"
ENVIRON = {"SLUICEGATE_RECEIPTS_SECRET": SECRET, "SLUICEGATE_TELNYX_API_KEY": KEY}
PUBLIC_URL = "https://sms.example.com"
SENDER, STRANGER = "+13125550001", "+18005550199"
HOUR_MS = 3_600_000

Spoil = Callable[[httpx.Request, httpx.Response], httpx.Response]
"""Makes another answer of one, as a provider that fails would."""


class Books:
    """An account that sends through an imitated provider, whose clock is ``skew_seconds`` ahead.

    ``settings`` are fields of ``[reconcile]``; ``receipts``: whether messages name a webhook URL
    of ours. ``calls`` are the paths that were asked for; ``ask`` makes another query of one, and
    ``spoil`` another answer.
    """

    def __init__(
        self,
        store: redis.Redis,
        *,
        receipts: bool = True,
        skew_seconds: float = 0.0,
        simulator: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        **account: Any,
    ) -> None:
        webhooks = Webhooks(delay_seconds=1.0, jitter_seconds=0.2, delivery_failed=0.05)
        defaults = {"webhooks": webhooks, "account": sample()}
        self.still = Still(**defaults | (simulator or {}))
        self.bench = Bench(store, **{"limit": 1_000_000, "concurrency": 100_000} | account)
        self._skew = skew_seconds
        self.pass_by(0)
        web = Web(public_url=PUBLIC_URL) if receipts else Web()
        reconcile = ReconcileSettings(calls_per_second=1_000, **settings or {})
        self.config: Config = replace(self.bench.config, web=web, reconcile=reconcile)
        self.urls = WebhookUrls(PUBLIC_URL, SECRET, "default") if receipts else None
        self.spoil: Spoil = lambda request, response: response
        self.ask: Callable[[str], str] = lambda query: query
        self.calls: list[str] = []
        self.theirs: dict[str, str] = {}
        self.environ, self.v1_secret = ENVIRON, ""
        transport = httpx.MockTransport(self._answer)
        self.http = httpx.Client(transport=transport)

    def pass_by(self, seconds: float) -> None:
        """Let time pass, here and there."""
        self.still.now += seconds
        self.bench.at((self.still.MIDNIGHT + self.still.now - self._skew) * 1000)

    def send(
        self,
        messages: Sequence[Message],
        lost_answer: Callable[[int], bool] = lambda number: False,
        unsent: Callable[[int], bool] = lambda number: False,
    ) -> None:
        """Enqueue messages and send them all; some answers, or POSTs, are lost on the way."""
        ids = {message.id: number for number, message in enumerate(messages)}
        for first in range(0, len(messages), 500):
            self.bench.enqueue(*messages[first : first + 500])
        bodies = {message.id: message for message in messages}
        settles: list[Settle] = []
        left = len(messages)
        while left:
            claimed = self.bench.step(settles, want=50).claimed
            settles = []
            if not claimed.grants:
                self._wait(max(1.0, claimed.wait_ms))
                continue
            self._wait(max(0.0, *(grant.slot_ms for grant in claimed.grants)))
            requests = {g.id: self._request(bodies[g.id]) for g in claimed.grants}
            starts = [Start(g.id, g.token, requests[g.id]) for g in claimed.grants]
            assert all(self.bench.step(starts=starts).started)
            for grant in claimed.grants:
                number = ids[grant.id]
                answer = b"" if unsent(number) else self._post(requests[grant.id], grant.id)
                settles.append(self._settle(grant, b"" if lost_answer(number) else answer))
            left -= len(claimed.grants)
        self.bench.step(settles)

    def _wait(self, ms: float) -> None:
        self.pass_by(ms / 1000)

    def _request(self, message: Message) -> bytes:
        body = {"from": message.sender, "to": message.to, "text": message.text}
        if self.v1_secret:
            body["body"] = body.pop("text")
        if self.urls is not None:
            body |= {"webhook_url": self.urls.url(message.id)}
        return json.dumps(body).encode()

    def _post(self, request: bytes, id: str) -> bytes:
        asked = Request("POST", "/messages" if self.v1_secret else "/v2/messages", body=request)
        reply = self.still.provider.handle(self._authorised(asked))
        assert reply.status == 200, reply.body
        answer = json.loads(reply.body)
        self.theirs[id] = answer["sms_id"] if self.v1_secret else answer["data"]["id"]
        return reply.body

    def _authorised(self, request: Request) -> Request:
        if self.v1_secret:
            request.secret = self.v1_secret.encode()
        else:
            request.authorization = f"Bearer {KEY}".encode()
        return request

    def _settle(self, grant: Grant, answer: bytes) -> Settle:
        if not answer:
            return Settle(id=grant.id, token=grant.token, kind="doubt", delay_ms=-1,
                          code="no_answer", reason="timed out")  # fmt: skip
        told = json.loads(answer)
        bill = v1_bill(told) if self.v1_secret else v2_bill(told["data"])
        return Settle(id=grant.id, token=grant.token, kind="accepted", heard=True, bill=bill,
                      provider_id=self.theirs[grant.id])  # fmt: skip

    def strangers(self, count: int, **body: Any) -> list[str]:
        """Messages on the account that somebody else sends; their ids."""
        ids = []
        for number in range(count):
            to = f"+1312777{number:04d}"
            reply = self.still.send(STRANGER, **{"to": to, "text": "not ours"} | body)
            assert reply.status == 200, reply.body
            ids.append(json.loads(reply.body)["data"]["id"])
        return ids

    def tell(self, ids: Sequence[str]) -> None:
        """Final receipts of messages come in."""
        receipts = []
        for id in ids:
            data = json.loads(self.get(f"/v2/messages/{self.theirs[id]}").body)["data"]
            at = data["completed_at"]
            event = {"event_type": "message.finalized", "id": f"e-{id}", "payload": data}
            raw = json.dumps({"data": event | {"occurred_at": at}}).encode()
            receipts.append(parse_v2_event(raw, id, 0))
        for first in range(0, len(receipts), 50):
            args = receipt_args(receipts[first : first + 50], self.config.retention_ms)  # type: ignore[arg-type] # receipts all
            self.bench.call(RECEIPT, args)

    def get(self, path: str, query: str = "") -> HttpReply:
        """The provider's answer to a GET."""
        return self.still.provider.handle(self._authorised(Request("GET", path, query)))

    def _answer(self, asked: httpx.Request) -> httpx.Response:
        self.calls.append(asked.url.path)
        reply = self.get(asked.url.path, self.ask(asked.url.query.decode()))
        headers = {"Content-Type": "application/json"}
        return self.spoil(asked, httpx.Response(reply.status, content=reply.body, headers=headers))

    def reconciler(self, **options: Any) -> Reconciler:
        """A run to be; a sleep moves nothing."""
        options |= {"environ": self.environ, "clock": CLOCK}
        made = Reconciler(self.bench.store, self.config, "default", self.http, **options)
        made._stop.wait = lambda timeout=None: False  # type: ignore[method-assign] # no test waits
        return made

    def reconcile(self, *, hours: float = 48, **options: Any) -> Reconciled:
        """Reconcile the last hours."""
        since_ms = int(self.bench.now_ms - hours * HOUR_MS)
        return self.reconciler(**options).run(TimeSpan(since_ms))

    def record(self, id: str) -> dict[str, str]:
        return self.bench.record(id)

    def booked(self) -> int:
        """What our books come to, in billionths: the sums of all days."""
        sums = self.bench.store.scan_iter(self.bench.keys("day_costs:*"))
        texts = (self.bench.store.hget(key, "USD|all") for key in sums)
        return sum(int(text.split()[0]) for text in texts if text)

    def billed(self) -> int:
        """What the provider bills in all, in billionths."""
        return sum(message.billed.cost for message in self.still.provider._messages)
