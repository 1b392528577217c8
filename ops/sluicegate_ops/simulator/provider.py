"""The imitated provider: takes a request at its arrival, and settles everything there and then."""

import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from random import Random

from . import replies, validation
from .decisions import Decision, Post, decide
from .exchange import Reply, Request
from .faults import Dealer
from .gate import Gate, Passage
from .idempotency import Scoped
from .ledger import Entry, Ledger, Status
from .messages import Messages
from .settings import Settings

_BALANCE = (
    b'{"data":{"record_type":"balance","balance":"1000.00","credit_limit":"0.00",'
    b'"available_credit":"1000.00","pending":"0.00","currency":"USD"}}'
)
_MESSAGE = "/v2/messages/"


class Provider:
    """Answers the API's requests; knows nothing of sockets.

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
        self._dealer = Dealer(settings.faults, settings.seed)
        # Dice of its own, so that a change of latency does not change which faults are dealt.
        self._random = Random(settings.seed + 1)  # noqa: S311 - repeatable, nothing secret
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Forget messages, keys, quotas and the ledger; what is in flight goes on."""
        self._ledger, self._messages, self._gate = Ledger(), Messages(), Gate(self.settings)
        self._highest_concurrency = self.in_flight
        self._dealer.forget()

    def change(self, settings: Settings) -> None:
        """Go on under other settings."""
        self.settings = settings
        self._dealer.change(settings.faults)
        self._gate.change(settings, self._monotonic())

    def report(self) -> dict[str, object]:
        """The ledger's sums, with the highest rate and concurrency seen."""
        return {
            **self._ledger.report(),
            "highest_in_window": self._gate.highest_in_window,
            "highest_concurrency": self._highest_concurrency,
            "in_flight": self.in_flight,
        }

    def recipients(self) -> dict[str, int]:
        """The number of messages accepted for each recipient."""
        return self._ledger.recipients.copy()

    def requests(self, after: int = 0) -> list[Entry]:
        """The POSTs after the first ``after`` ones, in the order of their arrival."""
        return list(islice(self._ledger.requests, after, None))

    def handle(self, request: Request) -> Reply:
        """Decide the reply to a request, now; its ``on_end`` must be called when it is over."""
        now, wall = self._monotonic(), self._wall()
        self.in_flight += 1
        if self.in_flight > self._highest_concurrency:
            self._highest_concurrency = self.in_flight
        passage = self._gate.admit(request, now, wall, self.in_flight)
        if request.method == "POST":
            return self._post(request, passage, now, wall)
        reply = self._retrieve(request, passage)
        self._ledger.other(reply.status)
        reply.delay_seconds = replies.latency_seconds(self.settings, self._random)
        reply.on_end = self._end
        return reply

    def _end(self) -> None:
        self.in_flight -= 1

    def _retrieve(self, request: Request, passage: Passage) -> Reply:
        number = None
        if request.path.startswith(_MESSAGE):
            number = self._messages.number_of(request.path[len(_MESSAGE) :])
        known = number is not None or request.path == "/v2/balance"
        problem = passage.problem
        if not problem and request.method != "GET":
            problem = "method" if known or request.path in validation.REQUIRED else "not_found"
        if problem or not known:
            return replies.refusal(problem or "not_found", passage, self.settings)
        body = _BALANCE if number is None else self._messages.show(number)
        return Reply(200, body, headers=passage.rate_headers)

    def _post(self, request: Request, passage: Passage, now: float, wall: float) -> Reply:
        body = validation.decode(request.body)
        to = None if isinstance(body, validation.Refusal) else body.to
        recipient = to if isinstance(to, str) else ""
        sent_key = request.keys[0].decode("latin-1") if request.keys else None
        honoured = sent_key if self.settings.idempotency else None
        post = Post(request, passage, body, recipient, honoured, wall)
        decision = decide(post, self._messages, self._dealer)
        reply = replies.tell(post, decision, self._messages, self.settings)
        if decision.number >= 0 or reply.how == "answer":
            reply.delay_seconds += replies.latency_seconds(self.settings, self._random)
        self._note(post, decision, reply, now, sent_key or "")
        self._hold(post, decision, reply)
        return reply

    def _note(
        self, post: Post, decision: Decision, reply: Reply, now: float, sent_key: str
    ) -> None:
        ledger, fault = self._ledger, decision.fault
        ledger.arrivals.add(now, self.settings.window_seconds)
        status: Status = {"close": "closed", "hang": "hang"}.get(reply.how, reply.status)
        accepted = decision.number >= 0 and not decision.replayed
        ledger.replayed += decision.replayed
        if fault is not None:
            ledger.faults[fault.kind] += 1
        ledger.post((now, post.recipient, sent_key, status, accepted))

    def _hold(self, post: Post, decision: Decision, reply: Reply) -> None:
        """Keep the key in progress until the answer; a message that hangs is through already."""
        reply.on_end = self._end
        through = decision.number >= 0 and reply.how == "hang"
        if post.key is not None and decision.holds_key and reply.delay_seconds > 0 and not through:
            busy, scoped = post.passage.credential.keys.busy, (post.request.path, post.key)
            busy.add(scoped)
            reply.on_end = partial(self._release, busy, scoped)

    def _release(self, busy: set[Scoped], scoped: Scoped) -> None:
        self.in_flight -= 1
        busy.discard(scoped)
