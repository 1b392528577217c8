"""The drain: claim, start, POST, settle, many messages at once on one event loop.

It is worse to send a message twice than to send it late, and worse to lose it than either. So a
POST is written only after Redis recorded its start, at most ``START_TO_POST_SECONDS`` after that
was asked for; whatever happens from then on is settled as an outcome, or found by the sweep as in
doubt. Only the pump talks to Redis, one call at a time: each call carries all there is to say.
"""

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec

from sluicegate.config import Account
from sluicegate.errors import OutboxError, OutboxFull
from sluicegate.message import Message
from sluicegate.optouts import START_TO_POST_SECONDS

from .attempt import Attempts, app_message
from .capacity import Places, shares
from .observe.journal import Journal
from .observe.metrics import Meters
from .provider.gateway import Gateway
from .queue import Queue
from .wire import BATCH, Claimed, Grant, Renewal, Settle, Start, Stepped

FLUSH_SECONDS = 0.005
"""An outcome waits at most so long for others to be settled with."""

RIDE_SECONDS = 0.025
"""One that nobody waits for may wait so long, where a start that it can go with is due by then."""

CROWDED_FLUSH_SECONDS = 0.001
"""So long where a message waits for its place: an idle place costs more than a call."""

UNSTARTED_SECONDS = 0.04
"""A message whose start must wait for a place longer than this after its slot is given back."""

LEAD_SECONDS = 0.001
"""A start is asked for so long before its slot."""

EARLY_CLAIM_SECONDS = 0.015
"""A claim that is due within this time rides on a call made anyway."""

LINGER_SECONDS = 5.0
"""An idle drain listens so long for a wake before it ends."""

_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_TRIES_PER_WARNING = 60

log = logging.getLogger(__name__)


class _Held(msgspec.Struct, eq=False):
    """A message this drain holds or posts, and when its slot is (``monotonic`` seconds)."""

    grant: Grant
    slot_at: float
    request: bytes
    monotonic: Callable[[], float]
    asked_at: float = 0.0
    renew_at: float = 0.0

    def start(self) -> Start:
        grant = self.grant
        return Start(grant.id, grant.token, b"" if grant.request else self.request)

    def gate(self) -> bool:
        """Whether its POST may still be begun: the last look, just before the first byte."""
        return self.monotonic() - self.asked_at <= START_TO_POST_SECONDS


def _slot_at(held: _Held) -> float:
    return held.slot_at


class Summary(msgspec.Struct):
    """What a drain did: outcomes by name, its seconds, and why it ended."""

    outcomes: Counter[str]
    seconds: float
    ended: str
    unsettled: list[Settle] = msgspec.field(default_factory=list)

    def __str__(self) -> str:
        """One line for people, as Flower shows it."""
        done = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return f"{done or 'nothing to do'} in {self.seconds:.1f} s ({self.ended})"


