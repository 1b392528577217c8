"""What a drain has to do at which time: claims, starts, renewals and settles, and when to wake.

It knows no event loop and reads no clock: ``now`` and all other times are seconds of its caller's
monotonic clock. The caller makes one call on Redis at a time; a call carries whatever is due.

A message, from its claim to its POST:

    claimed ───────────────────────── start due ── slot ──────────────────────── given back
       │                                  │  LEAD   │          UNSTARTED             │
       │     at most 50 ms before         │  1 ms   │   40 ms, if it has no place    │

Its outcome, from the answer to the call that settles it:

    ended ──┬── CROWDED_FLUSH 1 ms ──▶ a message waits for the place that this one frees
            ├── FLUSH         5 ms ──▶ in all other cases
            └── RIDE         25 ms ──▶ with the next start, if that is due by then and nobody waits
                                       for the outcome

A claim has its own time, and goes up to EARLY_CLAIM (15 ms) before it with a call that is made
anyway.
"""

import math
from collections.abc import Sequence

import msgspec

from sluicegate.optouts import START_TO_POST_SECONDS

from .capacity import Capacity, shares
from .distance import NEAR_SECONDS, Distance
from .wire import BATCH, Claimed, Grant, Settle, Start, Stepped

FLUSH_SECONDS = 0.005
"""An outcome waits this long for others to be settled in the same call.

Here and below it counts from the outcome, or from the end of the last call if that was later.
"""

RIDE_SECONDS = 0.025
"""It waits this long for a start that it can go with, if nobody waits for the outcome."""

CROWDED_FLUSH_SECONDS = 0.001
"""It waits this long if a message needs its place: an idle place costs more than a call."""

UNSTARTED_SECONDS = 0.04
"""A message that still has no place this long after its slot is given back."""

LEAD_SECONDS = 0.001
"""A start is asked for this long before its slot, or longer if Redis is far away."""

EARLY_CLAIM_SECONDS = 0.015
"""A claim that is due within this time goes with a call that is made anyway."""

NOT_PROBED = ("", False)


class HeldMessage(msgspec.Struct, eq=False):
    """A message that the drain holds: from its claim until its POST has ended.

    ``asked_at`` is when its start was asked for, and ``renew_at`` when its lease needs a renewal.
    """

    grant: Grant
    slot_at: float
    request: bytes
    text: str = ""
    version: str = ""
    segments: int = 0
    asked_at: float = 0.0
    renew_at: float = 0.0

    def start(self) -> Start:
        grant = self.grant
        request = b"" if grant.request else self.request
        return Start(grant.id, grant.token, request, self.text, self.version, self.segments)

    def may_begin(self, now: float, within_seconds: float = START_TO_POST_SECONDS) -> bool:
        """Whether its POST may still begin: the last look, just before the first byte."""
        return now - self.asked_at <= within_seconds


class Step(msgspec.Struct, frozen=True):
    """What one call carries, and when it was due. ``want`` is how many messages it claims.

    ``probed`` is a claim's token and whether the provider answered the probe that it asked for.
    """

    at: float
    settles: Sequence[Settle]
    starts: Sequence[HeldMessage]
    renewals: Sequence[HeldMessage]
    want: int
    probed: tuple[str, bool]

    @property
    def only_claims(self) -> bool:
        return not (self.settles or self.starts or self.renewals)


