"""The drain: claim, start, POST and settle, many messages at once on one event loop.

It is worse to send a message twice than to send it late, and worse to lose it than either. So a
POST is written only after Redis has recorded its start, and at most ``START_TO_POST_SECONDS``
after that was asked for. Whatever happens from then on is settled as an outcome, or the sweep
finds it in doubt. Only the pump talks to Redis, one call at a time; ``schedule`` says which.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from sluicegate.config import Account
from sluicegate.errors import OutboxFull
from sluicegate.message import Message

from .alarm import Alarm
from .attempt import Attempts, app_message, not_limited
from .capacity import Capacity
from .observe.journal import Journal
from .observe.metrics import Meters
from .provider.gateway import Gateway
from .pump import Pump
from .queue import Queue
from .schedule import HeldMessage, Schedule
from .summary import Summary
from .wire import Claimed, Grant, Settle

LINGER_SECONDS = 5.0
"""An idle drain listens this long for a wake before it ends."""

_FULL_PAUSE_SECONDS = 1.0

log = logging.getLogger(__name__)


class Drain:
    """One run of claiming and sending on one account.

    ``read`` and ``text_hash``: see ``Attempts``. ``on_end`` is told why claiming ended,
    while what was started is still being finished; from then on ``claiming`` is False.
    ``monotonic`` is a clock in seconds; whatever workers share is decided by the server's clock.
    """

    def __init__(
        self,
        queue: Queue,
        gateway: Gateway,
        account: Account,
        *,
        name: str = "default",
        deployment: str = "default",
        meters: Meters | None = None,
        read: Callable[[Grant], Awaitable[Message]] = app_message,
        text_hash: Callable[[Message], Awaitable[str]] = not_limited,
        on_end: Callable[[str], None] = lambda why: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._attempts = Attempts(gateway, account, name, deployment, read, text_hash)
        self._distance = queue.distance
        self._schedule = Schedule(
            Capacity(account.worker_concurrency), account.lease_seconds / 3, self._distance
        )
        self._meters, self._journal = meters or Meters(), Journal(name)
        self._pump = Pump(queue, self._meters, monotonic, self._is_late)
        self._on_end, self._monotonic = on_end, monotonic
        self._outcomes: Counter[str] = Counter()
        self._alarm = Alarm()
        self._posts: dict[HeldMessage, asyncio.Task[None]] = {}
        self._probe: asyncio.Task[None] | None = None
        self._stop_at: float | None = None
        self._cancelled = False

    @property
    def claiming(self) -> bool:
        return self._schedule.claiming

    def wake(self) -> None:
        """Claim at once: something was enqueued. Call it on the drain's own loop."""
        self._schedule.wake()
        self._alarm.ring()

    def stop(self, grace_seconds: float) -> None:
        """Claim no more, give back what has not started, and let the rest end within the grace."""
        if self._stop_at is None:
            self._stop_at = self._monotonic() + grace_seconds
        self._alarm.ring()

    async def run(self, seconds: float) -> Summary:
        """Drain for ``seconds``, or until idle or stopped; then finish what was started."""
        began, schedule = self._monotonic(), self._schedule
        ends = began + seconds
        ended = ""
        while True:
            if schedule.claiming and (ended := self._reason_to_end(ends)):
                schedule.claiming = False
                self._on_end(ended)
            if ended:
                schedule.give_back(self._monotonic())
                await self._cancel_if_late()
                if self._is_finished():
                    break
            if not await self._step():
                await self._wait(ends)
        took = self._monotonic() - began
        self._journal.close()
        return Summary(self._outcomes, took, ended, schedule.unsettled)

    # The pump: one call on Redis at a time.

    async def _step(self) -> bool:
        """Make the call that is due; False if none is."""
        step = None if self._pump.gave_up else self._schedule.next_step(self._monotonic())
        if step is None:
            return False
        try:
            stepped, token = await self._pump.call(step)
        except OutboxFull as error:
            log.warning("claiming pauses: %s", error)
            self._schedule.claim_at(self._monotonic() + _FULL_PAUSE_SECONDS)
            return True
        if stepped is None:
            return True
        self._journal.note_settled(step.settles, stepped.settled)
        # Counted from after the answer: a start may be a little late, but never before its slot.
        now = self._monotonic()
        begun = self._schedule.on_stepped(step, stepped, now)
        if refused := len(step.starts) - len(begun):
            self._outcomes["refused at start"] += refused
            self._meters.note_refused_starts(refused)
        self._meters.in_flight += len(begun)
        for held in begun:
            self._posts[held] = asyncio.create_task(self._post(held))
        if step.want:
            await self._take(stepped.claimed, token, now)
        return True

    async def _take(self, claimed: Claimed, token: str, now: float) -> None:
        """Hold what was claimed, with the bytes that it will be POSTed as."""
        self._schedule.on_claimed(claimed, now)
        messages: list[HeldMessage] = []
        for grant in claimed.grants:
            made = await self._attempts.prepared(grant)
            if isinstance(made, Settle):
                self._note_end(made, made.kind)
                self._schedule.end(made, self._monotonic())
            else:
                at = now + grant.slot_ms / 1000
                messages.append(HeldMessage(grant, at, *made))
        self._schedule.hold(messages)
        self._journal.note_claim(claimed)
        if claimed.why == "probe":
            self._probe = asyncio.create_task(self._find_out(token))

    async def _find_out(self, token: str) -> None:
        """Tell the breaker whether the provider answers again; ``token`` asked for it."""
        try:
            self._schedule.on_probed(token, await self._gateway.probe())
        finally:
            self._schedule.claim_at(0.0)
            self._alarm.ring()

    async def _post(self, held: HeldMessage) -> None:
        """One POST, from the last look at the gate to its outcome."""
        attempt = await self._attempts.post(
            held.grant,
            held.request,
            lambda: held.may_begin(self._monotonic(), self._distance.post_within_seconds),
        )
        del self._posts[held]
        settle = self._attempts.settle(held.grant, attempt)
        self._meters.in_flight -= 1
        self._meters.note_attempt(settle)
        self._note_end(settle, settle.kind if attempt.outcome else "not begun")
        if self._schedule.on_posted(held, settle, self._monotonic()) or self._pump.gave_up:
            self._alarm.ring()

    def _note_end(self, settle: Settle, outcome: str) -> None:
        self._outcomes[outcome] += 1
        self._journal.note_end(settle)

    async def _wait(self, ends: float) -> None:
        """Sleep until something is due or the alarm rings."""
        wake_at = math.inf if self._pump.gave_up else self._schedule.wake_at()
        if self._stop_at is not None and not self._cancelled:
            wake_at = min(wake_at, self._stop_at)
        if self.claiming:
            wake_at = min(wake_at, ends)
        await self._alarm.wait(wake_at - self._monotonic())

    # How it ends.

    def _reason_to_end(self, ends: float) -> str:
        now = self._monotonic()
        if self._stop_at is not None:
            return "stopped"
        if now >= ends:
            return "its time was up"
        return "idle" if self._schedule.idle_seconds(now) >= LINGER_SECONDS else ""

    def _is_finished(self) -> bool:
        if self._posts or (self._probe is not None and not self._probe.done()):
            return False
        return self._pump.gave_up or self._schedule.is_over

    def _is_late(self) -> bool:
        return self._stop_at is not None and self._monotonic() >= self._stop_at

    async def _cancel_if_late(self) -> None:
        """After the grace, answers that are still missing become doubts."""
        if self._cancelled or not self._is_late():
            return
        self._cancelled = True
        await asyncio.sleep(0)  # a task that is cancelled before it ran can't say how it ended
        for post in list(self._posts.values()):
            post.cancel()
        if self._probe is not None:
            self._probe.cancel()