class Drain:
    """One run of claiming and sending on one account.

    ``read`` makes the message of a grant: see ``Attempts``. ``on_end`` hears why claiming ended,
    while what was started is still being finished; from then on ``claiming`` is False.
    ``monotonic`` is a clock in seconds; the server's clock decides everything that is shared.
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
        on_end: Callable[[str], None] = lambda why: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue, self._gateway, self._account = queue, gateway, account
        self._attempts = Attempts(gateway, account, name, deployment, read)
        self._on_end, self.claiming, self._monotonic = on_end, True, monotonic
        self._meters, self._journal = meters or Meters(), Journal(name)
        self._held: list[_Held] = []  # by slot
        self._posting: dict[_Held, asyncio.Task[None]] = {}  # by when they are to be renewed
        self._ended: list[Settle] = []
        self._first_ended_at = 0.0
        self._places = Places(account.worker_concurrency)
        self._claim_at = 0.0
        self._idle_since: float | None = None
        self._woken = False
        self._nudge = asyncio.Event()
        self._probe: asyncio.Task[None] | None = None
        self._probed = ("", False)
        self._stop_at: float | None = None
        self._cancelled = self._gave_up = False
        self._outcomes: Counter[str] = Counter()

    def wake(self) -> None:
        """Claim at once: something was enqueued. Call it on the drain's own loop."""
        self._woken = True  # until a claim begins: one that is under way may have looked before
        self._claim_at = 0.0
        self._nudge.set()

    def stop(self, grace_seconds: float) -> None:
        """Claim no more, give back what has not started, and wait for the rest so long."""
        if self._stop_at is None:
            self._stop_at = self._monotonic() + grace_seconds
        self._nudge.set()

    async def run(self, seconds: float) -> Summary:
        """Drain for ``seconds``, or until idle or stopped; then finish what was started."""
        began = self._monotonic()
        ends = began + seconds
        ended = ""
        while True:
            if self.claiming and (ended := self._reason_to_end(ends)):
                self.claiming = False
                self._on_end(ended)
            if ended:
                self._give_back()
                await self._cancel_when_late()
                unsaid = self._ended or self._probed[0]
                if not (self._posting or self._probing) and (self._gave_up or not unsaid):
                    break
            if not await self._step():
                await self._wait(ends)
        took = self._monotonic() - began
        self._journal.close()
        return Summary(self._outcomes, took, ended, self._ended)

    # The pump: one call on Redis at a time.

    async def _step(self) -> bool:
        """Make the call that is due; False where none is.

        It carries BATCH at most, of all kinds together: the server does nothing else meanwhile.
        """
        now = self._monotonic()
        self._give_back_late(now)
        starts, renewing = self._starts(now), self._renewals(now)
        flush = now >= self._flush_at()
        due = bool((starts and not self._crowded()) or renewing or self._probed[0] or flush)
        want = self._want(now, due) if self.claiming else 0
        if self._gave_up or not (due or want):
            return False
        most_settles, most_starts, want = shares(len(self._ended), len(starts), want)
        settles, starts = self._ended[:most_settles], starts[:most_starts]
        for held in starts:
            held.asked_at = now
        token = ""
        if want:
            token, self._woken = self._queue.token(), False
        # Said once: a word that is lost is asked for again, and the next may come during the call.
        probed, self._probed = self._probed, ("", False)
        args = self._queue.step_args(
            settles,
            [held.start() for held in starts],
            [Renewal(held.grant.id, held.grant.token) for held in renewing],
            want,
            token,
            probed,
        )
        done = await self._repeated(args, token, bare=not (settles or starts or renewing))
        if done is None:
            return True
        self._meters.stepped(len(settles), done.claimed if want else None)
        del self._ended[: len(settles)]
        self._first_ended_at = self._monotonic()
        self._renewed(renewing, now)
        del self._held[: len(starts)]
        self._places.started(done.started)
        for held, started in zip(starts, done.started, strict=True):
            self._started(held, started)
        if want:
            # Counted from after the answer: rather a little late than before its slot.
            await self._take(done.claimed, self._monotonic())
            self._journal.claimed(done.claimed)
            if done.claimed.why == "probe":
                self._probe = asyncio.create_task(self._find_out(token))
        return True

    async def _repeated(
        self, args: list[str | bytes | int | float], token: str, *, bare: bool
    ) -> Stepped | None:
        """The step, repeated with the same arguments until Redis answers; None to go on without.

        The scripts answer a repeat as they answered the first time, so a lost reply costs nothing.
        ``bare`` steps only claim.
        """
        tries = 0
        while True:
            began = self._monotonic()
            try:
                done = await self._queue.step(args, token)
            except OutboxError as error:
                self._meters.call_failed("step", error)
                if bare and isinstance(error, OutboxFull):
                    log.warning("claiming pauses: %s", error)
                    self._claim_at = self._monotonic() + 1.0
                    return None
                if tries % _TRIES_PER_WARNING == 0:
                    log.warning("Redis is away, repeating: %s", error)
                if self._is_late():
                    self._gave_up = True
                    return None
            else:
                self._meters.called("step", self._monotonic() - began)
                return done
            await asyncio.sleep(_BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)])
            tries += 1

    async def _take(self, claimed: Claimed, now: float) -> None:
        if not claimed.grants:
            self._claim_at = 0.0 if self._woken else now + claimed.wait_ms / 1000
            if claimed.why != "idle" or self._posting or self._woken:
                self._idle_since = None
            elif self._idle_since is None:
                self._idle_since = now
            return
        self._idle_since = None
        for grant in claimed.grants:
            slot_at = now + grant.slot_ms / 1000
            self._claim_at = slot_at
            request = grant.request or await self._attempts.request(grant)
            if isinstance(request, Settle):
                self._finished(request, request.kind)
            else:
                self._held.append(_Held(grant, slot_at, request, self._monotonic))
        # Slots come in order; but what we take for their time depends on how long answers took.
        self._held.sort(key=_slot_at)

    async def _find_out(self, token: str) -> None:
        """Tell the breaker whether the provider answers again; ``token`` asked for it."""
        try:
            self._probed = (token, await self._gateway.probe())
        finally:
            self._claim_at = 0.0
            self._nudge.set()

    @property
    def _probing(self) -> bool:
        return self._probe is not None and not self._probe.done()

    def _started(self, held: _Held, started: bool) -> None:
        if not started:
            self._outcomes["refused at start"] += 1
            self._meters.refused()
            self.wake()  # most often it waits in its lane again
            return
        held.renew_at = held.asked_at + self._account.lease_seconds / 3
        self._meters.in_flight += 1
        self._posting[held] = asyncio.create_task(self._post(held))

    async def _post(self, held: _Held) -> None:
        """One POST, from the last look at the gate to its outcome."""
        attempt = await self._attempts.post(held.grant, held.request, held.gate)
        del self._posting[held]
        if attempt.heard:
            self._places.answered(attempt.took_ms / 1000)
        settle = self._attempts.settle(held.grant, attempt)
        self._meters.in_flight -= 1
        self._meters.attempted(settle)
        self._finished(settle, settle.kind if attempt.outcome else "not begun")

    def _finished(self, settle: Settle, outcome: str) -> None:
        self._outcomes[outcome] += 1
        self._journal.ended(settle)
        self._end(settle)

    def _end(self, settle: Settle) -> None:
        if not self._ended:
            self._first_ended_at = self._monotonic()
        self._ended.append(settle)
        if settle.kind in ("back", "unused"):
            self.wake()
        # The others find its timer set: the pump would wake for each of two hundred answers.
        if len(self._ended) in (1, BATCH) or self._gave_up or not _patient(settle):
            self._nudge.set()

    # When what is due.

    def _starts(self, now: float) -> list[_Held]:
        """Whose slot has come, as far as there are places."""
        if not self._held or self._held[0].slot_at - LEAD_SECONDS > now:
            return []
        first = self._held[: min(BATCH, self._places.free(len(self._posting)))]
        return [held for held in first if held.slot_at - LEAD_SECONDS <= now]

    def _crowded(self) -> bool:
        """Whether starts wait for places: then they go with the outcomes that free some."""
        return self._places.free(len(self._posting)) <= len(self._ended)

    def _claims_alone(self) -> bool:
        """Whether a claim is worth a call; places whose outcomes wait are filled by their call."""
        return self._places.room(len(self._posting), len(self._held)) > len(self._ended)

    def _want(self, now: float, due: bool) -> int:
        """How many to claim; ``due`` where a call is made anyway."""
        if due:
            now += EARLY_CLAIM_SECONDS
        elif not self._claims_alone():
            return 0
        wanted = self._places.wanted(len(self._posting), len(self._held))
        return wanted if now >= self._claim_at else 0

    def _flush_at(self) -> float:
        """When what ended is settled, at the latest."""
        if not self._ended:
            return math.inf
        if len(self._ended) >= BATCH:
            return 0.0
        start_at = self._held[0].slot_at - LEAD_SECONDS if self._held else math.inf
        crowded_at = self._first_ended_at + CROWDED_FLUSH_SECONDS
        if start_at <= crowded_at and self._crowded():
            return crowded_at
        if start_at <= self._first_ended_at + RIDE_SECONDS and all(map(_patient, self._ended)):
            return start_at
        return self._first_ended_at + FLUSH_SECONDS

    def _renewals(self, now: float) -> list[_Held]:
        """POSTs that have waited for a third of their lease since it was last written."""
        due: list[_Held] = []
        for held in self._posting:
            if held.renew_at > now or len(due) == BATCH:
                break
            due.append(held)
        return due

    def _renewed(self, renewed: list[_Held], now: float) -> None:
        """Put them at the end of the line: the dict stays in the order of renewal."""
        for held in renewed:
            if task := self._posting.pop(held, None):
                held.renew_at = now + self._account.lease_seconds / 3
                self._posting[held] = task

    async def _wait(self, ends: float) -> None:
        """Sleep until something is due or somebody nudges."""
        times: list[float] = []
        if not self._gave_up:
            times.append(self._flush_at())
            if self._held and not self._crowded():
                times.append(self._held[0].slot_at - LEAD_SECONDS)
            elif self._held:
                times.append(self._held[0].slot_at + UNSTARTED_SECONDS)
            if self._posting:
                times.append(next(iter(self._posting)).renew_at)
        if self._stop_at is not None and not self._cancelled:
            times.append(self._stop_at)
        if self.claiming:
            times.append(ends)
            if self._claims_alone():
                times.append(self._claim_at)
        self._nudge.clear()
        timer = self._timer(min(times, default=math.inf) - self._monotonic())
        try:
            await self._nudge.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _timer(self, seconds: float) -> asyncio.TimerHandle | None:
        """A nudge after so long, in whole milliseconds: uvloop may round down; we would spin."""
        if seconds == math.inf:
            return None
        loop = asyncio.get_running_loop()
        ticks = math.ceil(max(0.0, seconds) * 1000)
        return loop.call_at(loop.time() + ticks / 1000, self._nudge.set)

    # How it ends.

    def _reason_to_end(self, ends: float) -> str:
        now = self._monotonic()
        if self._stop_at is not None:
            return "stopped"
        if now >= ends:
            return "its time was up"
        if self._idle_since is None or self._woken or self._posting or self._held:
            return ""
        return "idle" if now - self._idle_since >= LINGER_SECONDS else ""

    def _give_back(self) -> None:
        for held in self._held:
            self._end(held.grant.unused())
        self._held.clear()

    def _give_back_late(self, now: float) -> None:
        """Places did not become free as they used to: claim nothing ahead until they do."""
        while self._held and self._held[0].slot_at + UNSTARTED_SECONDS <= now and self._crowded():
            late = self._held.pop(0).grant
            self._places.stuck()
            self._end(late.unused())

    def _is_late(self) -> bool:
        return self._stop_at is not None and self._monotonic() >= self._stop_at

    async def _cancel_when_late(self) -> None:
        """Past the grace, answers still missing become doubts."""
        if self._cancelled or not self._is_late():
            return
        self._cancelled = True
        await asyncio.sleep(0)  # a task that is cancelled before it ran can't say how it ended
        for task in list(self._posting.values()):
            task.cancel()
        if self._probe is not None:
            self._probe.cancel()


def _patient(settle: Settle) -> bool:
    """Whether nobody waits for it: it stops, frees and slows nothing but its own place."""
    return settle.kind == "accepted" and not settle.hold_ms
