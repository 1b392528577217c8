"""The pump: makes a drain's calls on Redis, one at a time, each until Redis has answered it."""

import asyncio
import logging
from collections.abc import Callable

from sluicegate.errors import OutboxError, OutboxFull

from .observe.journal import warn_of_second
from .observe.metrics import Meters
from .queue import Queue
from .schedule import Step
from .wire import Renewal, Stepped

_BACKOFF_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0)
_TRIES_PER_WARNING = 60

log = logging.getLogger(__name__)


class Pump:
    """One drain's. ``is_late`` says whether to give up, and from then on ``gave_up`` is True."""

    def __init__(
        self,
        queue: Queue,
        meters: Meters,
        monotonic: Callable[[], float],
        is_late: Callable[[], bool],
    ) -> None:
        self._queue, self._meters = queue, meters
        self._monotonic, self._is_late = monotonic, is_late
        self.gave_up = False

    async def call(self, step: Step) -> tuple[Stepped | None, str]:
        """Make the call until it is answered; return the answer and the token it claimed under.

        The scripts answer a repeat as they answered the first time, so a lost reply costs nothing.
        The answer is None once the pump has given up. Raises OutboxFull for a step that only
        claims: nothing is lost if it is not repeated.
        """
        token = self._queue.token() if step.want else ""
        args = self._queue.step_args(
            step.settles,
            [held.start() for held in step.starts],
            [Renewal(held.grant.id, held.grant.token) for held in step.renewals],
            step.want,
            token,
            step.probed,
        )
        tries = 0
        while True:
            began = self._monotonic()
            try:
                stepped = await self._queue.step(args, token)
            except OutboxError as error:
                self._note_failure(error, tries)
                if step.only_claims and isinstance(error, OutboxFull):
                    raise
                if self._is_late():
                    self.gave_up = True
                    return None, token
            else:
                self._meters.note_call("step", self._monotonic() - began)
                warn_of_second(self._queue.account, step.settles, stepped.settled)
                self._meters.note_step(len(step.settles), stepped.claimed if step.want else None)
                return stepped, token
            await asyncio.sleep(_BACKOFF_SECONDS[min(tries, len(_BACKOFF_SECONDS) - 1)])
            tries += 1

    def _note_failure(self, error: OutboxError, tries: int) -> None:
        self._meters.note_failed_call("step", error)
        if tries % _TRIES_PER_WARNING == 0:
            log.warning("a call is repeated until Redis takes it: %s", error)