class Schedule:
    """One drain's messages by what is due next for each.

    ``renew_seconds`` is how long after its start or its last renewal a lease needs another.
    """

    def __init__(
        self, capacity: Capacity, renew_seconds: float, distance: Distance | None = None
    ) -> None:
        self._capacity, self._renew_seconds = capacity, renew_seconds
        self._distance = distance or Distance()
        self._waiting: list[HeldMessage] = []  # for their start, by slot
        self._posting: dict[HeldMessage, None] = {}  # by when they need a renewal
        self._ended: list[Settle] = []
        self._ended_at = 0.0  # when the first of these ended
        self._claim_at = 0.0
        self._idle_since: float | None = None
        self._woken = False
        self._probed = NOT_PROBED
        self.claiming = True

    # What is due.

    def next_step(self, now: float) -> Step | None:
        """The call that is due; None if none is.

        It carries at most BATCH items of all kinds together: the server does nothing else
        meanwhile.
        """
        self._give_back_stalled(now)
        starts, renewals = self._due_starts(now), self._due_renewals(now)
        due = bool(
            (starts and not self._crowded())
            or renewals
            or self._probed[0]
            or now >= self._flush_at()
        )
        want = self._want(now, due) if self.claiming else 0
        if not (due or want):
            return None
        n_starts, n_renewals, n_settles, want = shares(
            len(starts), len(renewals), len(self._ended), want
        )
        # Said once: a word that is lost is asked for again, and the next may come during the call.
        probed, self._probed = self._probed, NOT_PROBED
        if want:
            self._woken = False
        starts = starts[:n_starts]
        for held in starts:
            held.asked_at = now
        return Step(now, self._ended[:n_settles], starts, renewals[:n_renewals], want, probed)

    def wake_at(self) -> float:
        """When something is due next, if nothing happens before; ``math.inf`` if nothing is."""
        times = [self._flush_at()]
        if self._waiting:
            slot_at = self._waiting[0].slot_at
            crowded = self._crowded()
            times.append(slot_at + UNSTARTED_SECONDS if crowded else slot_at - self._lead)
        if self._posting:
            times.append(next(iter(self._posting)).renew_at)
        if self.claiming and self._claims_alone():
            times.append(self._claim_at)
        return min(times)

    def idle_seconds(self, now: float) -> float:
        """How long there has been nothing to do, 0.0 if there is something."""
        if self._idle_since is None or self._woken or self._posting or self._waiting:
            return 0.0
        return now - self._idle_since

    @property
    def unsettled(self) -> list[Settle]:
        """The outcomes that Redis has not taken yet, the oldest first."""
        return self._ended

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way, and Redis has been told everything."""
        return not (self._posting or self._waiting or self._ended or self._probed[0])

    # What happens.

    def wake(self) -> None:
        """Claim at once: something was enqueued, or has come back."""
        self._woken = True  # until a claim begins: one that is under way may have looked before
        self._claim_at = 0.0

    def claim_at(self, time: float) -> None:
        """Claim at ``time``, or at once if something is enqueued before; 0.0 means at once too."""
        self._claim_at = time

    def hold(self, messages: Sequence[HeldMessage]) -> None:
        """Messages were claimed; each starts in its slot."""
        self._waiting += messages
        # Slots come in order; but what we take for their time depends on how long answers took.
        self._waiting.sort(key=_slot_at)

    def on_stepped(self, step: Step, stepped: Stepped, now: float) -> list[HeldMessage]:
        """Redis did ``step``; return the messages whose POSTs may begin."""
        del self._ended[: len(step.settles)]
        self._ended_at = now
        self._renew(step)
        del self._waiting[: len(step.starts)]
        self._capacity.note_starts(stepped.started)
        pairs = zip(step.starts, stepped.started, strict=True)
        begun = [held for held, started in pairs if started]
        for held in begun:
            held.renew_at = held.asked_at + self._renew_seconds
            self._posting[held] = None
        if len(begun) < len(step.starts):
            self.wake()  # most often the message waits in its lane again
        for held, doubted in zip(step.starts, stepped.doubted, strict=False):
            if doubted:  # an earlier call started it, but nobody began its POST
                self.end(held.grant.unused(), now)
        return begun

    def on_claimed(self, claimed: Claimed, now: float) -> None:
        """A claim was answered: when is the next, and is there anything to do?"""
        if claimed.grants:
            self._idle_since = None
            self._claim_at = now + claimed.grants[-1].slot_ms / 1000
            return
        self._claim_at = 0.0 if self._woken else now + claimed.wait_ms / 1000
        if claimed.why != "idle" or self._posting or self._woken:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now

    def on_probed(self, token: str, answered: bool) -> None:
        """The probe that the claim under ``token`` asked for has ended."""
        self._probed = (token, answered)

    def on_posted(self, held: HeldMessage, settle: Settle, now: float) -> bool:
        """A POST has ended; True if the drain must look at once, see ``end``."""
        del self._posting[held]
        if settle.heard:
            self._capacity.note_answer(settle.took_ms / 1000)
        return self.end(settle, now)

    def end(self, settle: Settle, now: float) -> bool:
        """Have ``settle`` carried by a call; True if it may be due before ``wake_at`` said.

        A claim is not reckoned here: if a faster answer made one worth a call of its own, it goes
        with the call that carries this.
        """
        if not self._ended:
            self._ended_at = now
        self._ended.append(settle)
        if settle.kind in ("back", "unused"):
            self.wake()
        # The others are covered by the first one's time: the drain would wake for each of them.
        return len(self._ended) in (1, BATCH) or not _patient(settle)

    def give_back(self, now: float) -> None:
        """Start nothing more: every message that waits goes back unused."""
        for held in self._waiting:
            self.end(held.grant.unused(), now)
        self._waiting.clear()

    # When.

    @property
    def _lead(self) -> float:
        """How long before its slot a start is asked for: at least as long as the answer takes."""
        least_seconds = self._distance.least_seconds
        return least_seconds if least_seconds > NEAR_SECONDS else LEAD_SECONDS

    def _due_starts(self, now: float) -> list[HeldMessage]:
        """The messages whose slot has come, up to the places that are free."""
        lead = self._lead
        if not self._waiting or self._waiting[0].slot_at - lead > now:
            return []
        first = self._waiting[: min(BATCH, self._capacity.free(len(self._posting)))]
        return [held for held in first if held.slot_at - lead <= now]

    def _due_renewals(self, now: float) -> list[HeldMessage]:
        due: list[HeldMessage] = []
        for held in self._posting:
            if held.renew_at > now or len(due) == BATCH:
                break
            due.append(held)
        return due

    def _flush_at(self) -> float:
        """When the outcomes are settled at the latest."""
        if not self._ended:
            return math.inf
        if len(self._ended) >= BATCH:
            return 0.0
        start_at = self._waiting[0].slot_at - self._lead if self._waiting else math.inf
        crowded_at = self._ended_at + CROWDED_FLUSH_SECONDS
        if start_at <= crowded_at and self._crowded():
            return crowded_at
        if start_at <= self._ended_at + RIDE_SECONDS and all(map(_patient, self._ended)):
            return start_at
        return self._ended_at + FLUSH_SECONDS

    def _want(self, now: float, due: bool) -> int:
        """How many to claim; ``due`` is whether a call is made anyway."""
        if due:
            now += EARLY_CLAIM_SECONDS
        elif not self._claims_alone():
            return 0
        wanted = self._capacity.wanted(len(self._posting), len(self._waiting))
        return wanted if now >= self._claim_at else 0

    def _claims_alone(self) -> bool:
        """Whether a claim is worth a call of its own.

        Places whose outcomes are still to be settled are filled by the call that settles them.
        """
        return self._capacity.room(len(self._posting), len(self._waiting)) > len(self._ended)

    def _crowded(self) -> bool:
        """Whether starts wait for places: then they go with the outcomes that free some."""
        return self._capacity.free(len(self._posting)) <= len(self._ended)

    def _give_back_stalled(self, now: float) -> None:
        """Give back the messages whose places did not become free in time."""
        while (
            self._waiting
            and self._waiting[0].slot_at + UNSTARTED_SECONDS <= now
            and self._crowded()
        ):
            stalled = self._waiting.pop(0).grant
            self._capacity.note_stall()
            self.end(stalled.unused(), now)

    def _renew(self, step: Step) -> None:
        """Move what was renewed to the end, so that the dict stays in the order of renewals."""
        for held in step.renewals:
            if held in self._posting:
                del self._posting[held]
                held.renew_at = step.at + self._renew_seconds
                self._posting[held] = None


def _slot_at(held: HeldMessage) -> float:
    return held.slot_at


def _patient(settle: Settle) -> bool:
    """Whether nobody waits for it: it stops, frees and slows nothing but its own place."""
    return settle.kind == "accepted" and not settle.hold_ms
